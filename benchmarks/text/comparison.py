"""The comparison: every system on the same scripts, innocent texts and trials, each at its own threshold."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from benchmarks.text.corpora import Innocent, Unit, innocents
from benchmarks.text.families import Family, Half, honest_complaints, registered
from benchmarks.text.figures import Coverage, Recall, Threshold, coverage, recall, threshold
from benchmarks.text.homophones import Homophones
from benchmarks.text.recombination import Recombined
from benchmarks.text.small_talk import small_talk
from benchmarks.text.systems import Finding, System
from benchmarks.text.trials import Cell, Planting, Trial

ONE_IN: Final = 1_000
"""Innocent texts to one false flag."""

_CROWD_UNITS: Final = 2_000
_KEPT: Final = 20
_TIMED_TEXTS: Final = 200
_TIMED_CALLS: Final = 40

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What every system is given."""

    scripts: dict[str, str]
    """All families, of both halves: those of the other half are scripts that nobody used."""
    innocents: list[Innocent]
    honest: list[str]
    """Complaints of customers who follow no script; they say nothing in setting thresholds."""
    trials: list[tuple[Cell, list[Trial]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFigures:
    """Figures of one system in one cell."""

    cell: Cell
    recall: Recall
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Speed:
    """Times of one system, one value a repetition, on one core."""

    texts_per_s: tuple[float, ...]
    segment_p50_ms: tuple[float, ...]
    segment_p99_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFigures:
    """What one system finds."""

    name: str
    version: str
    build_s: float
    threshold: Threshold
    highest: tuple[float, ...]
    """The highest scores of innocent texts, from which the threshold came."""
    honest: tuple[float, ...]
    """The scores of honest complaints, the highest first."""
    cells: tuple[CellFigures, ...]

    @property
    def honest_flags(self) -> int:
        """Honest complaints that the threshold flags."""
        return sum(score > self.threshold.score for score in self.honest)

    @property
    def mean_recall(self) -> float:
        """Recall over the cells, each counting alike."""
        return statistics.fmean(figures.recall.share for figures in self.cells if figures.recall.of)


def texts(
    families: Sequence[Family],
    units: Sequence[Unit],
    cells: Sequence[Cell],
    *,
    count: int,
    crowd: int,
    seed: int,
) -> Texts:
    """Scripts, innocent texts and ``count`` trials a cell, all of the half that figures come from.

    A crowd of so many more scripts is registered before them, put together from the families of the other half and
    made-up talk. Sentences of the corpora wouldn't do: dialogues of either half repeat them, and so are rightly found.
    """
    others = [family for family in families if family.half is Half.FIT]
    talk = small_talk(_CROWD_UNITS, seed)
    scripts = dict(Recombined(others, talk, seed).scripts(crowd)) if crowd else {}
    hosts = innocents(units, Half.EVALUATE, seed)
    own = [family for family in families if family.half is Half.EVALUATE]
    planting = Planting(own, hosts, Homophones(unit.text for unit in units), seed)
    return Texts(
        scripts=scripts | registered(tuple(families)),
        innocents=hosts,
        honest=honest_complaints(),
        trials=[(cell, planting.trials(cell, count)) for cell in cells],
    )


def measure(system: System, given: Texts, tell: Progress) -> SystemFigures:
    """Build, set the threshold on the innocent texts, and look through the trials."""
    build_s = system.build(given.scripts)
    innocent = system.find([text.text for text in given.innocents])
    tell(f"{system.name}: {len(given.innocents)} innocent texts in {innocent.seconds:.0f} s")
    found_at = threshold(innocent.found, ONE_IN)
    cells = tuple(_cell(system, cell, trials, found_at) for cell, trials in given.trials)
    honest = system.find(given.honest).found
    tell(f"{system.name}: {sum(len(trials) for _, trials in given.trials)} trials")
    return SystemFigures(
        name=system.name,
        version=system.version,
        build_s=build_s,
        threshold=found_at,
        highest=_scores(innocent.found)[:_KEPT],
        honest=_scores(honest),
        cells=cells,
    )


def _scores(found: Iterable[Finding]) -> tuple[float, ...]:
    return tuple(sorted((finding.score for finding in found), reverse=True))


def _cell(system: System, cell: Cell, trials: Sequence[Trial], found_at: Threshold) -> CellFigures:
    found = system.find([trial.text for trial in trials]).found
    return CellFigures(
        cell=cell,
        recall=recall(trials, found, found_at.score),
        coverage=coverage(trials, found, found_at.score),
    )


def speeds(
    systems: Sequence[System], innocent: Sequence[Innocent], repetitions: int
) -> dict[str, Speed]:
    """Times by name over innocent texts, which a line mostly sees: the systems in turn, as often as asked."""
    timed = [text.text for text in innocent[:_TIMED_TEXTS]]
    rounds: dict[str, list[tuple[float, float, float]]] = {system.name: [] for system in systems}
    for _ in range(repetitions):
        for system in systems:
            seconds = system.find(timed).seconds
            segments = [taken for text in timed[:_TIMED_CALLS] for taken in system.listen(text)]
            p50, p99 = np.percentile(segments, (50, 99)) * 1_000
            rounds[system.name].append((len(timed) / seconds, float(p50), float(p99)))
    return {name: Speed(*zip(*own, strict=True)) for name, own in rounds.items()}
