"""Which parts of a call are speech: the Silero voice activity detector in ONNX Runtime.

The artefact is Silero's 16 kHz "sequence" export: a run takes any number of frames of one call
and carries that call's recurrent state on. No two calls meet in a run, so a call's probabilities
can't depend on what else is in the batch, and they are the same bits however its frames are cut
into runs.

Music, keys and machine noise leave the detector deaf: it hears nothing of a caller who speaks next,
often for the rest of the call. So it begins anew wherever it has heard no speech for two seconds
(docs/decisions/0005).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.runtime import open_session
from shengdun.fingerprint.voice.samples import Samples

FRAME_SAMPLES = 512
"""Samples that one probability is about: 32 ms."""

Probabilities: TypeAlias = NDArray[np.float32]
"""Probability of speech per frame of ``FRAME_SAMPLES``, shape ``(frames,)``, in [0, 1]."""

_CONTEXT_SAMPLES = 64
_HIDDEN = (1, 1, 128)
_SPEECH = 0.5
# A run ends, at the latest, where the detector may begin anew: after each second of the call, 32 frames.
_FRAMES_PER_RUN = 32
_DEAF_FRAMES = 64


@dataclass(slots=True, kw_only=True)
class ActivityState:
    """Where the detector stands in one call; made by ``VoiceActivity.new_state``."""

    hidden: NDArray[np.float32] = field(default_factory=lambda: np.zeros(_HIDDEN, np.float32))
    cell: NDArray[np.float32] = field(default_factory=lambda: np.zeros(_HIDDEN, np.float32))
    context: Samples = field(default_factory=lambda: np.zeros(_CONTEXT_SAMPLES, np.float32))
    frames: int = 0
    """Frames of the call judged so far."""
    without_speech: int = 0
    """Frames since speech was heard, or the detector began anew."""

    def heard(self, probabilities: Probabilities) -> None:
        """Take note of what a run found in the frames that follow those before."""
        self.frames += len(probabilities)
        spoken = np.flatnonzero(probabilities >= _SPEECH)
        silent = len(probabilities) - 1 - int(spoken[-1]) if len(spoken) else len(probabilities)
        self.without_speech = silent if len(spoken) else self.without_speech + silent

    def begin_anew_if_deaf(self) -> None:
        """Forget what was heard, at the end of a second of the call and after long enough without speech."""
        if self.frames % _FRAMES_PER_RUN == 0 and self.without_speech >= _DEAF_FRAMES:
            self.hidden, self.cell = np.zeros_like(self.hidden), np.zeros_like(self.cell)
            self.without_speech = 0


class VoiceActivity:
    """The detector; one serves all calls and threads, each call has a state of its own.

    Args:
        model_path: the ``silero-vad`` artefact.
        threads: threads that one run may use.
    """

    def __init__(self, model_path: Path, threads: int = 1) -> None:
        self._session = open_session(model_path, threads=threads)

    def new_state(self) -> ActivityState:
        """Gives the state of a call that is about to begin."""
        return ActivityState()

    def speech_probabilities(
        self, batch: Sequence[tuple[ActivityState, Samples]]
    ) -> list[Probabilities]:
        """Judges the next frames of several calls; their states move on.

        Args:
            batch: for each call its state and its next samples, whole frames of 512.

        Returns:
            For each call one probability per frame.

        Raises:
            ValueError: a call's samples are not whole frames.
        """
        if any(len(samples) % FRAME_SAMPLES for _, samples in batch):
            raise ValueError(f"Voice activity takes whole frames of {FRAME_SAMPLES} samples.")
        return [self._advance(state, samples) for state, samples in batch]

    def _advance(self, state: ActivityState, samples: Samples) -> Probabilities:
        frames = samples.reshape(-1, FRAME_SAMPLES)
        runs, at = [np.zeros(0, np.float32)], 0
        while at < len(frames):
            count = min(_FRAMES_PER_RUN - state.frames % _FRAMES_PER_RUN, len(frames) - at)
            runs.append(self._run(state, frames[at : at + count]))
            at += count
        return np.concatenate(runs)

    def _run(self, state: ActivityState, frames: NDArray[np.float32]) -> Probabilities:
        tails = np.vstack([state.context[None], frames[:, -_CONTEXT_SAMPLES:]])
        probabilities, hidden, cell = self._session.run(
            ["speech_probs", "hn", "cn"],
            {"input": np.hstack([tails[:-1], frames]), "h": state.hidden, "c": state.cell},
        )
        state.hidden, state.cell, state.context = hidden, cell, tails[-1]
        judged = np.asarray(probabilities, np.float32)
        state.heard(judged)
        state.begin_anew_if_deaf()
        return judged


class Framer:
    """Gathers one call's samples into whole frames.

    Not safe to share between threads.
    """

    def __init__(self) -> None:
        self._pending: Samples = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> Samples:
        """Takes the next samples and gives the whole frames that are there."""
        gathered = np.concatenate([self._pending, samples])
        whole = len(gathered) // FRAME_SAMPLES * FRAME_SAMPLES
        self._pending = gathered[whole:]
        return gathered[:whole]

    def finish(self) -> Samples:
        """Gives what is left, with silence after it to make a whole frame, or nothing."""
        missing = -len(self._pending) % FRAME_SAMPLES
        frame = np.concatenate([self._pending, np.zeros(missing, np.float32)])
        self._pending = np.zeros(0, np.float32)
        return frame
