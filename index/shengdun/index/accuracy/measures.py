"""Measures of evidence: how well scores tell two hypotheses apart, and how honest their LLRs are.

EER and the ROC convex hull follow Bruemmer & de Villiers, "The BOSARIS toolkit" (2011), sections 2-3; Cllr follows
Bruemmer & du Preez, "Application-independent evaluation of speaker detection" (2006), section 4; the empirical trust
limits follow Vergeer et al., "Numerical likelihood ratios outputted by LR systems are often based on extrapolation:
when to stop extrapolating?" (Science & Justice 56(6), 2016). The detection cost is that of the NIST speaker recognition
evaluations (SRE 2016 evaluation plan, section 3.1), the DET axes are those of Martin et al., Eurospeech 1997.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionCost:
    """What the two errors cost, and how often a trial is of one voice.

    Attributes:
        prior: probability that a trial is of one voice.
        miss: cost of not recognising it.
        false_alarm: cost of taking a stranger for it.
    """

    prior: float = 0.01
    miss: float = 1.0
    false_alarm: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.prior < 1.0 or min(self.miss, self.false_alarm) <= 0.0:
            raise ValueError("the prior must be in (0, 1) and the costs above 0")


SRE_COST: Final = DetectionCost()
"""Prior 0.01 and equal costs, as in NIST SRE 2016 and later."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DetCurve:
    """Both error rates at every threshold, ascending: misses rise from 0 while false alarms fall to 0.

    Attributes:
        misses: (t,) share of trials of one voice below the threshold.
        alarms: (t,) share of trials of strangers at it or above.
    """

    misses: Floats
    alarms: Floats

    @property
    def eer(self) -> float:
        """Error rate where both are equal, between the two nearest thresholds."""
        crossing = int(np.argmax(self.misses >= self.alarms))
        return float((self.misses[crossing] + self.alarms[crossing]) / 2.0)

    def min_dcf(self, cost: DetectionCost = SRE_COST) -> float:
        """Least detection cost over all thresholds; 1 is that of deciding without listening."""
        of_misses = cost.miss * cost.prior
        of_alarms = cost.false_alarm * (1.0 - cost.prior)
        costs = of_misses * self.misses + of_alarms * self.alarms
        return float(costs.min() / min(of_misses, of_alarms))

    def miss_rate_at(self, alarm_rate: float) -> float:
        """Share missed at the lowest threshold that keeps false alarms within a rate."""
        return float(self.misses[int(np.argmax(self.alarms <= alarm_rate))])


def det_curve(target_counts: Floats, other_counts: Floats) -> DetCurve:
    """The curve from how many trials of either kind have each score.

    Args:
        target_counts: (s,) weight of the trials of one voice at each score, scores ascending.
        other_counts: (s,) weight of the trials of strangers at each score.

    Raises:
        ValueError: there are no trials of one of the kinds.
    """
    targets, others = target_counts.sum(), other_counts.sum()
    if targets <= 0 or others <= 0:
        raise ValueError("a curve needs trials of one voice and of strangers")
    below = np.concatenate([[0.0], np.cumsum(target_counts)]) / targets
    from_here = 1.0 - np.concatenate([[0.0], np.cumsum(other_counts)]) / others
    return DetCurve(misses=np.clip(below, 0.0, 1.0), alarms=np.clip(from_here, 0.0, 1.0))


def cllr(targets: Floats, others: Floats) -> float:
    """Cost of the LLRs in bits: 0 is perfect, 1 is no better than saying nothing."""
    of_targets = np.logaddexp(0.0, -targets).mean()
    of_others = np.logaddexp(0.0, others).mean()
    return float((of_targets + of_others) / (2.0 * np.log(2.0)))


def min_cllr(targets: Floats, others: Floats) -> float:
    """Cllr after the best monotone recalibration (pool adjacent violators), with one error of either kind added."""
    llrs, is_target = _isotonic_llrs(targets, others)
    return cllr(llrs[is_target], llrs[~is_target])


def min_cllr_of_counts(target_counts: Floats, other_counts: Floats) -> float:
    """``min_cllr`` from how many trials of either kind have each score, (s,) each, scores ascending."""
    targets, others = target_counts.sum(), other_counts.sum()
    with_error_t = np.concatenate([[1.0, 0.0], target_counts, [1.0, 0.0]])
    with_error_o = np.concatenate([[0.0, 1.0], other_counts, [0.0, 1.0]])
    weights = with_error_t + with_error_o
    shares = np.divide(with_error_t, weights, out=np.zeros_like(weights), where=weights > 0)
    posterior = _pool_adjacent_violators(shares, weights)[2:-2]
    posterior = np.clip(posterior, 1e-12, 1.0 - 1e-12)
    llrs = np.log(posterior / (1.0 - posterior)) - np.log(targets / others)
    of_targets = (target_counts * np.logaddexp(0.0, -llrs)).sum() / targets
    of_others = (other_counts * np.logaddexp(0.0, llrs)).sum() / others
    return float((of_targets + of_others) / (2.0 * np.log(2.0)))


