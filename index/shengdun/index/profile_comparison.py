"""What differs between two calibration profiles, as far as the profiles themselves say.

Which of them tells voices apart better only recordings can tell (``shengdun evaluate --profile``); this says where to
look: whether they stand on the same model, how far their centres lie apart, and how differently they read a cosine.
"""

import math
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.calibration import CalibrationProfile
from shengdun.index.scoring import QueryStatistics, Scorer, TemplateStatistics

COSINES: Final = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
NET_SPEECH_S: Final = ((3.0, 10.0), (10.0, 10.0), (20.0, 30.0))
"""Seconds of net speech of a call, and behind the voiceprint that it is compared with."""
_LEAST_DEVIATION: Final = 1e-6
"""Of a cohort whose members are all equally far from each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Centres:
    """Where two profiles of one model put the middle of all voices.

    Attributes:
        norm_a: length of the one's centring vector; that of a voiceprint is 1.
        norm_b: length of the other's.
        distance: between the two.
        angle_deg: between the two; None if one of them has no length.
    """

    norm_a: float
    norm_b: float
    distance: float
    angle_deg: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LlrAt:
    """What two profiles make of the same cosines.

    Attributes:
        net_speech_s: of the call.
        template_net_speech_s: behind the voiceprint.
        llrs_a: natural-log LLR of the one for each of ``COSINES``, each as its own profile projects it.
        llrs_b: that of the other.
    """

    net_speech_s: float
    template_net_speech_s: float
    llrs_a: NDArray[np.float64]
    llrs_b: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProfileComparison:
    """Two profiles side by side.

    Attributes:
        facts: what they differ in, by the name of the field: its value in the one and in the other.
        centres: None for profiles of different models, whose voiceprints have nothing in common.
        llrs: what they make of a cosine.
    """

    facts: dict[str, tuple[str, str]]
    centres: Centres | None
    llrs: tuple[LlrAt, ...]


def compare(a: CalibrationProfile, b: CalibrationProfile) -> ProfileComparison:
    """Set two profiles side by side; they may be of different models, and the same."""
    facts = zip(facts_of(a).items(), facts_of(b).values(), strict=True)
    return ProfileComparison(
        facts={name: (of_a, of_b) for (name, of_a), of_b in facts if of_a != of_b},
        centres=_centres(a, b) if a.model_id == b.model_id else None,
        llrs=tuple(
            LlrAt(
                net_speech_s=net_speech_s,
                template_net_speech_s=template_s,
                llrs_a=llrs_at(a, net_speech_s, template_s),
                llrs_b=llrs_at(b, net_speech_s, template_s),
            )
            for net_speech_s, template_s in NET_SPEECH_S
        ),
    )


def facts_of(profile: CalibrationProfile) -> dict[str, str]:
    """What a profile consists of, in words and figures; the same fields for every profile."""
    strangers = profile.strangers
    facts = {
        "model": profile.model_id,
        "created": profile.created_at,
        "site": f"made from {profile.based_on}" if profile.is_site else "none",
        "strangers": "none" if strangers is None else f"{strangers.call_count} calls",
        "centring": f"length {float(np.linalg.norm(profile.mean)):.4f}",
        "whitening": _whitening(profile),
        "cohort": _cohort(profile),
        "provenance": profile.provenance,
    }
    coefficients = asdict(profile.coefficients)
    return facts | {name.replace("_", " "): f"{value:g}" for name, value in coefficients.items()}


def llrs_at(
    profile: CalibrationProfile, net_speech_s: float, template_net_speech_s: float
) -> NDArray[np.float64]:
    """LLR for each of ``COSINES`` between projected voiceprints, at this net speech and ordinary noise.

    Where a profile normalises scores, both sides are taken to resemble strangers as its cohort's median member does.
    """
    mean, deviation = _typical_statistics(profile)
    count = len(COSINES)
    return Scorer(profile).llr(
        np.array(COSINES),
        TemplateStatistics(
            mean=np.full(count, mean, dtype=np.float32),
            deviation=np.full(count, deviation, dtype=np.float32),
        ),
        QueryStatistics(mean=mean, deviation=deviation),
        net_speech_s=net_speech_s,
        template_net_speech_s=np.full(count, template_net_speech_s),
    )


def _typical_statistics(profile: CalibrationProfile) -> tuple[float, float]:
    if profile.cohort is None:
        return 0.0, 1.0
    cohort = profile.cohort.astype(np.float32)
    scores = cohort @ cohort.T
    # Nobody is a stranger to itself.
    np.fill_diagonal(scores, -np.inf)
    nearest = np.sort(scores, axis=1)[:, -min(profile.cohort_nearest, len(cohort) - 1) :]
    deviation = max(float(np.median(nearest.std(axis=1))), _LEAST_DEVIATION)
    return float(np.median(nearest.mean(axis=1))), deviation


def _centres(a: CalibrationProfile, b: CalibrationProfile) -> Centres:
    mean_a, mean_b = a.mean.astype(np.float64), b.mean.astype(np.float64)
    norms = float(np.linalg.norm(mean_a)), float(np.linalg.norm(mean_b))
    # From the halves of the angle: the arc cosine can't tell small angles apart.
    angle = None
    if min(norms) > 0.0:
        unit_a, unit_b = mean_a / norms[0], mean_b / norms[1]
        apart, together = np.linalg.norm(unit_a - unit_b), np.linalg.norm(unit_a + unit_b)
        angle = math.degrees(2.0 * math.atan2(float(apart), float(together)))
    return Centres(
        norm_a=norms[0],
        norm_b=norms[1],
        distance=float(np.linalg.norm(mean_a - mean_b)),
        angle_deg=angle,
    )


def _whitening(profile: CalibrationProfile) -> str:
    if profile.whitening is None:
        return "none"
    stretch = float(np.linalg.norm(profile.whitening)) / math.sqrt(profile.dimension)
    return f"stretches {stretch:.4g} times on average"


def _cohort(profile: CalibrationProfile) -> str:
    if profile.cohort is None:
        return "none"
    return f"nearest {profile.cohort_nearest} of {len(profile.cohort)}"
