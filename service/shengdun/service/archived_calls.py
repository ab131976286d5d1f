"""ArchiveService: looks at finished calls, and erases them for good."""

import heapq
from collections.abc import Collection
from functools import partial
from typing import Final

from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.blocks import CallBlock
from shengdun.index.archive.erasing import ForgottenCustomer
from shengdun.index.archive.errors import CallNotArchived
from shengdun.index.archive.partitions import call_pseudonym
from shengdun.index.archive.receipts import to_json
from shengdun.index.archive.rows import ArchivedCall, CallQuery
from shengdun.index.registry import Registry
from shengdun.index.watchlists import ErasureReceipt
from shengdun.service.access import current_principal
from shengdun.service.convert import archive as convert
from shengdun.service.convert.calls import check_call_id
from shengdun.service.erasure_checks import ErasureChecks
from shengdun.service.errors import ArchiveOff, InvalidRequest
from shengdun.service.pages import within_a_message
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
        run: where calls are gone through.
    """

    def __init__(
        self,
        registry: Registry,
        archive: CallArchive | None,
        texts: TextSharing | None,
        checks: ErasureChecks,
        run: Run,
    ) -> None:
        self._registry = registry
        self._archive = archive
        self._texts = texts
        self._checks = checks
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

    async def EraseCalls(  # noqa: N802
        self,
        request: pb.EraseCallsRequest,
        context: object,  # noqa: ARG002
    ) -> pb.EraseCallsResponse:
        """Erases calls for good."""
        archive = self._opened()
        which, reason = convert.erasure_request(request, self._registry.keys.pseudonym)
        if isinstance(which, CallQuery):
            found = await self._run(partial(_count, archive, which))
            if found > _MOST_ERASED:
                raise InvalidRequest(
                    f"{found} calls match, and at most {_MOST_ERASED} are erased at once; narrow the time"
                )
        customer = await self._forgotten(which)
        try:
            receipt = await archive.erase(
                which, reason=reason, principal=current_principal().name, customer=customer
            )
        except CallNotArchived as error:
            if customer is None or not customer.allow_entries:
                raise
            await self._registry.compacted()
            raise CallNotArchived(
                f"{error.message} The customer was taken out of {customer.allow_entries} entries of the allow-list, "
                f"though."
            ) from error
        return pb.EraseCallsResponse(receipt=to_json(receipt))

    async def _forgotten(self, which: CallQuery | Collection[str]) -> ForgottenCustomer | None:
        """Forget a customer all of whose calls are to be erased.

        That comes before the calls, so that one compaction of the store takes all of it off the disk.
        """
        customer = _customer(which)
        if not customer or which != CallQuery(customer=customer):
            return None
        if self._texts is not None:
            await self._texts.forget_customer(customer)
        entries = await self._registry.allowed.forget_customer(
            customer, principal=current_principal().name
        )
        return ForgottenCustomer(pseudonym=customer, allow_entries=entries)

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
            check = await self._checks.of_calls(receipt, self._opened())
        await self._look("erasure.verified", [f"receipt/{receipt.receipt_id}"])
        return convert.check_message(check)

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


def _customer(which: CallQuery | Collection[str]) -> str:
    return which.customer if isinstance(which, CallQuery) else ""


def _count(archive: CallArchive, query: CallQuery) -> int:
    return sum(len(block) for block in archive.scan(query, voiceprints=False, columns=()))


def _subjects(query: CallQuery) -> list[str]:
    """Whom somebody looked at, by pseudonym or id; nobody in particular if it was none."""
    named = {"customer": query.customer, "number": query.number, "subject": query.actor}
    return [f"{what}/{value}" for what, value in named.items() if value]
