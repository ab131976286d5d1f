"""Weighted logistic regression by Newton's method: the whole of what the fit of a calibration needs."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fit_llr(
    features: Floats, is_target: NDArray[np.bool_], weights: Floats, *, prior: float
) -> Floats:
    """Coefficients for which ``features @ coefficients`` is a natural-log LLR.

    The proper scoring rule is taken at the given prior (Bruemmer & du Preez 2006, section 6), so that the fit works
    where decisions are made: a low prior looks at the strangers that score high.

    Args:
        features: (n, p), a column of ones included.
        is_target: (n,) same-speaker trials.
        weights: (n,) weight of each trial within its own class.
        prior: of a same-speaker trial, in (0, 1).

    Raises:
        ArithmeticError: Newton's method doesn't converge, as on separable data.
    """
    weight = np.where(
        is_target,
        prior * weights / weights[is_target].sum(),
        (1.0 - prior) * weights / weights[~is_target].sum(),
    )
    log_prior_odds = np.log(prior / (1.0 - prior))
    sign = np.where(is_target, 1.0, -1.0)
    coefficients = np.zeros(features.shape[1])
    scale = np.maximum(np.abs(features).max(axis=0), 1e-12)
    scaled = features / scale
    for _ in range(100):
        margin = sign * (scaled @ coefficients + log_prior_odds)
        wrong = 1.0 / (1.0 + np.exp(np.clip(margin, -500.0, 500.0)))
        gradient = scaled.T @ (weight * sign * wrong)
        curvature = (scaled * (weight * wrong * (1.0 - wrong))[:, np.newaxis]).T @ scaled
        step = np.linalg.solve(
            curvature + 1e-9 * np.eye(len(gradient)), gradient - 1e-9 * coefficients
        )
        coefficients = coefficients + step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            unscaled: Floats = coefficients / scale
            return unscaled
    raise ArithmeticError("logistic regression did not converge")
