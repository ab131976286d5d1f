"""What the house itself plays into a call is no evidence about its caller."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from fixtures import signals
from fixtures.calls import (
    Desk,
    in_meeting,
    meetings_of,
    open_desk,
    screen,
    server_settings,
    speech_of,
    telephone,
)
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.fingerprint.voice.windows import Window
from shengdun.index.calibration import default_profile
from shengdun.index.prompts import CallPrompts, HousePrompts, least_llr
from shengdun.index.scoring import Scorer, unit_rows
from shengdun.index.snapshot import Snapshot
from shengdun.service.client import AudioFinding, DecisionState, RiskLevel
from shengdun.service.errors import SettingsInvalid
from shengdun.service.evidence import VoiceEvidence
from shengdun.service.line_settings import LineSettings
from shengdun.service.lines import Line
from shengdun.service.prompts import read_prompts

Recordings = Sequence[DemoRecording]
ANNOUNCER = "S1"


def announcement(recordings: Recordings) -> DemoRecording:
    """A recording of the announcer's; what it says is played into calls."""
    return in_meeting(recordings, ANNOUNCER, meetings_of(recordings, ANNOUNCER)[0])[0]


def played(recordings: Recordings, *, seconds: float = 10.0) -> Samples:
    """The announcement as it begins in a call, a third of a second into it."""
    samples = decode_recording(announcement(recordings).read()).samples
    return samples[MODEL_RATE_HZ // 3 : round(seconds * MODEL_RATE_HZ)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory, recordings: list[DemoRecording]) -> Path:
    """The prompts of a house: one announcement, in a folder of its own."""
    directory = tmp_path_factory.mktemp("prompts")
    (directory / "hotline").mkdir()
    (directory / "hotline" / "welcome.wav").write_bytes(announcement(recordings).read())
    (directory / ".notes").write_text("hidden files are left out")
    return directory


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory,
    models_dir: Path,
    recordings: list[DemoRecording],
    directory: Path,
) -> AsyncIterator[Desk]:
    """A server that knows its prompts, with two actors, one of them the announcer."""
    settings = server_settings(
        tmp_path_factory.mktemp("data"), models_dir, voice__prompts=directory
    )
    async with open_desk(settings, recordings, (ANNOUNCER, "S6")) as desk:
        yield desk


@pytest.mark.asyncio(loop_scope="module")
async def test_a_caller_is_found_behind_a_prompt(desk: Desk, recordings: Recordings) -> None:
    """The prompt's windows are left out and told of; net speech and flags are the caller's alone."""
    silence = signals.silence(1.0)
    call = np.concatenate([played(recordings), silence, speech_of(recordings, "S6")])
    decisions = await screen(desk.client, "behind", telephone(call))
    first = next(d for d in decisions if AudioFinding.PROMPT in d.audio_quality.findings)
    assert (first.state, first.level) == (DecisionState.NOT_ENOUGH_SPEECH, None)
    last = decisions[-1]
    assert AudioFinding.PROMPT in last.audio_quality.findings
    assert AudioFinding.SEVERAL_VOICES not in last.audio_quality.findings
    assert last.level in {RiskLevel.MEDIUM, RiskLevel.HIGH}
    flagged = [flag.known_actor_voice for flag in last.flags]
    assert [each.actor_id for each in flagged if each] == [desk.actors["S6"]]
    alone = (await screen(desk.client, "alone", telephone(speech_of(recordings, "S6"))))[-1]
    assert AudioFinding.PROMPT not in alone.audio_quality.findings
    assert last.net_speech < alone.net_speech + timedelta(seconds=1)


@pytest.mark.asyncio(loop_scope="module")
async def test_nobody_is_recognised_in_a_prompt_alone(desk: Desk, recordings: Recordings) -> None:
    """Even where the announcer is on a list: a call of nothing but a prompt has no caller, and no net speech."""
    last = (await screen(desk.client, "nobody", telephone(played(recordings))))[-1]
    assert (last.state, last.level, last.flags) == (DecisionState.NOT_ENOUGH_SPEECH, None, ())
    assert AudioFinding.PROMPT in last.audio_quality.findings
    assert AudioFinding.TOO_LITTLE_SPEECH in last.audio_quality.findings
    assert last.net_speech.total_seconds() < 3.0


