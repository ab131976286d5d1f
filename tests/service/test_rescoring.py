"""Archived calls are scored again: as they were decided, whatever decides now, and by other profiles."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from fixtures.calls import Desk, enrol, open_desk, screen, server_settings, speech_of, telephone
from fixtures.command_line import shengdun
from fixtures.signals import wav_file
from fixtures.store import until
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.calibration import CalibrationProfile, default_profile
from shengdun.index.profile_library import ProfileLibrary
from shengdun.service.archiving import KNOWN_VOICE
from shengdun.service.client import ClientError, FlagType, TranscriptSegment
from shengdun.service.contract.archive import ScoredCall, ScoreDifference

pytestmark = pytest.mark.asyncio(loop_scope="module")

Recordings = Sequence[DemoRecording]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, recordings: Recordings
) -> AsyncIterator[Desk]:
    """A server with an agent enrolled, which has taken calls of the agent, of a stranger, and of nobody."""
    settings = server_settings(tmp_path_factory.mktemp("desk"), models_dir)
    async with open_desk(settings, recordings, ("S6",)) as desk:
        for call_id, speaker in (("agent", "S6"), ("stranger", "S4")):
            await screen(desk.client, call_id, telephone(speech_of(recordings, speaker)))
        await screen(desk.client, "nobody", bytes([0xFF]) * 8_000)
        await archived(desk, "nobody")
        yield desk


async def archived(desk: Desk, call_id: str) -> None:
    """A call is archived just after it was answered."""
    assert desk.server._application is not None
    archive = desk.server._application.archive
    assert archive is not None
    await until(lambda: archive._follower.get(call_id) is not None)


def library_of(desk: Desk) -> ProfileLibrary:
    assert desk.server._application is not None
    return desk.server._application.voice.profiles.library


def harsher(desk: Desk) -> CalibrationProfile:
    """A profile to which every likeness says less."""
    assert desk.server._application is not None
    shipped = default_profile(desk.server._application.voice.model.model_id)
    offset = shipped.coefficients.offset - 3.0
    coefficients = dataclasses.replace(shipped.coefficients, offset=offset)
    return dataclasses.replace(shipped, name="harsher", coefficients=coefficients)


def by_voice(scored: ScoredCall) -> dict[str, float]:
    return {
        flag.subject_id: flag.llr
        for flag in scored.call.flags
        if flag.type is FlagType.KNOWN_ACTOR_VOICE
    }


async def test_a_call_scores_as_it_was_decided(desk: Desk) -> None:
    """An agent's and a stranger's alike; the look is journaled."""
    agent = await desk.client.score_call("agent")
    assert agent.agrees
    assert agent.differences == ()
    assert agent.calibration_profile_id == agent.call.versions["calibration_profile"]
    (flag,) = agent.flags
    assert flag.subject_id == desk.actors["S6"]
    assert flag.llr == pytest.approx(by_voice(agent)[flag.subject_id], abs=0.002)
    assert agent.level is agent.call.level
    (watchlist,) = agent.watchlists
    assert watchlist.best is not None
    assert watchlist.best.actor_id == desk.actors["S6"]
    stranger = await desk.client.score_call("stranger")
    assert stranger.agrees
    assert stranger.flags == ()
    assert stranger.probability == pytest.approx(stranger.call.probability, abs=0.0005)
    application = desk.server._application
    assert application is not None
    last = (await application.registry.audit())[-1]
    assert last.kind == "call.scored_again"


async def test_what_was_never_scored_is_refused(desk: Desk) -> None:
    """Silence has no voiceprint; unknown calls and profiles are told."""
    for call_id, profile, reason in (
        ("nobody", "", "NOTHING_TO_SCORE"),
        ("unknown", "", "CALL_NOT_ARCHIVED"),
        ("agent", "none@0123456789ab", "PROFILE_NOT_FOUND"),
    ):
        with pytest.raises(ClientError) as caught:
            await desk.client.score_call(call_id, calibration_profile_id=profile)
        assert caught.value.reason == reason


async def test_what_decides_now_changes_nothing_of_what_was_decided(
    tmp_path: Path, models_dir: Path, recordings: Recordings
) -> None:
    """Another profile, which is asked for or activated; a list that has grown is told, and scored as it is."""
    settings = server_settings(tmp_path, models_dir)
    async with open_desk(settings, recordings, ("S6",)) as desk:
        await screen(desk.client, "agent", telephone(speech_of(recordings, "S6")))
        await archived(desk, "agent")
        before = await desk.client.score_call("agent")
        library, profile = library_of(desk), harsher(desk)
        library.keep(profile)
        by_other = await desk.client.score_call("agent", calibration_profile_id=profile.profile_id)
        assert by_other.differences == (ScoreDifference.PROFILE,)
        assert by_other.calibration_profile_id == profile.profile_id
        assert not by_other.agrees
        best = by_other.watchlists[0].best
        assert best is not None
        assert best.llr < by_voice(before)[desk.actors["S6"]] - 2.0
        application = desk.server._application
        assert application is not None
        registry, model_id = application.registry, application.voice.model.model_id
        library.activate(profile.profile_id, by="t", reason="t", installed_models=[model_id])
        await until(
            lambda: registry.snapshot.scorer(None, model_id).profile_id == profile.profile_id
        )
        assert await desk.client.score_call("agent") == before
        await enrol(desk.client, recordings, "S1")
        grown = await desk.client.score_call("agent")
    assert grown.differences == (ScoreDifference.WATCHLIST_CHANGED,)
    assert grown.flags[0].llr == pytest.approx(before.flags[0].llr, abs=1e-6)
    assert grown.watchlists[0].actor_count == 2


async def test_the_command_shows_both(desk: Desk) -> None:
    """Side by side, and as JSON."""

    async def run(*arguments: str) -> str:
        done = await asyncio.to_thread(shengdun, *arguments, "--server", desk.server.address)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    shown = await run("calls", "score", "stranger")
    assert "decided" in shown
    assert "scored now" in shown
    assert "same numbers" in shown
    told = json.loads(await run("calls", "score", "agent", "--json"))
    assert told["call"]["call_id"] == "agent"
    assert KNOWN_VOICE.lower() in {flag["type"] for flag in told["flags"]}


async def test_what_the_level_rested_on_beside_the_voice_is_told(
    desk: Desk, recordings: Recordings
) -> None:
    """Of words the archive has no more than their signature."""
    said = TranscriptSegment(
        text="我是贵行的老客户，家里有人住院，没有能力按时还款，要求停止催收。"
    )
    recording = wav_file(speech_of(recordings, "S4"))
    await desk.client.screen_recording(recording, call_id="said", words=(said,))
    await archived(desk, "said")
    scored = await desk.client.score_call("said")
    assert ScoreDifference.OTHER_EVIDENCE in scored.differences
    assert scored.agrees
