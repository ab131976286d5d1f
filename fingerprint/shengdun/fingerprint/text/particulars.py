"""Where a text names persons, numbers, dates, amounts and addresses."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.folding import CodePoints
from shengdun.fingerprint.text.placeholders import FIRST_PLACEHOLDER, LAST_PLACEHOLDER
from shengdun.fingerprint.text.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Particulars:
    """What was found in a reading of n characters.

    Attributes:
        kinds: (n,) uint8 the `Kind` that each character belongs to, 0 for none.
        points: (n,) uint32 the characters, with hot lines that were written as words in digits.
    """

    kinds: NDArray[np.uint8]
    points: CodePoints


def find(reading: Reading) -> Particulars:
    """Finds personal particulars; a placeholder is of its own kind."""
    points = reading.points
    placeholders = (points >= FIRST_PLACEHOLDER) & (points <= LAST_PLACEHOLDER)
    kinds = np.where(placeholders, points - FIRST_PLACEHOLDER, 0).astype(np.uint8)
    digits = (points >= ord("0")) & (points <= ord("9"))
    kinds[digits] = 2
    return Particulars(kinds=kinds, points=points)
