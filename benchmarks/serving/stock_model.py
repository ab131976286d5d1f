"""CAM++ as PyTorch exports it, run by ONNX Runtime on prepared features: the bare model that anyone has without us.

Features are products of NumPy: set ``OMP_NUM_THREADS`` and ``OPENBLAS_NUM_THREADS`` to 1, for threads that wait for
each other count as processor time.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.fbank import LOG_FLOOR, mel_filters, power_spectra
from shengdun.fingerprint.voice.models import Voiceprints
from shengdun.fingerprint.voice.runtime import open_session
from shengdun.fingerprint.voice.samples import Samples


class StockCamPlusPlus:
    """The stock network on one thread, each window in a run of its own.

    Args:
        export: what ``benchmarks/network/stock_export.py --any-length`` wrote.
    """

    def __init__(self, export: Path) -> None:
        self._session = open_session(export, threads=1)
        self._filters = mel_filters()

    def embed(self, batch: Sequence[Samples]) -> Voiceprints:
        """One voiceprint for each stretch of net speech at 16 kHz; rows of unit length, (n, 192)."""
        rows = [
            self._session.run(["embedding"], {"features": self._features(samples)[np.newaxis]})[0][
                0
            ]
            for samples in batch
        ]
        voiceprints: Voiceprints = np.array(rows, np.float32)
        voiceprints /= np.linalg.norm(voiceprints, axis=1, keepdims=True)
        return voiceprints

    def _features(self, samples: Samples) -> NDArray[np.float32]:
        energies = np.log(np.maximum(power_spectra(samples) @ self._filters, LOG_FLOOR))
        features: NDArray[np.float32] = energies - energies.mean(axis=0)
        return features
