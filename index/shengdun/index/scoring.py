"""From cosines to evidence: projection, score normalisation and calibrated likelihood ratios.

Everything outside the index sees natural-log likelihood ratios (LLR): 0 says nothing, positive says "this actor".
A cosine means something else for every model, language and telephone; it never leaves this room.

Score normalisation is adaptive symmetric normalisation (AS-Norm, Matejka et al., Interspeech 2017, section 2.3):
a cosine is measured in standard deviations from the mean of the nearest strangers of either side. The statistics of
a template are computed once, when it's enrolled or loaded; those of a caller once for each update of its voiceprint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from shengdun.index.calibration import CalibrationProfile
from shengdun.index.llr import Sides
from shengdun.index.row_products import row_product

_PROJECTED_AT_ONCE: Final = 1024
"""What lies between stays in the processor's cache then, and a million voiceprints take little memory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TemplateStatistics:
    """How each template scores against strangers.

    Attributes:
        mean: (k,) float32, mean cosine to the nearest cohort members; 0 without a cohort.
        deviation: (k,) float32, their standard deviation; 1 without a cohort.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.mean.shape != self.deviation.shape:
            raise ValueError("mean and deviation must be vectors of the same length")

    def __len__(self) -> int:
        return int(self.mean.shape[0])

    def take(self, indices: NDArray[np.int64]) -> Self:
        """The statistics of some templates, in the order of ``indices`` (m,) int64."""
        return type(self)(mean=self.mean[indices], deviation=self.deviation[indices])

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """The statistics of all templates of ``parts``, in order; no parts give none."""
        empty = np.empty(0, dtype=np.float32)
        return cls(
            mean=np.concatenate([empty, *(part.mean for part in parts)]),
            deviation=np.concatenate([empty, *(part.deviation for part in parts)]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryStatistics:
    """How the caller's running voiceprint scores against strangers.

    Attributes:
        mean: mean cosine to the nearest cohort members; 0 without a cohort.
        deviation: their standard deviation; 1 without a cohort.
    """

    mean: float
    deviation: float


class Scorer:
    """Scores voiceprints of one model under one calibration profile. Immutable, so safe to share between threads.

    Attributes:
        profile_id: the profile's id, echoed in every decision.
        model_id: the voice model whose voiceprints are understood.
    """

    def __init__(self, profile: CalibrationProfile) -> None:
        self.profile_id = profile.profile_id
        self.model_id = profile.model_id
        self._profile = profile
        self._whitening = _wide(profile.whitening)
        cohort = None if profile.cohort is None else unit_rows(profile.cohort).T
        self._cohort = _wide(cohort)

    @property
    def profile(self) -> CalibrationProfile:
        """The calibration profile it scores under."""
        return self._profile

    def project(self, voiceprints: NDArray[np.float32]) -> NDArray[np.float32]:
        """Centre, whiten and renormalise voiceprints; templates and callers are compared after this.

        Args:
            voiceprints: (n, d) unit rows as the voice model gives them.

        Returns:
            (n, d) float32 unit rows; a row doesn't depend on the others.

        Raises:
            ValueError: the array isn't (n, d).
        """
        dimension = self._profile.dimension
        if voiceprints.ndim != 2 or voiceprints.shape[1] != dimension:
            raise ValueError(f"voiceprints must be (n, {dimension}), not {voiceprints.shape}")
        projected = np.empty(voiceprints.shape, dtype=np.float32)
        for start in range(0, len(voiceprints), _PROJECTED_AT_ONCE):
            centred = unit_rows(voiceprints[start : start + _PROJECTED_AT_ONCE])
            centred -= self._profile.mean
            if self._whitening is not None:
                centred = row_product(centred, self._whitening)
            projected[start : start + _PROJECTED_AT_ONCE] = unit_rows(centred)
        return projected

    def template_statistics(self, projected: NDArray[np.float32]) -> TemplateStatistics:
        """What score normalisation needs to know about templates, (n, d) as ``project`` gives them."""
        mean, deviation = self._against_cohort(projected)
        return TemplateStatistics(mean=mean, deviation=deviation)

    def query_statistics(self, projected: NDArray[np.float32]) -> QueryStatistics:
        """What score normalisation needs to know about a caller, (d,) as ``project`` gives it."""
        mean, deviation = self._against_cohort(projected[np.newaxis, :])
        return QueryStatistics(mean=float(mean[0]), deviation=float(deviation[0]))

    def llr(
        self,
        cosines: NDArray[np.floating],
        templates: TemplateStatistics,
        query: QueryStatistics,
        *,
        net_speech_s: float,
        template_net_speech_s: NDArray[np.floating],
        snr_db: float | None = None,
        template_snr_db: NDArray[np.floating] | None = None,
    ) -> NDArray[np.float64]:
        """Natural-log LLR of "the caller is the voice of this template" for each template, (k,) within trust limits.

        Arguments and errors are those of ``unlimited_llr``.
        """
        return self.limited(
            self.unlimited_llr(
                cosines,
                templates,
                query,
                net_speech_s=net_speech_s,
                template_net_speech_s=template_net_speech_s,
                snr_db=snr_db,
                template_snr_db=template_snr_db,
            )
        )

    def unlimited_llr(
        self,
        cosines: NDArray[np.floating],
        templates: TemplateStatistics,
        query: QueryStatistics,
        *,
        net_speech_s: float,
        template_net_speech_s: NDArray[np.floating],
        snr_db: float | None = None,
        template_snr_db: NDArray[np.floating] | None = None,
    ) -> NDArray[np.float64]:
        """What the LLR of "the caller is the voice of this template" would be if the calibration data vouched for any.

        It puts callers in order, also those beyond the profile's limits. What may be told is ``limited`` of it.

        Args:
            cosines: (k,) cosines between projected templates and the projected caller.
            templates: the statistics of those templates.
            query: the statistics of the caller.
            net_speech_s: the caller's net speech so far, in seconds.
            template_net_speech_s: (k,) net speech behind each template, in seconds.
            snr_db: the caller's speech over noise; None where it isn't known.
            template_snr_db: (k,) speech over noise of each template, NaN where it isn't known; None where none is.

        Returns:
            (k,) float64; grows with the cosine when all else is equal.

        Raises:
            ValueError: the lengths differ.
        """
        if not len(cosines) == len(templates) == len(template_net_speech_s):
            raise ValueError(
                "cosines, templates and template_net_speech_s must have the same length"
            )
        scores = normalised(
            np.asarray(cosines, dtype=np.float64),
            templates.mean,
            templates.deviation,
            np.float64(query.mean),
            np.float64(query.deviation),
        )
        sides = Sides(
            net_a_s=net_speech_s,
            net_b_s=template_net_speech_s,
            snr_a_db=np.nan if snr_db is None else snr_db,
            snr_b_db=np.nan if template_snr_db is None else template_snr_db,
        )
        return self._profile.coefficients.unlimited(scores, sides)

    def limited(self, unlimited: NDArray[np.floating]) -> NDArray[np.float64]:
        """(k,) natural-log LLRs of ``unlimited_llr``, held to the profile's trust limits."""
        return self._profile.coefficients.limited(unlimited)

    def actor_llr(
        self, template_llrs: NDArray[np.float64], actor_rows: NDArray[np.int64], actors: int
    ) -> NDArray[np.float64]:
        """One LLR for each actor from the LLRs of *all* of its voiceprints: the log of the mean likelihood ratio.

        That is Bayes' rule when any of the voiceprints may be the one that resembles this call. The best alone grows
        with the number of voiceprints that chance may pick from, and flags more strangers (decision note 0011).

        Args:
            template_llrs: (k,) LLRs of templates.
            actor_rows: (k,) the row of each template's actor, in ``0 .. actors - 1``.
            actors: number of actors.

        Returns:
            (actors,) float64, between the least and the greatest of an actor's templates; 0 (uninformative) for an
            actor without any.
        """
        counts = np.bincount(actor_rows, minlength=actors)
        best = np.full(actors, -np.inf)
        np.maximum.at(best, actor_rows, template_llrs)
        best[counts == 0] = 0.0
        ratios = np.zeros(actors)
        np.add.at(ratios, actor_rows, np.exp(template_llrs - best[actor_rows]))
        mean = np.where(counts == 0, 1.0, ratios / np.maximum(counts, 1))
        joined: NDArray[np.float64] = best + np.log(mean)
        return joined

    def pairwise_llr(
        self,
        a: NDArray[np.float32],
        b: NDArray[np.float32],
        *,
        net_a_s: float,
        net_b_s: float,
        snr_a_db: float | None = None,
        snr_b_db: float | None = None,
    ) -> float:
        """Natural-log LLR that two voiceprints, (d,) each as the model gives them, are one voice; symmetric."""
        pair = self.project(np.stack([a, b]))
        statistics = self.template_statistics(pair)
        second = QueryStatistics(
            mean=float(statistics.mean[1]), deviation=float(statistics.deviation[1])
        )
        llr = self.llr(
            np.array([pair[0].astype(np.float64) @ pair[1].astype(np.float64)]),
            statistics.take(np.array([0])),
            second,
            net_speech_s=net_b_s,
            template_net_speech_s=np.array([net_a_s]),
            snr_db=snr_b_db,
            template_snr_db=None if snr_a_db is None else np.array([snr_a_db]),
        )
        return float(llr[0])

    def _against_cohort(
        self, projected: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        count = len(projected)
        if self._cohort is None:
            return np.zeros(count, dtype=np.float32), np.ones(count, dtype=np.float32)
        nearest = self._profile.cohort_nearest
        scores = row_product(projected, self._cohort)
        top = np.sort(scores, axis=1)[:, -nearest:].astype(np.float64)
        return top.mean(axis=1).astype(np.float32), top.std(axis=1).astype(np.float32)


def aggregate(
    window_voiceprints: NDArray[np.float32], net_speech_s: NDArray[np.floating]
) -> NDArray[np.float32]:
    """The running voiceprint of a call or a recording: the mean of its windows weighted by their net speech.

    Args:
        window_voiceprints: (n, d) unit rows, n >= 1, one for each window, as the voice model gives them.
        net_speech_s: (n,) net speech in each window, in seconds, above 0.

    Returns:
        (d,) float32, unit length.

    Raises:
        ValueError: there is no window, or the lengths differ.
    """
    if not len(window_voiceprints) or len(window_voiceprints) != len(net_speech_s):
        raise ValueError("aggregate needs one amount of net speech for each of at least one window")
    weights = np.asarray(net_speech_s, dtype=np.float64)
    mean: NDArray[np.float64] = (window_voiceprints * weights[:, np.newaxis]).sum(axis=0)
    unit: NDArray[np.float32] = (mean / np.linalg.norm(mean)).astype(np.float32)
    return unit


def unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows scaled to unit length, float32; a row of zeros stays zero."""
    wide = np.asarray(rows, dtype=np.float32)
    lengths = np.sqrt((wide.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    unit: NDArray[np.float32] = (wide / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(
        np.float32
    )
    return unit


def _wide(matrix: NDArray[np.float32] | None) -> NDArray[np.float64] | None:
    return None if matrix is None else np.ascontiguousarray(matrix, dtype=np.float64)


def normalised(
    cosines: NDArray[np.float64],
    mean_a: NDArray[np.float32],
    deviation_a: NDArray[np.float32],
    mean_b: NDArray[np.floating] | np.float64,
    deviation_b: NDArray[np.floating] | np.float64,
) -> NDArray[np.float64]:
    """(k,) scores: cosines in standard deviations from the strangers of either side; the cosines without a cohort."""
    from_a = (cosines - mean_a.astype(np.float64)) / deviation_a.astype(np.float64)
    from_b = (cosines - mean_b) / deviation_b
    half_sum: NDArray[np.float64] = 0.5 * (from_a + from_b)
    return half_sum
