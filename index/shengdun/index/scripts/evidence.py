"""From shared passages to a likelihood ratio.

With ``w`` what the passages are worth together, in rare syllables, and ``m`` and ``k`` the characters of text and
script::

    x   = offset + slope w - chance ln(m k)
    LLR = x held between floor and cap

The logarithm is what chance does: of two unrelated texts the best common passage grows with the logarithm of the
product of their lengths (Karlin and Altschul, PNAS 87, 1990). ``benchmarks/text/calibrate.py`` fits the coefficients.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptCoefficients:
    """The map from passages to a natural-log likelihood ratio.

    Attributes:
        offset: where nothing is shared and nothing could be.
        slope: for each rare syllable that is shared; above 0.
        chance: for each e-fold of text or script; 0 or more.
        floor: the least LLR that the data vouch for, below 0.
        cap: the greatest, above 0.
    """

    offset: float
    slope: float
    chance: float
    floor: float
    cap: float

    def __post_init__(self) -> None:
        if self.slope <= 0.0 or self.chance < 0.0 or not self.floor < 0.0 < self.cap:
            raise ValueError("slope must be positive, chance not negative, and 0 within the limits")

    def llr(self, *, worth: float, text_length: int, script_length: int) -> float:
        """The LLR of "this script was used" for passages worth so much together."""
        return self.limited(self.unlimited(worth, text_length, script_length))

    def limited(self, unlimited: float) -> float:
        """An LLR held between floor and cap."""
        return min(max(unlimited, self.floor), self.cap)

    def unlimited(self, worth: float, text_length: int, script_length: int) -> float:
        """What the LLR would be if the data could vouch for any; puts scripts in order beyond the limits too."""
        possible = float(np.log(max(text_length, 1)) + np.log(max(script_length, 1)))
        return self.offset + self.slope * worth - self.chance * possible


DEFAULT_COEFFICIENTS: Final = ScriptCoefficients(
    offset=15.37, slope=1.6271, chance=2.2558, floor=-3.35, cap=8.6
)
"""Fitted on 4,200 texts that use one of 21 scripts and 16,776 that use none of 47."""
