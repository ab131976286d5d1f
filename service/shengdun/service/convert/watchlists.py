"""Watchlists, actors and what enrolments found: from domain values to messages."""

from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from shengdun.enrollment.reports import (
    EnrollmentReport,
    LikelyDuplicate,
    RecordingReport,
    UnfitReason,
)
from shengdun.enrollment.requests import EnrollmentOutcome, EnrollmentResult
from shengdun.index.watchlists import Actor, ErasureReceipt, VoiceprintInfo, Watchlist
from shengdun.service.convert.decisions import quality_message
from shengdun.v1 import watchlist_pb2

LONGEST_DETAIL: Final = 4500
"""Bytes of a report that still arrive as the detail of an error, beside its message, in 8 KiB of trailers."""

_UNFIT_REASONS: Final = {
    UnfitReason.UNREADABLE: watchlist_pb2.UNFIT_REASON_UNREADABLE,
    UnfitReason.TOO_LONG: watchlist_pb2.UNFIT_REASON_TOO_LONG,
    UnfitReason.NO_SPEECH: watchlist_pb2.UNFIT_REASON_NO_SPEECH,
    UnfitReason.TOO_LITTLE_SPEECH: watchlist_pb2.UNFIT_REASON_TOO_LITTLE_SPEECH,
    UnfitReason.CLIPPED: watchlist_pb2.UNFIT_REASON_CLIPPED,
    UnfitReason.NOISY: watchlist_pb2.UNFIT_REASON_NOISY,
    UnfitReason.SEVERAL_VOICES: watchlist_pb2.UNFIT_REASON_SEVERAL_VOICES,
    UnfitReason.OTHER_VOICE: watchlist_pb2.UNFIT_REASON_OTHER_VOICE,
}
_OUTCOMES: Final = {
    EnrollmentOutcome.REGISTERED: watchlist_pb2.ENROLLMENT_OUTCOME_REGISTERED,
    EnrollmentOutcome.MERGED: watchlist_pb2.ENROLLMENT_OUTCOME_MERGED,
    EnrollmentOutcome.SKIPPED: watchlist_pb2.ENROLLMENT_OUTCOME_SKIPPED,
}


def watchlist_message(
    watchlist: Watchlist, *, actor_count: int, without_voiceprint: int
) -> watchlist_pb2.Watchlist:
    """A watchlist as a message.

    Args:
        watchlist: the watchlist.
        actor_count: how many actors are on it, expired ones included.
        without_voiceprint: how many of those in force have no voiceprint of the server's voice model.
    """
    return watchlist_pb2.Watchlist(
        watchlist_id=watchlist.watchlist_id,
        name=watchlist.name,
        purpose=watchlist.purpose,
        owner=watchlist.owner,
        legal_basis=watchlist.legal_basis,
        model_id=watchlist.model_id,
        create_time=_timestamp(watchlist.created_at),
        update_time=_timestamp(watchlist.updated_at),
        revision=watchlist.revision,
        actor_count=actor_count,
        needs_reenrollment=bool(without_voiceprint),
        actors_without_voiceprint=without_voiceprint,
    )


def actor_message(actor: Actor) -> watchlist_pb2.Actor:
    """An actor as a message."""
    return watchlist_pb2.Actor(
        actor_id=actor.actor_id,
        display_name=actor.display_name,
        aliases=actor.aliases,
        network_id=actor.network_id or "",
        watchlist_ids=sorted(actor.watchlist_ids),
        source=actor.provenance.source,
        case_reference=actor.provenance.case_reference,
        legal_basis=actor.provenance.legal_basis,
        notes=actor.notes,
        expire_time=None if actor.expires_at is None else _timestamp(actor.expires_at),
        create_time=_timestamp(actor.created_at),
        update_time=_timestamp(actor.updated_at),
        revision=actor.revision,
        voiceprints=[_voiceprint(voiceprint) for voiceprint in actor.voiceprints],
    )


