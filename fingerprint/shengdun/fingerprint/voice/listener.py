"""Listens to a recording as callers are heard: in the telephone band, speech alone, in windows."""

import numpy as np

from shengdun.fingerprint.voice.activity import Framer, VoiceActivity
from shengdun.fingerprint.voice.codecs import TelephoneBand
from shengdun.fingerprint.voice.quality import AudioQuality, QualityMeter
from shengdun.fingerprint.voice.samples import Samples, Seconds
from shengdun.fingerprint.voice.source import SourceStatistics
from shengdun.fingerprint.voice.windows import NetSpeech, Window


class RecordingListener:
    """Finds the windows of one recording, block by block. Not safe to share between threads.

    Args:
        activity: finds speech.
        window_s: net speech of one window, in seconds; the voice model's.
    """

    def __init__(self, *, activity: VoiceActivity, window_s: Seconds) -> None:
        self._activity = activity
        self._state = activity.new_state()
        self._telephone = TelephoneBand()
        self._framer = Framer()
        self._speech = NetSpeech(window_s=window_s)
        self._meter = QualityMeter()
        self._windows: list[Window] = []

    @property
    def windows(self) -> tuple[Window, ...]:
        """Windows found so far, oldest first."""
        return tuple(self._windows)

    @property
    def net_speech_s(self) -> Seconds:
        """Net speech found so far, in windows or not."""
        return self._speech.net_speech_s

    def push(self, samples: Samples) -> None:
        """Listens to the next samples at 16 kHz; a multiple of 20 ms, except for the last ones."""
        self._take(self._framer.push(self._telephone.push(samples)))

    def finish(self) -> None:
        """Listens to what was held back; nothing may follow."""
        nothing = np.zeros(0, np.float32)
        self._take(self._framer.push(self._telephone.push(nothing, last=True)))
        self._take(self._framer.finish())
        last = self._speech.finish()
        if last is not None:
            self._windows.append(last)

    def quality(self, source: SourceStatistics | None = None) -> AudioQuality:
        """Says what the recording was like so far; ``source`` is what was found before it was resampled."""
        return self._meter.report(source)

    def _take(self, frames: Samples) -> None:
        [probabilities] = self._activity.speech_probabilities([(self._state, frames)])
        self._meter.update(frames, probabilities)
        self._windows += self._speech.push(frames, probabilities)
