"""Calls as a server hears them: net speech, windows, and the evidence that they amount to."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.activity import FRAME_SAMPLES, Framer, VoiceActivity
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.samples import Samples, Seconds
from shengdun.fingerprint.voice.windows import NetSpeech, Window
from shengdun.index.overlap import OverlapShare
from shengdun.index.prompts import HousePrompts
from shengdun.index.scoring import Scorer, aggregate
from shengdun.index.snapshot import Snapshot
from shengdun.service.evidence import VoiceEvidence
from shengdun.service.line_settings import LineSettings
from shengdun.service.lines import Line

WINDOWS: Final = 3
"""Ten seconds of net speech are three windows: a rest of one second isn't embedded."""


class Asking:
    """Asks how much two people talk at once, and counts what it is asked and what that takes."""

    def __init__(self, share_of: OverlapShare) -> None:
        self._share_of = share_of
        self.windows = 0
        self.processor_s = 0.0

    def __call__(self, samples: Samples) -> float:
        """As ``OverlapShare``."""
        before_s = time.process_time()
        share = self._share_of(samples)
        self.processor_s += time.process_time() - before_s
        self.windows += 1
        return share


class VoicePath:
    """The product's way from samples in the telephone band to net speech, voiceprints and the evidence of calls."""

    def __init__(
        self,
        activity: VoiceActivity,
        model: VoiceModel,
        scorer: Scorer,
        *,
        prompts: HousePrompts | None = None,
        overlap_share: OverlapShare | None = None,
        windows: int = WINDOWS,
    ) -> None:
        self.model = model
        self._activity = activity
        self._snapshot = Snapshot.empty([scorer])
        self._line = Line.from_settings("default", LineSettings())
        self._prompts = prompts
        self._overlap_share = overlap_share
        self._windows = windows

    def windows(self, samples: Samples) -> tuple[list[Window], NDArray[np.float64]]:
        """The windows, and how much net speech each frame added."""
        framer = Framer()
        frames = np.concatenate([framer.push(samples), framer.finish()])
        [probabilities] = self._activity.speech_probabilities(
            [(self._activity.new_state(), frames)]
        )
        speech, windows, net_s = NetSpeech(window_s=self.model.window_s), [], [0.0]
        for index in range(len(probabilities)):
            frame = frames[index * FRAME_SAMPLES : (index + 1) * FRAME_SAMPLES]
            windows += speech.push(frame, probabilities[index : index + 1])
            net_s.append(speech.net_speech_s)
        last = speech.finish()
        return windows + ([last] if last else []), np.diff(net_s)

    def voiceprint(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """The running voiceprint."""
        rows = self.model.embed([window.samples for window in windows])
        return aggregate(rows, np.array([window.net_speech_s for window in windows]))

    def listen(self, windows: Sequence[Window]) -> "Listened":
        """What a call's windows amount to as soon as there is enough of them that count, as a server hears them."""
        asking = Asking(self._overlap_share) if self._overlap_share else None
        evidence = VoiceEvidence(
            model=self.model,
            snapshot=lambda: self._snapshot,
            watchlist_ids=(),
            line=self._line,
            prompts=self._prompts,
            overlap_share=asking,
        )
        heard, begun_s = 0, time.process_time()
        for window in windows:
            evidence.add(window, at=datetime.now(UTC))
            heard += 1
            if evidence.windows and len(evidence.heard.callers.net_speech_s) >= self._windows:
                break
        return Listened(
            evidence=evidence,
            windows=heard,
            asked=asking.windows if asking else 0,
            processor_s=time.process_time() - begun_s,
            asking_s=asking.processor_s if asking else 0.0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listened:
    """The evidence of a call, and what it took."""

    evidence: VoiceEvidence
    windows: int
    asked: int
    processor_s: Seconds
    asking_s: Seconds
