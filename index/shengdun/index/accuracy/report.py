"""An evaluation as people and programs read it: Markdown with plots, and JSON with every figure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from shengdun.fingerprint.voice.conditions import Condition
from shengdun.index.accuracy.bootstrap import Figure
from shengdun.index.accuracy.det_plot import det_plot, thinned
from shengdun.index.accuracy.evaluation import Cell, Evaluation
from shengdun.index.accuracy.identification import ALLOWED_FPIR, Identification
from shengdun.index.accuracy.measures import SRE_COST
from shengdun.index.accuracy.verification import MIN_SPEAKERS

_FORMAT: Final = "shengdun-accuracy/1"
_NOTHING: Final = "–"
_RATES: Final = ("fpir_medium", "fnir_medium", "fpir_high", "fnir_high", "fnir_at_fpir")
_LISTED: Final = 20
_GROUP_SECONDS: Final = 10.0
_GROUP_SIZE: Final = 100


def write_report(evaluation: Evaluation, directory: Path, *, about: Sequence[str] = ()) -> Path:
    """Write ``report.md``, ``report.json`` and a DET plot a condition; gives the Markdown file.

    Args:
        evaluation: what was measured.
        directory: is made when it isn't there.
        about: lines for the head of the report, as the command and where noises are from.
    """
    directory.mkdir(parents=True, exist_ok=True)
    plots = {}
    for condition in evaluation.plan.conditions:
        curves = {
            f"{cell.seconds:g} s": cell.verification.det
            for cell in _of_everybody(evaluation)
            if cell.condition is condition and cell.verification.det is not None
        }
        if curves:
            plots[condition] = f"det-{condition.value}.svg"
            plot = det_plot(f"One call against one recording: {condition.value}", curves)
            (directory / plots[condition]).write_text(plot, encoding="utf-8")
    report = directory / "report.md"
    report.write_text(markdown(evaluation, plots, about=about), encoding="utf-8")
    content = json.dumps(as_json(evaluation), ensure_ascii=False, indent=1, allow_nan=False)
    (directory / "report.json").write_text(content + "\n", encoding="utf-8")
    return report


def markdown(
    evaluation: Evaluation, plots: dict[Condition, str], *, about: Sequence[str] = ()
) -> str:
    """The report for people."""
    parts = [
        "# Accuracy",
        *_head(evaluation, about),
        "\n## One call against one recording\n",
        *_verification(list(_of_everybody(evaluation))),
        "\n## Watchlists\n",
        *_identification(evaluation, list(_of_everybody(evaluation)), evaluation.plan.sizes),
        *_groups(evaluation),
        *_failures(evaluation),
    ]
    if plots:
        parts.append("\n## DET plots\n")
        parts += [f"![{condition.value}]({name})" for condition, name in plots.items()]
    return "\n".join(parts) + "\n"


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The report for programs; rates are shares of 1."""
    plan = evaluation.plan
    return {
        "format": _FORMAT,
        "model_id": evaluation.model_id,
        "calibration_profile_id": evaluation.profile_id,
        "speakers": evaluation.speakers,
        "recordings": evaluation.recordings,
        "plan": asdict(plan) | {"conditions": [condition.value for condition in plan.conditions]},
        "detection_cost": asdict(SRE_COST),
        "notes": evaluation.notes,
        "unavailable": evaluation.unavailable,
        "failed_enrolments": evaluation.failures,
        "failed_calls": evaluation.call_failures,
        "cells": [_cell_json(cell) for cell in evaluation.cells],
    }


def _cell_json(cell: Cell) -> dict[str, Any]:
    checked = cell.verification
    curve = None if checked.det is None else thinned(checked.det)
    return {
        "condition": cell.condition.value,
        "net_speech_s": cell.seconds,
        "group": cell.group,
        "shortened": cell.shortened,
        "verification": {
            "speakers": checked.speakers,
            "targets": checked.targets,
            "others": checked.others,
            "failed": checked.failed,
            "figures": {name: asdict(figure) for name, figure in checked.figures.items()},
            "det": curve
            and {"misses": curve.misses.tolist(), "false_alarms": curve.alarms.tolist()},
        },
        "identification": [
            {"actors": size}
            | asdict(found)
            | {"figures": {name: asdict(figure) for name, figure in found.figures.items()}}
            for size, found in cell.identification.items()
        ],
    }


def _head(evaluation: Evaluation, about: Sequence[str]) -> Iterator[str]:
    plan, policy = evaluation.plan, evaluation.plan.policy
    yield ""
    for line in about:
        yield f"- {line}"
    yield (
        f"- {evaluation.recordings} recordings of {evaluation.speakers} speakers; voice model "
        f"`{evaluation.model_id}`, calibration profile `{evaluation.profile_id}`."
    )
    yield (
        f"- Line `{policy.name}`: prior {policy.prior:g}, MEDIUM from {policy.medium:g}, HIGH from {policy.high:g}."
    )
    yield (
        f"- Brackets are 95 % intervals by speaker bootstrap ({plan.replicates} replicates, seed {plan.seed}). A cell "
        f"with fewer than {MIN_SPEAKERS} speakers is left empty ({_NOTHING})."
    )
    yield (
        f"- minDCF: prior {SRE_COST.prior:g}, costs {SRE_COST.miss:g} and {SRE_COST.false_alarm:g}. Cllr in bits."
    )
    for condition, lack in evaluation.unavailable.items():
        yield f"- **Not measured: `{condition}`**, because {lack}."
    for note in evaluation.notes:
        yield f"- {note}"


