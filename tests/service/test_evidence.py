"""Which windows of a call are evidence about its caller."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from fixtures.admitting import new_admission
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.front_end import FrontEnd
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.fingerprint.voice.windows import Window
from shengdun.index.calibration import default_profile
from shengdun.index.scoring import Scorer
from shengdun.index.snapshot import Snapshot
from shengdun.service.costs import Costs
from shengdun.service.evidence import HeardSpeech, VoiceEvidence
from shengdun.service.intake import Intake
from shengdun.service.lanes import FrontLane
from shengdun.service.line_settings import LineSettings
from shengdun.service.lines import Line
from shengdun.service.session import CallSession, Versions
from shengdun.service.shadows import Shadows
from shengdun.service.voiceprint_lane import VoiceprintLane


@pytest.fixture
def permits() -> Iterator[ExitStack]:
    """Holds permits until the end of the test."""
    with ExitStack() as stack:
        yield stack


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


def test_what_was_weighed_stands_until_something_changes(
    voice_model: VoiceModel, recordings: list[DemoRecording]
) -> None:
    """Not with other watchlists or another profile, nor with another standing of the line."""
    scorer = Scorer(default_profile(voice_model.model_id))
    snapshots, line = [Snapshot.empty([scorer])], Line.from_settings("default", LineSettings())
    evidence = VoiceEvidence(
        model=voice_model, snapshot=lambda: snapshots[-1], watchlist_ids=(), line=line
    )
    assert evidence.still_stands(at=datetime.now(UTC)) is None
    first, second = _windows(recordings)
    assert evidence.add(first, at=datetime.now(UTC)) is evidence.still_stands(at=datetime.now(UTC))
    snapshots.append(Snapshot.empty([scorer]))
    assert evidence.still_stands(at=datetime.now(UTC)) is None
    assert evidence.weigh(at=datetime.now(UTC)) is evidence.still_stands(at=datetime.now(UTC))
    line.standing = line.standing.because_of_drift()
    assert evidence.still_stands(at=datetime.now(UTC)) is None
    assert evidence.weigh(at=datetime.now(UTC)) is evidence.still_stands(at=datetime.now(UTC))
    assert evidence.add(second, at=datetime.now(UTC)) is evidence.still_stands(at=datetime.now(UTC))


async def test_a_decision_names_the_profile_that_it_was_made_with(
    voice_model: VoiceModel,
    voice_activity: VoiceActivity,
    recordings: list[DemoRecording],
    permits: ExitStack,
) -> None:
    """When a call is cut off while its next window is weighed under a profile that was put in meanwhile."""
    in_use = default_profile(voice_model.model_id)
    snapshots = [Snapshot.empty([Scorer(in_use)])]
    line = Line.from_settings("default", LineSettings())
    evidence = VoiceEvidence(
        model=voice_model, snapshot=lambda: snapshots[-1], watchlist_ids=(), line=line
    )
    shadows = Shadows(model_id=voice_model.model_id, models=(), snapshot=lambda: snapshots[-1])
    costs = Costs()
    permit = permits.enter_context(new_admission().admit_unpaced())
    async with FrontLane(voice_activity, costs) as front, VoiceprintLane(1) as lane, shadows:
        session = CallSession(
            call_id="c-1",
            line=line,
            budget=line.budget,
            front_end=FrontEnd(
                AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8000),
                window_s=voice_model.window_s,
                activity=voice_activity,
            ),
            evidence=evidence,
            intake=Intake(evidence, lane=lane, costs=costs, permit=permit),
            front_lane=front,
            permit=permit,
            versions=Versions(model_id=voice_model.model_id, watchlists_stale=lambda: False),
            shadows=shadows.of_call(call_id="c-1", watchlist_ids=(), line=line),
        )
        snapshots.append(Snapshot.empty([Scorer(replace(in_use, name="next"))]))
        window, _ = _windows(recordings)
        await lane.run(
            permit, lambda: evidence.add(window, at=datetime.now(UTC)), deadline=0.0, cost_s=0.0
        )
        assert evidence.profile_id.startswith("next@")
        assert session.abandon().calibration_profile_id == in_use.profile_id