def eer(targets: Floats, others: Floats) -> float:
    """Error rate where misses and false alarms are equal, between the two nearest thresholds."""
    thresholds = np.sort(np.concatenate([targets, others]))
    misses = np.searchsorted(np.sort(targets), thresholds, side="left") / len(targets)
    alarms = 1.0 - np.searchsorted(np.sort(others), thresholds, side="left") / len(others)
    crossing = int(np.argmax(misses >= alarms))
    return float((misses[crossing] + alarms[crossing]) / 2.0)


def exaggeration(others: Floats, threshold: float) -> float:
    """How often strangers reach ``threshold``, over the exp(-threshold) that honest LLRs allow."""
    return float((others >= threshold).mean() * np.exp(threshold))


def trust_limits(targets: Floats, others: Floats) -> tuple[float, float]:
    """The range of LLRs that this many trials can vouch for: floor and cap.

    Of strangers at most one in ``k`` may reach a likelihood ratio of ``k``, and of known voices at most one in ``k``
    may fall to ``1 / k``. A limit is the furthest LLR up to which the upper 95 % confidence bound of the observed rate
    keeps that promise; with nobody beyond it, that is about the log of a third of the trials.

    Args:
        targets: LLRs of same-speaker trials, each pair of recordings once.
        others: LLRs of different-speaker trials, each pair of recordings once.
    """
    return -_furthest_kept(-targets), _furthest_kept(others)


def empirical_bounds(targets: Floats, others: Floats) -> tuple[float, float]:
    """Floor and cap after Vergeer et al. 2016: beyond them, deciding by the LLRs costs more than ignoring them.

    One more misleading trial is counted on the side that could mislead. Unlike ``trust_limits`` this also asks that
    many known voices still lie beyond the bound.
    """
    grid = _grid()
    up = _share_below(targets, grid) + np.exp(grid) * (_count_from(others, grid) + 1.0) / (
        len(others) + 1.0
    )
    down = _share_below(-others, grid) + np.exp(grid) * (_count_from(-targets, grid) + 1.0) / (
        len(targets) + 1.0
    )
    return -_last_kept(grid, down < 1.0), _last_kept(grid, up < 1.0)


def _furthest_kept(misleading: Floats) -> float:
    grid = _grid()
    count = _count_from(misleading, grid) + 1.0
    # Byar's approximation of the Poisson upper bound, one-sided 95 %.
    upper = count * (1.0 - 1.0 / (9.0 * count) + 1.645 / (3.0 * np.sqrt(count))) ** 3
    return _last_kept(grid, upper / len(misleading) <= np.exp(-grid))


def _grid() -> Floats:
    # From 1 on: near 0 the confidence bound of a share near 1 says nothing about evidence.
    return np.arange(1.0, 20.0, 0.05)


def _count_from(llrs: Floats, grid: Floats) -> Floats:
    return (len(llrs) - np.searchsorted(np.sort(llrs), grid, side="left")).astype(np.float64)


def _share_below(llrs: Floats, grid: Floats) -> Floats:
    return 1.0 - _count_from(llrs, grid) / len(llrs)


def _last_kept(grid: Floats, kept: NDArray[np.bool_]) -> float:
    broken = np.flatnonzero(~kept)
    return float(grid[max(int(broken[0]) - 1, 0)] if len(broken) else grid[-1])


def _isotonic_llrs(targets: Floats, others: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    scores = np.concatenate([targets, others])
    labels = np.concatenate([np.ones(len(targets)), np.zeros(len(others))])
    order = np.lexsort((-labels, scores))
    # One error of either kind at the ends keeps the LLRs finite (Laplace's rule).
    padded = np.concatenate([[1.0, 0.0], labels[order], [1.0, 0.0]])
    posterior = np.clip(_pool_adjacent_violators(padded)[2:-2], 1e-12, 1.0 - 1e-12)
    log_prior_odds = np.log(len(targets) / len(others))
    return np.log(posterior / (1.0 - posterior)) - log_prior_odds, labels[order] == 1.0


def _pool_adjacent_violators(values: Floats, weights: Floats | None = None) -> Floats:
    sums: list[float] = []
    masses: list[float] = []
    counts: list[int] = []
    given = np.ones(len(values)) if weights is None else weights
    for value, weight in zip(values.tolist(), given.tolist(), strict=True):
        sums.append(value * weight)
        masses.append(weight)
        counts.append(1)
        while len(sums) > 1 and sums[-2] * masses[-1] >= sums[-1] * masses[-2]:
            sums[-2:] = [sums[-2] + sums[-1]]
            masses[-2:] = [masses[-2] + masses[-1]]
            counts[-2:] = [counts[-2] + counts[-1]]
    return np.repeat(np.array(sums) / np.maximum(masses, 1e-300), counts)
