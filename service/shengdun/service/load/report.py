"""A load test as people and programs read it: Markdown, pictures, and JSON with every figure and histogram."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shengdun.service.load.figures import Step, recovery_s, summary, warnings
from shengdun.service.load.pictures import pictures
from shengdun.service.load.plots import drawn

FORMAT: Final = "shengdun-load/1"
_NOTHING: Final = "–"
_CAPTIONS: Final = {
    "complete": "chunk planned to complete decision",
    "first_answer": "chunk planned to first answer, partial ones included",
    "served": "the server's own latency",
    "by_words": "the server's own latency of decisions by words",
    "opened": "call planned to first decision",
    "refused": "call planned to refusal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTest:
    """A load test after it was made, to its end or not.

    Attributes:
        scenario: which one.
        configuration: what it was asked to do, free of secrets.
        surroundings: versions, hardware, commit.
        steps: what was played.
        rated_per_s: the highest rate that kept the budget, where it was searched for and found.
        burst_until_s: when the burst ended, in a scenario that has one.
        problem: why it did not go to its end; empty if it did.
    """

    scenario: str
    configuration: dict[str, Any]
    surroundings: dict[str, Any]
    steps: tuple[Step, ...]
    rated_per_s: float | None = None
    burst_until_s: float | None = None
    problem: str = ""


def write_report(test: LoadTest, directory: Path) -> Path:
    """Write ``report.md``, ``report.json`` and the pictures; gives the Markdown file.

    Raises:
        OSError: the directory can't be written to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    charts = pictures(test.steps)
    for name, chart in charts.items():
        (directory / f"{name}.svg").write_text(drawn(chart), encoding="utf-8")
    content = json.dumps(as_json(test), ensure_ascii=False, indent=1, allow_nan=False)
    (directory / "report.json").write_text(content + "\n", encoding="utf-8")
    report = directory / "report.md"
    shown = [f"![{chart.title}]({name}.svg)" for name, chart in charts.items()]
    report.write_text("\n".join([*markdown(test), "", *shown]) + "\n", encoding="utf-8")
    return report


def as_json(test: LoadTest) -> dict[str, Any]:
    """The report for programs: latencies in milliseconds, histograms in microseconds, shares of 1."""
    return {
        "format": FORMAT,
        "scenario": test.scenario,
        "problem": test.problem,
        "warnings": warnings(test.steps),
        "rated_calls_per_s": test.rated_per_s,
        "burst_recovery_s": _recovery(test),
        "configuration": test.configuration,
        **test.surroundings,
        "steps": [
            summary(step)
            | {
                "by_second": {
                    str(second): part.as_json()
                    for second, part in sorted(step.played.tally.slices.items())
                },
                "server_usage": [
                    (round(one.at_s, 1), one.memory_bytes, one.cpu_s) for one in step.played.usage
                ],
            }
            for step in test.steps
        ],
    }


def markdown(test: LoadTest) -> Iterator[str]:
    """The report for people, line by line, without the pictures."""
    yield f"# Load test: {test.scenario}"
    yield ""
    if test.problem:
        yield f"**Not complete: {test.problem}.**"
        yield ""
    yield from headline(test)
    found = warnings(test.steps)
    if found:
        yield "\n## Before you believe this\n"
        yield from (f"- {warning}" for warning in found)
    figures = [summary(step) for step in test.steps]
    if figures:
        yield "\n## Steps\n"
        yield from _steps(figures)
        for step in figures:
            yield f"\n## {step['step']}\n"
            yield from _one_step(step)
    yield "\n## How it was made\n"
    for name, value in (test.configuration | test.surroundings).items():
        yield f"- {name.replace('_', ' ')}: {_told(value)}"


def headline(test: LoadTest) -> Iterator[str]:
    """The outcome in a line or two."""
    if test.scenario == "rated":
        yield (
            "No rate kept the budget."
            if test.rated_per_s is None
            else f"Rated: {test.rated_per_s:.3g} calls a second with p99 in the budget."
        )
    if test.burst_until_s is not None and test.steps:
        seconds = _recovery(test)
        yield (
            "p99 was not in the budget again before the run ended."
            if seconds is None
            else f"p99 was in the budget again {seconds:.0f} s after the burst."
        )
    if test.scenario == "offline":
        yield from _offline(test.steps)
    elif test.steps:
        last = summary(test.steps[-1])
        calls, decisions = last["calls"], last["decisions"]
        complete = last["latency_ms"].get("complete", {})
        yield (
            f"{last['step']}: {calls['begun']} calls, {_percent(calls['goodput'])} good, "
            f"{_percent(calls['shed_share'])} shed, {_percent(calls['failed_share'])} failed otherwise; "
            f"p50 {_ms(complete.get('p50'))}, p99 {_ms(complete.get('p99'))} of {complete.get('count', 0)} decisions, "
            f"{_percent(decisions['in_time_share'])} in time."
        )


