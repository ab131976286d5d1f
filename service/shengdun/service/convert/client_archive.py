"""Finished calls at a client: from its values to messages, and back."""

from datetime import UTC

from shengdun.index.archive.receipts import ArchiveReceipt, ReceiptCheck, from_json
from shengdun.service.contract.archive import (
    CallFlag,
    CallPage,
    CallSelection,
    FinishedCall,
    ScoredCall,
    ScoreDifference,
)
from shengdun.service.contract.decisions import FlagType, RiskLevel
from shengdun.service.convert.client_decisions import watchlist_from_wire
from shengdun.service.convert.client_enums import from_wire, from_wire_optional
from shengdun.service.convert.times import timestamp
from shengdun.v1 import archive_pb2 as pb
from shengdun.v1 import decision_pb2


def selection_message(selection: CallSelection) -> pb.CallSelection:
    """Which calls are meant, as a message."""
    message = pb.CallSelection(
        line=selection.line,
        customer_reference=selection.customer_reference,
        calling_number=selection.calling_number,
        subject_id=selection.subject_id,
    )
    if selection.since is not None:
        message.since.CopyFrom(timestamp(selection.since))
    if selection.until is not None:
        message.until.CopyFrom(timestamp(selection.until))
    if selection.level is not None:
        message.level = decision_pb2.RiskLevel.Value(f"RISK_LEVEL_{selection.level.name}")
    if selection.flag is not None:
        message.flag = decision_pb2.FlagType.Value(f"FLAG_TYPE_{selection.flag.name}")
    return message


def page_from_wire(wire: pb.ListCallsResponse) -> CallPage:
    """A page of calls."""
    return CallPage(
        calls=tuple(call_from_wire(call) for call in wire.calls),
        next_page_token=wire.next_page_token,
        found=wire.found,
        problems=tuple(wire.problems),
    )


def call_from_wire(wire: pb.ArchivedCall) -> FinishedCall:
    """A call."""
    return FinishedCall(
        call_id=wire.call_id,
        started_at=wire.start_time.ToDatetime(UTC),
        ended_at=wire.end_time.ToDatetime(UTC),
        line=wire.line,
        customer=wire.customer,
        number=wire.number,
        level=from_wire_optional(RiskLevel, decision_pb2.RiskLevel.Name, "RISK_LEVEL_", wire.level),
        probability=wire.probability,
        flags=tuple(map(_flag, wire.flags)),
        versions=dict(wire.versions),
        model_id=wire.model_id,
        net_speech_s=wire.net_speech_s,
        snr_db=wire.snr_db if wire.HasField("snr_db") else None,
        codec=wire.codec,
        characters=wire.characters,
    )


def scored_from_wire(wire: pb.ScoreCallResponse) -> ScoredCall:
    """A call, and what its voice scores."""
    return ScoredCall(
        call=call_from_wire(wire.call),
        calibration_profile_id=wire.calibration_profile_id,
        level=from_wire_optional(RiskLevel, decision_pb2.RiskLevel.Name, "RISK_LEVEL_", wire.level),
        probability=wire.probability,
        watchlists=tuple(map(watchlist_from_wire, wire.watchlists)),
        flags=tuple(map(_flag, wire.flags)),
        differences=tuple(
            from_wire(ScoreDifference, pb.ScoreDifference.Name, "SCORE_DIFFERENCE_", each)
            for each in wire.differences
        ),
        agrees=wire.agrees,
    )


def _flag(wire: pb.ArchivedFlag) -> CallFlag:
    return CallFlag(
        type=from_wire(FlagType, decision_pb2.FlagType.Name, "FLAG_TYPE_", wire.type),
        llr=wire.llr,
        subject_id=wire.subject_id,
    )


def receipt_from_wire(wire: pb.EraseCallsResponse) -> ArchiveReceipt:
    """What was erased."""
    return from_json(wire.receipt)


def check_from_wire(wire: pb.VerifyErasureResponse) -> ReceiptCheck:
    """What a receipt was checked against."""
    return ReceiptCheck(
        is_signed=wire.is_signed,
        is_journaled=wire.is_journaled,
        found=tuple(wire.found),
        problems=tuple(wire.problems),
    )
