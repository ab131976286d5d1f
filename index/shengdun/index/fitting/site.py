"""A site's own profile from its calls, most of them without labels.

What is learnt without a label is the centre: where the site's languages, telephones and noise put voiceprints, whoever
speaks. Whitening and the map to LLRs stay those of the base profile, the map being the one that was fitted on sites
which had been centred on themselves. With labels the map moves towards them as far as their number justifies. Decision
note 0013 has what else was tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.errors import Status
from shengdun.index.calibration import CalibrationProfile, ProfileMismatch
from shengdun.index.errors import IndexRoomError
from shengdun.index.fitting.calls import SiteCall, Voices, WholeCalls, strangers_of, tell_voices
from shengdun.index.fitting.coefficients import (
    ScoredTrials,
    refit_coefficients,
)
from shengdun.index.fitting.doubts import doubts, hardly_alike
from shengdun.index.llr import LlrCoefficients, Sides
from shengdun.index.scoring import Scorer

Floats = NDArray[np.float64]
T = TypeVar("T")

LEAST_VOICES: Final = 50
"""With fewer voices the centre would be theirs and not the site's."""
MOST_CALLS: Final = 4_000
"""More calls than this make the centre no surer; they are thinned out evenly."""
MOST_STRANGERS: Final = 1_500
LEAST_DIRECTIONS: Final = 5.0
"""Voiceprints of different people differ in some tens of directions."""
_LABELLED_PSEUDO_VOICES: Final = 30.0
_LEAST_LABELLED_VOICES: Final = 10


class TooFewCalls(IndexRoomError):
    """A calibration was asked for from too few calls, or from too few voices."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "TOO_FEW_CALLS"


class CallsAlike(IndexRoomError):
    """The calls hardly differ: a degenerate covariance."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "CALLS_ALIKE"


