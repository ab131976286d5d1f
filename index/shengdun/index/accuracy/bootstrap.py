"""Intervals by speaker bootstrap: speakers are drawn again, with everything that they said.

Trials of one speaker resemble each other, so drawing trials again would promise too much (Bisani & Ney, ICASSP 2004;
for speakers: Wu et al., "Measurement uncertainty in ROC analysis of speaker detection", NISTIR 7733, 2010).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure with the interval that it lies in with 95 % confidence.

    Attributes:
        value: on the whole sample.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    value: float
    low: float
    high: float


def speaker_draws(speakers: int, *, replicates: int, seed: int) -> Floats:
    """How often each speaker is drawn in each replicate, (replicates, speakers)."""
    rng = np.random.default_rng(seed)
    shares = np.full(speakers, 1.0 / speakers)
    return rng.multinomial(speakers, shares, size=replicates).astype(np.float64)


def figures(
    whole: dict[str, float], draw: Callable[[Floats], dict[str, float] | None], draws: Floats
) -> dict[str, Figure]:
    """Every figure with its interval.

    Args:
        whole: the figures on the whole sample.
        draw: gives the figures when speakers count as often as they were drawn; None when that can't be told, as when
            no trial is left.
        draws: (replicates, speakers), as ``speaker_draws`` gives them.
    """
    return intervals(whole, [found for row in draws if (found := draw(row)) is not None])


def intervals(whole: dict[str, float], drawn: Sequence[dict[str, float]]) -> dict[str, Figure]:
    """Every figure of the whole sample with the interval that its values in the replicates span."""
    tail = 100.0 * (1.0 - CONFIDENCE) / 2.0
    spans = {}
    for name, value in whole.items():
        samples = [found[name] for found in drawn] or [value]
        low, high = np.percentile(samples, (tail, 100.0 - tail))
        # The percentile interval of a biased replicate may miss the value; an interval that excludes it misleads.
        spans[name] = Figure(value=value, low=min(float(low), value), high=max(float(high), value))
    return spans