def _offline(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        whole = step.whole
        lasted_s = max(step.played.lasted_s, 1e-9)
        yield (
            f"{whole.ended} of {whole.begun} recordings screened in {lasted_s:.1f} s: {whole.ended / lasted_s:.2f} a "
            f"second, {whole.audio_s / lasted_s:.1f} times as fast as speech."
        )


def _recovery(test: LoadTest) -> float | None:
    if test.burst_until_s is None or not test.steps:
        return None
    return recovery_s(test.steps[-1], test.burst_until_s)


def _steps(figures: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield (
        "| step | calls/s | calls | most at once | windows/s | p50 ms | p99 ms | p99.9 ms | in time | goodput | shed "
        "| failed | partial | late sends | kept |"
    )
    yield "|" + "---|" * 15
    for step in figures:
        calls, decisions = step["calls"], step["decisions"]
        complete = step["latency_ms"].get("complete", {})
        cells = (
            step["step"],
            f"{step['rate_per_s']:.3g}",
            str(calls["begun"]),
            str(calls["most_live"]),
            _number(decisions["windows_per_s"]),
            *(_number(complete.get(name)) for name in ("p50", "p99", "p99.9")),
            _percent(decisions["in_time_share"]),
            *(_percent(calls[name]) for name in ("goodput", "shed_share", "failed_share")),
            _percent(decisions["partial_share"]),
            _percent(step["client"]["late_share"]),
            "yes" if step["passed"] else "no",
        )
        yield f"| {' | '.join(cells)} |"


def _one_step(step: dict[str, Any]) -> Iterator[str]:
    yield "| latency, ms | number | p50 | p90 | p95 | p99 | p99.9 | most |"
    yield "|" + "---|" * 8
    names = ("p50", "p90", "p95", "p99", "p99.9", "max")
    for name, read in step["latency_ms"].items():
        yield f"| {_CAPTIONS[name]} | {read['count']} | {' | '.join(_number(read[n]) for n in names)} |"
    for at in step["by_net_speech"]:
        caption = f"complete decision at {at['net_speech_s']} s of net speech or more"
        yield f"| {caption} | {at['decisions']} | {' | '.join(_number(at[n]) for n in names)} |"
    calls, decisions = step["calls"], step["decisions"]
    yield ""
    for kind, number in calls["failed"].items():
        yield f"- {number} calls ended with `{kind}`: {calls['examples'].get(kind, '')}"
    for reason, number in decisions["partial"].items():
        yield f"- {number} partial decisions: `{reason}`"
    yield (
        f"- decisions: {decisions['all']}; lost from the numbering {decisions['lost']}; calls that ended before all "
        f"was answered {decisions['unconcluded_calls']}; windows with partial answers alone {decisions['unfinished']}"
    )
    yield from _client(step["client"])
    if step["server"] is not None:
        yield from _server(step["server"])
    yield (
        f"- plan `{step['plan_id']}`: {calls['planned']} calls; measured from {step['measured_from_s']:g} to "
        f"{step['measured_until_s']:.0f} s"
    )


def _client(client: dict[str, Any]) -> Iterator[str]:
    cores = ", ".join(f"{share:.0%}" for share in client["cpu_shares"])
    yield (
        f"- client: {client['chunks']} chunks, {_percent(client['late_share'])} late "
        f"({_percent(client['late_by_server_share'])} because the server held them back), at worst "
        f"{client['worst_late_ms']:.0f} ms; processes used {cores} of a core"
    )


def _server(server: dict[str, Any]) -> Iterator[str]:
    yield (
        f"- server: {server['memory_mb_first']:.0f} MB at first, {server['memory_mb_most']:.0f} MB at most, "
        f"{server['memory_mb_last']:.0f} MB at last ({server['memory_mb_growth_second_half']:+.1f} MB in the "
        f"second half); {server['cores']:.2f} cores, {_number(server['cpu_s_per_call'])} s of processor time a call"
    )


def _told(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_told(each)}" for name, each in value.items())
    return _NOTHING if value is None or value == "" else str(value)


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ms(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.0f} ms"


def _percent(share: float | None) -> str:
    return _NOTHING if share is None else f"{100 * share:.4g} %"
