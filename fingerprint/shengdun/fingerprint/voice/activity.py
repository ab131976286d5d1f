"""Which parts of a call are speech: the Silero voice activity detector in ONNX Runtime.

The weights are those of Silero's 16 kHz "sequence" export; the graph is ours and works on the frames of many calls
in a run (``silero``), each from its own recurrent state. A call's probabilities are the same bits whatever else is in
the batch, and however its frames are cut into runs.

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
from shengdun.fingerprint.voice.silero import (
    CONTEXT_SAMPLES,
    HIDDEN,
    SEEN_SAMPLES,
    build_graph,
    fold,
    read_weights,
)

FRAME_SAMPLES = SEEN_SAMPLES - CONTEXT_SAMPLES
"""Samples that one probability is about: 512, 32 ms."""

Probabilities: TypeAlias = NDArray[np.float32]
"""Probability of speech per frame of ``FRAME_SAMPLES``, shape ``(frames,)``, in [0, 1]."""

_MEMORY = (2, 1, HIDDEN)
_SPEECH = 0.5
_FRAMES_PER_RUN = 64
# The detector may begin anew after each second of the call, if it has heard no speech for two.
_FRAMES_OF_A_SECOND = 32
_DEAF_FRAMES = 64
# With more, what a run works on no longer fits the cache of a core.
_CALLS_PER_RUN = 100


@dataclass(slots=True, kw_only=True)
class ActivityState:
    """Where the detector stands in one call; made by ``VoiceActivity.new_state``."""

    memory: NDArray[np.float32] = field(default_factory=lambda: np.zeros(_MEMORY, np.float32))
    """Hidden state and cell of the recurrent layer."""
    context: Samples = field(default_factory=lambda: np.zeros(CONTEXT_SAMPLES, np.float32))
    frames: int = 0
    """Frames of the call judged so far."""
    without_speech: int = 0
    """Frames since speech was heard, or the detector began anew."""

    def heard(self, probabilities: Sequence[float]) -> None:
        """Take note of what a run found in the frames that follow those before."""
        self.frames += len(probabilities)
        for probability in probabilities:
            self.without_speech = 0 if probability >= _SPEECH else self.without_speech + 1

    def frames_before_deaf(self) -> int:
        """How many of the next frames may be judged before the detector may have to begin anew."""
        of_this_second = _FRAMES_OF_A_SECOND - self.frames % _FRAMES_OF_A_SECOND
        may_be_deaf = self.without_speech + of_this_second >= _DEAF_FRAMES
        return of_this_second if may_be_deaf else of_this_second + _FRAMES_OF_A_SECOND

    def begin_anew_if_deaf(self) -> None:
        """Forget what was heard, at the end of a second of the call and after long enough without speech."""
        if self.frames % _FRAMES_OF_A_SECOND == 0 and self.without_speech >= _DEAF_FRAMES:
            self.memory = np.zeros_like(self.memory)
            self.without_speech = 0


@dataclass(slots=True)
class _Call:
    """One call's frames in a batch, and how many of them were judged."""

    state: ActivityState
    frames: NDArray[np.float32]
    judged: int = 0
    found: list[Probabilities] = field(default_factory=list)

    def next_frames(self) -> NDArray[np.float32]:
        """The frames that may be judged in the next run."""
        count = min(self.state.frames_before_deaf(), _FRAMES_PER_RUN)
        return self.frames[self.judged : self.judged + count]

    def take(self, probabilities: Probabilities) -> None:
        """Take what was found in the frames that ``next_frames`` gave."""
        self.judged += len(probabilities)
        self.found.append(probabilities)
        self.state.heard(probabilities.tolist())
        self.state.begin_anew_if_deaf()

    def probabilities(self) -> Probabilities:
        """All that was found."""
        if len(self.found) == 1:
            return self.found[0]
        return np.concatenate([np.zeros(0, np.float32), *self.found])


class VoiceActivity:
    """The detector; one serves all calls and threads, each call has a state of its own.

    Args:
        model_path: the ``silero-vad`` artefact.
        threads: threads that one run may use.

    Raises:
        KeyError: the file holds another network.
    """

    def __init__(self, model_path: Path, threads: int = 1) -> None:
        graph = build_graph(read_weights(model_path))
        self._session = open_session(graph.SerializeToString(), threads=threads)

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
        calls = [_Call(state, samples.reshape(-1, FRAME_SAMPLES)) for state, samples in batch]
        waiting = [call for call in calls if len(call.frames)]
        while waiting:
            for first in range(0, len(waiting), _CALLS_PER_RUN):
                self._run(waiting[first : first + _CALLS_PER_RUN])
            waiting = [call for call in waiting if call.judged < len(call.frames)]
        return [call.probabilities() for call in calls]

    def _run(self, calls: Sequence[_Call]) -> None:
        frames = [call.next_frames() for call in calls]
        steps_of = np.array([len(one) for one in frames], np.int32)
        ends = np.cumsum(steps_of, dtype=np.int64)
        seen = _with_context(np.concatenate(frames), [call.state.context for call in calls], ends)
        sums, differences = fold(seen)
        contexts = seen[ends - 1, -CONTEXT_SAMPLES:]
        places = ends - steps_of + np.arange(steps_of.max())[:, None]
        memory = np.concatenate([call.state.memory for call in calls], axis=1)
        probabilities, hidden, cell = self._session.run(
            ["probabilities", "hidden_after", "cell_after"],
            {
                "sums": sums,
                "differences": differences,
                "place": np.minimum(places, ends - 1),
                "steps_of": steps_of,
                "hidden": memory[:1],
                "cell": memory[1:],
            },
        )
        np.concatenate([hidden, cell], out=memory)
        judged = np.ascontiguousarray(probabilities.T)
        for index, (call, steps) in enumerate(zip(calls, steps_of.tolist(), strict=True)):
            # A copy, so that no call keeps the states of others.
            call.state.memory = memory[:, index : index + 1].copy()
            call.state.context = contexts[index]
            call.take(judged[index, :steps])


def _with_context(
    frames: NDArray[np.float32], contexts: Sequence[Samples], ends: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Puts before each frame the end of the one before it, or of what its call had before."""
    seen = np.empty((len(frames), SEEN_SAMPLES), np.float32)
    seen[:, CONTEXT_SAMPLES:] = frames
    seen[1:, :CONTEXT_SAMPLES] = frames[:-1, -CONTEXT_SAMPLES:]
    seen[[0, *ends[:-1]], :CONTEXT_SAMPLES] = contexts
    return seen


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
