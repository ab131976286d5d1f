"""Figures of one system: its threshold, how many planted scripts it finds, and how well it says where they are."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.text.systems import Finding
from benchmarks.text.trials import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A threshold, and what it costs: a text is flagged where its best score is greater."""

    score: float
    false_flags: int
    """Innocent texts that it flags."""
    innocents: int
    """Innocent texts that were looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Planted scripts that were flagged and named, of so many, with the interval of Wilson (1927) at 95 %."""

    found: int
    of: int

    @property
    def share(self) -> float:
        """Share that was found, in [0, 1]; NaN of none."""
        return self.found / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Its lower and upper bound."""
        if not self.of:
            return math.nan, math.nan
        z = 1.959964
        centre = (self.share + z * z / (2 * self.of)) / (1 + z * z / self.of)
        spread = math.sqrt(self.share * (1 - self.share) / self.of + z * z / (4 * self.of**2))
        half = z * spread / (1 + z * z / self.of)
        return max(centre - half, 0.0), min(centre + half, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How stretches that a system names agree with those planted, in characters, over texts that it flagged rightly."""

    common: int
    named: int
    planted: int

    def __add__(self, other: "Coverage") -> "Coverage":
        return Coverage(
            common=self.common + other.common,
            named=self.named + other.named,
            planted=self.planted + other.planted,
        )

    @property
    def precision(self) -> float:
        """Share of the named characters that were planted; NaN where none was named."""
        return self.common / self.named if self.named else math.nan

    @property
    def recall(self) -> float:
        """Share of the planted characters that were named; NaN where none was planted."""
        return self.common / self.planted if self.planted else math.nan


NO_COVERAGE = Coverage(common=0, named=0, planted=0)


def threshold(innocents: Sequence[Finding], one_in: int) -> Threshold:
    """The lowest threshold that flags at most one in so many innocent texts, counted exactly on those given."""
    scores = sorted((finding.score for finding in innocents), reverse=True)
    allowed = len(scores) // one_in
    lowest = scores[allowed] if allowed < len(scores) else -math.inf
    return Threshold(
        score=lowest,
        false_flags=sum(score > lowest for score in scores),
        innocents=len(scores),
    )


def rightly_flagged(trial: Trial, finding: Finding, above: float) -> bool:
    """Whether a text is flagged, and with the script that was planted in it."""
    return finding.score > above and finding.script_id == trial.script_id


def recall(trials: Sequence[Trial], found: Sequence[Finding], above: float) -> Recall:
    """How many of the planted scripts were flagged and named."""
    pairs = zip(trials, found, strict=True)
    return Recall(found=sum(rightly_flagged(*pair, above) for pair in pairs), of=len(trials))


def coverage(trials: Sequence[Trial], found: Sequence[Finding], above: float) -> Coverage:
    """How the stretches whose own score is above the threshold agree with the truth."""
    pairs = zip(trials, found, strict=True)
    return sum(
        (_covered(*pair, above) for pair in pairs if rightly_flagged(*pair, above)), NO_COVERAGE
    )


def _covered(trial: Trial, finding: Finding, above: float) -> Coverage:
    surer = [stretch for stretch in finding.stretches if stretch.score > above]
    named = _characters((stretch.start, stretch.end) for stretch in surer)
    planted = set(range(trial.start, trial.end))
    return Coverage(common=len(named & planted), named=len(named), planted=len(planted))


def _characters(stretches: Iterable[tuple[int, int]]) -> set[int]:
    return {place for start, end in stretches for place in range(start, end)}
