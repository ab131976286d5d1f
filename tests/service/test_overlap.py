"""Two people who talk at once on a call: their windows are left out, as far as enough others remain."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from fixtures.calls import (
    Desk,
    evidence,
    joined_by,
    levelled,
    open_desk,
    screen,
    server_settings,
    speech_of,
    telephone,
)
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.fingerprint.voice.speakers import SpeakerCount
from shengdun.fingerprint.voice.windows import Window
from shengdun.index.calibration import default_profile
from shengdun.index.scoring import Scorer
from shengdun.index.snapshot import Snapshot
from shengdun.service.client import AudioFinding, Decision, DecisionState, RiskLevel
from shengdun.service.evidence import VoiceEvidence
from shengdun.service.line_settings import LineSettings
from shengdun.service.lines import Line

Recordings = Sequence[DemoRecording]
WINDOW = 3 * MODEL_RATE_HZ
CALLER, OTHER = "S1", "S4"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, recordings: list[DemoRecording]
) -> AsyncIterator[Desk]:
    """A server with the caller on its list, which hears calls to their end."""
    line = {"final_high": 0.999999, "final_low": 0.000001}
    settings = server_settings(tmp_path_factory.mktemp("data"), models_dir, lines={"default": line})
    async with open_desk(settings, recordings, (CALLER,)) as desk:
        yield desk


def findings(decision: Decision) -> set[AudioFinding]:
    """What limits the decision, of what two voices on a call bring."""
    several = {AudioFinding.SEVERAL_VOICES, AudioFinding.OVERLAPPING_SPEECH}
    return several & set(decision.audio_quality.findings)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_caller_is_found_beside_somebody_who_talked_first(
    desk: Desk, recordings: Recordings
) -> None:
    """The window that both talked in is left out once there are two others, and net speech shrinks by it."""
    caller = levelled(speech_of(recordings, CALLER))
    alone = (await screen(desk.client, "alone", telephone(caller)))[-1]
    assert findings(alone) == set()
    joined = telephone(joined_by(speech_of(recordings, OTHER), caller, until_s=4.0))
    decisions = await screen(desk.client, "joined", joined)
    last = decisions[-1]
    assert AudioFinding.OVERLAPPING_SPEECH in findings(last)
    assert last.net_speech < alone.net_speech - timedelta(seconds=2)
    assert last.level in {RiskLevel.MEDIUM, RiskLevel.HIGH}
    flagged = [flag.known_actor_voice for flag in last.flags]
    assert [each.actor_id for each in flagged if each] == [desk.actors[CALLER]]
    first = next(one for one in decisions if one.level is not None)
    assert findings(first) == set()


@pytest.mark.asyncio(loop_scope="module")
async def test_how_a_call_is_cut_up_makes_no_difference(desk: Desk, recordings: Recordings) -> None:
    """Its evidence is the same to the bit in chunks of 20 ms and of two seconds."""
    call = joined_by(speech_of(recordings, OTHER), speech_of(recordings, CALLER), until_s=4.0)
    said = [
        (await screen(desk.client, f"cut-{size}", telephone(call), chunk_bytes=size))[-1]
        for size in (160, 16_000)
    ]
    assert evidence(said[0]) == evidence(said[1])


@pytest.mark.asyncio(loop_scope="module")
async def test_a_call_of_nothing_but_two_voices_at_once_is_decided(
    desk: Desk, recordings: Recordings
) -> None:
    """On the two windows with the least of it, and the finding says so."""
    both = joined_by(speech_of(recordings, OTHER), speech_of(recordings, CALLER))
    last = (await screen(desk.client, "both", telephone(both)))[-1]
    assert AudioFinding.OVERLAPPING_SPEECH in findings(last)
    assert last.state is DecisionState.FINAL
    assert last.level is not None
    assert timedelta(seconds=4) < last.net_speech <= timedelta(seconds=6)


@pytest.mark.asyncio(loop_scope="module")
async def test_people_who_take_turns_are_several_voices_and_no_overlap(
    desk: Desk, recordings: Recordings
) -> None:
    """All of their speech counts."""
    turns = np.concatenate(
        [levelled(speech_of(recordings, speaker, seconds=7)) for speaker in (CALLER, OTHER)]
    )
    last = (await screen(desk.client, "turns", telephone(turns)))[-1]
    assert findings(last) == {AudioFinding.SEVERAL_VOICES}
    assert last.net_speech > timedelta(seconds=12)


def test_what_is_left_out_leaves_no_trace(
    model_store: ModelStore, voice_model: VoiceModel, recordings: list[DemoRecording]
) -> None:
    """Wherever the window comes, voiceprint and net speech are those of the others, and fewer windows agree."""
    caller = levelled(speech_of(recordings, CALLER))
    own = [caller[start : start + WINDOW] for start in range(0, 3 * WINDOW, WINDOW)]
    mixed = joined_by(speech_of(recordings, OTHER), caller)[:WINDOW]
    snapshot = Snapshot.empty([Scorer(default_profile(voice_model.model_id))])
    count = SpeakerCount(model_store.segmentation(), voice_model)

    def heard(*windows: Samples) -> VoiceEvidence:
        gathered = VoiceEvidence(
            model=voice_model,
            snapshot=lambda: snapshot,
            watchlist_ids=(),
            line=Line.from_settings("default", LineSettings()),
            overlap_share=count.overlap_share,
        )
        for number, samples in enumerate(windows):
            window = Window(index=number, samples=samples, start_s=0.0, end_s=3.0)
            assert gathered.add(window, at=datetime.now(UTC)) is not None
        return gathered

    expected = heard(own[1], own[2])
    assert not expected.has_overlap
    for place in range(3):
        windows = [own[1], own[2]]
        windows.insert(place, mixed)
        found = heard(*windows)
        np.testing.assert_array_equal(found.heard.callers.voiceprint, expected.heard.voiceprint)
        assert (found.windows, found.windows_left_out, found.net_speech_s) == (3, 1, 6.0)
        assert found.has_overlap
    kept = replace(found.heard.only(np.array([2])), overlapped=np.array([True]))
    assert len(kept.callers.net_speech_s) == 1
