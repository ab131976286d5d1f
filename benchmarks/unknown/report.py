"""What the comparison found, as Markdown to read and JSON to keep."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.unknown.figures import EARLY, FIVE_OR_MORE, Figures, Interval
from benchmarks.unknown.tuning import ALLOWED
from benchmarks.unknown.worlds import Origin

_FOUND_TARGET: Final = 0.9
_PER_CENT: Final = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One system with its settings over one suite.

    Attributes:
        system: what it is called.
        version: of what does the work.
        settings: how it is set.
        chosen: where the settings come from.
        figures: by the origin of the callers' voices; real ones first.
    """

    system: str
    version: str
    settings: str
    chosen: str
    figures: dict[Origin, Figures]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRow:
    """One system where it accuses no more than is allowed.

    Attributes:
        allowed: ordinary customers accused, of 10,000.
        system: what it is called.
        settings: how it is set for that.
        chosen: where the settings come from.
        figures: of callers whose voices are real, without intervals; None if it always accuses more.
    """

    allowed: float
    system: str
    settings: str
    chosen: str
    figures: Figures | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Worlds of one kind.

    Attributes:
        title: of the section.
        about: sentences on what they are.
        rows: ours first.
        rates: every system at one rate of accusations after the other.
    """

    title: str
    about: tuple[str, ...]
    rows: tuple[Row, ...]
    rates: tuple[RateRow, ...] = ()


def write_report(suites: Sequence[Suite], about: Sequence[str], output: Path) -> str:
    """Write ``report.md`` and ``report.json`` into a directory; the Markdown is returned."""
    output.mkdir(parents=True, exist_ok=True)
    text = "\n".join(_lines(suites, about)) + "\n"
    (output / "report.md").write_text(text, encoding="utf-8")
    content = {"about": list(about), "suites": [_content(suite) for suite in suites]}
    (output / "report.json").write_text(
        json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return text


def _lines(suites: Sequence[Suite], about: Sequence[str]) -> Iterator[str]:
    yield from ("# Agents nobody has enrolled, side by side", "", " ".join(about))
    for suite in suites:
        yield from ("", f"## {suite.title}", "", " ".join(suite.about), "")
        yield from _finding(suite)
        if suite.rates:
            yield from ("", *_at_rates(suite))
        yield from ("", "Calls put together by voice:", "")
        yield from _grouping(suite)
        yield from ("", *_target(suite))
        yield from ("", *_others(suite))
        yield from ("", "Settings:", "")
        yield from (f"- {r.system} ({r.chosen}): {r.settings}; {r.version}" for r in suite.rows)


def _finding(suite: Suite) -> Iterator[str]:
    buckets = list(next(iter(suite.rows)).figures[Origin.REAL].found)
    yield _row(
        "system",
        "settings",
        *(f"found, {bucket} customers" for bucket in buckets),
        "calls until found",
        f"found by call {EARLY}, {FIVE_OR_MORE} customers",
        "ordinary accused of 10,000",
        "of these children",
        "adults accused of 10,000",
        "family accused of 10,000",
    )
    yield "|---" * (len(buckets) + 8) + "|"
    for row in suite.rows:
        figures = row.figures[Origin.REAL]
        yield _row(
            row.system,
            row.chosen,
            *(_shown(figures.found[bucket], _PER_CENT, " %") for bucket in buckets),
            _shown(figures.until_found, 1.0, ""),
            _shown(figures.early, _PER_CENT, " %"),
            f"{_shown(figures.accused, 1.0, '')} [{figures.ordinary_accused} of {figures.ordinary}]",
            f"{figures.children_accused} of {figures.children}",
            _shown(figures.adults, 1.0, ""),
            f"{_shown(figures.family, 1.0, '')} [{figures.families_accused} of {figures.families}]",
        )


def _at_rates(suite: Suite) -> Iterator[str]:
    """The same systems where they accuse as many; ordered by rate, so that those to be compared stand together."""
    yield (
        "At the same rate of accused. Each system has the setting that finds most and accuses no more than so many of "
        "10,000 among the speakers to fit on, or, in hindsight, among the evaluated ones. Figures are of the evaluated."
    )
    yield ""
    buckets = [name for row in suite.rates if row.figures for name in row.figures.found]
    names = list(dict.fromkeys(buckets))
    yield _row(
        "at most",
        "chosen by",
        "system",
        *(f"found, {bucket} customers" for bucket in names),
        f"found by call {EARLY}",
        "calls until found",
        "accused",
        "settings",
    )
    yield "|---" * (len(names) + 7) + "|"
    for row in sorted(suite.rates, key=lambda each: (each.chosen, each.allowed)):
        yield _row(f"{row.allowed:g}", row.chosen, row.system, *_at_rate(row, names))


def _at_rate(row: RateRow, buckets: Sequence[str]) -> list[str]:
    if row.figures is None:
        return [*("" for _ in range(len(buckets) + 2)), "always more", ""]
    figures = row.figures
    return [
        *(f"{_PER_CENT * figures.found[bucket].value:.0f} %" for bucket in buckets),
        f"{_PER_CENT * figures.early.value:.0f} %",
        f"{figures.until_found.value:.0f}",
        f"{figures.ordinary_accused} of {figures.ordinary}",
        row.settings.split("; VoicePolicy")[0],
    ]


def _grouping(suite: Suite) -> Iterator[str]:
    yield _row("system", "settings", "B-cubed precision", "recall", "F", "s for 1,000 calls")
    yield "|---" * 6 + "|"
    for row in suite.rows:
        figures = row.figures[Origin.REAL]
        yield _row(
            row.system,
            row.chosen,
            *(_shown(each, 1.0, "", 3) for each in (figures.precision, figures.recall, figures.f)),
            f"{figures.seconds:.2f}",
        )


def _target(suite: Suite) -> Iterator[str]:
    for row in suite.rows[:1]:
        figures = row.figures[Origin.REAL]
        found, accused = figures.found[FIVE_OR_MORE], figures.accused
        yield (
            f"To reach: {_FOUND_TARGET:.0%} of agents with five customers or more found, at most {ALLOWED:g} of 10,000 "
            f"ordinary customers accused. {row.system}: {_shown(found, _PER_CENT, ' %')} and "
            f"{_shown(accused, 1.0, '')}."
        )


def _others(suite: Suite) -> Iterator[str]:
    for row in suite.rows[:1]:
        accused = row.figures[Origin.REAL].accused_speakers
        named = ", ".join(f"{name} {count} times" for name, count in accused.items()) or "nobody"
        yield f"- Whom {row.system} accused: {named}."
    for origin in (Origin.MADE, Origin.DRAWN):
        for row in suite.rows:
            figures = row.figures.get(origin)
            if figures is not None and figures.ordinary:
                yield (
                    f"- {row.system} ({row.chosen}), {origin} voices: {figures.ordinary_accused} of "
                    f"{figures.ordinary} ordinary customers accused."
                )


def _shown(interval: Interval, scale: float, unit: str, digits: int | None = None) -> str:
    if math.isnan(interval.value):
        return "none"
    places = (1 if scale == 1.0 else 0) if digits is None else digits
    value, low, high = (scale * each for each in (interval.value, interval.low, interval.high))
    return f"{value:.{places}f}{unit} ({low:.{places}f} to {high:.{places}f})"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _content(suite: Suite) -> dict[str, Any]:
    return {
        "title": suite.title,
        "about": suite.about,
        "systems": [
            asdict(row) | {"figures": _finite({o.value: asdict(f) for o, f in row.figures.items()})}
            for row in suite.rows
        ],
        "at_rates": [_finite(asdict(row)) for row in suite.rates],
    }


def _finite(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """JSON has no word for what there is nothing to measure on."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
