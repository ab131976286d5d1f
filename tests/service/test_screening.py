"""Screening of calls and recordings by the real server, on real speech over a telephone codec."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from fixtures import signals
from fixtures.calls import (
    Desk,
    evidence,
    open_desk,
    screen,
    screen_patiently,
    server_settings,
    speech_of,
    telephone,
)
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.service.client import (
    AudioEncoding,
    AudioFormat,
    CallConfig,
    DecisionState,
    RiskLevel,
)
from shengdun.service.client.telephone import encode_call

pytestmark = pytest.mark.asyncio(loop_scope="module")

Recordings = Sequence[DemoRecording]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, recordings: Recordings
) -> AsyncIterator[Desk]:
    """One server for the tests of this module, three agents enrolled."""
    data_dir = tmp_path_factory.mktemp("desk")
    async with open_desk(server_settings(data_dir, models_dir), recordings) as desk:
        yield desk


async def test_a_known_agent_is_named_from_another_session(
    desk: Desk, recordings: Recordings
) -> None:
    """The agent's own actor is the best candidate, with evidence for it, state by state to FINAL."""
    decisions = await screen(desk.client, "known", telephone(speech_of(recordings, "S6")))
    first, *_, last = decisions
    assert first.state is DecisionState.NOT_ENOUGH_SPEECH
    assert (first.level, first.probability, first.sequence) == (None, None, 1)
    assert last.state is DecisionState.FINAL
    (outcome,) = last.watchlists
    assert outcome.best is not None
    assert outcome.best.actor_id == desk.actors["S6"]
    assert outcome.best.llr > 2.0
    assert outcome.runner_up is not None
    assert outcome.runner_up.llr < outcome.best.llr
    assert last.net_speech > timedelta(seconds=5)
    assert [decision.sequence for decision in decisions] == list(range(1, len(decisions) + 1))


async def test_every_decision_says_what_made_it(desk: Desk, recordings: Recordings) -> None:
    """Model, profile, policy and watchlist versions stand in each decision, and net speech only grows."""
    info = await desk.client.server_info()
    decisions = await screen(desk.client, "versions", telephone(speech_of(recordings, "S4")))
    for decision in decisions:
        assert decision.model_id == info.model_id
        assert decision.calibration_profile_id == info.calibration_profile_id
        assert (decision.line, decision.policy_id) == ("default", info.lines[0].policy_id)
        assert all(w.watchlist_version.startswith("agents@") for w in decision.watchlists)
        assert decision.latency >= timedelta(0)
    net_speech = [decision.net_speech for decision in decisions]
    assert net_speech == sorted(net_speech)


@pytest.mark.parametrize("chunk_s", [0.1, 0.7, 2.5])
async def test_a_decision_names_the_chunk_it_answers(
    desk: Desk, recordings: Recordings, chunk_s: float
) -> None:
    """The answered position is the end of the chunk that completed the window, however large chunks are."""
    audio = telephone(speech_of(recordings, "S2"))
    chunk_bytes = round(chunk_s * 8_000)
    first, window, *_, last = await screen(
        desk.client, f"answered-{chunk_s}", audio, chunk_bytes=chunk_bytes
    )
    assert first.answered_position == timedelta(0)
    assert last.answered_position == timedelta(seconds=len(audio) / 8_000)
    assert window.answered_position is not None
    answered_s = window.answered_position.total_seconds()
    assert round(answered_s * 8_000) % chunk_bytes == 0
    # Resampling and frames of 32 ms hold back up to 50 ms, which may be those of the chunk before.
    assert 0 <= answered_s - window.audio_position.total_seconds() < chunk_s + 0.05


async def test_strangers_are_not_flagged(desk: Desk, recordings: Recordings) -> None:
    """Speakers who are not enrolled end LOW, without a flag."""
    for speaker in ("S2", "S5", "S7"):
        last = (
            await screen(
                desk.client, f"stranger-{speaker}", telephone(speech_of(recordings, speaker))
            )
        )[-1]
        assert (last.level, last.flags) == (RiskLevel.LOW, ())