def receipt_message(receipt: ErasureReceipt) -> watchlist_pb2.ErasureReceipt:
    """The receipt of an erasure as a message."""
    return watchlist_pb2.ErasureReceipt(
        receipt_id=receipt.receipt_id,
        actor_id=receipt.actor_id,
        erase_time=_timestamp(receipt.erased_at),
        voiceprints_erased=receipt.voiceprints_erased,
        journal_sequence=receipt.journal_sequence,
        journal_hash=receipt.journal_hash,
        reason=receipt.reason,
        principal=receipt.principal,
        signature=receipt.signature,
        script_id=receipt.script_id,
    )


def result_message(result: EnrollmentResult) -> watchlist_pb2.EnrollActorResponse:
    """What an enrolment did and found as a message."""
    return watchlist_pb2.EnrollActorResponse(
        outcome=_OUTCOMES[result.outcome],
        actor=actor_message(result.actor),
        report=report_message(result.report),
    )


def assessment_message(report: EnrollmentReport) -> watchlist_pb2.EnrollActorResponse:
    """What an assessment found as a message."""
    return watchlist_pb2.EnrollActorResponse(
        outcome=watchlist_pb2.ENROLLMENT_OUTCOME_ASSESSED, report=report_message(report)
    )


def addition_message(result: EnrollmentResult) -> watchlist_pb2.AddVoiceprintsResponse:
    """What an addition did and found as a message."""
    return watchlist_pb2.AddVoiceprintsResponse(
        actor=actor_message(result.actor), report=report_message(result.report)
    )


def report_message(report: EnrollmentReport) -> watchlist_pb2.EnrollmentReport:
    """What was found in recordings as a message."""
    message = watchlist_pb2.EnrollmentReport(
        recordings=[_recording(recording) for recording in report.recordings],
        likely_duplicates=[_duplicate(duplicate) for duplicate in report.likely_duplicates],
    )
    message.net_speech.FromNanoseconds(_nanoseconds(report.net_speech_s))
    return message


def report_detail(report: EnrollmentReport) -> watchlist_pb2.EnrollmentReport:
    """A report as the detail of an error; one that is too long for that loses its measurements, then its sentences."""
    message = report_message(report)
    for name in ("audio_quality", "unfit_message", "name"):
        if message.ByteSize() <= LONGEST_DETAIL:
            break
        for recording in message.recordings:
            recording.ClearField(name)
    return message


def _recording(report: RecordingReport) -> watchlist_pb2.RecordingReport:
    message = watchlist_pb2.RecordingReport(
        name=report.name,
        accepted=report.accepted,
        audio_quality=None if report.quality is None else quality_message(report.quality),
        codec=report.codec,
        sample_rate_hz=report.sample_rate_hz,
        other_voice_share=report.other_voice_share,
        agreement_llr=report.agreement_llr,
    )
    if report.unfit is not None:
        message.unfit_reason = _UNFIT_REASONS[report.unfit.reason]
        message.unfit_message = report.unfit.message
    message.duration.FromNanoseconds(_nanoseconds(report.duration_s))
    message.net_speech.FromNanoseconds(_nanoseconds(report.net_speech_s))
    return message


def _duplicate(duplicate: LikelyDuplicate) -> watchlist_pb2.LikelyDuplicate:
    return watchlist_pb2.LikelyDuplicate(
        actor_id=duplicate.actor_id,
        display_name=duplicate.display_name,
        watchlist_ids=sorted(duplicate.watchlist_ids),
        llr=duplicate.llr,
    )


def _voiceprint(info: VoiceprintInfo) -> watchlist_pb2.Voiceprint:
    message = watchlist_pb2.Voiceprint(
        voiceprint_id=info.voiceprint_id,
        model_id=info.model_id,
        snr_db=info.snr_db,
        clipped_share=info.clipped_share,
        codec=info.codec,
        recording_name=info.source,
        create_time=_timestamp(info.created_at),
    )
    message.net_speech.FromNanoseconds(_nanoseconds(info.net_speech_s))
    return message


def _timestamp(moment: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
