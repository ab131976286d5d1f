"""Fitting how far voices lie apart and calls of one voice, from calls of known voices."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.fitting.regression import Trials, fit_llr
from shengdun.index.llr import QUIET_SNR_DB, Sides
from shengdun.index.voices.spread import LONGEST_S, SHORTEST_S, Spread

Floats = NDArray[np.float64]

_LEAST_CALLS: Final = 4
"""Of one voice, to tell how its calls stray."""
_EVERYWHERE: Final = 0.3
"""Share of the mean variance between voices that every axis has at least: voices are fewer than axes."""
_PRIORS: Final = (0.001,)
_LEAST_SCALE: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownCalls:
    """n calls of known voices.

    Attributes:
        projected: (n, d) unit rows as ``Scorer.project`` gives them.
        net_speech_s: (n,) behind each.
        snr_db: (n,) NaN where it isn't known.
        voices: (n,) row of each call's voice, in 0 .. v - 1.
    """

    projected: NDArray[np.float32]
    net_speech_s: Floats
    snr_db: Floats
    voices: NDArray[np.int64]


def fit_spread(calls: KnownCalls) -> Spread:
    """The spread of these calls, with a scale of 1; see ``fit_scale``.

    Raises:
        ValueError: hardly any voice has calls enough.
    """
    rows = calls.projected.astype(np.float64)
    counts = np.bincount(calls.voices)
    sums = np.stack([np.bincount(calls.voices, column) for column in rows.T], axis=1)
    means = sums / np.maximum(counts, 1)[:, np.newaxis]
    often = counts[calls.voices] >= _LEAST_CALLS
    if len(np.unique(calls.voices[often])) < 2:
        raise ValueError(f"a spread needs voices with {_LEAST_CALLS} calls or more")
    strayed = (rows - means[calls.voices])[often]
    unbiased = counts[calls.voices[often]] / (counts[calls.voices[often]] - 1.0)
    squares = (strayed**2).mean(axis=1) * unbiased
    stray, brevity, noise = _rising(calls, often, squares)
    heard = counts > 0
    values, axes = np.linalg.eigh(np.cov(means[heard].T))
    # A speaker's mean still has a share of what its calls stray.
    remaining = squares.mean() / counts[heard].mean()
    between = np.maximum(values - remaining, 0.0) + _EVERYWHERE * values.mean()
    return Spread(
        centre=means[heard].mean(axis=0),
        axes=axes,
        between=between,
        stray=stray,
        stray_brevity=brevity,
        stray_noise=noise,
        scale=1.0,
    )


def fit_map(llrs: Floats, is_target: NDArray[np.bool_]) -> tuple[float, float]:
    """Offset and scale at which LLRs of a spread without them are worth what they say.

    Without an offset the few calls of one voice that stray far would make all of them worth too little.

    Args:
        llrs: (t,) of pairs of calls of voices that the spread wasn't fitted on.
        is_target: (t,) whether both calls are by one voice; such pairs share no speech.
    """
    weights = np.where(is_target, 1.0 / is_target.sum(), 1.0 / (~is_target).sum())
    features = np.stack([np.ones(len(llrs)), llrs], axis=1)
    offset, scale = fit_llr(
        Trials(features=features, is_target=is_target, weights=weights), priors=_PRIORS
    ).tolist()
    return float(offset), float(np.clip(scale, _LEAST_SCALE, 1.0))


def fit_scale(llrs: Floats, is_target: NDArray[np.bool_]) -> float:
    """The scale of ``fit_map`` alone."""
    return fit_map(llrs, is_target)[1]


def _rising(
    calls: KnownCalls, often: NDArray[np.bool_], squares: Floats
) -> tuple[float, float, float]:
    """What calls stray in any case, for 1 / second, and for 10 dB of noise; least squares, none below 0."""
    seconds = np.clip(calls.net_speech_s[often], SHORTEST_S, LONGEST_S)
    noise = Sides(
        net_a_s=1.0, net_b_s=1.0, snr_a_db=calls.snr_db[often], snr_b_db=QUIET_SNR_DB
    ).noisiness()
    columns = np.stack([np.ones(len(seconds)), 1.0 / seconds, noise], axis=1)
    kept = [0, 1, 2]
    while True:
        found = np.linalg.lstsq(columns[:, kept], squares, rcond=None)[0]
        if (found >= 0.0).all() or len(kept) == 1:
            break
        kept.pop(int(np.argmin(found[1:])) + 1)
    fitted = dict(zip(kept, found.tolist(), strict=True))
    least = 0.05 * float(squares.mean())
    return max(fitted[0], least), fitted.get(1, 0.0), fitted.get(2, 0.0)
