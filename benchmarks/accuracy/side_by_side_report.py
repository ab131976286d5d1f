"""The comparison as people and programs read it: Markdown, JSON, and DET plots of the telephone's own condition."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmarks.accuracy.matched import LIST_SIZE
from benchmarks.accuracy.paired import MEASURES
from benchmarks.accuracy.side_by_side import SHIPPED, TELEPHONE, Cell, SideBySide
from benchmarks.accuracy.systems import FOLDS

from shengdun.index.accuracy.bootstrap import Figure
from shengdun.index.accuracy.det_plot import det_plot
from shengdun.index.accuracy.identification import ALLOWED_FPIR
from shengdun.index.accuracy.verification import MIN_SPEAKERS

_FORMAT: Final = "shengdun-peers/1"
_NOTHING: Final = "–"
_DIGITS: Final = 5
_TITLES: Final = {
    "eer": "EER, all corpora under one threshold, %",
    "heard_eer": "EER of the trials that every system heard, all corpora under one threshold, %",
    "mean_eer": "EER, mean of the corpora's own, %",
    "min_dcf": "minDCF",
    "min_cllr": "min Cllr, bits",
    "fnir_at_fpir": f"FNIR at FPIR {100 * ALLOWED_FPIR:g} %, lists of {LIST_SIZE}, %",
}
_RATES: Final = ("eer", "heard_eer", "mean_eer", "fnir_at_fpir")


def write_report(found: SideBySide, directory: Path, *, about: Sequence[str] = ()) -> Path:
    """Write ``peers.md``, ``peers.json`` and DET plots; gives the Markdown file.

    Args:
        found: what was measured.
        directory: is made when it isn't there.
        about: lines for the head of the report, as the command and the commit.
    """
    directory.mkdir(parents=True, exist_ok=True)
    plots = []
    for cell in found.cells:
        if cell.condition is TELEPHONE:
            name = f"det-peers-{_slug(cell)}.svg"
            title = f"{cell.condition.value}, {cell.seconds:g} s, {cell.profile}"
            curves = {_short(n): each.det for n, each in cell.contest.standings.items()}
            (directory / name).write_text(det_plot(title, curves), encoding="utf-8")
            plots.append((title, name))
    report = directory / "peers.md"
    report.write_text(_markdown(found, plots, about), encoding="utf-8")
    content = json.dumps(_as_json(found, about), ensure_ascii=False, indent=1, allow_nan=False)
    (directory / "peers.json").write_text(content + "\n", encoding="utf-8")
    return report


def _markdown(found: SideBySide, plots: Sequence[tuple[str, str]], about: Sequence[str]) -> str:
    parts = ["# Beside its peers", *_head(found, about)]
    for profile in dict.fromkeys(cell.profile for cell in found.cells):
        cells = [cell for cell in found.cells if cell.profile == profile]
        parts.append(f"\n## Ours with the {profile}\n")
        parts += _setting(cells, profile)
        for measure in MEASURES:
            parts.append(f"\n### {_TITLES[measure]}\n")
            parts += _table(cells, measure)
        parts.append("\n### Cllr of ours, bits\n")
        parts += _honesty(cells)
    parts.append("\n## Where ours is not ahead\n")
    parts += _lost(found)
    if plots:
        parts.append("\n## DET plots\n")
        parts += [f"![{title}]({name})" for title, name in plots]
    return "\n".join(parts) + "\n"


def _head(found: SideBySide, about: Sequence[str]) -> Iterator[str]:
    yield ""
    for line in about:
        yield f"- {line}"
    yield f"- {found.recordings} recordings of {found.speakers} speakers."
    versions = ", ".join(f"{name} `{version}`" for name, version in found.versions.items())
    yield f"- Systems: {versions}."
    profiles = ", ".join(f"{name or 'all'} `{profile}`" for name, profile in found.profiles.items())
    yield f"- Shipped profile by corpus: {profiles}."
    failures = ", ".join(f"{name} {count}" for name, count in found.failures.items())
    yield f"- Recordings that could not be enrolled, each counted as a miss of that system: {failures}."
    yield (
        f"- Brackets are 95 % intervals by speaker bootstrap ({found.plan.replicates} replicates, seed "
        f"{found.plan.seed}). Relative differences are ours over the peer's less 1, the same speakers drawn for both; "
        f"below 0 ours is ahead. Corpora with fewer than {MIN_SPEAKERS} speakers have no EER of their own."
    )
    for condition, lack in found.unavailable.items():
        yield f"- **Not measured: `{condition}`**, because {lack}."
    for warning in found.warnings:
        yield f"- {warning}"


def _setting(cells: Sequence[Cell], profile: str) -> Iterator[str]:
    if profile == SHIPPED:
        yield (
            "A corpus that the default profile was fitted on is scored by the profile that would ship without it.\n"
        )
    else:
        yield (
            f"Each corpus is cut in {FOLDS} folds by speaker. A fold is scored by a profile fitted on the calls "
            "of the others in the same condition, without labels, from the shipped profile; by the shipped profile "
            "where the others are too few. Trials are within folds, and lists without the other folds, for every "
            "system.\n"
        )
    yield _row(
        "condition", "net speech", "speakers", "same (all heard) / other trials", "corpora",
        "listed / strangers' calls",
        "of other corpora on the lists", "left out",
    )  # fmt: skip
    yield _rule(8)
    for cell in cells:
        yield _row(
            cell.condition.value,
            f"{cell.seconds:g} s",
            str(cell.speakers),
            f"{cell.targets:,} ({cell.heard:,}) / {cell.others:,}",
            str(len(cell.corpora)),
            f"{cell.listed:,} / {cell.strangers:,}",
            f"{100 * cell.other_share:.0f} %",
            str(cell.shortened),
        )


def _table(cells: Sequence[Cell], measure: str) -> Iterator[str]:
    names = list(cells[0].contest.standings)
    [our] = {our for our, _ in cells[0].contest.relative} or {names[0]}
    peers = [name for name in names if name != our]
    yield _row("condition", "net speech", *map(_short, names), *(f"vs {_short(p)}" for p in peers))
    yield _rule(2 + len(names) + len(peers))
    for cell in cells:
        standings, relative = cell.contest.standings, cell.contest.relative
        yield _row(
            cell.condition.value,
            f"{cell.seconds:g} s",
            *(_shown(standings[name].figures.get(measure), measure) for name in names),
            *(_change(relative[our, peer].get(measure)) for peer in peers),
        )


def _honesty(cells: Sequence[Cell]) -> Iterator[str]:
    yield _row("condition", "net speech", "Cllr", "min Cllr", "Cllr − min Cllr")
    yield _rule(5)
    for cell in cells:
        for each in cell.contest.standings.values():
            if "cllr" in each.figures:
                cllr, least = each.figures["cllr"], each.figures["min_cllr"]
                yield _row(
                    cell.condition.value,
                    f"{cell.seconds:g} s",
                    _shown(cllr, "cllr"),
                    _shown(least, "min_cllr"),
                    f"{cllr.value - least.value:.3f}",
                )


def _lost(found: SideBySide) -> Iterator[str]:
    """Every comparison that ours doesn't win, and those whose interval leaves it open."""
    behind, undecided, all_of_them = [], 0, 0
    for cell in found.cells:
        for (our, peer), measures in cell.contest.relative.items():
            for measure, change in measures.items():
                all_of_them += 1
                undecided += change.low < 0.0 <= change.high and change.value < 0.0
                if change.value >= 0.0:
                    behind.append((cell, our, peer, measure, change))
    yield (
        f"Of {all_of_them} comparisons ours is behind or level in {len(behind)}; in {undecided} more it is ahead, but "
        "the interval reaches 0.\n"
    )
    if behind:
        yield _row("condition", "net speech", "ours", "peer", "measure", "relative difference")
        yield _rule(6)
    for cell, our, peer, measure, change in behind:
        yield _row(
            cell.condition.value, f"{cell.seconds:g} s", our, peer, _TITLES[measure], _change(change)
        )  # fmt: skip


