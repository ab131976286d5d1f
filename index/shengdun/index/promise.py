"""The threshold as a promise: levels at which at most so many of 10,000 calls by strangers are flagged.

A call by somebody on no list is flagged when any of its decisions is, so a call's score is the largest log posterior
odds of its looks. What is promised lies at the edge of what the calls of a site show, or beyond it: 10 in 10,000 are
one or two of 1,500 calls. Where the calls reach, the level is their quantile; beyond, the upper tail is taken to be a
generalised Pareto distribution, fitted by probability-weighted moments (Hosking & Wallis, Technometrics 29(3), 1987).
Its shape is taken a standard error heavier than fitted and held between -0.5 and 0. Calibrated log posterior odds have
no heavier tail than the exponential one, 0: evidence of e^t in favour of the list comes from a stranger at most e^-t as
often as from a listed agent. The interval comes from drawing calls again
(Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13), and has the uncertainty of the shape in it.

Levels are raised above their best estimates until the upper end of the interval is twice the promise, for HIGH twice
its own share; what is to be expected is usually less than what was promised. The promise counts as kept when the
promised rate is at least half a call of the calls there are: further out, the tail is a guess.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CALLS: Final = 10_000
"""Rates are stated of so many calls."""

MOST_OVER_PROMISE: Final = 2.0
LEAST_CALLS_PROMISED: Final = 0.5
LEAST_GAP: Final = 1e-3
"""From MEDIUM to HIGH, in log odds."""
_TAIL_SHARE: Final = 0.1
_LEAST_TAIL_CALLS: Final = 50.0
_REPLICATES: Final = 500
_INTERVAL: Final = (0.025, 0.975)
_NARROWEST: Final = 1e-6
_LIGHTEST_SHAPE: Final = -0.5
_HEAVIEST_SHAPE: Final = -1e-3
"""As good as 0, and no division by it."""
_SHAPE_VARIANCE: Final = 4.0 / 3.0
"""Of the fitted shape near 0, times the number of calls (Hosking & Wallis 1987)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StrangerScores:
    """How the calls of strangers score against the lists of a line.

    Attributes:
        log_odds: (c,) the largest natural-log posterior odds of "on a list" over the looks of each call.
        weights: (c,) the probability that the call isn't by a listed agent after all; 0 leaves it out.
        groups: (c,) what is drawn again together; calls of one speaker, where speakers are known.
        left_out: calls that were not scored, because so many on so long a list would take too long.
    """

    log_odds: Floats
    weights: Floats
    groups: NDArray[np.int64] | None = None
    left_out: int = 0

    def __post_init__(self) -> None:
        if self.log_odds.ndim != 1 or self.log_odds.shape != self.weights.shape:
            raise ValueError("log_odds and weights must be vectors of the same length")
        if not np.isfinite(self.log_odds).all() or not (self.weights >= 0.0).all():
            raise ValueError("log_odds must be finite and weights 0 or more")
        if self.weights.sum() <= 0.0:
            raise ValueError("at least one call must be a stranger's")


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelDerivation:
    """Levels for a line's lists, and what is to be expected at them.

    Attributes:
        medium: least probability of MEDIUM, 0 to 1.
        high: least probability of HIGH, above ``medium``.
        expected: of 10,000 calls by strangers, how many are expected to reach MEDIUM at any time.
        lower: lower end of the 95 % interval of that.
        upper: its upper end.
        strangers: calls that it rests on.
        kept: whether the promise can be vouched for.
        why: for people, why it can't; empty when it can.
    """

    medium: float
    high: float
    expected: float
    lower: float
    upper: float
    strangers: int
    kept: bool
    why: str = ""

    def __post_init__(self) -> None:
        if not 0.0 < self.medium < self.high < 1.0:
            raise ValueError("levels must be between 0 and 1, medium below high")
        if not 0.0 <= self.lower <= self.expected <= self.upper:
            raise ValueError("the interval must contain what is expected")


def derive_levels(
    scores: StrangerScores,
    *,
    false_flags: float,
    high_share: float,
    least_medium: float | None = None,
) -> LevelDerivation:
    """The levels at which a promise is kept, or comes nearest to being kept.

    Args:
        scores: of the site's strangers against the lists.
        false_flags: the promise, in 10,000 calls by strangers; above 0.
        high_share: HIGH is to be reached by this share of the promise; above 0, below 1.
        least_medium: what the costs ask for; MEDIUM isn't below it. None when there are none.
    """
    rate = false_flags / CALLS
    tails = _tails(scores)
    medium = _careful_level(tails, rate)
    high = _careful_level(tails, rate * high_share)
    if least_medium is not None:
        floor = logit(least_medium)
        medium, high = max(medium, floor), max(high, floor - float(np.log(high_share)))
    high = max(high, medium + LEAST_GAP)
    rates = np.array([tail.rate(medium) for tail in tails]) * CALLS
    lower, upper = np.quantile(rates[1:], _INTERVAL)
    expected = float(rates[0])
    upper = max(float(upper), expected)
    why = _why_not(scores, false_flags=false_flags)
    return LevelDerivation(
        medium=expit(medium),
        high=expit(high),
        expected=expected,
        lower=min(float(lower), expected),
        upper=upper,
        strangers=len(scores.log_odds),
        kept=not why,
        why=why,
    )


