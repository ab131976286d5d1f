"""Timing several ways side by side on a machine that others use too.

The ways take turns, many short turns each, and the order is turned round every time. Only ratios within a round count:
what slows one way down slows its neighbours down as well. Time is processor time of this process, so that waiting for
a core isn't counted.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Way: TypeAlias = Callable[[], object]
"""Something to be timed."""

_WARM_UP = 3
_RESAMPLES = 1_000
_INTERVAL = (2.5, 97.5)
_SEED = 20_261_127


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Time of one way over another's.

    Attributes:
        median: of the rounds' ratios.
        interval: 95 % interval of the median, by resampling rounds.
    """

    median: float
    interval: tuple[float, float]


def take_turns(
    ways: Mapping[str, Way], *, rounds: int, calls: int
) -> dict[str, NDArray[np.float64]]:
    """Times each way in each round.

    Args:
        ways: what is to be timed, by name.
        rounds: turns that each way has.
        calls: calls in a turn.

    Returns:
        Processor seconds of one call, by name, shape ``(rounds,)``.
    """
    for way in ways.values():
        for _ in range(_WARM_UP):
            way()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds):
        order = list(ways) if turn % 2 == 0 else list(ways)[::-1]
        for name in order:
            begun = time.process_time()
            for _ in range(calls):
                ways[name]()
            taken[name].append((time.process_time() - begun) / calls)
    return {name: np.array(seconds) for name, seconds in taken.items()}


def ratio(seconds: NDArray[np.float64], base: NDArray[np.float64]) -> Ratio:
    """Gives the median ratio of two ways that took turns, with its interval."""
    ratios = seconds / base
    drawn = np.random.default_rng(_SEED).integers(0, len(ratios), (_RESAMPLES, len(ratios)))
    low, high = np.percentile(np.median(ratios[drawn], axis=1), _INTERVAL)
    return Ratio(median=float(np.median(ratios)), interval=(float(low), float(high)))


def as_milliseconds(seconds: NDArray[np.float64]) -> list[float]:
    """Raw samples for a result."""
    return [round(float(one) * 1000, 4) for one in seconds]
