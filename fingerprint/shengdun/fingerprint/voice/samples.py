"""Audio as the rest of the room sees it: one channel, one rate, one number type."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

MODEL_RATE_HZ = 16_000
"""The rate that every voice model and the voice activity detector work at."""

Samples: TypeAlias = NDArray[np.float32]
"""Mono audio at ``MODEL_RATE_HZ``, shape ``(n,)``, full scale at -1 and 1."""

Seconds: TypeAlias = float
"""A duration, or a position on a call's audio clock."""
