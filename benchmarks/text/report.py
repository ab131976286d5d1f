"""What the comparison found, as Markdown to read and JSON to keep."""

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from benchmarks.text.comparison import CellFigures, Speed, SystemFigures, Texts
from benchmarks.text.corruption import Corruption
from benchmarks.text.figures import NO_COVERAGE

OURS: Final = "ours"

_TARGET: Final = 0.95
_TARGET_RATE, _TARGET_SHARE = 0.2, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that one run found."""

    systems: tuple[SystemFigures, ...]
    """Ours first, if it took part; then each peer with each view."""
    speeds: Mapping[str, Speed]
    about: tuple[str, ...]
    """Sentences on what was compared and where."""


def best_views(systems: Sequence[SystemFigures]) -> list[SystemFigures]:
    """Ours, and of each peer the view with the highest mean recall."""
    named = groupby(systems, key=lambda system: system.name.partition(",")[0])
    return [max(own, key=lambda system: system.mean_recall) for _, own in named]


def described(given: Texts, *, seed: int, trials: int, commit: str) -> tuple[str, ...]:
    """Sentences on what was compared."""
    characters = statistics.median(len(text.text) for text in given.innocents)
    planted = [trial for _, own in given.trials for trial in own]
    return (
        f"Commit {commit}, seed {seed}.",
        f"{len(given.scripts)} scripts registered, {len({trial.script_id for trial in planted})} of them planted.",
        f"{len(given.innocents)} innocent texts, of {characters:.0f} characters in the median.",
        f"{trials} transcripts a cell, {len(planted)} in all.",
    )


def write_report(found: Comparison, output: Path) -> str:
    """Write ``report.md`` and ``report.json`` into a directory; the Markdown is returned."""
    output.mkdir(parents=True, exist_ok=True)
    text = "\n".join(_lines(found)) + "\n"
    (output / "report.md").write_text(text, encoding="utf-8")
    (output / "report.json").write_text(
        json.dumps(_content(found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return text


def _lines(found: Comparison) -> Iterator[str]:
    shown = best_views(found.systems)
    yield from ("# Recognising scripts, side by side", "", " ".join(found.about), "")
    yield from _systems(found, shown)
    yield from _target(shown)
    yield from _behind(found.systems)
    yield from ("", "## Recall at one false flag in 1,000 innocent texts", "")
    yield "Columns are the share of the transcript that is scripted. A peer is shown with its better view."
    for corruption in Corruption:
        yield from _recalls(shown, corruption)
    yield from _passages(shown)
    yield from ("", "## Every view of every peer", "")
    yield from _views(found.systems)


def _systems(found: Comparison, shown: Sequence[SystemFigures]) -> Iterator[str]:
    columns = (
        "system",
        "version",
        "false flags",
        "honest complaints flagged",
        "threshold",
        "build s",
    )
    timed = ("texts/s", "ms a segment, p50", "ms a segment, p99")
    yield _row(*columns, *timed)
    yield "|---" * len(columns + timed) + "|"
    for system in shown:
        speed, at = found.speeds[system.name], system.threshold
        yield _row(
            system.name,
            system.version,
            f"{at.false_flags} of {at.innocents}",
            f"{system.honest_flags} of {len(system.honest)}",
            f"{at.score:.4g}",
            f"{system.build_s:.2f}",
            _ranged(speed.texts_per_s),
            _ranged(speed.segment_p50_ms),
            _ranged(speed.segment_p99_ms),
        )
    yield ""
    yield "Times are medians of the repetitions, with the lowest and the highest; a segment has 20 characters."


def _target(shown: Sequence[SystemFigures]) -> Iterator[str]:
    yield ""
    for system in shown:
        for figures in system.cells:
            cell = figures.cell
            named = (cell.corruption, cell.rate, cell.share)
            if named == (Corruption.HOMOPHONES, _TARGET_RATE, _TARGET_SHARE):
                low, high = figures.recall.interval
                yield (
                    f"- {system.name}: recall {figures.recall.share:.3f} ({low:.3f} to {high:.3f}) at 20 % homophone "
                    f"errors with 10 % of the transcript scripted; to reach: {_TARGET}."
                )


def _behind(systems: Sequence[SystemFigures]) -> Iterator[str]:
    ours = [system for system in systems if system.name == OURS]
    if not ours:
        return
    peers = [system for system in systems if system.name != OURS]
    yield from ("", "## Cells where a peer finds more than ours, with any view", "")
    lost = [
        f"- {_cell_name(own)}, {own.cell.share:.0%} scripted: {other.recall.share:.3f} of {peer.name}, "
        f"{own.recall.share:.3f} of ours"
        for peer in peers
        for own, other in zip(ours[0].cells, peer.cells, strict=True)
        if other.recall.found > own.recall.found
    ]
    yield from lost or ("None.",)


def _recalls(shown: Sequence[SystemFigures], corruption: Corruption) -> Iterator[str]:
    cells = [
        figures.cell
        for figures in shown[0].cells
        if figures.cell.corruption is corruption and figures.recall.of
    ]
    if not cells:
        return
    shares = sorted({cell.share for cell in cells})
    yield from ("", f"### {corruption}", "")
    yield _row(
        "system",
        *(("errors",) if corruption.takes_rate else ()),
        *(f"{share:.0%}" for share in shares),
    )
    yield "|---" * (1 + corruption.takes_rate + len(shares)) + "|"
    for rate in sorted({cell.rate for cell in cells}):
        for system in shown:
            of_share = {
                figures.cell.share: f"{figures.recall.share:.3f}"
                for figures in system.cells
                if figures.cell.corruption is corruption and figures.cell.rate == rate
            }
            label = (f"{rate:.0%}",) if corruption.takes_rate else ()
            yield _row(system.name, *label, *(of_share[share] for share in shares))


def _passages(shown: Sequence[SystemFigures]) -> Iterator[str]:
    yield from (
        "",
        "## Passages: precision / recall by characters, over the texts that were flagged rightly",
        "",
    )
    yield _row("errors", *(system.name for system in shown))
    yield "|---" * (1 + len(shown)) + "|"
    pooled: dict[str, dict[str, str]] = defaultdict(dict)
    for system in shown:
        for name, group in groupby(system.cells, key=_cell_name):
            total = sum((figures.coverage for figures in group), NO_COVERAGE)
            pooled[name][system.name] = f"{total.precision:.3f} / {total.recall:.3f}"
    for name, of_system in pooled.items():
        yield _row(name, *(of_system[system.name] for system in shown))


def _views(systems: Sequence[SystemFigures]) -> Iterator[str]:
    yield "| system | mean recall | homophones | characters | the rest |"
    yield "|---|---|---|---|---|"
    for system in systems:
        kinds = (
            [
                figures
                for figures in system.cells
                if figures.cell.corruption is Corruption.HOMOPHONES
            ],
            [
                figures
                for figures in system.cells
                if figures.cell.corruption is Corruption.CHARACTERS
            ],
            [figures for figures in system.cells if not figures.cell.corruption.takes_rate],
        )
        yield _row(
            system.name, f"{system.mean_recall:.3f}", *(f"{_mean(kind):.3f}" for kind in kinds)
        )


def _mean(cells: Iterable[CellFigures]) -> float:
    shares = [figures.recall.share for figures in cells if figures.recall.of]
    return statistics.fmean(shares) if shares else float("nan")


def _cell_name(figures: CellFigures) -> str:
    cell = figures.cell
    return (
        f"{cell.corruption} {cell.rate:.0%}" if cell.corruption.takes_rate else str(cell.corruption)
    )


def _ranged(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _content(found: Comparison) -> dict[str, Any]:
    return {
        "about": found.about,
        "systems": [
            {
                "name": system.name,
                "version": system.version,
                "build_s": system.build_s,
                "threshold": asdict(system.threshold)
                | {"score": _finite([system.threshold.score])[0]},
                "highest_innocent_scores": _finite(system.highest),
                "honest_complaints": _finite(system.honest),
                "cells": [_cell_content(figures) for figures in system.cells],
                "speed": asdict(found.speeds[system.name]),
            }
            for system in found.systems
        ],
    }


def _cell_content(figures: CellFigures) -> dict[str, Any]:
    return {
        **asdict(figures.cell),
        "recall": asdict(figures.recall)
        | {"share": figures.recall.share, "interval": figures.recall.interval},
        "coverage": asdict(figures.coverage),
    }


def _finite(scores: Iterable[float]) -> list[float | None]:
    # JSON has no word for what nothing was found for.
    return [score if math.isfinite(score) else None for score in scores]
