"""Which windows of a call are evidence about its caller."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.fingerprint.voice.windows import Window
from shengdun.index.calibration import default_profile
from shengdun.index.scoring import Scorer
from shengdun.index.snapshot import Snapshot
from shengdun.service.evidence import HeardSpeech, VoiceEvidence
from shengdun.service.lines import Line
from shengdun.service.settings import LineSettings


def _heard(*levels_dbfs: float) -> HeardSpeech:
    rows = np.eye(len(levels_dbfs), 8, dtype=np.float32)
    return HeardSpeech(
        voiceprints=rows,
        net_speech_s=np.full(len(levels_dbfs), 3.0),
        snr_db=20.0,
        level_dbfs=np.array(levels_dbfs),
    )


@pytest.mark.parametrize(
    ("levels_dbfs", "kept"),
    [
        ((-20.0,), [0]),
        ((-34.0, -20.0, -22.0), [1, 2]),
        ((-20.0, -29.0, -31.0), [0, 1]),
        ((-60.0, -60.0), [0, 1]),
    ],
)
def test_windows_far_fainter_than_the_loudest_are_not_the_callers(
    levels_dbfs: tuple[float, ...], kept: list[int]
) -> None:
    """An echo that spoke first loses its say once the caller is heard; a quiet caller keeps theirs."""
    heard = _heard(*levels_dbfs)
    np.testing.assert_array_equal(heard.callers.voiceprints, heard.voiceprints[kept])
    assert heard.callers.net_speech_s.sum() == 3.0 * len(kept)


def _windows(recordings: list[DemoRecording]) -> tuple[Window, Window]:
    """Three seconds of one speaker, and after them three of another, equally loud."""
    found = []
    for number, speaker in enumerate(("S1", "S4")):
        longest = max(
            (each for each in recordings if each.speaker == speaker),
            key=lambda each: each.duration_s,
        )
        samples = decode_recording(longest.read()).samples[: 3 * MODEL_RATE_HZ]
        loud = samples * np.float32(0.1 / np.sqrt(np.mean(samples**2)))
        found.append(
            Window(index=number, samples=loud, start_s=3.0 * number, end_s=3.0 * number + 3.0)
        )
    return found[0], found[1]


def test_an_agent_who_is_heard_first_does_not_stay_in_the_callers_voiceprint(
    voice_model: VoiceModel, recordings: list[DemoRecording]
) -> None:
    """A faint voice in the first window, then the caller: the evidence is that of the caller alone."""
    snapshot = Snapshot.empty([Scorer(default_profile(voice_model.model_id))])
    line = Line.from_settings("default", LineSettings())

    def evidence(*windows: Window) -> VoiceEvidence:
        gathered = VoiceEvidence(
            model=voice_model, snapshot=lambda: snapshot, watchlist_ids=(), line=line
        )
        for window in windows:
            gathered.add(window, at=datetime.now(UTC))
        return gathered

    agent, caller = _windows(recordings)
    faint = replace(agent, samples=agent.samples * np.float32(0.2))
    mixed, alone = evidence(faint, caller), evidence(caller)
    np.testing.assert_array_equal(mixed.heard.callers.voiceprint, alone.heard.voiceprint)
    assert mixed.windows == 2
    assert mixed.net_speech_s == alone.net_speech_s
    assert not mixed.has_several_voices
    both = evidence(agent, caller)
    assert both.net_speech_s == 6.0
