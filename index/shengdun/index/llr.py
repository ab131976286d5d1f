"""The map from a score to a natural-log likelihood ratio, by how much speech there was and how noisy it was.

With ``s`` the score (the cosine of projected voiceprints, or what score normalisation makes of it), ``q`` the noisiness
of the two sides together, and ``b = (1 / net_a_s + 1 / net_b_s) ** brevity_exponent``::

    x   = offset + offset_brevity b + offset_noise q + (slope + slope_brevity b + slope_noise q) s + bend h(s)
    h(s) = width ln(1 + exp((s - knot) / width))
    LLR = x from floor + 1 to cap - 1, and beyond that ever more slowly towards floor and cap

Both ``b`` and ``q`` are made of sums over the sides, for the variance that short or noisy speech adds to a cosine is
the sum of what either side adds; with an exponent of 1/2 ``b`` goes like the deviation (decision note 0016). The bend
lets scores above the knot speak louder than those below. The limits are approached and never reached, so that two
voices beyond what the calibration data can vouch for still have an order.
"""

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

QUIET_SNR_DB: Final = 25.0
"""Noise below this ratio of speech to noise makes no difference any more."""
NOISIEST_SNR_DB: Final = -10.0
"""Above this ratio more noise makes a difference, to maps that are fitted now (``LlrCoefficients.noisiest_snr_db``)."""
UNKNOWN_SNR_DB: Final = 15.0
"""What an unknown ratio counts as: that of an ordinary telephone call."""
_NOISE_UNIT_DB: Final = 10.0
_SOFT: Final = 1.0
"""The LLR begins to saturate so far from its limits."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sides:
    """How much there was to go by on either side of n comparisons; each field (n,) or a scalar.

    Attributes:
        net_a_s: net speech of one side, in seconds.
        net_b_s: net speech of the other, in seconds.
        snr_a_db: speech over noise of one side, band by band (``AudioQuality.band_snr_db``); NaN where it isn't known.
        snr_b_db: speech over noise of the other; NaN where it isn't known.
    """

    net_a_s: NDArray[np.floating] | float
    net_b_s: NDArray[np.floating] | float
    snr_a_db: NDArray[np.floating] | float = np.nan
    snr_b_db: NDArray[np.floating] | float = np.nan

    def brevity(self, shortest_s: float, longest_s: float) -> Floats:
        """1 / seconds, summed over the sides, each clamped to a range."""
        a = np.clip(np.asarray(self.net_a_s, np.float64), shortest_s, longest_s)
        b = np.clip(np.asarray(self.net_b_s, np.float64), shortest_s, longest_s)
        total: Floats = 1.0 / a + 1.0 / b
        return total

    def noisiness(self, noisiest_snr_db: float = 0.0) -> Floats:
        """How far each side is below a quiet line, in units of 10 dB, summed; more noise counts as so many dB."""
        return _noisiness(self.snr_a_db, noisiest_snr_db) + _noisiness(
            self.snr_b_db, noisiest_snr_db
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LlrCoefficients:
    """The coefficients of the map; the module says what they multiply.

    Attributes:
        offset: LLR at score 0 with unlimited, quiet speech.
        offset_brevity: change of the offset for each unit of brevity, in seconds.
        offset_noise: change of the offset for each 10 dB of noise.
        slope: LLR for each unit of score with unlimited, quiet speech, far below the knot.
        slope_brevity: change of the slope for each unit of brevity; negative when short speech says less.
        slope_noise: change of the slope for each 10 dB of noise; negative when noisy speech says less.
        bend: what the slope gains above the knot, 0 or more.
        knot: score at which it bends.
        width: how gently, in units of score; above 0.
        brevity_exponent: makes brevity of the sum of 1 / seconds; above 0. Profiles of before it was one have 1.
        noisiest_snr_db: more noise than this ratio of speech to noise counts as this much; below ``QUIET_SNR_DB``.
            Profiles that were fitted on one ratio over the whole band have 0 (decision note 0016).
        shortest_net_speech_s: less net speech than this counts as this much, in seconds.
        longest_net_speech_s: more net speech than this counts as this much, in seconds.
        floor: the smallest LLR that the amount of calibration data supports, below 0.
        cap: the largest such LLR, above 0 (decision note 0012).
    """

    offset: float
    offset_brevity: float = 0.0
    offset_noise: float = 0.0
    slope: float
    slope_brevity: float = 0.0
    slope_noise: float = 0.0
    bend: float = 0.0
    knot: float = 0.0
    width: float = 1.0
    brevity_exponent: float = 1.0
    noisiest_snr_db: float = 0.0
    shortest_net_speech_s: float
    longest_net_speech_s: float
    floor: float
    cap: float

    def __post_init__(self) -> None:
        if not np.isfinite(list(asdict(self).values())).all():
            raise ValueError("LLR coefficients must be finite")
        if not 0.0 < self.shortest_net_speech_s < self.longest_net_speech_s:
            raise ValueError("the range of net speech must be positive and ascending")
        if self.floor >= -_SOFT or self.cap <= _SOFT:
            raise ValueError(f"the LLR floor must be below {-_SOFT} and the cap above {_SOFT}")
        if self.bend < 0.0 or self.width <= 0.0:
            raise ValueError("the bend must not be negative and its width must be positive")
        if self.brevity_exponent <= 0.0:
            raise ValueError("the exponent of brevity must be positive, or more speech said less")
        if self.noisiest_snr_db >= QUIET_SNR_DB:
            raise ValueError(f"the range of noise must begin below {QUIET_SNR_DB:g} dB")
        longest, shortest = self.longest_net_speech_s, self.shortest_net_speech_s
        brevities = [(2.0 / seconds) ** self.brevity_exponent for seconds in (longest, shortest)]
        noisiest = 2.0 * (QUIET_SNR_DB - self.noisiest_snr_db) / _NOISE_UNIT_DB
        slopes = [
            self.slope + self.slope_brevity * brevity + self.slope_noise * noise
            for brevity in brevities
            for noise in (0.0, noisiest)
        ]
        if min(slopes) <= 0.0:
            raise ValueError("the slope must stay positive at every amount of net speech and noise")

    def llr(self, scores: NDArray[np.floating], sides: Sides) -> Floats:
        """Natural-log LLR for each of n scores, (n,) float64; grows with the score, between floor and cap."""
        return self.limited(self.unlimited(scores, sides))

    def limited(self, llrs: NDArray[np.floating]) -> Floats:
        """(n,) LLRs held between floor and cap, in the order that they had."""
        return _limited(np.asarray(llrs, np.float64), self.floor, self.cap)

    def unlimited(self, scores: NDArray[np.floating], sides: Sides) -> Floats:
        """(n,) the LLRs as they'd be if the data could vouch for any."""
        s = np.asarray(scores, np.float64)
        b = sides.brevity(self.shortest_net_speech_s, self.longest_net_speech_s)
        b = b**self.brevity_exponent
        q = sides.noisiness(self.noisiest_snr_db)
        offset = self.offset + self.offset_brevity * b + self.offset_noise * q
        slope = self.slope + self.slope_brevity * b + self.slope_noise * q
        x: Floats = offset + slope * s + self.bend * hinge(s, self.knot, self.width)
        return x


def hinge(scores: Floats, knot: float, width: float) -> Floats:
    """0 far below the knot, ``score - knot`` far above it, smooth in between."""
    bent: Floats = width * np.logaddexp(0.0, (scores - knot) / width)
    return bent


def _limited(x: Floats, floor: float, cap: float) -> Floats:
    over = np.maximum(x - (cap - _SOFT), 0.0)
    under = np.maximum((floor + _SOFT) - x, 0.0)
    within = np.clip(x, floor + _SOFT, cap - _SOFT)
    limited: Floats = within - _SOFT * np.expm1(-over / _SOFT) + _SOFT * np.expm1(-under / _SOFT)
    return limited


def _noisiness(snr_db: NDArray[np.floating] | float, noisiest_snr_db: float) -> Floats:
    known = np.asarray(snr_db, np.float64)
    decibels = np.where(np.isnan(known), UNKNOWN_SNR_DB, known)
    most = QUIET_SNR_DB - noisiest_snr_db
    noisiness: Floats = np.clip(QUIET_SNR_DB - decibels, 0.0, most) / _NOISE_UNIT_DB
    return noisiness
