"""From shared passages to a likelihood ratio.

With ``w`` what the passages are worth together, in rare syllables, ``m`` and ``k`` the characters of text and
script, and ``n`` the scripts that the text is compared with, in multiples of those that the coefficients were fitted
with, 1 at least::

    x   = offset + slope w - chance ln(m k) - crowd ln n
    LLR = x held between floor and cap

The logarithms are what chance does: of two unrelated texts the best common passage grows with the logarithm of the
product of their lengths (Karlin and Altschul, PNAS 87, 1990), and the best of many scripts as that of one that is as
much longer. It grows faster than that where people say the same because they speak of the same, so ``crowd`` is more than
``chance``. ``benchmarks/text/calibrate.py`` fits the coefficients, and ``benchmarks/text/growth.py`` shows whether more
scripts flag more innocent texts.

Chance makes as many passages as there is room for. So the best one counts whole, and each further one for what it is
worth above ``customary``: five turns of phrase don't add up to a paragraph (sum statistics: Karlin and Altschul, PNAS 90,
1993). The other coefficients are fitted without that, which only ever makes an LLR less.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptCoefficients:
    """The map from passages to a natural-log likelihood ratio.

    Attributes:
        offset: where nothing is shared and nothing could be.
        slope: for each rare syllable that is shared; above 0.
        chance: for each e-fold of text or script; 0 or more.
        floor: the least LLR that the data vouch for, below 0.
        cap: the greatest, above 0.
        crowd: for each e-fold of the number of scripts; 0 or more.
        customary: what a passage beside the best must be worth to count, in rare syllables; 0 or more.
        fitted_among: how many scripts each text was compared with when they were fitted; 1 or more.
    """

    offset: float
    slope: float
    chance: float
    floor: float
    cap: float
    crowd: float = 0.0
    customary: float = 0.0
    fitted_among: int = 1

    def __post_init__(self) -> None:
        if self.slope <= 0.0 or min(self.chance, self.crowd, self.customary) < 0.0:
            raise ValueError("slope must be positive, and chance, crowd and customary not negative")
        if not self.floor < 0.0 < self.cap:
            raise ValueError("0 must be within the limits")
        if self.fitted_among < 1:
            raise ValueError("the coefficients must have been fitted with a script at least")

    def llr(self, *, worth: float, text_length: int, script_length: int) -> float:
        """The LLR of "this script was used" for passages worth so much together."""
        return self.limited(self.unlimited(worth, text_length, script_length))

    def together(self, worths: Sequence[float]) -> float:
        """What passages are worth together, each worth so much by itself; at most their sum."""
        if not worths:
            return 0.0
        above = sum(max(worth - self.customary, 0.0) for worth in worths)
        return above + min(max(worths), self.customary)

    def limited(self, unlimited: float) -> float:
        """An LLR held between floor and cap."""
        return min(max(unlimited, self.floor), self.cap)

    def unlimited(
        self, worth: float, text_length: int, script_length: int, *, among: int = 1
    ) -> float:
        """What the LLR would be if the data could vouch for any; puts scripts in order beyond the limits too.

        Args:
            worth: of the passages together.
            text_length: characters of the text.
            script_length: of the script.
            among: how many scripts the text is compared with.
        """
        return self.slope * worth - self._by_chance(text_length, script_length, among)

    def needed(
        self, unlimited: float, text_length: int, script_length: int, *, among: int = 1
    ) -> float:
        """What passages must be worth together for so much; the inverse of ``unlimited``."""
        return (unlimited + self._by_chance(text_length, script_length, among)) / self.slope

    def _by_chance(self, text_length: int, script_length: int, among: int) -> float:
        times = max(among / self.fitted_among, 1.0)
        possible = log(max(text_length, 1)) + log(max(script_length, 1))
        return self.chance * possible + self.crowd * log(times) - self.offset


DEFAULT_COEFFICIENTS: Final = ScriptCoefficients(
    offset=15.59,
    slope=1.5032,
    chance=2.1516,
    floor=-3.35,
    cap=8.6,
    crowd=3.0,
    customary=2.0,
    fitted_among=47,
)
"""Fitted on 4,200 texts that use one of 21 scripts and 16,776 that use none of 47."""
