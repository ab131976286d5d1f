"""Systems that the product is compared with, behind one adapter each.

A peer is used as its own documentation tells users to: with its own way to find speech and its own way from speech to
a vector. It's told how much of the speech it may use, and nothing else; its score is the cosine of two vectors.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import numpy as np
from benchmarks.other_interpreter import OtherInterpreter
from numpy.typing import NDArray

from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds
from shengdun.index.accuracy.embeddings import ENROLLED_AT_MOST_S, WHOLE

Vector: TypeAlias = NDArray[np.float32]

_WORKER: Final = Path(__file__).with_name("resemblyzer_worker.py")
_FRAME: Final = MODEL_RATE_HZ // 50
_QUIETEST_DB: Final = 30.0
_SHORTEST_S: Final = 0.5


class Peer(Protocol):
    """A system that turns audio into vectors whose cosine says how alike two voices are."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    @property
    def version(self) -> str:
        """Of the package and of what it learned; another version's vectors are never mixed with these."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, samples: Samples, seconds: Sequence[Seconds]) -> dict[Seconds, Vector | None]:
        """Vectors of the first so many seconds of the speech that the peer finds.

        Args:
            samples: a call or a recording at 16 kHz in [-1, 1].
            seconds: how much speech; ``WHOLE`` for all, up to ``ENROLLED_AT_MOST_S``.

        Returns:
            For each of ``seconds`` a vector (d,) of unit length, of what there is if that is less; None where there is
            nothing to work on.
        """
        ...


def at_most_s(wanted: Seconds) -> Seconds:
    """Seconds that ``wanted`` stands for."""
    return ENROLLED_AT_MOST_S if wanted == WHOLE else wanted


class PlainPath:
    """What a user of the voice model would do without this product: pauses cut out by their energy, one window, cosine.

    No voice activity model, no telephone band, no centring, whitening, or calibration.

    Args:
        model: the product's own voice model.
    """

    def __init__(self, model: VoiceModel) -> None:
        self._model = model

    @property
    def name(self) -> str:
        """What the report calls it."""
        return "plain path"

    @property
    def version(self) -> str:
        """The voice model's."""
        return self._model.model_id

    @property
    def dimension(self) -> int:
        """Length of a voiceprint."""
        return self._model.dimension

    def embed(self, samples: Samples, seconds: Sequence[Seconds]) -> dict[Seconds, Vector | None]:
        """One window of what is loud, as ``Peer.embed`` says."""
        speech = loud_parts(samples)
        return {
            wanted: self._one_window(speech[: round(at_most_s(wanted) * MODEL_RATE_HZ)])
            for wanted in seconds
        }

    def _one_window(self, speech: Samples) -> Vector | None:
        if len(speech) < _SHORTEST_S * MODEL_RATE_HZ:
            return None
        row: Vector = self._model.embed([speech])[0]
        return row


def loud_parts(samples: Samples) -> Samples:
    """The frames of 20 ms that are at most 30 dB quieter than the loudest, end to end; nothing of digital silence."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    power = (frames.astype(np.float64) ** 2).mean(axis=1)
    loudest = power.max(initial=0.0)
    loud: Samples = frames[(power > 0.0) & (power >= loudest * 10.0 ** (-_QUIETEST_DB / 10.0))]
    return loud.reshape(-1)


class Resemblyzer(OtherInterpreter):
    """Resemblyzer's ``preprocess_wav`` and ``embed_utterance``, run by an interpreter that has it.

    Args:
        python: that interpreter. PyTorch stays out of this process and its environment.

    Raises:
        PeerUnavailable: the interpreter isn't there, or hasn't Resemblyzer.
    """

    def __init__(self, python: Path) -> None:
        super().__init__(
            python,
            _WORKER,
            name="Resemblyzer",
            hint="`make .venv-peers` installs it, PEERS=no leaves it out",
        )

    @property
    def name(self) -> str:
        """What the report calls it."""
        return "Resemblyzer"

    @property
    def version(self) -> str:
        """Of the package, with the first 12 hexadecimal digits of the SHA-256 of its weights."""
        return str(self.about["version"])

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.about["dimension"])

    def embed(self, samples: Samples, seconds: Sequence[Seconds]) -> dict[Seconds, Vector | None]:
        """What Resemblyzer makes of it, as ``Peer.embed`` says."""
        asked = {"samples": len(samples), "seconds": [at_most_s(wanted) for wanted in seconds]}
        vectors = self.ask(asked, np.ascontiguousarray(samples, "<f4").tobytes())["vectors"]
        return {
            wanted: None if vector is None else np.array(vector, np.float32)
            for wanted, vector in zip(seconds, vectors, strict=True)
        }
