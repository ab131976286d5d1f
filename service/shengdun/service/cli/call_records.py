"""How finished calls and receipts of their erasure look in a terminal."""

from collections.abc import Sequence

from shengdun.service.cli.output import note, say, say_json, table
from shengdun.service.cli.records import moment, show_fields
from shengdun.service.contract.archive import (
    ArchiveReceipt,
    CallFlag,
    FinishedCall,
    ScoredCall,
    ScoreDifference,
)
from shengdun.service.contract.decisions import FlagType

_HEADER = ("STARTED", "CALL", "LINE", "CUSTOMER", "LEVEL", "PROBABILITY", "FLAGS")


def show_calls(calls: Sequence[FinishedCall], *, json: bool, with_header: bool = True) -> None:
    """Write calls, one a line."""
    if json:
        for call in calls:
            say_json(call)
    elif calls:
        rows = [
            (
                moment(call.started_at),
                call.call_id,
                call.line,
                call.customer[:12],
                call.level.value if call.level else "",
                f"{call.probability:.4f}" if call.model_id else "",
                ", ".join(_flag(flag) for flag in call.flags),
            )
            for call in calls
        ]
        lines = table(_HEADER, rows)
        say(lines if with_header else lines.partition("\n")[2])


def show_call(call: FinishedCall) -> None:
    """Write one call."""
    show_fields(
        ("call", call.call_id),
        ("started", moment(call.started_at)),
        ("ended", moment(call.ended_at)),
        ("line", call.line),
        ("customer", call.customer),
        ("number", call.number),
        ("level", call.level.value if call.level else ""),
        ("probability", f"{call.probability:.4f}" if call.model_id else ""),
        ("flags", ", ".join(_flag(flag) for flag in call.flags)),
        ("voice model", call.model_id),
        ("net speech", f"{call.net_speech_s:.1f} s"),
        ("speech over noise", "" if call.snr_db is None else f"{call.snr_db:.0f} dB"),
        ("codec", call.codec),
        ("characters", str(call.characters) if call.characters else ""),
        *((f"version of {name}", version) for name, version in sorted(call.versions.items())),
    )


_DIFFERENCES = {
    ScoreDifference.PROFILE: "another calibration profile was asked for",
    ScoreDifference.WATCHLIST_CHANGED: "a watchlist has changed since, and is compared as it is now",
    ScoreDifference.WATCHLIST_DELETED: "a watchlist isn't there any more",
    ScoreDifference.POLICY_CHANGED: "the settings of the line have changed since",
    ScoreDifference.OTHER_EVIDENCE: "the decision rested on more than the voice of the whole call",
}


def show_score(scored: ScoredCall) -> None:
    """Write what a call was decided, what its voice scores now, and why that may differ."""
    call = scored.call
    by_voice = [flag for flag in call.flags if flag.type is FlagType.KNOWN_ACTOR_VOICE]
    rows = [
        (
            "decided",
            call.versions.get("calibration_profile", ""),
            call.level.value if call.level else "",
            f"{call.probability:.4f}",
            ", ".join(map(_flag, by_voice)),
        ),
        (
            "scored now",
            scored.calibration_profile_id,
            scored.level.value if scored.level else "",
            f"{scored.probability:.4f}",
            ", ".join(map(_flag, scored.flags)),
        ),
    ]
    say(table(("", "PROFILE", "LEVEL", "PROBABILITY", "FLAGS BY VOICE"), rows))
    lists = [
        (
            one.watchlist_id,
            call.versions.get(f"watchlist/{one.watchlist_id}", ""),
            one.watchlist_version,
            "" if one.best is None else f"{one.best.actor_id} {one.best.llr:+.2f}",
            "" if one.runner_up is None else f"{one.runner_up.actor_id} {one.runner_up.llr:+.2f}",
        )
        for one in scored.watchlists
    ]
    if lists:
        say()
        say(table(("WATCHLIST", "THEN", "NOW", "CLOSEST, LLR", "RUNNER-UP, LLR"), lists))
    say()
    say("the same numbers as then" if scored.agrees else "other numbers than then")
    for difference in scored.differences:
        note(_DIFFERENCES[difference])


def show_receipt(receipt: ArchiveReceipt) -> None:
    """Write what was erased, and what is still to come."""
    show_fields(
        ("receipt", receipt.receipt_id),
        ("calls", str(len(receipt.call_hashes))),
        ("in the store", str(receipt.in_store)),
        ("in partitions", str(receipt.in_partitions)),
        ("partitions", str(len(receipt.partitions))),
        ("letters and words", "" if receipt.texts is None else str(receipt.texts.count)),
        ("erased", moment(receipt.erased_at)),
        ("by", receipt.principal),
        ("reason", receipt.reason),
        ("journal entry", str(receipt.journal_sequence)),
        ("signature", receipt.signature),
    )
    for machine in receipt.machines_to_come:
        note(f"machine {machine} doesn't answer; it erases them before anything else")
    if receipt.processes_to_come:
        note(f"{receipt.processes_to_come} processes haven't answered yet")
    for partition in receipt.unreadable:
        note(f"partition {partition} is damaged; whether a call was in it isn't known")


def _flag(flag: CallFlag) -> str:
    return f"{flag.type.value} {flag.subject_id} {flag.llr:+.1f}".replace("  ", " ")
