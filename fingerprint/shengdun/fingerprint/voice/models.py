"""The seam between voice models and everything that uses voiceprints."""

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.samples import Samples, Seconds

Voiceprints: TypeAlias = NDArray[np.float32]
"""Voiceprints as rows of unit length, shape ``(n, dimension)``."""

Precision: TypeAlias = Literal["float32", "bfloat16"]
"""What the network of a full window is computed in."""


class VoiceModel(Protocol):
    """Turns net speech into voiceprints.

    Implementations are safe to call from several threads at once, and give the same bits for the
    same samples whatever else is in the batch.
    """

    @property
    def model_id(self) -> str:
        """Name and first 12 hexadecimal digits of the checkpoint's SHA-256, as ``name@digits``."""
        ...

    @property
    def dimension(self) -> int:
        """Number of floats in a voiceprint."""
        ...

    @property
    def window_s(self) -> Seconds:
        """Net speech that one voiceprint of a call is made from."""
        ...

    @property
    def precision(self) -> Precision:
        """What full windows are computed in; all others always are in float32."""
        ...

    def embed(self, batch: Sequence[Samples]) -> Voiceprints:
        """Computes one voiceprint for each stretch of net speech.

        Args:
            batch: samples at 16 kHz in [-1, 1], each of 0.1 s at least; lengths may differ.

        Returns:
            Rows of unit length in the batch's order, shape ``(len(batch), dimension)``.

        Raises:
            ValueError: a stretch is shorter than 0.1 s.
        """
        ...
