"""How hunts look in a terminal."""

from collections.abc import Iterable

from shengdun.service.cli.output import note, say, say_json, table
from shengdun.service.cli.records import moment, show_fields
from shengdun.service.contract.hunts import Hunt, HuntHit, HuntState

_HEADERS = ("CALL", "STARTED", "LINE", "CUSTOMER")


def progress(hunt: Hunt) -> str:
    """Where a hunt stands, in one line."""
    share = f" ({hunt.calls_read / hunt.calls_total:.0%})" if hunt.calls_total else ""
    day = f", {hunt.day}" if hunt.day else ""
    return (
        f"{hunt.state.value}: {hunt.calls_read} of {hunt.calls_total} calls{share}{day}, "
        f"{hunt.calls_found} found"
    )


def show_hunts(hunts: Iterable[Hunt]) -> None:
    """Write a table of hunts."""
    rows = [
        (
            hunt.hunt_id,
            hunt.state.value,
            quarry_of(hunt),
            str(hunt.calls_read),
            str(hunt.calls_found),
            hunt.started_by,
            moment(hunt.started_at),
        )
        for hunt in hunts
    ]
    say(table(("HUNT", "STATE", "AFTER", "CALLS", "FOUND", "BY", "STARTED"), rows))


def show_hunt(hunt: Hunt, *, json: bool) -> None:
    """Write a hunt: its figures, the calls it found, and how many of them chance would bring."""
    if json:
        say_json(hunt)
        return
    show_fields(
        ("hunt", hunt.hunt_id),
        ("after", quarry_of(hunt)),
        ("state", hunt.state.value),
        ("calls", f"{hunt.calls_read} of {hunt.calls_total}"),
        ("found", str(hunt.calls_found)),
        ("by chance", _chance(hunt)),
        ("profile", hunt.profile_id),
    )
    for problem in hunt.problems:
        note(f"not all of the archive could be read: {problem}")
    if hunt.state is not HuntState.DONE and hunt.state is not HuntState.RUNNING:
        note(f"it can be resumed with `shengdun hunt --resume {hunt.hunt_id}`")
    if not hunt.hits:
        return
    say()
    if hunt.quarry.script_id:
        shares = [(*_call(hit), f"{hit.script_share or 0:.0%}") for hit in hunt.hits]
        say(table((*_HEADERS, "SHARE"), shares))
    else:
        evidence = [(*_call(hit), *_evidence(hit)) for hit in hunt.hits]
        say(table((*_HEADERS, "SPEECH S", "LLR", "PROBABILITY", "BY CHANCE"), evidence))


def quarry_of(hunt: Hunt) -> str:
    """What is hunted."""
    quarry = hunt.quarry
    if quarry.actor_id:
        return f"actor {quarry.actor_id}"
    return f"script {quarry.script_id}" if quarry.script_id else quarry.recording_name


def _call(hit: HuntHit) -> tuple[str, ...]:
    return hit.call_id, moment(hit.started_at), hit.line, hit.customer_pseudonym[:12]


def _evidence(hit: HuntHit) -> tuple[str, ...]:
    return (
        f"{hit.net_speech_s:.1f}",
        f"{hit.llr or 0:.2f}",
        f"{hit.probability or 0:.4f}",
        f"{hit.expected_by_chance or 0:.3g}",
    )


def _chance(hunt: Hunt) -> str:
    if hunt.expected_by_chance is None:
        return ""
    least = hunt.quarry.least_score
    return f"at most {hunt.expected_by_chance:.3g} calls by others reach an LLR of {least:g}"
