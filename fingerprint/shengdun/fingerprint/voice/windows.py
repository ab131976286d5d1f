"""Net speech of one call, cut into the windows that voiceprints are made from.

Frames that the voice activity detector hears speech in are laid end to end, with a little of what
is around them, and cut into windows without overlap, so each second of speech is embedded once. Left
out are keys, and voices far below the caller's level.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shengdun.fingerprint.voice.activity import FRAME_SAMPLES, Probabilities
from shengdun.fingerprint.voice.foreground import Foreground, ForegroundPolicy
from shengdun.fingerprint.voice.frames import measure_frames
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds
from shengdun.fingerprint.voice.tones import is_key

_RISE_DB = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPolicy:
    """When frames count as speech, and when too little of it is left for a window.

    Attributes:
        onset: probability from which speech begins. Silero's own operating point.
        offset: probability below which speech ends; lower than ``onset``, so that a word's weak
            middle doesn't cut it in two.
        padding_frames: frames kept before and after speech (two: 64 ms), where consonants are
            that the detector is late for.
        shortest_frames: speech shorter than this (three: 96 ms) is a click and is dropped.
        remainder_s: least net speech of a call's last window, when it has others. Half a window:
            voiceprints of less tell voices apart badly and would dilute the others.
        only_s: least net speech of a window that is the call's only one: little evidence is
            better than none.
    """

    onset: float = 0.5
    offset: float = 0.35
    padding_frames: int = 2
    shortest_frames: int = 3
    remainder_s: Seconds = 1.5
    only_s: Seconds = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.offset <= self.onset < 1:
            raise ValueError("Needs 0 < offset <= onset < 1.")
        if self.padding_frames < 0 or self.shortest_frames < 1:
            raise ValueError("Needs padding_frames >= 0 and shortest_frames >= 1.")
        if not 0 < self.only_s <= self.remainder_s:
            raise ValueError("Needs 0 < only_s <= remainder_s.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Net speech for one voiceprint.

    Attributes:
        index: 0 for a call's first window.
        samples: net speech at 16 kHz, frames of speech laid end to end.
        start_s: where its first sample is on the call's audio clock.
        end_s: where its last sample ends on the call's audio clock.
    """

    index: int
    samples: Samples
    start_s: Seconds
    end_s: Seconds

    @property
    def net_speech_s(self) -> Seconds:
        """Net speech in the window."""
        return len(self.samples) / MODEL_RATE_HZ


class _Stretch(NamedTuple):
    """Contiguous samples and the position of the first on the call's audio clock."""

    position: int
    samples: Samples
    level_dbfs: float


