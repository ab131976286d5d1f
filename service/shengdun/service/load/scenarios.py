"""The scenarios: which plans are played, one after the other, and where the measured part of each lies."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from shengdun.service.load.crew import Crew, End
from shengdun.service.load.figures import Step
from shengdun.service.load.plan import Arrivals, Draw, Plan

LEAST_RATE_PER_S: Final = 0.02
"""Below this the search for the rated load gives up."""
OVER: Final = 2.0
"""An overload is so many times the rated load."""


class Scenario(Enum):
    """What can be played."""

    SINGLE = "single"
    """One call at a time."""
    RATED = "rated"
    """The highest rate of calls at which p99 is within the budget, by search."""
    OVERLOAD = "overload"
    """Twice the rated load."""
    SOAK = "soak"
    """A long run at one rate."""
    BURST = "burst"
    """Several times the rate for a while, and back."""
    OFFLINE = "offline"
    """Whole recordings, as fast as the server takes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The figures of a scenario.

    Attributes:
        calls: of ``single``, and recordings of ``offline``.
        rate_per_s: calls a second; where ``rated`` begins to search; None lets ``overload`` search for it.
        duration_s: of a run.
        warm_up_s: at the beginning of a run, not measured: until as many calls end as begin.
        precision: the search ends when the lowest rate that failed is within this factor of the highest that passed.
        most_rate_per_s: where the search ends.
        burst_factor: times the rate in a burst.
        burst_s: how long a burst lasts.
    """

    calls: int
    rate_per_s: float | None
    duration_s: float
    warm_up_s: float
    precision: float
    most_rate_per_s: float
    burst_factor: float
    burst_s: float

    @property
    def burst_from_s(self) -> float:
        """When the burst begins."""
        return self.warm_up_s + self.duration_s / 3

    @property
    def burst_until_s(self) -> float:
        """When it ends."""
        return self.burst_from_s + self.burst_s


@dataclass(slots=True, kw_only=True)
class Director:
    """Plays a scenario.

    Attributes:
        crew: plays plans.
        draw: draws them.
        course: the figures of the scenario.
        budget_s: within which decisions have to come.
        steps: what was played so far; there also after an interruption.
        note: told what comes next, in words.
        rated_per_s: the highest rate that passed, once it was searched for.
    """

    crew: Crew
    draw: Draw
    course: Course
    budget_s: float
    steps: list[Step]
    note: Callable[[str], None]
    rated_per_s: float | None = None

    async def play(self, scenario: Scenario) -> None:
        """Play all of it, or as much as can be played."""
        plays: dict[Scenario, Callable[[], Awaitable[None]]] = {
            Scenario.SINGLE: self._single,
            Scenario.RATED: self._search,
            Scenario.OVERLOAD: self._overload,
            Scenario.SOAK: self._soak,
            Scenario.BURST: self._burst,
            Scenario.OFFLINE: self._offline,
        }
        await plays[scenario]()

    async def _single(self) -> None:
        await self._step("single", self.draw.one_by_one(self.course.calls), from_s=0.0)

    async def _soak(self) -> None:
        await self._at_rate("soak", self.course.rate_per_s or 0.0)

    async def _overload(self) -> None:
        rate_per_s = self.course.rate_per_s
        if rate_per_s is None:
            await self._search()
            rate_per_s = self.rated_per_s
        if rate_per_s is not None and not self._is_over():
            await self._at_rate("overload", OVER * rate_per_s)

    async def _burst(self) -> None:
        course = self.course
        rate_per_s = course.rate_per_s or 0.0
        end_s = course.burst_until_s + course.duration_s * 2 / 3
        extra = (course.burst_factor - 1) * rate_per_s
        plan = self.draw.at_random(
            [
                Arrivals(rate_per_s=rate_per_s, from_s=0.0, until_s=end_s),
                Arrivals(
                    rate_per_s=extra, from_s=course.burst_from_s, until_s=course.burst_until_s
                ),
            ]
        )
        await self._step("burst", plan, from_s=course.warm_up_s)

    async def _offline(self) -> None:
        files = self.crew.reel.recordings
        wanted = tuple(files[place % len(files)] for place in range(self.course.calls))
        crew = replace(self.crew, recordings=wanted)
        plan = Plan(calls=(), duration_s=self.course.duration_s, rate_per_s=0.0)
        await self._step("offline", plan, from_s=0.0, crew=crew)

    async def _search(self) -> None:
        """Double the rate until the budget is not kept any more, then halve the distance."""
        passed: float | None = None
        failed: float | None = None
        rate_per_s = self.course.rate_per_s or 0.25
        while not self._is_over():
            step = await self._at_rate(f"{rate_per_s:.3g} calls/s", rate_per_s)
            if step.passed:
                passed = self.rated_per_s = rate_per_s
            elif step.played.end is not End.PLANNED:
                break
            elif not (step.measured.windows or step.played.tally.failures):
                # So few calls that none of them said enough: this tells nothing about the server.
                passed = rate_per_s
            else:
                failed = rate_per_s
            following = self._next(passed, failed)
            if following is None:
                break
            rate_per_s = following

    def _next(self, passed: float | None, failed: float | None) -> float | None:
        if passed is None:
            assert failed is not None
            return failed / 2 if failed / 2 >= LEAST_RATE_PER_S else None
        if failed is None:
            return passed * 2 if passed * 2 <= self.course.most_rate_per_s else None
        # The middle of the factors, as doubling leaves a factor of two.
        return (passed * failed) ** 0.5 if failed / passed > self.course.precision else None

    async def _at_rate(self, name: str, rate_per_s: float) -> Step:
        course = self.course
        arrivals = Arrivals(
            rate_per_s=rate_per_s, from_s=0.0, until_s=course.warm_up_s + course.duration_s
        )
        plan = self.draw.at_random([arrivals], step=len(self.steps))
        return await self._step(name, plan, from_s=course.warm_up_s)

    async def _step(
        self, name: str, plan: Plan, *, from_s: float, crew: Crew | None = None
    ) -> Step:
        self.note(
            f"{name}: {len(plan.calls)} calls in {plan.duration_s:.0f} s, plan {plan.plan_id}"
        )
        played = await (crew or self.crew).play(plan)
        until_s = plan.duration_s if plan.calls else float("inf")
        step = Step(
            name=name,
            played=played,
            from_s=from_s,
            until_s=until_s,
            budget_s=self.budget_s,
        )
        self.steps.append(step)
        return step

    def _is_over(self) -> bool:
        """Whether nothing more can be played."""
        return self.crew.stopping.is_set() or any(
            step.played.end is not End.PLANNED for step in self.steps
        )
