"""The plan of a run: every call that will be made, drawn before the first one and reproducible by its seed.

Calls arrive at random (Poisson), whatever the server does: an open loop. A server that falls behind meets the same
calls at the same times as one that keeps up, so that what it makes wait is seen and not left out ("coordinated
omission"; compare MLPerf's loadgen and wrk2).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from shengdun.service.load.lengths import SHORTEST_S, CallLengths

PAUSE_S: Final = 1.0
"""Between two calls that are made one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """One call.

    Attributes:
        number: counts the calls of the plan from 0, in the order of their beginnings.
        start_s: when it begins, from the beginning of the run.
        length_s: how long it lasts.
        clip: which of the clips is played.
        offset_s: where in the clip it begins; what is longer than the clip goes on from the clip's beginning.
        cut: whether the run ends it, and not the caller; its last decision is not judged then.
    """

    number: int
    start_s: float
    length_s: float
    clip: int
    offset_s: float
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """A stream of calls that arrive at random.

    Attributes:
        rate_per_s: calls a second.
        from_s: when the first may arrive.
        until_s: when none arrives any more, and those that are left hang up.
    """

    rate_per_s: float
    from_s: float
    until_s: float

    def __post_init__(self) -> None:
        if self.rate_per_s < 0 or not 0 <= self.from_s <= self.until_s:
            raise ValueError("a rate is at least 0, and arrivals end after they begin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All calls of a run, in the order of their beginnings.

    Attributes:
        calls: the calls.
        duration_s: when the last one ends.
        rate_per_s: calls a second that were asked for; of a burst, outside of it.
    """

    calls: tuple[PlannedCall, ...]
    duration_s: float
    rate_per_s: float

    @property
    def plan_id(self) -> str:
        """A hash of every call: the same plan has the same one."""
        return hashlib.sha256(repr(self.calls).encode()).hexdigest()[:12]

    def share(self, processes: int) -> list[tuple[PlannedCall, ...]]:
        """The calls dealt out to so many processes, as cards are."""
        return [self.calls[place::processes] for place in range(processes)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What calls are drawn from.

    Attributes:
        seed: of everything that is drawn.
        lengths: how long calls are.
        clips_s: the length of each clip.
    """

    seed: int
    lengths: CallLengths
    clips_s: Sequence[float]

    def at_random(self, streams: Sequence[Arrivals], *, step: int = 0) -> Plan:
        """Calls that arrive at random, of all streams together.

        Args:
            streams: what arrives when; the rate of the first is the plan's.
            step: number of the run within a scenario; runs of one seed differ by it.
        """
        rng = np.random.default_rng([self.seed, step])
        drawn = [call for stream in streams for call in self._stream(rng, stream)]
        return Plan(
            calls=_numbered(drawn),
            duration_s=max((stream.until_s for stream in streams), default=0.0),
            rate_per_s=streams[0].rate_per_s if streams else 0.0,
        )

    def one_by_one(self, calls: int) -> Plan:
        """Calls of which each begins when the one before is over."""
        rng = np.random.default_rng([self.seed, 0])
        drawn, start_s = [], 0.0
        for _ in range(calls):
            call = self._call(rng, start_s, until_s=float("inf"))
            drawn.append(call)
            start_s += call.length_s + PAUSE_S
        # To the next whole second: what is measured is kept by second, and the last decision belongs to it.
        duration_s = float(np.ceil(start_s)) if calls else 0.0
        return Plan(
            calls=_numbered(drawn),
            duration_s=duration_s,
            rate_per_s=calls / duration_s if calls else 0.0,
        )

    def _stream(self, rng: np.random.Generator, stream: Arrivals) -> Iterator[PlannedCall]:
        if not stream.rate_per_s:
            return
        at_s = stream.from_s + rng.exponential(1 / stream.rate_per_s)
        while at_s < stream.until_s - SHORTEST_S:
            yield self._call(rng, float(at_s), until_s=stream.until_s)
            at_s += rng.exponential(1 / stream.rate_per_s)

    def _call(self, rng: np.random.Generator, start_s: float, *, until_s: float) -> PlannedCall:
        length_s = self.lengths.draw(rng)
        clip = int(rng.integers(len(self.clips_s)))
        return PlannedCall(
            number=0,
            start_s=start_s,
            length_s=min(length_s, until_s - start_s),
            clip=clip,
            offset_s=float(rng.uniform(0, self.clips_s[clip])),
            cut=start_s + length_s > until_s,
        )


def _numbered(calls: Sequence[PlannedCall]) -> tuple[PlannedCall, ...]:
    ordered = sorted(calls, key=lambda call: call.start_s)
    return tuple(replace(call, number=number) for number, call in enumerate(ordered))