class NetSpeech:
    """Finds one call's windows. Not safe to share between threads.

    The same audio gives the same windows, bit for bit, however it is pushed.

    Args:
        window_s: net speech of a full window, as the voice model wants it.
        policy: when frames count as speech.
        foreground: how faint speech may be beside the caller's own.
    """

    def __init__(
        self,
        *,
        window_s: Seconds,
        policy: WindowPolicy | None = None,
        foreground: ForegroundPolicy | None = None,
    ) -> None:
        self._window_samples = round(window_s * MODEL_RATE_HZ)
        self._policy = policy or WindowPolicy()
        self._gate = _SpeechGate(self._policy)
        self._foreground = Foreground(foreground)
        self._judged_by_dbfs = self._foreground.caller_dbfs
        self._stretches: list[_Stretch] = []
        self._gathered = 0
        self._cut = 0
        self._net_samples = 0

    @property
    def net_speech_s(self) -> Seconds:
        """Net speech found so far, in windows or not.

        It shrinks when what was gathered first turns out to be fainter than the caller, as the agent's greeting is.
        """
        return self._net_samples / MODEL_RATE_HZ

    @property
    def frames_to_window(self) -> int:
        """How many more frames a window takes at the least, were there speech in all of them."""
        missing = -(-(self._window_samples - self._gathered) // FRAME_SAMPLES)
        return max(missing - self._gate.held_frames, 1)

    def push(self, samples: Samples, probabilities: Probabilities) -> list[Window]:
        """Takes the next frames and gives the windows that they complete.

        Args:
            samples: whole frames at 16 kHz.
            probabilities: one per frame.

        Returns:
            Full windows, oldest first; often none.

        Raises:
            ValueError: there isn't one probability per frame.
        """
        if len(samples) != len(probabilities) * FRAME_SAMPLES:
            raise ValueError("Needs one probability per frame.")
        frames = samples.reshape(-1, FRAME_SAMPLES)
        judged = zip(frames, probabilities.tolist(), *measure_frames(frames), strict=True)
        windows = (
            self.take(frame, probability, level_dbfs, may_be_key=may_be_key)
            for frame, probability, level_dbfs, may_be_key in judged
        )
        return [window for window in windows if window is not None]

    def take(
        self, frame: Samples, probability: float, level_dbfs: float, *, may_be_key: bool
    ) -> Window | None:
        """Takes the next frame and gives the window that it completes.

        Args:
            frame: 512 samples at 16 kHz.
            probability: of speech.
            level_dbfs: as ``measure_frames`` gives it.
            may_be_key: likewise.
        """
        if may_be_key and self._gate.is_open_at(probability) and is_key(frame):
            self._gate.interrupt(frame)
        else:
            self._push(frame, probability, level_dbfs)
        if self._gathered < self._window_samples:
            return None
        return self._cut_window(self._window_samples)

    def finish(self) -> Window | None:
        """Gives the last window, if enough net speech is left for one; nothing may follow."""
        least_s = self._policy.remainder_s if self._cut else self._policy.only_s
        length = min(self._gathered, self._window_samples)
        if length < least_s * MODEL_RATE_HZ:
            return None
        return self._cut_window(length)

    def _push(self, frame: Samples, probability: float, level_dbfs: float) -> None:
        speaking = probability >= self._policy.onset
        near = self._foreground.push(level_dbfs, speaking=speaking)
        caller_dbfs = self._foreground.caller_dbfs
        # Before half a second of speech both are minus infinity, and nothing is faint.
        if caller_dbfs > self._judged_by_dbfs and caller_dbfs >= self._judged_by_dbfs + _RISE_DB:
            self._judged_by_dbfs = caller_dbfs
            self._drop_faint()
        for stretch in self._gate.push(frame, probability if near else 0.0, level_dbfs):
            self._stretches.append(stretch)
            self._gathered += FRAME_SAMPLES
            self._net_samples += FRAME_SAMPLES

    def _drop_faint(self) -> None:
        near = self._foreground.still_near([stretch.level_dbfs for stretch in self._stretches])
        kept = [one for one, is_near in zip(self._stretches, near, strict=True) if is_near]
        gathered = sum(len(stretch.samples) for stretch in kept)
        self._net_samples -= self._gathered - gathered
        self._stretches, self._gathered = kept, gathered

    def _cut_window(self, length: int) -> Window:
        samples = np.concatenate([stretch.samples for stretch in self._stretches])
        start, last = self._stretches[0].position, self._stretches[-1]
        # Only the last stretch can reach beyond the window: windows are cut as soon as they are full.
        beyond = len(samples) - length
        end = last.position + len(last.samples) - beyond
        rest = _Stretch(end, last.samples[-beyond:], last.level_dbfs)
        self._stretches = [rest] if beyond else []
        self._gathered = beyond
        self._cut += 1
        return Window(
            index=self._cut - 1,
            samples=samples[:length],
            start_s=start / MODEL_RATE_HZ,
            end_s=end / MODEL_RATE_HZ,
        )


class _SpeechGate:
    """Lets frames of speech through: hysteresis, padding, and no clicks."""

    def __init__(self, policy: WindowPolicy) -> None:
        self._policy = policy
        self._before: deque[_Stretch] = deque(maxlen=policy.padding_frames)
        self._unconfirmed: list[_Stretch] = []
        self._speaking = False
        self._open = False
        self._pause_frames = 0
        self._position = 0

    @property
    def held_frames(self) -> int:
        """Frames that may be let through with one that follows."""
        return len(self._before) + len(self._unconfirmed)

    def is_open_at(self, probability: float) -> bool:
        """Whether a frame of this probability is let through, or may be later."""
        return self._open or probability >= self._policy.onset

    def interrupt(self, frame: Samples) -> None:
        """Leave a frame out, and whatever waits to be let through with what follows it."""
        self._position += len(frame)
        self._before.clear()
        self._unconfirmed.clear()
        self._speaking = self._open = False

    def push(self, frame: Samples, probability: float, level_dbfs: float) -> list[_Stretch]:
        stretch = _Stretch(self._position, frame, level_dbfs)
        self._position += len(frame)
        policy = self._policy
        self._speaking = probability >= (policy.offset if self._speaking else policy.onset)
        return self._push_open(stretch) if self._open else self._push_closed(stretch)

    def _push_open(self, stretch: _Stretch) -> list[_Stretch]:
        self._pause_frames = 0 if self._speaking else self._pause_frames + 1
        self._open = self._pause_frames <= self._policy.padding_frames
        if self._open:
            return [stretch]
        self._before.append(stretch)
        return []

    def _push_closed(self, stretch: _Stretch) -> list[_Stretch]:
        if not self._speaking:
            self._before.extend(self._unconfirmed)
            self._before.append(stretch)
            self._unconfirmed.clear()
            return []
        self._unconfirmed.append(stretch)
        if len(self._unconfirmed) < self._policy.shortest_frames:
            return []
        released = [*self._before, *self._unconfirmed]
        self._before.clear()
        self._unconfirmed.clear()
        self._pause_frames = 0
        self._open = True
        return released
