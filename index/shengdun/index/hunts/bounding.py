"""Which stored voiceprints could be the voice: a bound that never loses one, at the price of a few dot products.

A score is the cosine ``t . z / |z|`` of a wanted voiceprint ``t``, centred and whitened, with a call's
``z = (x - m) W``. The numerator is one dot product with ``x``. The length of ``z`` would take all of ``W``, so it is
bounded from below. With ``s`` the eigenvalues of ``W W'`` and ``u`` their vectors, the smallest ``r`` left out::

    |z|^2  >=  s_r |x - m|^2  -  sum over i < r of (s_r - s_i) (u_i . (x - m))^2

and ``|x - m|^2`` is one more dot product. All are taken at once with the rows as they are stored, rotated and in 16
bits, by rotating the few vectors instead of the many rows.
"""

from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.voiceprints import SCALE, Stored
from shengdun.index.calibration import CalibrationProfile
from shengdun.index.llr import QUIET_SNR_DB, LlrCoefficients, Sides

_LEFT_OUT: Final = 12
"""Directions that whitening stretches least: the rest of the length is bounded by the next one, four times tighter."""
_AT_ONCE: Final = 256
"""Rows that are turned into 32-bit floats and multiplied while they are in the processor's cache."""
_STORED_ERROR: Final = 1e-3
"""A stored row's length is within this of 1, which covers the 16 bits and the rounding of 32-bit products."""
_STEPS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CosineBound:
    """Bounds the cosines of stored rows with k wanted voiceprints; for one rotation.

    Attributes:
        columns: (d, k + 1 + r) float32, that rows are multiplied with.
        wanted: how many wanted voiceprints there are, k.
        shift: (k + 1 + r,) float32, what the centre takes off each product.
        slack: (k,) float32, by how much each numerator may be wrong.
        centre: ``|m|^2 + 1``, as much as it may be smaller for the error in ``m . x``.
        least_stretch: ``s_r``.
        lengths: the length of the left-out directions' scaled vectors, for their error.
    """

    columns: NDArray[np.float32] = field(repr=False)
    wanted: int
    shift: NDArray[np.float32] = field(repr=False)
    slack: NDArray[np.float32] = field(repr=False)
    centre: float
    least_stretch: float
    lengths: float

    @classmethod
    def of(
        cls,
        profile: CalibrationProfile,
        projected: NDArray[np.float32],
        rotation: NDArray[np.float64],
    ) -> Self:
        """The bound for wanted voiceprints.

        Args:
            profile: without a cohort.
            projected: (k, d) unit rows, the wanted voiceprints as the scorer projects them.
            rotation: (d, d) that the stored rows are rotated by.
        """
        mean = profile.mean.astype(np.float64)
        weights = (
            np.eye(len(mean)) if profile.whitening is None else profile.whitening.astype(float)
        )
        stretches, vectors = np.linalg.eigh(weights @ weights.T)
        left_out = min(_LEFT_OUT, len(stretches) - 1)
        least = float(stretches[left_out])
        scaled = vectors[:, :left_out] * np.sqrt(least - stretches[:left_out])
        numerators = weights @ projected.T.astype(np.float64)
        columns = np.hstack([numerators, mean[:, np.newaxis], scaled])
        shift = mean @ columns
        shift[len(projected)] = 0.0
        return cls(
            columns=(rotation @ columns / SCALE).astype(np.float32),
            wanted=len(projected),
            shift=shift.astype(np.float32),
            slack=(_STORED_ERROR * np.linalg.norm(numerators, axis=0)).astype(np.float32),
            centre=float(1.0 + mean @ mean - 2.0 * _STORED_ERROR * np.linalg.norm(mean)),
            least_stretch=least,
            lengths=float(_STORED_ERROR * np.linalg.norm(scaled)),
        )

    def reaching(self, rows: Stored, least_cosines: NDArray[np.floating]) -> NDArray[np.int64]:
        """The rows of (n, d) whose cosine with any wanted voiceprint may reach its least one, (k,); ascending.

        A row of zeros is none.
        """
        products = self._products(rows)
        ceilings = products[:, : self.wanted] + self.slack
        aside = products[:, self.wanted + 1 :]
        aside_lengths = np.sqrt(np.einsum("ij,ij->i", aside, aside)) + np.float32(self.lengths)
        squares = self.least_stretch * (self.centre - 2.0 * products[:, self.wanted])
        floors = np.sqrt(np.maximum(squares - aside_lengths**2, 0.0))
        could = np.zeros(len(rows), np.bool_)
        for ceiling, least in zip(ceilings.T, least_cosines.tolist(), strict=True):
            could |= ceiling >= least * floors if least > 0.0 else True
        found = np.flatnonzero(could)
        return found[rows[found].any(axis=1)]

    def _products(self, rows: Stored) -> NDArray[np.float32]:
        products = np.empty((len(rows), self.columns.shape[1]), np.float32)
        wide = np.empty((_AT_ONCE, rows.shape[1]), np.float32)
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            np.copyto(wide[: len(part)], part, casting="unsafe")
            np.matmul(wide[: len(part)], self.columns, out=products[start : start + len(part)])
        products -= self.shift
        return products


def least_cosines(
    coefficients: LlrCoefficients,
    least_llr: float,
    net_speech_s: NDArray[np.float64],
    snr_db: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(k,) the cosine below which a call can't reach an LLR against each of k voiceprints, whatever its quality.

    The LLR is linear in brevity and in noisiness, so for every cosine it is greatest at one of four corners; at each
    it grows with the cosine.

    Args:
        coefficients: of the profile.
        least_llr: natural log, below the cap.
        net_speech_s: (k,) net speech behind each voiceprint.
        snr_db: (k,) its speech over noise; NaN where it isn't known.
    """
    seconds = (coefficients.shortest_net_speech_s, coefficients.longest_net_speech_s)
    low, high = np.full(len(net_speech_s), -1.0), np.full(len(net_speech_s), 1.0)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        best = np.max(
            [
                coefficients.llr(
                    middle,
                    Sides(net_a_s=net_s, net_b_s=net_speech_s, snr_a_db=noise, snr_b_db=snr_db),
                )
                for net_s in seconds
                for noise in (0.0, QUIET_SNR_DB)
            ],
            axis=0,
        )
        reaches = best >= least_llr
        low, high = np.where(reaches, low, middle), np.where(reaches, middle, high)
    return low - 1e-6
