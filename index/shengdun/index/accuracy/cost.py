"""What a voiceprint costs: processor time of one window, measured so that a busy machine favours nobody.

Rounds are interleaved: in each, every model embeds the same window, and who begins changes from round to round. What is
compared is the ratio within a round, of processor time and not of the clock, and its median over all rounds: another
process that takes the machine away, or a core that changes its speed, then touches all models alike or one round.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.samples import Samples
from shengdun.index.accuracy.bootstrap import Figure

ROUNDS: Final = 30
_QUARTILES: Final = (25.0, 75.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one window costs.

    Attributes:
        window_ms: processor time on one thread in milliseconds; the median with its quartiles.
        ratio: to the first model, within a round; the median with its quartiles.
        rounds: how many rounds were measured.
    """

    window_ms: Figure
    ratio: Figure
    rounds: int


def measure_costs(
    models: Sequence[VoiceModel], windows: Sequence[Samples], *, rounds: int = ROUNDS
) -> tuple[Cost, ...]:
    """Measure what one window costs each model.

    Args:
        models: each opened for one thread; the first is the one that the others are compared with.
        windows: stretches of speech; a round takes the next of them.
        rounds: how often; 1 or more.

    Returns:
        The cost of each model, in their order.

    Raises:
        ValueError: there is no model, no window or no round.
    """
    if not models or not windows or rounds < 1:
        raise ValueError("a cost needs a model, a window and a round at least")
    took_ms = np.empty((rounds, len(models)))
    with threadpool_limits(limits=1):
        for model in models:
            # The first run of a network allocates and picks its kernels.
            model.embed([windows[0]])
        for turn in range(rounds):
            window = windows[turn % len(windows)]
            for place in np.roll(np.arange(len(models)), turn).tolist():
                took_ms[turn, place] = _processor_ms(models[place], window)
    ratios = took_ms / took_ms[:, :1]
    return tuple(
        Cost(window_ms=_median(took_ms[:, place]), ratio=_median(ratios[:, place]), rounds=rounds)
        for place in range(len(models))
    )


def _processor_ms(model: VoiceModel, window: Samples) -> float:
    began_ns = time.process_time_ns()
    model.embed([window])
    return (time.process_time_ns() - began_ns) / 1e6


def _median(values: NDArray[np.float64]) -> Figure:
    low, high = np.percentile(values, _QUARTILES)
    return Figure(value=float(np.median(values)), low=float(low), high=float(high))