def _as_json(found: SideBySide, about: Sequence[str]) -> dict[str, Any]:
    plan = found.plan
    return {
        "format": _FORMAT,
        "about": list(about),
        "plan": asdict(plan) | {"conditions": [each.value for each in plan.conditions]},
        "versions": found.versions,
        "profiles": found.profiles,
        "recordings": found.recordings,
        "speakers": found.speakers,
        "failed_enrolments": found.failures,
        "unavailable": found.unavailable,
        "warnings": list(found.warnings),
        "cells": [_cell_json(cell) for cell in found.cells],
    }


def _cell_json(cell: Cell) -> dict[str, Any]:
    return {
        "condition": cell.condition.value,
        "net_speech_s": cell.seconds,
        "profile": cell.profile,
        "speakers": cell.speakers,
        "targets": cell.targets,
        "heard": cell.heard,
        "others": cell.others,
        "corpora": list(cell.corpora),
        "listed": cell.listed,
        "strangers": cell.strangers,
        "other_share": round(cell.other_share, _DIGITS),
        "shortened": cell.shortened,
        "systems": {
            name: {measure: _triple(figure) for measure, figure in each.figures.items()}
            for name, each in cell.contest.standings.items()
        },
        "relative": [
            {"ours": our, "peer": peer}
            | {measure: _triple(figure) for measure, figure in measures.items()}
            for (our, peer), measures in cell.contest.relative.items()
        ],
    }


def _triple(figure: Figure) -> list[float]:
    """Value and interval."""
    return [round(each, _DIGITS) for each in (figure.value, figure.low, figure.high)]


def _shown(figure: Figure | None, measure: str) -> str:
    if figure is None:
        return _NOTHING
    if measure in _RATES:
        return f"{100 * figure.value:.1f} [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _change(figure: Figure | None) -> str:
    if figure is None:
        return _NOTHING
    return f"{100 * figure.value:+.0f} % [{100 * figure.low:+.0f}, {100 * figure.high:+.0f}]"


def _short(name: str) -> str:
    return "ours" if name.startswith("ours") else name.replace("enrolled by telephone", "tel.")


def _slug(cell: Cell) -> str:
    return f"{cell.condition.value}-{cell.seconds:g}s-{cell.profile.split(' ', maxsplit=1)[0]}"


def _row(*values: str) -> str:
    return f"| {' | '.join(values)} |"


def _rule(columns: int) -> str:
    return f"|{'---|' * columns}"