def _verification(cells: Sequence[Cell], *, grouped: bool = False) -> Iterator[str]:
    if not grouped:
        yield (
            "Failed: trials in which nothing was heard, counted as misses. Shortened: calls left out because less "
            "speech was heard in this condition than is asked for, although their recordings have it.\n"
        )
    yield _row(
        *(["group"] if grouped else []), "condition", "net speech", "speakers", "same / other trials",
        "failed", "shortened", "EER %", "minDCF", "Cllr", "min Cllr",
    )  # fmt: skip
    yield _rule(11 if grouped else 10)
    for cell in cells:
        checked = cell.verification
        if not checked.targets:
            continue
        yield _row(
            *([cell.group] if grouped else []),
            cell.condition.value,
            f"{cell.seconds:g} s",
            str(checked.speakers),
            f"{checked.targets:,} / {checked.others:,}",
            str(checked.failed),
            str(cell.shortened),
            _percent(checked.figures.get("eer")),
            _number(checked.figures.get("min_dcf")),
            _number(checked.figures.get("cllr")),
            _number(checked.figures.get("min_cllr")),
        )


def _identification(
    evaluation: Evaluation, cells: Sequence[Cell], sizes: Sequence[int], *, grouped: bool = False
) -> Iterator[str]:
    policy = evaluation.plan.policy
    yield (
        "FPIR: strangers' calls that reach the level. FNIR: calls of listed speakers that don't reach it, or name "
        f"somebody else first. The last column is FNIR where {100 * ALLOWED_FPIR:g} % of strangers are flagged; with "
        "fewer than 100 strangers' calls that can't be seen.\n"
    )
    yield _row(
        *(["group"] if grouped else []), "condition", "net speech", "actors on the list",
        "strangers / listed calls", f"FPIR % at {policy.medium:g}", "FNIR %",
        f"FPIR % at {policy.high:g}", "FNIR %", f"FNIR % at FPIR {100 * ALLOWED_FPIR:g} %",
    )  # fmt: skip
    yield _rule(10 if grouped else 9)
    for cell in cells:
        for size in sizes:
            found = cell.identification[size]
            if not found.listed:
                continue
            yield _row(
                *([cell.group] if grouped else []),
                cell.condition.value,
                f"{cell.seconds:g} s",
                _listed(size, found),
                f"{found.strangers:,} / {found.listed:,}",
                *(_percent(found.figures.get(name)) for name in _RATES),
            )


def _listed(size: int, found: Identification) -> str:
    """How long the list is, and who is on it; synthetic actors are never left unsaid."""
    parts = [f"{size:,}"]
    if found.other_share:
        parts.append(f"{_share(found.other_share)} of other corpora")
    if found.made_share:
        parts.append(f"**{_share(found.made_share)} synthetic**")
    return ", ".join(parts)


def _groups(evaluation: Evaluation) -> Iterator[str]:
    seconds = min(evaluation.plan.seconds, key=lambda each: abs(each - _GROUP_SECONDS))
    size = min(evaluation.plan.sizes, key=lambda each: abs(each - _GROUP_SIZE))
    cells = [cell for cell in evaluation.cells if cell.group and cell.seconds == seconds]
    if cells:
        yield f"\n## By group, {seconds:g} s of net speech\n"
        yield "Trials within the group. Every length and list is in `report.json`.\n"
        yield from _verification(cells, grouped=True)
        yield ""
        yield from _identification(evaluation, cells, (size,), grouped=True)


def _failures(evaluation: Evaluation) -> Iterator[str]:
    failed = list(evaluation.failures.items())
    calls = {name: count for name, count in evaluation.call_failures.items() if count}
    if failed or calls:
        yield "\n## Failures, counted as misses\n"
    for name, why in failed[:_LISTED]:
        yield f"- `{name}` can't be enrolled: {why}"
    if len(failed) > _LISTED:
        yield f"- and {len(failed) - _LISTED} more, all in `report.json`"
    for condition, count in calls.items():
        calls_ = "1 call" if count == 1 else f"{count} calls"
        yield f"- {calls_} in condition `{condition}` in which nothing was heard"


def _of_everybody(evaluation: Evaluation) -> Iterator[Cell]:
    return (cell for cell in evaluation.cells if not cell.group)


def _percent(figure: Figure | None) -> str:
    if figure is None:
        return _NOTHING
    value, low, high = (100.0 * each for each in (figure.value, figure.low, figure.high))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _number(figure: Figure | None) -> str:
    if figure is None:
        return _NOTHING
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _share(share: float) -> str:
    # Rounded down: a list with a single real actor isn't all synthetic.
    return f"{int(1000 * share) / 10:g} %"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: int) -> str:
    return "|" + "---|" * columns
