"""How far voices lie apart, and calls of one voice: what several calls together say about being one voice.

A map from a cosine to a likelihood ratio (``llr``) judges two calls. What ten calls say about the eleventh is more than
the best of ten comparisons, and three strangers who are a little alike must not pass for one voice by three lucky
comparisons. Both follow from one model, two-covariance PLDA (Brümmer and de Villiers, "The speaker partitioning
problem", Odyssey 2010): in suitable axes a voice is drawn from ``N(0, diag(between))`` and a call of it from
``N(voice, w I)``, where ``w`` grows as net speech falls and noise rises. For a set of calls the sum of ``x / w`` and of
``1 / w`` is all that matters, so calls join and leave a set in O(d), exactly and in any order. The sum is taken before
the centre of all voices is taken off, so that a set stays what it is when the centre becomes another.

Real calls of one voice stray further than the model allows, now and then, and strangers are alike less often: its
ratios are multiplied by ``scale``, and ``offset`` is added. Both are fitted on pairs of calls that it has not met, and
hold for sets of calls too (decision note 0033).
"""

from dataclasses import dataclass, field, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from shengdun.index.llr import QUIET_SNR_DB, Sides

Floats = NDArray[np.float64]

SHORTEST_S: Final = 1.5
"""Less net speech than this counts as this much."""
LONGEST_S: Final = 20.0
"""More net speech than this counts as this much."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spread:
    """The fitted model, for voiceprints that were projected by one calibration profile.

    Attributes:
        centre: (d,) float64, where the mean of all voices lies.
        axes: (d, d) float64, orthonormal columns along which voices vary independently.
        between: (d,) float64, variance of voices along each axis, above 0.
        stray: variance along each axis of a call with unlimited, quiet speech.
        stray_brevity: what 1 / second of net speech adds to it.
        stray_noise: what each 10 dB of noise adds to it.
        scale: of the model's LLRs, in (0, 1].
        offset: what is added to them then.
    """

    centre: Floats
    axes: Floats
    between: Floats
    stray: float
    stray_brevity: float
    stray_noise: float
    scale: float
    offset: float = 0.0
    _origin: Floats = field(init=False, repr=False)
    """The centre along the axes."""

    def __post_init__(self) -> None:
        dimension = len(self.centre)
        if self.axes.shape != (dimension, dimension) or self.between.shape != (dimension,):
            raise ValueError("axes must be (d, d) and between (d,), as the centre is")
        if not (self.between > 0.0).all() or self.stray <= 0.0:
            raise ValueError("variances must be positive")
        if min(self.stray_brevity, self.stray_noise) < 0.0:
            raise ValueError("less speech or more noise can't make calls stray less")
        if not 0.0 < self.scale <= 1.0:
            raise ValueError("the scale must be above 0 and at most 1")
        object.__setattr__(self, "_origin", self.centre @ self.axes)

    def around(self, centre: Floats) -> "Spread":
        """The same spread of voices around another centre, (d,), as projected."""
        return replace(self, centre=centre)

    def places(self, projected: NDArray[np.float32]) -> Floats:
        """(n, d) where voiceprints lie along the axes, of unit rows as ``Scorer.project`` gives them."""
        places: Floats = projected.astype(np.float64) @ self.axes
        return places

    def gather(
        self,
        places: NDArray[np.floating],
        *,
        net_speech_s: NDArray[np.floating],
        snr_db: NDArray[np.floating],
    ) -> "Gathered":
        """Sets of one call each; one doesn't depend on the others.

        Args:
            places: (n, d) along the axes.
            net_speech_s: (n,) behind each.
            snr_db: (n,) speech over noise; NaN where it isn't known.
        """
        precisions = 1.0 / self.variances(net_speech_s, snr_db)
        return Gathered(sums=places * precisions[:, np.newaxis], precisions=precisions)

    def variances(self, net_speech_s: NDArray[np.floating], snr_db: NDArray[np.floating]) -> Floats:
        """(n,) how far calls stray along each axis."""
        seconds = np.clip(np.asarray(net_speech_s, np.float64), SHORTEST_S, LONGEST_S)
        noise = Sides(net_a_s=1.0, net_b_s=1.0, snr_a_db=snr_db, snr_b_db=QUIET_SNR_DB).noisiness()
        variances: Floats = self.stray + self.stray_brevity / seconds + self.stray_noise * noise
        return variances

    def llr(self, one: "Gathered", other: "Gathered") -> Floats:
        """(n,) natural-log LLR that two sets of calls, each of one voice, are of the same voice.

        Args:
            one: n sets, or one that is compared with all others.
            other: n sets.
        """
        together = self._evidence(one.sums + other.sums, one.precisions + other.precisions)
        apart = self._evidence(one.sums, one.precisions) + self._evidence(
            other.sums, other.precisions
        )
        llr: Floats = self.offset + self.scale * (together - apart)
        return llr

    def joint_llr(self, calls: "Gathered") -> float:
        """Natural-log LLR that n calls are all of one voice, against n different voices; 0 for one call."""
        whole = calls.joined()
        together = self._evidence(whole.sums, whole.precisions)[0]
        apart = self._evidence(calls.sums, calls.precisions).sum()
        return float((len(calls) - 1) * self.offset + self.scale * (together - apart))

    def others_llr(self, calls: "Gathered") -> Floats:
        """(n,) for each of n calls the LLR that it's of the voice of all the others, which are taken for one."""
        return self.llr(calls, calls.joined().without(calls))

    def direction(self, voice: "Gathered") -> NDArray[np.float32]:
        """(d,) where the voice of one set most probably lies, of unit length, as ``Scorer.project`` gives calls."""
        gain = self.between / (1.0 + self.between * voice.precisions[0])
        moved = voice.sums[0] - voice.precisions[0] * self._origin
        place = self.centre + self.axes @ (moved * gain)
        unit: NDArray[np.float32] = (place / np.linalg.norm(place)).astype(np.float32)
        return unit

    def _evidence(self, sums: Floats, precisions: Floats) -> Floats:
        """(n,) what is left of ln p(calls) when everything that depends on single calls alone is taken off.

        With the voice integrated out, ``-1/2 sum(ln(1 + b P)) + 1/2 sum(s^2 b / (1 + b P))``.
        """
        of_each = np.atleast_1d(precisions)[:, np.newaxis]
        spread = 1.0 + self.between * of_each
        rows = np.atleast_2d(sums) - of_each * self._origin
        evidence: Floats = 0.5 * (rows**2 * (self.between / spread) - np.log(spread)).sum(axis=1)
        return evidence


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gathered:
    """n sets of calls, and all that the model needs to know of each.

    Attributes:
        sums: (n, d) places of its calls along the axes, each by its precision.
        precisions: (n,) sum of theirs.
    """

    sums: Floats
    precisions: Floats

    def __len__(self) -> int:
        return len(self.precisions)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Some of the sets, in the order of ``rows``."""
        return type(self)(sums=self.sums[rows], precisions=self.precisions[rows])

    def part(self, start: int, end: int) -> Self:
        """Some of the sets that follow each other."""
        return type(self)(sums=self.sums[start:end], precisions=self.precisions[start:end])

    def joined(self) -> Self:
        """One set of all calls."""
        return type(self)(
            sums=self.sums.sum(axis=0, keepdims=True),
            precisions=self.precisions.sum(keepdims=True),
        )

    def with_calls(self, other: "Gathered") -> Self:
        """Each set with the calls of another."""
        return type(self)(
            sums=self.sums + other.sums, precisions=self.precisions + other.precisions
        )

    def without(self, other: "Gathered") -> Self:
        """Each set without calls that were in it."""
        return type(self)(
            sums=self.sums - other.sums,
            precisions=np.maximum(self.precisions - other.precisions, 0.0),
        )
