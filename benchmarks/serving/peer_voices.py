"""The voice models of peers, each used as its own documentation tells users to. Run by the peers' interpreters alone.

Packages are imported where they are used: one interpreter has one of them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from benchmarks.serving.energy_gate import RATE_HZ, Samples
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]
_MODEL_RATE_HZ = 16_000


class PeerVoice(Protocol):
    """Turns a window of speech into a voiceprint; called from several threads."""

    @property
    def name(self) -> str:
        """Package and version."""
        ...

    def embed(self, samples: Samples) -> Vector:
        """A voiceprint (d,) of unit length of samples at 8 kHz."""
        ...


class SpeechBrain:
    """SpeechBrain's ``EncoderClassifier``, ECAPA.

    Args:
        directory: a model in the hub's layout.
        threads: of PyTorch for each window; None leaves its default, all cores.
    """

    def __init__(self, directory: Path, threads: int | None) -> None:
        import speechbrain  # noqa: PLC0415
        import torch  # noqa: PLC0415
        from speechbrain.inference.speaker import EncoderClassifier  # noqa: PLC0415

        if threads is not None:
            torch.set_num_threads(threads)
        self._torch: Any = torch
        self._name = f"speechbrain {speechbrain.__version__}, torch {torch.__version__}"
        self._encoder = EncoderClassifier.from_hparams(
            source=str(directory),
            savedir=str(directory / "loaded"),
            overrides={"pretrained_path": str(directory)},
            run_opts={"device": "cpu"},
        ).eval()

    @property
    def name(self) -> str:
        """Package and version."""
        return self._name

    def embed(self, samples: Samples) -> Vector:
        """Resampled, and then ``encode_batch``."""
        import torchaudio  # type: ignore[import-not-found]  # noqa: PLC0415

        torch = self._torch
        with torch.inference_mode():
            wide = torchaudio.functional.resample(
                torch.from_numpy(samples), RATE_HZ, _MODEL_RATE_HZ
            )
            vector = self._encoder.encode_batch(wide[None])[0, 0].numpy()
        unit: Vector = vector / np.linalg.norm(vector)
        return unit


class SherpaOnnx:
    """sherpa-onnx's ``SpeakerEmbeddingExtractor``, which resamples by itself.

    Args:
        model: an ONNX file with the metadata that it asks for.
        threads: of ONNX Runtime for each window; None leaves its default, one.
    """

    def __init__(self, model: Path, threads: int | None) -> None:
        import sherpa_onnx  # type: ignore[import-not-found]  # noqa: PLC0415

        config = sherpa_onnx.SpeakerEmbeddingExtractorConfig(
            model=str(model), num_threads=threads or 1, provider="cpu"
        )
        self._extractor: Any = sherpa_onnx.SpeakerEmbeddingExtractor(config)
        self._name = f"sherpa-onnx {sherpa_onnx.__version__}"

    @property
    def name(self) -> str:
        """Package and version."""
        return self._name

    def embed(self, samples: Samples) -> Vector:
        """A stream of its own for each window, as the examples of the package do."""
        stream = self._extractor.create_stream()
        stream.accept_waveform(sample_rate=RATE_HZ, waveform=samples)
        stream.input_finished()
        vector = np.array(self._extractor.compute(stream), np.float32)
        unit: Vector = vector / np.linalg.norm(vector)
        return unit


VOICES: Final[dict[str, Callable[[Path, int | None], PeerVoice]]] = {
    "speechbrain": SpeechBrain,
    "sherpa-onnx": SherpaOnnx,
}
