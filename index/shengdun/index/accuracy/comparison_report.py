"""A comparison of voice models as people and programs read it: Markdown, and JSON with every figure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from shengdun.index.accuracy.bootstrap import Figure
from shengdun.index.accuracy.comparison import CENTRED_COSINE, Comparison, Row, Trialled
from shengdun.index.accuracy.identification import ALLOWED_FPIR
from shengdun.index.accuracy.measures import SRE_COST
from shengdun.index.accuracy.verification import MIN_SPEAKERS

_FORMAT: Final = "shengdun-model-comparison/1"
_NOTHING: Final = "–"
_SHARES: Final = ("eer", "fnir_at_fpir")
_COLUMNS: Final = {
    "eer": "EER %",
    "min_dcf": "minDCF",
    "cllr": "Cllr",
    "min_cllr": "min Cllr",
    "fnir_at_fpir": f"FNIR % at FPIR {100 * ALLOWED_FPIR:g} %",
}


def write_comparison(comparison: Comparison, directory: Path, *, about: Sequence[str] = ()) -> Path:
    """Write ``report.md`` and ``report.json``; gives the Markdown file.

    Args:
        comparison: what was measured.
        directory: is made when it isn't there.
        about: lines for the head of the report.
    """
    directory.mkdir(parents=True, exist_ok=True)
    content = json.dumps(as_json(comparison), ensure_ascii=False, indent=1, allow_nan=False)
    (directory / "report.json").write_text(content + "\n", encoding="utf-8")
    report = directory / "report.md"
    report.write_text(markdown(comparison, about=about), encoding="utf-8")
    return report


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The report for programs; rates are shares of 1, differences are minus the first model's."""
    plan = comparison.plan
    return {
        "format": _FORMAT,
        "speakers": comparison.speakers,
        "recordings": comparison.recordings,
        "plan": asdict(plan) | {"conditions": [each.value for each in plan.conditions]},
        "detection_cost": asdict(SRE_COST),
        "models": [asdict(model) for model in comparison.models],
        "unavailable": comparison.unavailable,
        "failed_enrolments": comparison.failures,
        "warnings": comparison.warnings,
        "trials": [
            asdict(each) | {"condition": each.condition.value} for each in comparison.trialled
        ],
        "rows": [asdict(row) | {"condition": row.condition.value} for row in comparison.rows],
    }


def markdown(comparison: Comparison, *, about: Sequence[str] = ()) -> str:
    """The report for people."""
    parts = [
        "# Voice models side by side\n",
        *_head(comparison, about),
        "\n## Cost\n",
        *_costs(comparison),
        "\n## Accuracy, by centred cosine\n",
        "No calibration goes in, so this is like for like.\n",
        *_accuracy(comparison, calibrated=False),
    ]
    if any(model.profile_id for model in comparison.models):
        parts += ["\n## Accuracy, with each model's calibration profile\n"]
        parts += _accuracy(comparison, calibrated=True)
    return "\n".join(parts) + "\n"


def _head(comparison: Comparison, about: Sequence[str]) -> Iterator[str]:
    plan = comparison.plan
    yield from (f"- {line}" for line in about)
    yield (
        f"- {comparison.recordings} recordings of {comparison.speakers} speakers. All models heard the same calls with "
        f"the same noise, and were asked the same trials. Differences are to `{comparison.models[0].model_id}`."
    )
    yield (
        f"- Brackets are 95 % intervals by speaker bootstrap ({plan.replicates} replicates, seed {plan.seed}); those "
        f"of differences draw the same speakers for both models. With fewer than {MIN_SPEAKERS} speakers nothing is "
        f"said ({_NOTHING})."
    )
    yield (
        "- Centred cosine: the cosine after the mean voiceprint of this corpus's speakers was taken out of both sides. "
        "No label goes into the mean, but these speakers do, for every model alike."
    )
    for model in comparison.models:
        if not model.profile_id:
            yield (
                f"- **`{model.model_id}` has no calibration profile**: it is compared by centred cosine only, and "
                "decides no calls until `shengdun calibrate` has made one."
            )
    yield (
        f"- minDCF: prior {SRE_COST.prior:g}, costs {SRE_COST.miss:g} and {SRE_COST.false_alarm:g}. Cllr in bits, of "
        f"LLRs only. FNIR: calls of speakers on a list of {plan.size} that are missed where {100 * ALLOWED_FPIR:g} % "
        "of strangers' calls are flagged; with fewer than 100 strangers' calls that can't be seen."
    )
    for condition, lack in comparison.unavailable.items():
        yield f"- **Not measured: `{condition}`**, because {lack}."
    for name, why in comparison.failures.items():
        yield f"- `{name}` can't be enrolled, which counts as a miss: {why}"
    yield from (f"- {warning}" for warning in comparison.warnings)


def _costs(comparison: Comparison) -> Iterator[str]:
    yield (
        f"Processor time of one window on one thread, median and quartiles of {comparison.plan.rounds} rounds; in a "
        "round every model takes the same window, and the ratio is taken within it.\n"
    )
    yield _row("model", "a window, ms", "ratio", "file, MB", "dimension", "calibration profile")
    yield _rule(6)
    for model in comparison.models:
        yield _row(
            f"`{model.model_id}`",
            _shown("ms", model.cost.window_ms),
            _shown("ratio", model.cost.ratio),
            f"{model.size_bytes / 1e6:.1f}",
            str(model.dimension),
            f"`{model.profile_id}`" if model.profile_id else "none",
        )


def _accuracy(comparison: Comparison, *, calibrated: bool) -> Iterator[str]:
    names = [name for name in _COLUMNS if calibrated or name != "cllr"]
    yield _row(
        *("condition", "net speech", "trials: same / other", "calls: listed / strangers", "model"),
        *(_COLUMNS[name] for name in names),
    )
    yield _rule(5 + len(names))
    for cell in comparison.trialled:
        for row in comparison.rows:
            if (row.condition, row.seconds) == (cell.condition, cell.seconds) and calibrated == (
                row.scoring != CENTRED_COSINE
            ):
                yield from _lines(row, cell, names)


def _lines(row: Row, cell: Trialled, names: Sequence[str]) -> Iterator[str]:
    made = f", list {100 * cell.made_share:.0f} % **synthetic**" if cell.made_share else ""
    yield _row(
        row.condition.value,
        f"{row.seconds:g} s",
        f"{cell.targets:,} / {cell.others:,}",
        f"{cell.listed:,} / {cell.strangers:,}{made}",
        f"`{row.model_id}`",
        *(_shown(name, row.figures.get(name)) for name in names),
    )
    if row.differences:
        shown = (_shown(name, row.differences.get(name), signed=True) for name in names)
        yield _row("", "", "", "", "difference", *shown)


def _shown(name: str, figure: Figure | None, *, signed: bool = False) -> str:
    if figure is None:
        return _NOTHING
    factor, digits = (100.0, 1) if name in _SHARES else (1.0, 1 if name == "ms" else 3)
    sign = "+" if signed else ""
    value, low, high = (
        f"{factor * each:{sign}.{digits}f}" for each in (figure.value, figure.low, figure.high)
    )
    return f"{value} [{low}, {high}]"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: int) -> str:
    return "|" + "---|" * columns