async def test_an_ended_call_can_be_asked_for(desk: Desk, recordings: Recordings) -> None:
    """GetDecision gives the last decision after the call, with its id."""
    last = (await screen(desk.client, "ended", telephone(speech_of(recordings, "S1", seconds=5))))[
        -1
    ]
    answer = await desk.client.get_decision("ended")
    assert not answer.live
    assert answer.decision.decision_id == last.decision_id
    assert evidence(answer.decision) == evidence(last)


async def test_the_decision_id_stays_until_there_is_new_evidence(
    desk: Desk, recordings: Recordings
) -> None:
    """Silence changes nothing, a further window does."""
    audio = telephone(speech_of(recordings, "S6"))
    async with desk.client.screen_call(CallConfig(call_id="ids")) as call:
        await call.send(audio[: 5 * 8000])
        begun = await anext(call)
        weighed = await anext(call)
        asked = [await desk.client.get_decision("ids") for _ in range(2)]
        await call.send(telephone(signals.silence(1.0)))
        asked.append(await desk.client.get_decision("ids"))
        assert {answer.decision.decision_id for answer in asked} == {weighed.decision_id}
        assert all(answer.live for answer in asked)
        await call.send(audio[5 * 8000 :])
        later = await anext(call)
    assert len({begun.decision_id, weighed.decision_id, later.decision_id}) == 3


@pytest.mark.timeout(300)
async def test_a_call_decides_the_same_alone_and_beside_50_others(
    desk: Desk, recordings: Recordings
) -> None:
    """Bit for bit: nothing that another call does shows in a decision."""
    speakers = ("S1", "S2", "S4", "S5", "S6")
    audio = {speaker: telephone(speech_of(recordings, speaker, seconds=8)) for speaker in speakers}
    budget = timedelta(seconds=60)
    alone = await screen(desk.client, "alone", audio["S6"], budget=budget)
    calls = [
        screen_patiently(desk.client, f"beside-{n}", audio[speakers[n % 5]], budget=budget)
        for n in range(51)
    ]
    together = await asyncio.gather(*calls)
    for n in range(4, 51, 5):
        assert [evidence(decision) for decision in together[n]] == [
            evidence(decision) for decision in alone
        ]


@pytest.mark.timeout(300)
async def test_any_chunking_gives_the_same_decisions(desk: Desk, recordings: Recordings) -> None:
    """However a call is cut into messages, its decisions are the same, bit for bit."""
    audio = telephone(speech_of(recordings, "S1", seconds=8))
    whole = [evidence(d) for d in await screen(desk.client, "whole", audio, chunk_bytes=len(audio))]
    assert len(whole) >= 3
    for chunk_bytes in (77, 160, 1_601, 24_000):
        cut = await screen(desk.client, f"cut-{chunk_bytes}", audio, chunk_bytes=chunk_bytes)
        assert [evidence(decision) for decision in cut] == whole


@pytest.mark.parametrize(
    ("encoding", "rate_hz"),
    [(AudioEncoding.PCMA, 8_000), (AudioEncoding.L16, 8_000), (AudioEncoding.L16_BE, 16_000)],
)
async def test_every_offered_encoding_is_heard(
    desk: Desk, recordings: Recordings, encoding: AudioEncoding, rate_hz: int
) -> None:
    """The agent is the best candidate through each of them."""
    audio_format = AudioFormat(encoding=encoding, sample_rate_hz=rate_hz)
    samples = speech_of(recordings, "S6", seconds=8)
    decisions = await screen(
        desk.client,
        f"{encoding.value}-{rate_hz}",
        encode_call(samples, audio_format),
        audio_format=audio_format,
    )
    best = decisions[-1].watchlists[0].best
    assert best is not None
    assert best.actor_id == desk.actors["S6"]