def logit(probability: float) -> float:
    """Natural-log odds."""
    return float(np.log(probability) - np.log1p(-probability))


def expit(log_odds: float) -> float:
    """The probability of natural-log odds, kept off 0 and 1."""
    return float(1.0 / (1.0 + np.exp(-np.clip(log_odds, -35.0, 35.0))))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tail:
    """The distribution of scores: as observed up to ``start``, generalised Pareto from there on.

    Attributes:
        scores: (n,) descending.
        reached: (n,) share of calls that score at least as high.
        start: where the tail begins.
        share: share of calls in the tail.
        scale: of the tail, above 0.
        shape: of the tail, below 0: it ends ``-scale / shape`` above its start.
    """

    scores: Floats
    reached: Floats
    start: float
    share: float
    scale: float
    shape: float

    def level(self, rate: float) -> float:
        """The score that this share of calls reaches."""
        if rate < self.share:
            further = float(np.expm1(self.shape * np.log(self.share / rate)))
            return self.start + self.scale / self.shape * further
        within = int(np.searchsorted(self.reached, rate, side="right"))
        # Just above the first score that too many calls reach.
        return float(np.nextafter(self.scores[min(within, len(self.scores) - 1)], np.inf))

    def rate(self, level: float) -> float:
        """The share of calls that reach a score."""
        if level > self.start:
            left = max(0.0, 1.0 + self.shape * (level - self.start) / self.scale)
            return self.share * float(left ** (-1.0 / self.shape))
        above = int(np.searchsorted(-self.scores, -level, side="right"))
        return float(self.reached[above - 1]) if above else 0.0


def _tails(scores: StrangerScores) -> list[_Tail]:
    """The tail of all calls, and of as many drawn again."""
    order = np.argsort(-scores.log_odds, kind="stable")
    descending, weights = scores.log_odds[order], scores.weights[order]
    grouping = np.arange(len(order)) if scores.groups is None else scores.groups
    _, group = np.unique(grouping, return_inverse=True)
    count = int(group.max()) + 1
    rng = np.random.default_rng(0)
    tails = [_fit(descending, weights)]
    for _ in range(_REPLICATES):
        drawn = np.bincount(rng.integers(count, size=count), minlength=count)
        again = weights * drawn[group[order]]
        if again.sum() > 0.0:
            tails.append(_fit(descending, again))
    return tails


def _fit(descending: Floats, weights: Floats) -> _Tail:
    total = float(weights.sum())
    reached = np.cumsum(weights) / total
    share = min(max(_TAIL_SHARE, _LEAST_TAIL_CALLS / total), 0.5)
    first = min(int(np.searchsorted(reached, share)), len(descending) - 1)
    start = float(descending[first])
    excess, counted = descending[: first + 1] - start, weights[: first + 1]
    # The share of the tail that lies above each of its scores, in the middle of what the score itself takes up.
    above = (np.cumsum(counted) - 0.5 * counted) / counted.sum()
    mean = max(float(np.average(excess, weights=counted)), _NARROWEST)
    above_mean = float(np.average(excess * above, weights=counted))
    fitted = 2.0 - mean / max(mean - 2.0 * above_mean, _NARROWEST)
    # Held below 0, an estimate that is right on average would on average be too light: one standard error heavier.
    calls = float(counted.sum() ** 2 / (counted**2).sum())
    careful = fitted + float(np.sqrt(_SHAPE_VARIANCE / calls))
    shape = float(np.clip(careful, _LIGHTEST_SHAPE, _HEAVIEST_SHAPE))
    return _Tail(
        scores=descending,
        reached=reached,
        start=start,
        share=float(reached[first]),
        # With the shape held within bounds, the scale that keeps the mean.
        scale=mean * (1.0 - shape),
        shape=shape,
    )


def _careful_level(tails: list[_Tail], rate: float) -> float:
    """Where this rate is expected, raised until twice the rate is the upper end of the interval."""
    bounding = [tail.level(MOST_OVER_PROMISE * rate) for tail in tails[1:]]
    return max(tails[0].level(rate), float(np.quantile(bounding, _INTERVAL[1])))


def _why_not(scores: StrangerScores, *, false_flags: float) -> str:
    calls = len(scores.log_odds)
    needed = int(np.ceil(LEAST_CALLS_PROMISED * CALLS / false_flags))
    if calls >= needed:
        return ""
    scored = f"{calls} calls of strangers (of {calls + scores.left_out} that the profile has)"
    return f"{scored} can't show so low a rate; {needed} are needed: calibrate with more calls, or promise less"
