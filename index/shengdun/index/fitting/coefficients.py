"""Fitting the map from a score to an LLR."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.fitting.regression import Belief, Trials, fit_llr
from shengdun.index.llr import NOISIEST_SNR_DB, LlrCoefficients, Sides, hinge

Floats = NDArray[np.float64]

PRIORS: Final = (0.5, 0.001)
"""The middle, where Cllr looks, and what a list of some tens of actors gives each of them before anything is heard."""
SHORTEST_S: Final = 1.5
LONGEST_S: Final = 20.0
BREVITY_EXPONENT: Final = 0.5
"""Short speech widens the cosines of one voice by its root (decision note 0016)."""

_OFFSET, _OFFSET_BREVITY, _OFFSET_NOISE, _SLOPE, _SLOPE_BREVITY, _SLOPE_NOISE, _BEND = range(7)
_NAMES: Final = (
    "offset",
    "offset_brevity",
    "offset_noise",
    "slope",
    "slope_brevity",
    "slope_noise",
    "bend",
)
_SIMPLER: Final[tuple[tuple[int, ...], ...]] = (
    (_OFFSET, _OFFSET_BREVITY, _OFFSET_NOISE, _SLOPE, _SLOPE_BREVITY, _SLOPE_NOISE, _BEND),
    (_OFFSET, _OFFSET_BREVITY, _OFFSET_NOISE, _SLOPE, _SLOPE_BREVITY, _SLOPE_NOISE),
    (_OFFSET, _OFFSET_BREVITY, _OFFSET_NOISE, _SLOPE, _BEND),
    (_OFFSET, _OFFSET_BREVITY, _OFFSET_NOISE, _SLOPE),
    (_OFFSET, _SLOPE),
)
"""Shapes of the map, the richest first. One that comes out falling somewhere gives way to the next."""
_WIDTHS_APART: Final = 8.0
"""The bend takes an eighth of the distance between the mean scores of strangers and of one voice."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredTrials:
    """Scores of comparisons of known outcome.

    Attributes:
        scores: (n,) as the scorer gives them before the map.
        sides: how much there was to go by.
        is_target: (n,) whether both sides are one voice.
        weights: (n,) weight of each within its own class.
    """

    scores: Floats
    sides: Sides
    is_target: NDArray[np.bool_]
    weights: Floats

    @property
    def knot(self) -> tuple[float, float]:
        """Where the map bends and how gently: half-way between the mean scores of strangers and of one voice."""
        same = np.average(self.scores[self.is_target], weights=self.weights[self.is_target])
        other = np.average(self.scores[~self.is_target], weights=self.weights[~self.is_target])
        return float(same + other) / 2.0, max(float(same - other), 1e-3) / _WIDTHS_APART

    def features(self, knot: float, width: float) -> Floats:
        """(n, 7), what the coefficients multiply, in the order of their names."""
        brevity = self.sides.brevity(SHORTEST_S, LONGEST_S) ** BREVITY_EXPONENT
        noise = self.sides.noisiness(NOISIEST_SNR_DB)
        s = self.scores
        columns = (
            np.ones(len(s)),
            brevity,
            noise,
            s,
            s * brevity,
            s * noise,
            hinge(s, knot, width),
        )
        return np.stack(np.broadcast_arrays(*columns), axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The range of LLRs that the data can vouch for; see ``LlrCoefficients``."""

    floor: float = -20.0
    cap: float = 20.0


def fit_coefficients(
    trials: ScoredTrials, *, limits: Limits | None = None, priors: Sequence[float] = PRIORS
) -> LlrCoefficients:
    """Fit the richest map that rises everywhere.

    Raises:
        ArithmeticError: not even the simplest does: scores of one voice aren't higher than those of strangers.
    """
    knot, width = trials.knot
    regression = Trials(
        features=trials.features(knot, width), is_target=trials.is_target, weights=trials.weights
    )
    for shape in _SIMPLER:
        try:
            fitted = fit_llr(regression.columns(shape), priors=priors)
            return _coefficients(shape, fitted, knot, width, limits or Limits())
        except (ValueError, ArithmeticError):
            continue
    raise ArithmeticError("scores of one voice are not higher than scores of strangers")


def refit_coefficients(
    known: LlrCoefficients, trials: ScoredTrials, *, strength: float
) -> LlrCoefficients:
    """Shift and stretch a known map towards new trials, as far as their number justifies.

    Args:
        known: the map so far; its limits and the place of its bend are kept.
        trials: new ones.
        strength: how much a mean squared change of 1 of the LLRs costs; the more, the nearer to ``known``.

    Raises:
        ArithmeticError: the labels contradict the map: it would have to fall.
    """
    llrs = known.unlimited(trials.scores, trials.sides)
    regression = Trials(
        features=np.stack([np.ones(len(llrs)), llrs], axis=1),
        is_target=trials.is_target,
        weights=trials.weights,
    )
    belief = Belief(coefficients=np.array([0.0, 1.0]), strength=strength)
    shift, stretch = fit_llr(regression, priors=PRIORS, belief=belief).tolist()
    if stretch <= 0.0:
        raise ArithmeticError("the labelled calls contradict the calibration")
    moved = {name: round(getattr(known, name) * stretch, 4) for name in _NAMES}
    return replace(known, **moved | {"offset": round(known.offset * stretch + shift, 4)})


def _coefficients(
    shape: Sequence[int], fitted: Floats, knot: float, width: float, limits: Limits
) -> LlrCoefficients:
    found = dict.fromkeys(_NAMES, 0.0)
    found |= {
        _NAMES[column]: round(value, 4)
        for column, value in zip(shape, fitted.tolist(), strict=True)
    }
    return LlrCoefficients(
        **found,
        knot=round(knot, 4),
        width=round(width, 4),
        brevity_exponent=BREVITY_EXPONENT,
        noisiest_snr_db=NOISIEST_SNR_DB,
        shortest_net_speech_s=SHORTEST_S,
        longest_net_speech_s=LONGEST_S,
        floor=limits.floor,
        cap=limits.cap,
    )
