"""Which stored voiceprints could be the voice: a bound that never loses one, at the price of a few dot products.

A score is the cosine ``t . z / |z|`` of a wanted voiceprint ``t``, centred and whitened, with a call's
``z = (x - m) W``. The numerator is one dot product with ``x``. The length of ``z`` would take all of ``W``, so it is
bounded from below. With ``s`` the eigenvalues of ``W W'`` and ``u`` their vectors, the smallest ``r`` left out::

    |z|^2  >=  s_r |x - m|^2  -  sum over i < r of (s_r - s_i) (u_i . (x - m))^2

and ``|x - m|^2`` is one more dot product. All are taken at once with the rows as they are stored, rotated and in 16
bits, by rotating the few vectors instead of the many rows. With a small ``r`` that is cheap and lets some hundredths of
all strangers pass; these are held against a bound with a larger one.
"""

from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.voiceprints import SCALE, Stored
from shengdun.index.calibration import CalibrationProfile
from shengdun.index.llr import QUIET_SNR_DB, LlrCoefficients, Sides

_FEW: Final = 2
"""Directions that are measured of every row: of strangers some 1 to 4 % pass."""
_MORE: Final = 32
"""Directions that are measured of what passes: of strangers 1 in 200 to 4,000 pass then."""
_MULTIPLIED: Final = 512
"""Rows of one product: the library has a quick way for small ones, which copies nothing."""
_AT_ONCE: Final = 2 * _MULTIPLIED
"""Rows that are turned into 32-bit floats and multiplied while they are in the processor's cache. Python hands over to
another thread at each call, so fewer at once would have two threads wait for each other."""
_STORED_ERROR: Final = 1e-3
"""A stored row's length is within this of 1, which covers the 16 bits and the rounding of 32-bit products."""
_STEPS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CosineBound:
    """Bounds the cosines of stored rows with k wanted voiceprints; for one rotation.

    Attributes:
        columns: (d, k + 1 + r) float32, that rows are multiplied with: the numerators, the centre, the directions.
        shift: (k + 1 + r,) float32, what is added to the products.
        lengths: the length of the directions' scaled vectors, for their error.
    """

    columns: NDArray[np.float32] = field(repr=False)
    shift: NDArray[np.float32] = field(repr=False)
    lengths: np.float32

    @classmethod
    def of(
        cls,
        profile: CalibrationProfile,
        projected: NDArray[np.float32],
        rotation: NDArray[np.float64],
        *,
        directions: int,
    ) -> Self:
        """The bound for wanted voiceprints.

        Args:
            profile: without a cohort.
            projected: (k, d) unit rows, the wanted voiceprints as the scorer projects them.
            rotation: (d, d) that the stored rows are rotated by.
            directions: how many that whitening stretches least are measured, at most d - 1; of the rest of the length
                the next one is the worst case.
        """
        mean = profile.mean.astype(np.float64)
        weights = (
            np.eye(len(mean)) if profile.whitening is None else profile.whitening.astype(float)
        )
        stretches, vectors = np.linalg.eigh(weights @ weights.T)
        left_out = min(directions, len(stretches) - 1)
        least = float(stretches[left_out])
        scaled = vectors[:, :left_out] * np.sqrt(least - stretches[:left_out])
        numerators = weights @ projected.T.astype(np.float64)
        slack = _STORED_ERROR * np.linalg.norm(numerators, axis=0)
        centre = 1.0 + mean @ mean - 2.0 * _STORED_ERROR * np.linalg.norm(mean)
        columns = np.hstack([numerators, -2.0 * least * mean[:, np.newaxis], scaled])
        return cls(
            columns=(rotation @ columns / SCALE).astype(np.float32),
            shift=np.concatenate(
                [slack - mean @ numerators, [least * centre], -mean @ scaled]
            ).astype(np.float32),
            lengths=np.float32(_STORED_ERROR * np.linalg.norm(scaled)),
        )

    def reaching(self, rows: Stored, least_cosines: NDArray[np.floating]) -> NDArray[np.int64]:
        """The rows of (n, d) whose cosine with any wanted voiceprint may reach its least one, (k,); ascending."""
        products = self._products(rows)
        wanted = len(least_cosines)
        floors = products[:, wanted] + self.shift[wanted]
        floors -= self._aside(products[:, wanted + 1 :] + self.shift[wanted + 1 :])
        np.sqrt(np.maximum(floors, 0.0, out=floors), out=floors)
        could = np.zeros(len(rows), np.bool_)
        for place, least in enumerate(least_cosines.tolist()):
            if least <= 0.0:
                return np.arange(len(rows))
            could |= products[:, place] >= floors * np.float32(least) - self.shift[place]
        return np.flatnonzero(could)

    def _aside(self, parts: NDArray[np.float32]) -> NDArray[np.float32] | np.float32:
        """How much of each squared length the measured directions may take away."""
        if not parts.shape[1]:
            return np.float32(0.0)
        lengths: NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", parts, parts))
        lengths += self.lengths
        lengths *= lengths
        return lengths

    def _products(self, rows: Stored) -> NDArray[np.float32]:
        count, wanted = len(rows), self.columns.shape[1]
        whole = -(-count // _MULTIPLIED) * _MULTIPLIED
        products = np.empty((whole // _MULTIPLIED, _MULTIPLIED, wanted), np.float32)
        wide = np.zeros((min(_AT_ONCE, whole), rows.shape[1]), np.float32)
        stacked = wide.reshape(-1, _MULTIPLIED, rows.shape[1])
        for start in range(0, count, _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            np.copyto(wide[: len(part)], part, casting="unsafe")
            out = products[start // _MULTIPLIED : (start + _AT_ONCE) // _MULTIPLIED]
            np.matmul(stacked[: len(out)], self.columns, out=out)
        return products.reshape(whole, wanted)[:count]


class Sieve:
    """Finds the stored rows that could be the wanted voices; loses none.

    Every row is held against a cheap bound, and what passes against a tighter one.

    Args:
        profile: without a cohort.
        projected: (k, d) unit rows, the wanted voiceprints as the scorer projects them.
        rotation: (d, d) that the stored rows are rotated by.
        least_cosines: (k,) that are to be reached.
    """

    def __init__(
        self,
        profile: CalibrationProfile,
        projected: NDArray[np.float32],
        rotation: NDArray[np.float64],
        least_cosines: NDArray[np.floating],
    ) -> None:
        self._least = least_cosines
        self._bounds = [
            CosineBound.of(profile, projected, rotation, directions=directions)
            for directions in (_FEW, _MORE)
        ]

    def passing(self, rows: Stored) -> NDArray[np.int64]:
        """The rows of (n, d) that could be, ascending; a row of zeros is no voice."""
        found = np.arange(len(rows))
        for bound in self._bounds:
            left = rows if len(found) == len(rows) else rows[found]
            found = found[bound.reaching(left, self._least)]
        return found[rows[found].any(axis=1)]


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
                for noise in (coefficients.noisiest_snr_db, QUIET_SNR_DB)
            ],
            axis=0,
        )
        reaches = best >= least_llr
        low, high = np.where(reaches, low, middle), np.where(reaches, middle, high)
    return low - 1e-6
