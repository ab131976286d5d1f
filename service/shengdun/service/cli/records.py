"""How watchlists, actors, reports and receipts look in a terminal."""

from collections.abc import Iterable
from datetime import datetime

from shengdun.service.cli.output import note, pad, say, say_json, table
from shengdun.service.client import (
    Actor,
    ClientError,
    EnrollmentReport,
    ErasureReceipt,
    RecordingReport,
    Watchlist,
)


def show_watchlist(watchlist: Watchlist, *, json: bool) -> None:
    """Write one watchlist."""
    if json:
        say_json(watchlist)
        return
    show_fields(
        ("watchlist", watchlist.watchlist_id),
        ("name", watchlist.name),
        ("purpose", watchlist.purpose),
        ("owner", watchlist.owner),
        ("legal basis", watchlist.legal_basis),
        ("model", watchlist.model_id),
        ("state", state(watchlist)),
        ("actors", str(watchlist.actor_count)),
        ("created", moment(watchlist.created_at)),
        ("updated", moment(watchlist.updated_at)),
        ("revision", str(watchlist.revision)),
    )


def state(watchlist: Watchlist) -> str:
    """Whether all of a watchlist's actors can be found with the server's voice model."""
    if not watchlist.needs_reenrollment:
        return "in force"
    return f"needs re-enrolment of {watchlist.actors_without_voiceprint}"


def show_actor(actor: Actor, *, json: bool) -> None:
    """Write one actor with its voiceprints."""
    if json:
        say_json(actor)
        return
    show_fields(
        ("actor", actor.actor_id),
        ("name", actor.display_name),
        ("aliases", ", ".join(actor.aliases)),
        ("network", actor.network_id),
        ("watchlists", ", ".join(actor.watchlist_ids)),
        ("source", actor.source),
        ("case", actor.case_reference),
        ("legal basis", actor.legal_basis),
        ("notes", actor.notes),
        ("expires", "never" if actor.expires_at is None else moment(actor.expires_at)),
        ("created", moment(actor.created_at)),
        ("updated", moment(actor.updated_at)),
        ("revision", str(actor.revision)),
    )
    rows = [
        (
            voiceprint.voiceprint_id,
            f"{voiceprint.net_speech.total_seconds():.1f} s",
            decibels(voiceprint.snr_db),
            voiceprint.codec,
            voiceprint.recording_name,
            voiceprint.model_id,
        )
        for voiceprint in actor.voiceprints
    ]
    say(table(("VOICEPRINT", "NET SPEECH", "SNR", "CODEC", "RECORDING", "MODEL"), rows))


def show_actors(actors: Iterable[Actor]) -> None:
    """Write a table of actors."""
    rows = [
        (
            actor.actor_id,
            actor.display_name,
            ", ".join(actor.watchlist_ids),
            str(len(actor.voiceprints)),
            "never" if actor.expires_at is None else moment(actor.expires_at),
        )
        for actor in actors
    ]
    say(table(("ACTOR", "NAME", "WATCHLISTS", "VOICEPRINTS", "EXPIRES"), rows))


def show_receipts(receipts: Iterable[ErasureReceipt], *, json: bool) -> None:
    """Write the receipts of erasures."""
    for receipt in receipts:
        if json:
            say_json(receipt)
            continue
        show_fields(
            ("receipt", receipt.receipt_id),
            *_erased(receipt),
            ("erased", moment(receipt.erased_at)),
            ("reason", receipt.reason),
            ("erased by", receipt.principal),
            ("journal", f"entry {receipt.journal_sequence}, hash {receipt.journal_hash}"),
            ("signature", receipt.signature),
        )


def _erased(receipt: ErasureReceipt) -> tuple[tuple[str, str], ...]:
    if receipt.script_id:
        return (("script", receipt.script_id),)
    return ("actor", receipt.actor_id), ("voiceprints", str(receipt.voiceprints_erased))


def show_refusal(error: ClientError, *, json: bool) -> None:
    """Write what was found in the recordings that were refused, if they were assessed."""
    if error.detail is None:
        return
    if json:
        say_json({"outcome": "refused", "reason": error.reason, "report": error.detail})
    else:
        note("\n".join(report_lines(error.detail)))


def report_lines(report: EnrollmentReport) -> list[str]:
    """What an enrolment found, a line for each recording and each likely duplicate."""
    duplicates = [
        f"  likely the same voice: {found.actor_id} {found.display_name!r} "
        f"(LLR {found.llr:+.1f}, on {', '.join(found.watchlist_ids)})"
        for found in report.likely_duplicates
    ]
    return [*(f"  {_recording(recording)}" for recording in report.recordings), *duplicates]


def _recording(recording: RecordingReport) -> str:
    found = (
        f"{recording.name}: {recording.duration.total_seconds():.1f} s, "
        f"net speech {recording.net_speech.total_seconds():.1f} s, "
        f"SNR {decibels(recording.audio_quality.snr_db)}, "
        f"clipped {recording.audio_quality.clipped_share:.1%}, "
        f"other voices {recording.other_voice_share:.0%}"
    )
    if recording.agreement_llr is not None:
        found += f", agreement LLR {recording.agreement_llr:+.1f}"
    if recording.accepted:
        return found
    reason = "not used" if recording.unfit_reason is None else recording.unfit_reason.value
    return f"{found}; refused ({reason}): {recording.unfit_message}"


def decibels(value: float | None) -> str:
    """A ratio in dB, or a dash where it was not measured."""
    return "-" if value is None else f"{value:.0f} dB"


def moment(instant: datetime) -> str:
    """An instant to the second, in UTC."""
    return f"{instant:%Y-%m-%d %H:%M:%S}Z"


def show_fields(*named: tuple[str, str]) -> None:
    """Write names and what they are, one a line."""
    for name, value in named:
        say(f"{pad(name, 12)} {value}".rstrip())
