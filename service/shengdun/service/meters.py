"""Counts what became of decisions, and where their time went, since the server started."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shengdun.service.costs import Stage
from shengdun.service.decision import Decision, PartialReason, StageTimings, State

BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
"""Upper ends of the buckets, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How long one stage took.

    Attributes:
        total_s: in all, in seconds.
        counts: decisions by bucket: at most each of ``BOUNDS_S``, and beyond the last of them.
    """

    total_s: float = 0.0
    counts: tuple[int, ...] = (0,) * (len(BOUNDS_S) + 1)

    def with_one(self, seconds: float) -> "Histogram":
        """The same with one decision more."""
        bucket = bisect_left(BOUNDS_S, seconds)
        counts = (*self.counts[:bucket], self.counts[bucket] + 1, *self.counts[bucket + 1 :])
        return Histogram(total_s=self.total_s + seconds, counts=counts)


class Meters:
    """What became of decisions. Those before any speech was weighed, which take no time, are left out of the stages."""

    def __init__(self) -> None:
        self._decisions = 0
        self._over_budget = 0
        self._final_over_budget = 0
        self._stages = dict.fromkeys(Stage, Histogram())

    @property
    def decisions(self) -> int:
        """All decisions."""
        return self._decisions

    @property
    def over_budget(self) -> int:
        """Those that were due before everything had been evaluated."""
        return self._over_budget

    @property
    def final_over_budget(self) -> int:
        """Final ones among these: speech of their calls was never evaluated."""
        return self._final_over_budget

    @property
    def stages(self) -> Mapping[Stage, Histogram]:
        """How long each stage took."""
        return self._stages

    def count(self, decision: Decision) -> None:
        """Count a decision."""
        self._decisions += 1
        if PartialReason.BUDGET_EXCEEDED in decision.partial_reasons:
            self._over_budget += 1
            self._final_over_budget += decision.state is State.FINAL
        if decision.sequence > 1:
            for stage, seconds in _seconds(decision.timings).items():
                self._stages[stage] = self._stages[stage].with_one(seconds)


def _seconds(timings: StageTimings) -> dict[Stage, float]:
    return {
        Stage.LISTENING: timings.listening.total_seconds(),
        Stage.WAITING: timings.waiting.total_seconds(),
        Stage.VOICEPRINT: timings.voiceprint.total_seconds(),
        Stage.SEARCH: timings.search.total_seconds(),
        Stage.DECIDING: timings.deciding.total_seconds(),
    }
