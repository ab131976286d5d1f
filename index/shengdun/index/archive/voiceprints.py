"""Voiceprints as the archive keeps them: rotated by the keyed matrix, in 16-bit fixed point.

A rotated voiceprint of unit length is multiplied by 32,767 and rounded. Of a cosine that changes less than 1e-4
(decision note 0032), half as much as 16-bit floats would, and it is turned back into 32-bit floats six times as fast.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

SCALE: Final = 32767.0
_FEW: Final = 32
Stored = NDArray[np.int16]
"""(n, d) rotated voiceprints times ``SCALE``."""


def stored(voiceprints: NDArray[np.float32], matrix: NDArray[np.float64]) -> Stored:
    """(n, d) voiceprints of unit length as they are kept."""
    rotated = np.rint(voiceprints.astype(np.float64) @ matrix.T * SCALE)
    return np.clip(rotated, -SCALE, SCALE).astype("<i2")


def restored(rows: Stored, matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """(n, d) float32 voiceprints, the rotation undone; the same within 1e-6 however many there are."""
    if len(rows) < _FEW:
        # To make the matrix over takes as long as that of some dozen voiceprints.
        return np.asarray(rows.astype(np.float64) @ matrix / SCALE, np.float32)
    return np.asarray(rows.astype(np.float32) @ (matrix / SCALE).astype(np.float32))
