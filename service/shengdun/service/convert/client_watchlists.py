"""Watchlists, actors and what enrolments found, from the wire."""

from collections.abc import Iterable
from datetime import UTC

from shengdun.service.contract import watchlists as values
from shengdun.service.convert.client_decisions import audio_quality_from_wire
from shengdun.service.convert.client_enums import from_wire, from_wire_optional
from shengdun.v1 import watchlist_pb2


def watchlist_from_wire(wire: watchlist_pb2.Watchlist) -> values.Watchlist:
    """A watchlist."""
    return values.Watchlist(
        watchlist_id=wire.watchlist_id,
        name=wire.name,
        purpose=wire.purpose,
        owner=wire.owner,
        legal_basis=wire.legal_basis,
        model_id=wire.model_id,
        created_at=wire.create_time.ToDatetime(UTC),
        updated_at=wire.update_time.ToDatetime(UTC),
        revision=wire.revision,
        actor_count=wire.actor_count,
        needs_reenrollment=wire.needs_reenrollment,
        actors_without_voiceprint=wire.actors_without_voiceprint,
    )


def actor_from_wire(wire: watchlist_pb2.Actor) -> values.Actor:
    """An actor."""
    return values.Actor(
        actor_id=wire.actor_id,
        display_name=wire.display_name,
        aliases=tuple(wire.aliases),
        network_id=wire.network_id,
        watchlist_ids=tuple(wire.watchlist_ids),
        source=wire.source,
        case_reference=wire.case_reference,
        legal_basis=wire.legal_basis,
        notes=wire.notes,
        expires_at=wire.expire_time.ToDatetime(UTC) if wire.HasField("expire_time") else None,
        created_at=wire.create_time.ToDatetime(UTC),
        updated_at=wire.update_time.ToDatetime(UTC),
        revision=wire.revision,
        voiceprints=tuple(_voiceprint(voiceprint) for voiceprint in wire.voiceprints),
    )


def enrollment_from_wire(wire: watchlist_pb2.EnrollActorResponse) -> values.Enrollment:
    """What an enrolment did and found."""
    return values.Enrollment(
        outcome=from_wire(
            values.EnrollmentOutcome,
            watchlist_pb2.EnrollmentOutcome.Name,
            "ENROLLMENT_OUTCOME_",
            wire.outcome,
        ),
        actor=actor_from_wire(wire.actor) if wire.HasField("actor") else None,
        report=report_from_wire(wire.report),
    )


def added_from_wire(wire: watchlist_pb2.AddVoiceprintsResponse) -> values.AddedVoiceprints:
    """What an addition did and found."""
    return values.AddedVoiceprints(
        actor=actor_from_wire(wire.actor), report=report_from_wire(wire.report)
    )


def report_from_wire(wire: watchlist_pb2.EnrollmentReport) -> values.EnrollmentReport:
    """What was found in recordings."""
    return values.EnrollmentReport(
        recordings=tuple(_recording_report(report) for report in wire.recordings),
        likely_duplicates=tuple(_duplicate(found) for found in wire.likely_duplicates),
        net_speech=wire.net_speech.ToTimedelta(),
    )


def receipt_from_wire(wire: watchlist_pb2.ErasureReceipt) -> values.ErasureReceipt:
    """The receipt of an erasure."""
    return values.ErasureReceipt(
        receipt_id=wire.receipt_id,
        actor_id=wire.actor_id,
        erased_at=wire.erase_time.ToDatetime(UTC),
        voiceprints_erased=wire.voiceprints_erased,
        journal_sequence=wire.journal_sequence,
        journal_hash=wire.journal_hash,
        reason=wire.reason,
        principal=wire.principal,
        signature=wire.signature,
        script_id=wire.script_id,
    )


def receipts_from_wire(
    wires: Iterable[watchlist_pb2.ErasureReceipt],
) -> tuple[values.ErasureReceipt, ...]:
    """The receipts of several erasures."""
    return tuple(receipt_from_wire(wire) for wire in wires)


def _voiceprint(wire: watchlist_pb2.Voiceprint) -> values.Voiceprint:
    return values.Voiceprint(
        voiceprint_id=wire.voiceprint_id,
        model_id=wire.model_id,
        net_speech=wire.net_speech.ToTimedelta(),
        snr_db=wire.snr_db if wire.HasField("snr_db") else None,
        clipped_share=wire.clipped_share,
        codec=wire.codec,
        recording_name=wire.recording_name,
        created_at=wire.create_time.ToDatetime(UTC),
    )


def _recording_report(wire: watchlist_pb2.RecordingReport) -> values.RecordingReport:
    return values.RecordingReport(
        name=wire.name,
        accepted=wire.accepted,
        unfit_reason=from_wire_optional(
            values.UnfitReason, watchlist_pb2.UnfitReason.Name, "UNFIT_REASON_", wire.unfit_reason
        ),
        unfit_message=wire.unfit_message,
        duration=wire.duration.ToTimedelta(),
        net_speech=wire.net_speech.ToTimedelta(),
        audio_quality=audio_quality_from_wire(wire.audio_quality),
        codec=wire.codec,
        sample_rate_hz=wire.sample_rate_hz,
        other_voice_share=wire.other_voice_share,
        agreement_llr=wire.agreement_llr if wire.HasField("agreement_llr") else None,
    )


def _duplicate(wire: watchlist_pb2.LikelyDuplicate) -> values.LikelyDuplicate:
    return values.LikelyDuplicate(
        actor_id=wire.actor_id,
        display_name=wire.display_name,
        watchlist_ids=tuple(wire.watchlist_ids),
        llr=wire.llr,
    )
