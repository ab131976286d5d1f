"""ArchiveService: looks at finished calls, and erases them for good."""

import heapq
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Final

from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.blocks import CallBlock
from shengdun.index.archive.customer_erasure import receipt_of_customer
from shengdun.index.archive.errors import CallNotArchived
from shengdun.index.archive.partitions import call_pseudonym
from shengdun.index.archive.receipts import (
    ArchiveReceipt,
    ErasedCustomer,
    ReceiptCheck,
    to_json,
)
from shengdun.index.archive.rows import ArchivedCall, CallQuery
from shengdun.index.registry import Registry
from shengdun.index.watchlists import ErasureReceipt
from shengdun.service.access import current_principal
from shengdun.service.convert import archive as convert
from shengdun.service.convert.calls import check_call_id
from shengdun.service.erasure_checks import ErasureChecks
from shengdun.service.errors import ArchiveOff, InvalidRequest
from shengdun.service.pages import within_a_message
from shengdun.service.rescoring import Rescoring
from shengdun.service.text_sharing import TextSharing
from shengdun.service.texts import Run
from shengdun.v1 import archive_pb2 as pb
from shengdun.v1 import archive_pb2_grpc

_MOST_ERASED: Final = 50_000
"""Of so many a receipt is within what a message may have."""


class ArchiveServicer(archive_pb2_grpc.ArchiveServiceServicer):
    """What investigators ask about finished calls. Every look is journaled.

    Args:
        registry: has the journal and the keys.
        archive: the finished calls; None where none are kept.
        texts: what customers wrote and said, for campaigns; None where nothing is remembered.
        checks: look for what was erased.
        rescoring: scores calls again.
        run: where calls are gone through.
    """

    def __init__(
        self,
        registry: Registry,
        archive: CallArchive | None,
        texts: TextSharing | None,
        checks: ErasureChecks,
        rescoring: Rescoring,
        run: Run,
    ) -> None:
        self._registry = registry
        self._archive = archive
        self._texts = texts
        self._checks = checks
        self._rescoring = rescoring
        self._run = run

    async def ListCalls(  # noqa: N802 - the contract's name, here and below
        self,
        request: pb.ListCallsRequest,
        context: object,  # noqa: ARG002 - gRPC hands it over, here and below
    ) -> pb.ListCallsResponse:
        """The archived calls that match, the latest first."""
        archive = self._opened()
        asked = convert.page_request(request, self._registry.keys.pseudonym)
        found, calls = await self._run(partial(_page, archive, asked))
        whole = [convert.call_message(call) for call in calls[: asked.size]]
        messages = within_a_message(whole) if whole else []
        more = len(messages) < len(calls)
        await self._look("calls.listed", _subjects(asked.query))
        return pb.ListCallsResponse(
            calls=messages,
            next_page_token=convert.page_token(convert.place_of(calls[len(messages) - 1]))
            if more
            else "",
            found=found,
            problems=archive.problems,
        )

    async def GetCall(  # noqa: N802
        self,
        request: pb.GetCallRequest,
        context: object,  # noqa: ARG002
    ) -> pb.GetCallResponse:
        """One archived call."""
        call = self._opened().get(check_call_id(request.call_id))
        await self._look("call.looked_at", [self._subject(call.call_id)])
        return pb.GetCallResponse(call=convert.call_message(call))

    async def ScoreCall(  # noqa: N802
        self,
        request: pb.ScoreCallRequest,
        context: object,  # noqa: ARG002
    ) -> pb.ScoreCallResponse:
        """Scores the voice of a call again."""
        call = self._opened().get(check_call_id(request.call_id))
        scored = await self._rescoring.score(call, request.calibration_profile_id)
        await self._look("call.scored_again", [self._subject(call.call_id)])
        return convert.scored_message(scored)

    async def EraseCalls(  # noqa: N802
        self,
        request: pb.EraseCallsRequest,
        context: object,  # noqa: ARG002
    ) -> pb.EraseCallsResponse:
        """Erases calls for good; of a customer who is named alone, letters and words too."""
        which, reason = convert.erasure_request(request, self._registry.keys.pseudonym)
        customer = _customer_alone(which)
        archive = self._archive if customer else self._opened()
        calls = await self._count(archive, which)
        # Before the calls, so that one compaction of the store takes all of it off the disk.
        erased = await self._erase_customer(customer) if customer else None
        principal = current_principal().name
        if archive is not None and (calls or erased is None or not erased.was_known):
            receipt = await archive.erase(
                which, reason=reason, principal=principal, customer=erased
            )
        else:
            receipt = await self._receipt_of(erased, reason=reason, principal=principal)
        return pb.EraseCallsResponse(receipt=to_json(receipt))

    async def VerifyErasure(  # noqa: N802
        self,
        request: pb.VerifyErasureRequest,
        context: object,  # noqa: ARG002
    ) -> pb.VerifyErasureResponse:
        """Looks for what a receipt says is gone."""
        receipt = convert.stated_receipt(request)
        if isinstance(receipt, ErasureReceipt):
            check = await self._checks.of_record(receipt)
        else:
            check = await self._checked(receipt)
        await self._look("erasure.verified", [f"receipt/{receipt.receipt_id}"])
        return convert.check_message(check)

    async def _count(self, archive: CallArchive | None, which: CallQuery | Collection[str]) -> int:
        if archive is None:
            return 0
        if not isinstance(which, CallQuery):
            return len(which)
        found = await self._run(partial(_count, archive, which))
        if found > _MOST_ERASED:
            raise InvalidRequest(
                f"{found} calls match, and at most {_MOST_ERASED} are erased at once; narrow the time"
            )
        return found

    async def _erase_customer(self, customer: str) -> ErasedCustomer:
        """Erase what is kept of a customer beside the calls."""
        texts = None if self._texts is None else await self._texts.forget_customer(customer)
        entries = await self._registry.allowed.forget_customer(
            customer, principal=current_principal().name
        )
        return ErasedCustomer(pseudonym=customer, allow_entries=entries, texts=texts)

    async def _receipt_of(
        self, customer: ErasedCustomer | None, *, reason: str, principal: str
    ) -> ArchiveReceipt:
        if customer is None or not customer.was_known:
            raise CallNotArchived("Nothing of this customer is kept; nothing was erased.")
        if self._archive is not None:
            await self._archive.bar(CallQuery(customer=customer.pseudonym))
        await self._registry.compacted()
        return await receipt_of_customer(
            customer,
            reason=reason,
            principal=principal,
            store_compacted=self._texts is not None and await self._texts.compact(),
            keys=self._registry.keys,
            journal=self._registry,
        )

    async def _checked(self, receipt: ArchiveReceipt) -> ReceiptCheck:
        is_of_customer_alone = bool(receipt.customer_hash) and not receipt.call_hashes
        archive = self._archive if is_of_customer_alone else self._opened()
        check = await self._checks.of_calls(receipt, archive)
        if self._texts is None or receipt.texts is None:
            return check
        left = await self._texts.left(receipt.texts)
        found = (f"the store has {left} of the customer's texts",) if left else ()
        return replace(check, found=(*check.found, *found))

    def _opened(self) -> CallArchive:
        if self._archive is None:
            raise ArchiveOff
        return self._archive

    def _subject(self, call_id: str) -> str:
        # Ids of telephony systems may hold a telephone number, which the journal must not have.
        return f"call/{call_pseudonym(self._registry.keys, call_id).hex()}"

    async def _look(self, kind: str, subjects: list[str]) -> None:
        await self._registry.record_event(
            principal=current_principal().name, kind=kind, subjects=subjects
        )