class LabelsContradict(IndexRoomError):
    """By the labels one voice resembles itself no more than it does others."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "LABELS_CONTRADICT"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteFit:
    """A site profile and what it was made from.

    Attributes:
        profile: ready to be saved.
        calls: those that were used.
        voices: which of them are by one voice.
        labelled_voices: voices with two labelled calls or more that moved the map; 0 if it wasn't moved.
        warnings: what a reader must know.
    """

    profile: CalibrationProfile
    calls: tuple[SiteCall, ...]
    voices: Voices
    labelled_voices: int
    warnings: tuple[str, ...]


def fit_site_profile(
    base: CalibrationProfile,
    calls: Sequence[SiteCall],
    *,
    name: str,
    provenance: str,
    least_voices: int = LEAST_VOICES,
) -> SiteFit:
    """Fit a site's profile.

    Args:
        base: a profile that site profiles can be made from, of the voice model that made the calls' voiceprints.
        calls: the site's, in any order; the callers needn't be known.
        name: of the new profile.
        provenance: where the calls come from, for people; no names of callers.
        least_voices: with fewer it's refused.

    Raises:
        ProfileMismatch: ``base`` is itself a site's, or has no map for sites.
        TooFewCalls: there are too few calls or voices.
        CallsAlike: the calls hardly differ.
        LabelsContradict: the labels can't be right.
    """
    of_sites = base.site_coefficients
    if of_sites is None:
        raise ProfileMismatch(
            f"Calibration profile {base.profile_id} can't be the base of a site's profile. Use the one that ships "
            f"with voice model {base.model_id}."
        )
    used = thinned(calls, MOST_CALLS)
    if len(used) < max(least_voices, 2):
        raise TooFewCalls(
            f"{len(used)} calls heard, and a profile needs {least_voices} voices. Give more calls, of different "
            "callers."
        )
    whole = WholeCalls.of(used)
    # Before it's known who calls often, a centre of all calls is good enough to tell voices apart.
    rough = site_centre(whole.voiceprints, np.ones(len(used)))
    require_spread(whole.voiceprints, rough, least=min(LEAST_DIRECTIONS, least_voices / 2))
    voices = tell_voices(used, Scorer(replace(base, mean=rough, coefficients=of_sites)))
    if voices.count < least_voices:
        raise TooFewCalls(
            f"{len(used)} calls by about {voices.count:.0f} voices{_as_labelled(used)} can't make a profile: it needs "
            f"{least_voices} voices. Give more calls, of different callers."
        )
    centre = site_centre(whole.voiceprints, voices.weights)
    profile = CalibrationProfile(
        name=name,
        model_id=base.model_id,
        created_at=now(),
        provenance=provenance,
        mean=centre,
        whitening=base.whitening,
        cohort=None,
        cohort_nearest=0,
        coefficients=of_sites,
        based_on=base.profile_id,
        strangers=strangers_of(used, voices, at_most=MOST_STRANGERS),
    )
    labelled = labelled_voices(used)
    warnings = doubts(used, Scorer(profile))
    if 0 < labelled < _LEAST_LABELLED_VOICES:
        warnings.append(
            f"{labelled} voices have two labelled calls or more; below {_LEAST_LABELLED_VOICES} labels don't move "
            "the map to likelihood ratios."
        )
        labelled = 0
    if labelled:
        trials = labelled_trials(profile, used)
        if hardly_alike(of_sites.unlimited(trials.scores, trials.sides), trials.is_target):
            raise unlike_labels(warnings)
        try:
            profile = replace(profile, coefficients=refitted(profile, used, labelled))
        except ArithmeticError as error:
            raise LabelsContradict(
                f"The labels can't be right: {error}. Check who is said to call in which recording."
            ) from error
    return SiteFit(
        profile=profile,
        calls=tuple(used),
        voices=voices,
        labelled_voices=labelled,
        warnings=tuple(warnings),
    )


def unlike_labels(doubts: Sequence[str]) -> LabelsContradict:
    """Told where labels tell voices apart hardly better than chance would; ``doubts`` name calls, if any are known."""
    named = "".join(doubts) or "check who is said to call in which recording."
    return LabelsContradict(
        "The labels can't be right: calls with one label resemble each other hardly more than calls with two; "
        + named
    )


def _as_labelled(calls: Sequence[SiteCall]) -> str:
    return ", as they are labelled," if any(call.speaker is not None for call in calls) else ""


def site_centre(voiceprints: NDArray[np.float32], weights: Floats) -> NDArray[np.float32]:
    """(d,) the weighted mean of voiceprints (c, d)."""
    total = weights @ voiceprints.astype(np.float64)
    centre: NDArray[np.float32] = (total / weights.sum()).astype(np.float32)
    return centre


def thinned(items: Sequence[T], at_most: int) -> Sequence[T]:
    """The items, or so many of them spread evenly."""
    if len(items) <= at_most:
        return items
    return [items[row] for row in np.linspace(0, len(items) - 1, at_most).round().astype(np.int64)]


def now() -> str:
    """The present moment as profiles state it."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def labelled_trials(profile: CalibrationProfile, calls: Sequence[SiteCall]) -> ScoredTrials:
    """Every pair of labelled calls, each voice weighing the same, scored before the map to LLRs.

    Raises:
        ValueError: there is no pair of one voice, or none of two.
    """
    labelled = [call for call in calls if call.speaker is not None]
    whole = WholeCalls.of(labelled)
    projected = Scorer(profile).project(whole.voiceprints).astype(np.float64)
    left, right = np.triu_indices(len(labelled), k=1)
    _, voice = np.unique([call.speaker for call in labelled], return_inverse=True)
    same = voice[left] == voice[right]
    pairs = np.bincount(voice[left[same]], minlength=voice.max() + 1)
    if same.all() or not same.any():
        raise ValueError("labels need two voices, and one with two calls")
    return ScoredTrials(
        scores=(projected[left] * projected[right]).sum(axis=1),
        sides=Sides(
            net_a_s=whole.net_speech_s[left],
            net_b_s=whole.net_speech_s[right],
            snr_a_db=whole.snr_db[left],
            snr_b_db=whole.snr_db[right],
        ),
        is_target=same,
        weights=np.where(same, 1.0 / np.maximum(pairs[voice[left]], 1), 1.0),
    )


def refitted(
    profile: CalibrationProfile, calls: Sequence[SiteCall], voices: int
) -> LlrCoefficients:
    """The profile's map, moved by labelled calls of so many voices."""
    trials = labelled_trials(profile, calls)
    return refit_coefficients(
        profile.coefficients, trials, strength=0.02 * _LABELLED_PSEUDO_VOICES / voices
    )


def require_spread(
    voiceprints: NDArray[np.float32], centre: NDArray[np.float32], *, least: float
) -> None:
    """Refuse voiceprints (c, d) that hardly differ around a centre: their covariance is degenerate.

    Raises:
        CallsAlike: by participation ratio they differ in fewer than ``least`` directions.
    """
    deviations = voiceprints.astype(np.float64) - centre
    variances = np.linalg.svd(deviations, compute_uv=False) ** 2
    total = variances.sum()
    directions = total**2 / (variances**2).sum() if total > 0.0 else 0.0
    if directions < least:
        raise CallsAlike(
            f"The voiceprints of the calls differ in about {directions:.1f} directions only, as if all were of a "
            "voice or two, or one recorded prompt. Give the callers' side of ordinary calls."
        )


def labelled_voices(calls: Sequence[SiteCall]) -> int:
    """How many voices have two labelled calls or more; 0 when there is no other to tell them from."""
    counts: dict[str, int] = {}
    for call in calls:
        if call.speaker is not None:
            counts[call.speaker] = counts.get(call.speaker, 0) + 1
    several = sum(count > 1 for count in counts.values())
    return several if len(counts) > 1 else 0