def test_windows_of_a_prompt_are_left_out_wherever_they_come(
    directory: Path,
    voice_model: VoiceModel,
    voice_activity: VoiceActivity,
    recordings: list[DemoRecording],
) -> None:
    """Between two windows of a caller, a hold message changes neither voiceprint nor net speech."""
    scorer = Scorer(default_profile(voice_model.model_id))
    prompts = read_prompts(directory, model=voice_model, activity=voice_activity, limit_s=60.0)
    evidence = VoiceEvidence(
        model=voice_model,
        snapshot=lambda: Snapshot.empty([scorer]),
        watchlist_ids=(),
        line=Line.from_settings("default", LineSettings()),
        prompts=prompts,
    )
    speech, message = speech_of(recordings, "S6", seconds=6.0), played(recordings, seconds=4.0)
    size = 3 * MODEL_RATE_HZ
    order = (speech[:size], message[:size], speech[size : 2 * size])
    for number, samples in enumerate(order):
        window = Window(index=number, samples=samples, start_s=0.0, end_s=3.0)
        assert evidence.add(window, at=datetime.now(UTC)) is not None
    own = voice_model.embed([order[0]]), voice_model.embed([order[2]])
    np.testing.assert_array_equal(evidence.heard.voiceprints, np.concatenate(own))
    assert (evidence.net_speech_s, evidence.prompts_s) == (6.0, 3.0)
    assert not evidence.has_several_voices


def test_a_profile_that_vouches_for_too_little_leaves_nothing_out(voice_model: VoiceModel) -> None:
    """Rather than leave callers out on weak evidence; the same recording is then not enough."""
    voiceprint = np.zeros(192, np.float32)
    voiceprint[3] = 1.0
    prompts = HousePrompts(voiceprint[np.newaxis], np.array([3.0]))
    shipped = default_profile(voice_model.model_id)
    weak = replace(shipped, coefficients=replace(shipped.coefficients, cap=7.0))
    assert least_llr(Scorer(weak)) > 7.0
    for profile, found in ((shipped, True), (weak, False), (shipped, True)):
        assert CallPrompts(prompts).include(Scorer(profile), voiceprint, 3.0) is found
    assert not CallPrompts(None).include(Scorer(shipped), voiceprint, 3.0)


def test_the_end_of_a_prompt_takes_the_first_words_along(voice_model: VoiceModel) -> None:
    """A window that is half prompt is one only behind a prompt, and never two of them in a row."""
    scorer = Scorer(default_profile(voice_model.model_id))
    rng = np.random.default_rng(3)
    prompt, caller = scorer.profile.mean + rng.standard_normal((2, 192)).astype(np.float32) * 0.05
    mixed = unit_rows(np.stack([0.45 * prompt + 0.55 * caller]))[0]
    house = HousePrompts(unit_rows(prompt[np.newaxis]), np.array([3.0]))
    assert 4.0 < house.llr(scorer, mixed, 3.0) < least_llr(scorer)
    call = CallPrompts(house)
    heard = (mixed, prompt, mixed, mixed, prompt, caller, mixed)
    found = [call.include(scorer, unit_rows(row[np.newaxis])[0], 3.0) for row in heard]
    assert found == [False, True, True, False, True, False, False]


def test_files_that_are_no_prompts_are_all_named(
    tmp_path: Path, voice_model: VoiceModel, voice_activity: VoiceActivity
) -> None:
    """A directory that isn't there, an empty one, what can't be read, and what has too little speech."""

    def refused(directory: Path) -> str:
        with pytest.raises(SettingsInvalid, match=r"voice\.prompts: ") as caught:
            read_prompts(directory, model=voice_model, activity=voice_activity, limit_s=60.0)
        return caught.value.message

    assert "No such file or directory" in refused(tmp_path / "none")
    assert "no recording in" in refused(tmp_path)
    (tmp_path / "readme.txt").write_text("not a prompt")
    (tmp_path / "beep.wav").write_bytes(signals.wav_file(signals.tone(2.0, 440.0)))
    said = refused(tmp_path)
    assert "readme.txt can't be decoded: it is text" in said
    assert "beep.wav: 0.0 s of speech are in it, and 1 s are needed" in said
