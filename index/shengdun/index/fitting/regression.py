"""Logistic regression by Newton's method, where decisions are made and near what is already known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEPS = 200
_CLOSE = 1e-8
_RIDGE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trials:
    """Comparisons of known outcome.

    Attributes:
        features: (n, p), what the coefficients multiply.
        is_target: (n,) whether both sides are one voice.
        weights: (n,) weight of each trial within its own class, at least 0.
    """

    features: Floats
    is_target: NDArray[np.bool_]
    weights: Floats

    def __post_init__(self) -> None:
        if not len(self.features) == len(self.is_target) == len(self.weights):
            raise ValueError("features, is_target and weights must have the same length")
        if not (self.is_target.any() and (~self.is_target).any()):
            raise ValueError("a fit needs trials of one voice and of strangers")

    def columns(self, chosen: Sequence[int]) -> "Trials":
        """The same trials with some of the features."""
        return Trials(
            features=self.features[:, list(chosen)],
            is_target=self.is_target,
            weights=self.weights,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Belief:
    """Coefficients to stay near to.

    Attributes:
        coefficients: (p,) those of an earlier fit.
        strength: cost of a mean squared difference of 1 between the LLRs of the two fits, on the trials.
    """

    coefficients: Floats
    strength: float


def fit_llr(trials: Trials, *, priors: Sequence[float], belief: Belief | None = None) -> Floats:
    """Coefficients for which ``features @ coefficients`` is a natural-log LLR.

    The proper scoring rule is taken at several priors of a same-voice trial at once (Bruemmer & du Preez, Computer
    Speech & Language 20, 2006, section 6), each divided by what it costs to know nothing. At 0.5 it asks for LLRs that
    are right near 0, at a low prior for honest LLRs of the strangers who score high, where watchlists decide.

    Args:
        trials: comparisons of known outcome.
        priors: each in (0, 1).
        belief: what to stay near to; None to start from nothing.

    Returns:
        (p,) float64.

    Raises:
        ArithmeticError: Newton's method doesn't converge, as on separable data.
    """
    scale = np.maximum(np.abs(trials.features).max(axis=0), 1e-12)
    features = trials.features / scale
    shares = _class_shares(trials)
    start = np.zeros(features.shape[1]) if belief is None else belief.coefficients * scale
    towards = start.copy()
    pull = 0.0 if belief is None else belief.strength
    spread = (features * shares[:, np.newaxis]).T @ features / 2.0
    coefficients = start
    for _ in range(_STEPS):
        gradient, curvature = _derivatives(features, trials.is_target, shares, priors, coefficients)
        gradient += 2.0 * pull * spread @ (towards - coefficients) - _RIDGE * coefficients
        curvature += 2.0 * pull * spread + _RIDGE * np.eye(len(coefficients))
        step = np.linalg.solve(curvature, gradient)
        coefficients = coefficients + step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < _CLOSE:
            unscaled: Floats = coefficients / scale
            return unscaled
    raise ArithmeticError("logistic regression did not converge")


def _derivatives(
    features: Floats,
    is_target: NDArray[np.bool_],
    shares: Floats,
    priors: Sequence[float],
    coefficients: Floats,
) -> tuple[Floats, Floats]:
    """The downhill gradient and the curvature of the cost over all priors."""
    llrs = features @ coefficients
    sign = np.where(is_target, 1.0, -1.0)
    pushed = np.zeros(len(llrs))
    bent = np.zeros(len(llrs))
    for prior in priors:
        ignorance = -(prior * np.log(prior) + (1.0 - prior) * np.log(1.0 - prior))
        weight = np.where(is_target, prior, 1.0 - prior) * shares / ignorance / len(priors)
        margin = sign * (llrs + np.log(prior / (1.0 - prior)))
        wrong = 1.0 / (1.0 + np.exp(np.clip(margin, -500.0, 500.0)))
        pushed += weight * sign * wrong
        bent += weight * wrong * (1.0 - wrong)
    return features.T @ pushed, (features * bent[:, np.newaxis]).T @ features


def _class_shares(trials: Trials) -> Floats:
    """Weights that sum to 1 within each class."""
    totals = np.where(
        trials.is_target,
        trials.weights[trials.is_target].sum(),
        trials.weights[~trials.is_target].sum(),
    )
    shares: Floats = trials.weights / totals
    return shares
