"""Finished calls on a server: from messages to checked values, and from rows to messages."""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from shengdun.index.archive.receipts import ArchiveReceipt, ReceiptCheck, from_json
from shengdun.index.archive.rows import ArchivedCall, CallQuery
from shengdun.index.archive.tables import microseconds
from shengdun.index.watchlists import ErasureReceipt
from shengdun.service.archiving import number_pseudonym
from shengdun.service.contract.archive import ScoreDifference
from shengdun.service.convert.calls import check_call_id
from shengdun.service.convert.decisions import watchlist_message
from shengdun.service.convert.times import timestamp
from shengdun.service.errors import InvalidRequest, NotAReceipt
from shengdun.service.rescoring import ScoredCall
from shengdun.v1 import archive_pb2 as pb
from shengdun.v1 import decision_pb2

_PAGE: Final = 100
_LARGEST_PAGE: Final = 1000
_MOST_IDS: Final = 50_000
_LONGEST_REASON: Final = 1000
_FLAG: Final = "FLAG_TYPE_"
_LEVEL: Final = "RISK_LEVEL_"

Pseudonym = Callable[[str], str]
Place = tuple[int, str]
"""Where a call stands in a list: when it started, in UTC microseconds, and its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Which page of calls is asked for.

    Attributes:
        query: which calls.
        size: how many at most.
        before: only calls behind this one in the list; None for the first page.
    """

    query: CallQuery
    size: int
    before: Place | None


def page_request(request: pb.ListCallsRequest, pseudonym: Pseudonym) -> PageRequest:
    """Which page of calls is asked for.

    Raises:
        InvalidRequest: a field is wrong; the message names it.
    """
    if not 0 <= request.page_size <= _LARGEST_PAGE:
        raise InvalidRequest(f"page_size must be between 0 and {_LARGEST_PAGE}")
    return PageRequest(
        query=query_of(request.selection, pseudonym),
        size=request.page_size or _PAGE,
        before=_place(request.page_token) if request.page_token else None,
    )


def query_of(selection: pb.CallSelection, pseudonym: Pseudonym) -> CallQuery:
    """Which calls are meant; customers and numbers by their pseudonyms.

    Raises:
        InvalidRequest: the time ends before it begins, or an enumeration's value isn't known.
    """
    since = selection.since.ToDatetime(UTC) if selection.HasField("since") else None
    until = selection.until.ToDatetime(UTC) if selection.HasField("until") else None
    if since is not None and until is not None and until <= since:
        raise InvalidRequest("selection.until must be after selection.since")
    try:
        level = decision_pb2.RiskLevel.Name(selection.level).removeprefix(_LEVEL).lower()
        flag = decision_pb2.FlagType.Name(selection.flag).removeprefix(_FLAG)
    except ValueError:
        raise InvalidRequest(
            "selection.level and selection.flag must be values that this server knows"
        ) from None
    reference = selection.customer_reference
    return CallQuery(
        since=since,
        until=until,
        line=selection.line,
        customer=pseudonym(reference) if reference else "",
        number=number_pseudonym(selection.calling_number, pseudonym),
        level=level if selection.level else "",
        flag=flag if selection.flag else "",
        actor=selection.subject_id,
    )


def erasure_request(
    request: pb.EraseCallsRequest, pseudonym: Pseudonym
) -> tuple[CallQuery | tuple[str, ...], str]:
    """Which calls are to be erased, and why.

    Raises:
        InvalidRequest: ids and a selection are given, or neither; too many ids; or no reason.
    """
    has_ids, has_selection = bool(request.call_ids), request.HasField("selection")
    if has_ids == has_selection:
        raise InvalidRequest("give either call_ids or a selection")
    if len(request.call_ids) > _MOST_IDS:
        raise InvalidRequest(f"call_ids may name at most {_MOST_IDS} calls")
    if not request.reason.strip() or len(request.reason) > _LONGEST_REASON:
        raise InvalidRequest(f"reason must have 1 to {_LONGEST_REASON} characters")
    if has_ids:
        return tuple(check_call_id(call_id) for call_id in request.call_ids), request.reason
    return query_of(request.selection, pseudonym), request.reason


