"""What is known of single frames before it is decided what becomes of them: how loud they are, and which may be keys.

It is found for the frames of many calls at once, since a frame alone costs ten times as much. What a frame gives does
not depend on what is measured with it.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.tones import may_be_keys

_FLOOR_DBFS: Final = -120.0


class FrameMeasures(NamedTuple):
    """Of some frames in a row."""

    levels_dbfs: list[float]
    """Level of each relative to a full-scale square wave, at least -120."""
    may_be_keys: list[bool]
    """Whether a key may be pressed in it, so that it is worth a closer look."""

    def part(self, start: int, end: int) -> "FrameMeasures":
        """Those of the frames from ``start`` to before ``end``."""
        return FrameMeasures(self.levels_dbfs[start:end], self.may_be_keys[start:end])


def measure_frames(frames: NDArray[np.float32]) -> FrameMeasures:
    """Measures frames; (n, 512) samples at 16 kHz."""
    return FrameMeasures(_levels_dbfs(frames), may_be_keys(frames))


def _levels_dbfs(frames: NDArray[np.float32]) -> list[float]:
    wide = frames.astype(np.float64)
    powers = np.vecdot(wide, wide) / frames.shape[1]
    # Logarithms of the C library and of NumPy differ in the last bit.
    return [max(10.0 * math.log10(max(power, 1e-30)), _FLOOR_DBFS) for power in powers.tolist()]
