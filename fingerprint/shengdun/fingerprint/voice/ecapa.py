"""ECAPA-TDNN as a voice model: front end, sentence normalisation and network in one ONNX file, run without PyTorch.

The network: B. Desplanques, J. Thienpondt, K. Demuynck: ECAPA-TDNN: Emphasized Channel Attention, Propagation and
Aggregation in TDNN Based Speaker Verification. Interspeech 2020. arXiv:2005.07143. The file is made once, by
``ecapa_export``, from a model of SpeechBrain's.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from onnx import load_model_from_string
from onnx.utils import Extractor

from shengdun.fingerprint.voice.bfloat16 import Bfloat16Network
from shengdun.fingerprint.voice.errors import PrecisionUnavailable
from shengdun.fingerprint.voice.models import Precision, Voiceprints
from shengdun.fingerprint.voice.runtime import open_session
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds

NAME: Final = "ecapa-voxceleb"
INPUT: Final = "samples"
"""The graph's input: one stretch of speech, shape ``(1, n)``, float32."""
OUTPUT: Final = "embedding"
"""The graph's output: shape ``(1, dimension)``, float32, of any length."""
FEATURES: Final = "features"
"""Its second output, what the network sees: log mel energies less their means, shape ``(1, frames, bins)``, float32.
Files of older conversions have no such output."""
WINDOW_S: Final[Seconds] = 3.0

_SHORTEST_S: Final[Seconds] = 0.1
_FULL_WINDOW: Final = round(WINDOW_S * MODEL_RATE_HZ)


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
        self._front = self._session
        self._full_window: Bfloat16Network | None = None

    def in_bfloat16(self, graph: bytes, *, at_once: int = 1) -> Self:
        """Gives this model with the network of full windows computed in bfloat16; their features stay in float32.

        Args:
            graph: what this model was opened with.
            at_once: windows that may be computed at the same time.

        Raises:
            PrecisionUnavailable: this machine can't do it, or the file is of an older conversion.
        """
        if FEATURES not in {output.name for output in self._session.get_outputs()}:
            raise PrecisionUnavailable(
                f"{self._model_id} was converted by an older Shengdun. Convert it again for bfloat16, or set "
                "voice.precision to float32."
            )
        parts = Extractor(load_model_from_string(graph))
        front = parts.extract_model([INPUT], [FEATURES]).SerializeToString()
        network = parts.extract_model([FEATURES], [OUTPUT]).SerializeToString()
        faster = copy.copy(self)
        # A session runs all of its graph, whatever is asked of it.
        faster._front = open_session(front, threads=1)  # noqa: SLF001 (of this class)
        features = faster._features(np.zeros(_FULL_WINDOW, np.float32))  # noqa: SLF001
        faster._full_window = Bfloat16Network(  # noqa: SLF001 (of this class)
            network,
            shapes={FEATURES: features.shape},
            output=OUTPUT,
            at_once=at_once,
        )
        return faster

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

    @property
    def precision(self) -> Precision:
        """What full windows are computed in; all others always are in float32."""
        return "bfloat16" if self._full_window else "float32"

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
            embedding = self._embedding(samples)[0]
            row[:] = embedding / np.sqrt(np.square(embedding, dtype=np.float64).sum())
        return voiceprints

    def _embedding(self, samples: Samples) -> NDArray[np.float32]:
        if self._full_window is not None and len(samples) == _FULL_WINDOW:
            return self._full_window.run({FEATURES: self._features(samples)})
        return _run(self._session, OUTPUT, samples)

    def _features(self, samples: Samples) -> NDArray[np.float32]:
        return _run(self._front, FEATURES, samples)


def _run(session: Any, output: str, samples: Samples) -> NDArray[np.float32]:  # noqa: ANN401 (no types published)
    given = np.ascontiguousarray(samples, np.float32)[np.newaxis]
    (result,) = session.run([output], {INPUT: given})
    return np.asarray(result, np.float32)