def place_of(call: ArchivedCall) -> Place:
    """Where a call stands in a list."""
    return microseconds(call.started_at), call.call_id


def page_token(place: Place) -> str:
    """What asks for the page behind a call."""
    return base64.urlsafe_b64encode(f"{place[0]}/{place[1]}".encode()).decode()


def call_message(call: ArchivedCall) -> pb.ArchivedCall:
    """A row as a message."""
    decision = call.decision
    return pb.ArchivedCall(
        call_id=call.call_id,
        start_time=timestamp(call.started_at),
        end_time=timestamp(call.ended_at),
        line=call.line,
        customer=call.customer,
        number=call.number,
        level=_value(decision_pb2.RiskLevel, _LEVEL + decision.level.upper()),
        probability=decision.probability,
        flags=[
            pb.ArchivedFlag(
                type=_value(decision_pb2.FlagType, _FLAG + flag.kind),
                llr=flag.llr,
                subject_id=flag.subject,
            )
            for flag in decision.flags
        ],
        versions=decision.versions,
        model_id=call.model_id,
        net_speech_s=call.net_speech_s,
        snr_db=call.snr_db,
        codec=call.codec,
        characters=call.characters,
    )


def scored_message(scored: ScoredCall) -> pb.ScoreCallResponse:
    """What a call scores, as a message."""
    risk = scored.risk
    level = "" if risk.level is None else risk.level.value
    return pb.ScoreCallResponse(
        call=call_message(scored.call),
        calibration_profile_id=scored.profile_id,
        level=_value(decision_pb2.RiskLevel, _LEVEL + level.upper()),
        probability=risk.probability or 0.0,
        watchlists=map(watchlist_message, risk.watchlists),
        flags=[
            pb.ArchivedFlag(
                type=decision_pb2.FLAG_TYPE_KNOWN_ACTOR_VOICE,
                llr=flag.candidate.llr,
                subject_id=flag.candidate.actor_id,
            )
            for flag in risk.flags
        ],
        differences=[
            pb.ScoreDifference.Value(f"SCORE_DIFFERENCE_{difference.name}")
            for difference in ScoreDifference
            if difference in scored.differences
        ],
        agrees=scored.agrees,
    )


def _value(enumeration: Any, name: str) -> Any:  # noqa: ANN401 - enumerations have no type of their own
    return dict(enumeration.items()).get(name, 0)


def _place(token: str) -> Place:
    try:
        at_us, _, call_id = base64.urlsafe_b64decode(token.encode()).decode().partition("/")
        return int(at_us), call_id
    except (binascii.Error, ValueError):
        raise InvalidRequest("page_token is not one that this server gave") from None


def stated_receipt(request: pb.VerifyErasureRequest) -> ArchiveReceipt | ErasureReceipt:
    """The receipt that is to be checked.

    Raises:
        NotAReceipt: it is none.
    """
    try:
        fields = json.loads(request.receipt)
        if "call_hashes" in fields:
            return from_json(request.receipt)
        erased_at = datetime.fromisoformat(fields.pop("erased_at"))
        return ErasureReceipt(erased_at=erased_at, **fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotAReceipt(
            "this is no receipt of an erasure: give the JSON that `calls erase`, `actor erase` or `script erase` wrote"
        ) from error


def check_message(check: ReceiptCheck) -> pb.VerifyErasureResponse:
    """What a receipt was checked against, as a message."""
    return pb.VerifyErasureResponse(
        holds=check.holds,
        is_signed=check.is_signed,
        is_journaled=check.is_journaled,
        found=check.found,
        problems=check.problems,
    )
