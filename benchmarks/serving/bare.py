"""The floor: what the models alone take of a processor for the calls that a server screened.

ONNX Runtime on one thread, on audio that is decoded already and in windows that are cut already: voice activity over
all frames that the server had to hear, of all calls in one batch, three frames a run as chunks of 100 ms bring them;
then the features and the network of each window. Nothing is received, decoded, gated, searched, weighed or sent.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from shengdun.fingerprint.voice.activity import FRAME_SAMPLES, VoiceActivity
from shengdun.fingerprint.voice.codecs import AudioFormat, StreamDecoder
from shengdun.fingerprint.voice.front_end import FrontEnd, hear
from shengdun.fingerprint.voice.models import Voiceprints
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds

FRAMES_A_RUN: Final = 3


class BareModel(Protocol):
    """Features and network alone."""

    def embed(self, batch: Sequence[Samples]) -> Voiceprints:
        """One voiceprint for each stretch of net speech."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScreenedCall:
    """A call as far as a server had to hear it.

    Attributes:
        frames: its audio, whole frames at 16 kHz.
        windows: net speech of each voiceprint.
    """

    frames: Samples
    windows: tuple[Samples, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BareCost:
    """Processor seconds of the models for all calls together.

    Attributes:
        voice_activity_s: of the detector.
        voiceprints_s: of features and network.
        windows: voiceprints that were computed.
        audio_s: audio that was heard.
    """

    voice_activity_s: float
    voiceprints_s: float
    windows: int
    audio_s: float

    @property
    def whole_s(self) -> float:
        """Both."""
        return self.voice_activity_s + self.voiceprints_s


def screened(
    chunks: Sequence[bytes],
    audio_format: AudioFormat,
    *,
    heard_s: Seconds,
    activity: VoiceActivity,
    window_s: Seconds,
) -> ScreenedCall:
    """What a server must have computed for a call, by its own front end.

    Args:
        chunks: the call as it was sent.
        audio_format: its format.
        heard_s: up to where the server heard it; a final decision ends that before the call does.
        activity: finds speech.
        window_s: net speech of a window.
    """
    bytes_heard = round(heard_s * audio_format.bytes_per_s)
    whole = b"".join(chunks)
    ended = bytes_heard >= len(whole)
    front_end = FrontEnd(audio_format, window_s=window_s, activity=activity)
    [heard] = hear([(front_end, [whole[:bytes_heard]], ended)], activity)
    if isinstance(heard, Exception):
        raise heard
    decoder = StreamDecoder(audio_format)
    samples = np.concatenate([decoder.decode(whole[:bytes_heard]), decoder.finish()])
    return ScreenedCall(
        frames=samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES],
        windows=tuple(one.window.samples for one in heard.windows),
    )


def bare_cost(calls: Sequence[ScreenedCall], activity: VoiceActivity, model: BareModel) -> BareCost:
    """Runs the models on all calls, and tells what that took."""
    begun = time.process_time()
    _detect(calls, activity)
    detected = time.process_time()
    windows = [window for call in calls for window in call.windows]
    for window in windows:
        model.embed([window])
    return BareCost(
        voice_activity_s=detected - begun,
        voiceprints_s=time.process_time() - detected,
        windows=len(windows),
        audio_s=sum(len(call.frames) for call in calls) / MODEL_RATE_HZ,
    )


def _detect(calls: Sequence[ScreenedCall], activity: VoiceActivity) -> None:
    states = [activity.new_state() for _ in calls]
    size = FRAMES_A_RUN * FRAME_SAMPLES
    for start in range(0, max((len(call.frames) for call in calls), default=0), size):
        activity.speech_probabilities(
            [
                (state, call.frames[start : start + size])
                for state, call in zip(states, calls, strict=True)
                if start < len(call.frames)
            ]
        )
