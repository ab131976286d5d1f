"""A site's profile for a voice model that none ships with: from labelled calls alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.accuracy.measures import trust_limits
from shengdun.index.calibration import CalibrationProfile
from shengdun.index.fitting.calls import SiteCall, WholeCalls, strangers_of, tell_voices
from shengdun.index.fitting.coefficients import (
    LONGEST_S,
    SHORTEST_S,
    ScoredTrials,
    fit_coefficients,
)
from shengdun.index.fitting.doubts import doubts, hardly_alike
from shengdun.index.fitting.site import (
    LEAST_DIRECTIONS,
    LEAST_VOICES,
    MOST_CALLS,
    MOST_STRANGERS,
    LabelsContradict,
    SiteFit,
    TooFewCalls,
    labelled_trials,
    labelled_voices,
    now,
    require_spread,
    thinned,
    unlike_labels,
)
from shengdun.index.llr import LlrCoefficients, Sides
from shengdun.index.scoring import Scorer

Floats = NDArray[np.float64]

_LABELS_ALONE: Final = "labelled calls"
_NARROWEST: Final = -1.05
"""Data that can't vouch for an LLR of about 1 either way can't make a profile."""
_UNFITTED: Final = LlrCoefficients(
    offset=0.0,
    slope=1.0,
    shortest_net_speech_s=SHORTEST_S,
    longest_net_speech_s=LONGEST_S,
    floor=-20.0,
    cap=20.0,
)


def fit_labelled_profile(
    model_id: str,
    calls: Sequence[SiteCall],
    *,
    name: str,
    provenance: str,
    least_voices: int = LEAST_VOICES,
) -> SiteFit:
    """Fit a site's profile for a voice model that none ships with, from labelled calls alone.

    The voices are parted in two halves. Each is centred on the other when the map is fitted, since a voice that is in
    its own centre looks better than any caller will.

    Args:
        model_id: the voice model that made the calls' voiceprints.
        calls: the site's; those without a label only become strangers.
        name: of the new profile.
        provenance: where the calls come from, for people; no names of callers.
        least_voices: with fewer labelled voices of two calls or more it's refused.

    Raises:
        TooFewCalls: too few voices have two labelled calls.
        CallsAlike: the calls hardly differ.
        LabelsContradict: the labels can't be right.
    """
    used = thinned(calls, MOST_CALLS)
    voices = labelled_voices(used)
    if voices < least_voices:
        raise TooFewCalls(
            f"No calibration profile ships with voice model {model_id}, and {voices} voices with two labelled calls "
            f"or more can't make one: it needs {least_voices}. Label more calls, or use a model with a profile."
        )
    labelled = [call for call in used if call.speaker is not None]
    names = sorted({call.speaker for call in labelled if call.speaker is not None})
    first = set(names[::2])
    halves = (
        [call for call in labelled if call.speaker in first],
        [call for call in labelled if call.speaker not in first],
    )
    blank = _uncalibrated(model_id, name, provenance)
    parts = [
        labelled_trials(replace(blank, mean=_voices_mean(other)), half)
        for half, other in (halves, halves[::-1])
    ]
    trials = _joined(parts)
    try:
        fitted = fit_coefficients(trials)
    except ArithmeticError as error:
        raise LabelsContradict(
            f"The labels can't be right: {error}. Check who is said to call in which recording."
        ) from error
    llrs = fitted.unlimited(trials.scores, trials.sides)
    floor, cap = trust_limits(llrs[trials.is_target], llrs[~trials.is_target])
    if max(floor, -cap) > _NARROWEST or hardly_alike(llrs, trials.is_target):
        raise unlike_labels([])
    centre = _voices_mean(labelled)
    whole = WholeCalls.of(used)
    require_spread(whole.voiceprints, centre, least=LEAST_DIRECTIONS)
    profile = replace(
        blank,
        mean=centre,
        coefficients=replace(fitted, floor=round(floor, 2), cap=round(cap, 2)),
    )
    told = tell_voices(used, Scorer(profile))
    strangers = strangers_of(used, told, at_most=MOST_STRANGERS)
    return SiteFit(
        profile=replace(profile, based_on=_LABELS_ALONE, strangers=strangers),
        calls=tuple(used),
        voices=told,
        labelled_voices=voices,
        warnings=tuple(doubts(used, Scorer(profile))),
    )


def _uncalibrated(model_id: str, name: str, provenance: str) -> CalibrationProfile:
    """A profile that only has to project, until its centre and its map are known."""
    return CalibrationProfile(
        name=name,
        model_id=model_id,
        created_at=now(),
        provenance=provenance,
        mean=np.zeros(1, np.float32),
        whitening=None,
        cohort=None,
        cohort_nearest=0,
        coefficients=_UNFITTED,
    )


def _voices_mean(calls: Sequence[SiteCall]) -> NDArray[np.float32]:
    """(d,) the mean over the voices of the mean of each one's calls."""
    names = np.array([call.speaker or "" for call in calls])
    rows = np.stack([call.voiceprint() for call in calls]).astype(np.float64)
    means = [rows[names == one].mean(axis=0) for one in np.unique(names)]
    mean: NDArray[np.float32] = np.mean(means, axis=0).astype(np.float32)
    return mean


def _joined(parts: Sequence[ScoredTrials]) -> ScoredTrials:
    def every(field: Callable[[ScoredTrials], NDArray[np.floating] | float]) -> Floats:
        return np.concatenate([np.asarray(field(part), np.float64) for part in parts])

    return ScoredTrials(
        scores=every(lambda part: part.scores),
        sides=Sides(
            net_a_s=every(lambda part: part.sides.net_a_s),
            net_b_s=every(lambda part: part.sides.net_b_s),
            snr_a_db=every(lambda part: part.sides.snr_a_db),
            snr_b_db=every(lambda part: part.sides.snr_b_db),
        ),
        is_target=np.concatenate([part.is_target for part in parts]),
        weights=every(lambda part: part.weights),
    )