def _page(archive: CallArchive, asked: convert.PageRequest) -> tuple[int, list[ArchivedCall]]:
    """How many calls match, and those of a page and one more, the latest first."""
    latest: list[tuple[convert.Place, CallBlock, int]] = []
    found = 0
    for block in archive.scan(asked.query, voiceprints=False, columns=("call_id", "started_us")):
        found += len(block)
        places = zip(block.started_us.tolist(), block.call_ids, strict=True)
        behind = [
            (place, block, row)
            for row, place in enumerate(places)
            if asked.before is None or place < asked.before
        ]
        latest = heapq.nlargest(asked.size + 1, [*latest, *behind], key=lambda each: each[0])
    return found, [block.row(row) for _, block, row in latest]


def _customer_alone(which: CallQuery | Collection[str]) -> str:
    """The customer, if all of the customer's calls are meant; else empty."""
    customer = which.customer if isinstance(which, CallQuery) else ""
    return customer if which == CallQuery(customer=customer) else ""


def _count(archive: CallArchive, query: CallQuery) -> int:
    return sum(len(block) for block in archive.scan(query, voiceprints=False, columns=()))


def _subjects(query: CallQuery) -> list[str]:
    """Whom somebody looked at, by pseudonym or id; nobody in particular if it was none."""
    named = {"customer": query.customer, "number": query.number, "subject": query.actor}
    return [f"{what}/{value}" for what, value in named.items() if value]
