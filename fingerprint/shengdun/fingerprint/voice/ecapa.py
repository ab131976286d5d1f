"""ECAPA-TDNN as a voice model: front end, sentence normalisation and network in one ONNX file, run without PyTorch.

The network: B. Desplanques, J. Thienpondt, K. Demuynck: ECAPA-TDNN: Emphasized Channel Attention, Propagation and
Aggregation in TDNN Based Speaker Verification. Interspeech 2020. arXiv:2005.07143. The file is made once, by
``ecapa_export``, from a model of SpeechBrain's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from shengdun.fingerprint.voice.models import Voiceprints
from shengdun.fingerprint.voice.runtime import open_session
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds

NAME: Final = "ecapa-voxceleb"
INPUT: Final = "samples"
"""The graph's input: one stretch of speech, shape ``(1, n)``, float32."""
OUTPUT: Final = "embedding"
"""The graph's output: shape ``(1, dimension)``, float32, of any length."""
WINDOW_S: Final[Seconds] = 3.0

_SHORTEST_S: Final[Seconds] = 0.1


class Ecapa:
    """ECAPA-TDNN as a voice model.

    Args:
        graph: the ONNX file, or its bytes.
        model_id: name and digest of the checkpoint that it was made from.
        dimension: floats in a voiceprint.
        threads: threads that one window may use.
    """

    def __init__(
        self, graph: Path | bytes, *, model_id: str, dimension: int, threads: int = 1
    ) -> None:
        self._session = open_session(graph, threads=threads)
        self._model_id = model_id
        self._dimension = dimension

    @property
    def model_id(self) -> str:
        """Name and first 12 hexadecimal digits of the checkpoint's SHA-256."""
        return self._model_id

    @property
    def dimension(self) -> int:
        """192, unless the network was trained with another."""
        return self._dimension

    @property
    def window_s(self) -> Seconds:
        """3 s of net speech."""
        return WINDOW_S

    def embed(self, batch: Sequence[Samples]) -> Voiceprints:
        """Computes one voiceprint for each stretch of net speech, each in a run of its own.

        Args:
            batch: samples at 16 kHz in [-1, 1], each of 0.1 s at least; lengths may differ.

        Returns:
            Rows of unit length in the batch's order, shape ``(len(batch), dimension)``.

        Raises:
            ValueError: a stretch is shorter than 0.1 s.
        """
        voiceprints = np.empty((len(batch), self._dimension), np.float32)
        for row, samples in zip(voiceprints, batch, strict=True):
            if len(samples) < _SHORTEST_S * MODEL_RATE_HZ:
                raise ValueError(f"A voiceprint needs {_SHORTEST_S} s of net speech.")
            given = np.ascontiguousarray(samples, np.float32)[np.newaxis]
            (embedding,) = self._session.run([OUTPUT], {INPUT: given})[0]
            row[:] = embedding / np.sqrt(np.square(embedding, dtype=np.float64).sum())
        return voiceprints
