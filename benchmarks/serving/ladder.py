"""How many calls a server takes, found in one run: a ladder of rates, each rung a little steeper than the last.

A search by bisection (``shengdun load rated``) takes minutes a system, in which a shared machine changes. Here all
systems climb in turns within minutes, and each stops when it falls. What is compared is the load of the highest rung
that was held: 99 % of its windows were answered completely within the budget, and 99 % of its calls were taken and not
refused or broken off. A rung that isn't held between two that
are was a neighbour's doing; two in a row are the server's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from shengdun.service.load.figures import IN_TIME
from shengdun.service.load.plan import Arrivals, Draw, Plan
from shengdun.service.load.tally import HUNG_UP, Tally

SETTLES_S: Final = 2
"""Seconds after its end until everything of a rung was answered or is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The rates of a run.

    Attributes:
        lowest_per_s: calls a second on the first rung.
        factor: from a rung to the next.
        rungs: how many there are.
        rung_s: how long each lasts, in whole seconds.
        call_s: how long calls are: so long the first rung is played before anything counts.
    """

    lowest_per_s: float
    factor: float
    rungs: int
    rung_s: int
    call_s: int

    def __post_init__(self) -> None:
        if self.factor <= 1 or min(self.rungs, self.rung_s, self.call_s) < 1:
            raise ValueError("a ladder leads up, by one rung at least")

    @property
    def rates_per_s(self) -> list[float]:
        """Calls a second of each rung."""
        return [self.lowest_per_s * self.factor**rung for rung in range(self.rungs)]

    @property
    def begins_s(self) -> list[int]:
        """When each rung begins to count: the first when the first calls have ended, as many as begin."""
        return [self.call_s + rung * self.rung_s for rung in range(self.rungs)]

    def plan(self, draw: Draw) -> Plan:
        """All calls of a run: those of the steepest rate, of which each is kept with the chance that its time has."""
        rates, end_s = self.rates_per_s, float(self.begins_s[-1] + self.rung_s)
        steepest = Arrivals(rate_per_s=rates[-1], from_s=0.0, until_s=end_s)
        drawn = draw.at_random([steepest]).calls
        chances = np.random.default_rng(draw.seed).uniform(0.0, rates[-1], len(drawn))
        kept = [
            call
            for call, chance in zip(drawn, chances.tolist(), strict=True)
            if chance < self._rate_at(call.start_s)
        ]
        return Plan(
            calls=tuple(replace(call, number=number) for number, call in enumerate(kept)),
            duration_s=end_s,
            rate_per_s=rates[0],
        )

    def _rate_at(self, start_s: float) -> float:
        # Windows of a call are spread over it, so a rung's calls weigh most half a call after they began.
        rung = int((start_s + self.call_s / 2 - self.call_s) // self.rung_s)
        return self.rates_per_s[min(max(rung, 0), self.rungs - 1)]

    def rungs_of(self, tally: Tally) -> list["Rung"]:
        """What was counted on each rung."""
        return [
            Rung(
                rate_per_s=rate,
                begun=part.begun,
                # Those that still ran when the climb was stopped are nobody's failures.
                failed=part.failed.total() - part.failed[HUNG_UP],
                windows=part.windows,
                in_time=part.in_time,
                seconds=self.rung_s,
            )
            for rate, start in zip(self.rates_per_s, self.begins_s, strict=True)
            for part in [tally.between(start, start + self.rung_s)]
        ]

    def has_fallen(self, tally: Tally, played_s: float) -> bool:
        """Whether two rungs in a row were not held, so that climbing on is of no use."""
        over = [start + self.rung_s + SETTLES_S <= played_s for start in self.begins_s]
        rungs = self.rungs_of(tally)[: sum(over)]
        return len(rungs) > 1 and not (rungs[-1].is_held or rungs[-2].is_held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """What was counted on a rung.

    Attributes:
        rate_per_s: calls begun each second, by the plan.
        begun: calls that began.
        failed: those of them that the server refused or broke off.
        windows: windows that were answered.
        in_time: those that were answered completely within the budget.
        seconds: how long it lasted.
    """

    rate_per_s: float
    begun: int
    failed: int
    windows: int
    in_time: int
    seconds: int

    @property
    def is_held(self) -> bool:
        """Whether the 99th percentile was within the budget, of calls that were taken."""
        in_time = self.windows > 0 and self.in_time >= IN_TIME * self.windows
        return in_time and self.failed <= (1.0 - IN_TIME) * self.begun


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """The highest load that was held.

    Attributes:
        calls_per_s: of the highest rung that was held; 0 if none was.
        windows_per_s: answered on it.
        reached_top: whether the ladder ended before the server fell, so that it may hold more.
    """

    calls_per_s: float
    windows_per_s: float
    reached_top: bool


def highest(rungs: Sequence[Rung]) -> Climb:
    """How high a server climbed: the last rung that was held before two in a row were not."""
    best: Rung | None = None
    missed = 0
    for rung in rungs:
        missed = 0 if rung.is_held else missed + 1
        if missed == 2:
            break
        best = rung if rung.is_held else best
    return Climb(
        calls_per_s=best.rate_per_s if best else 0.0,
        windows_per_s=best.windows / best.seconds if best else 0.0,
        reached_top=bool(rungs) and rungs[-1].is_held and best is rungs[-1],
    )
