"""A server that has more calls than it can answer: who is refused, who is answered, and what they are told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from fixtures import signals
from fixtures.calls import Desk, evidence, open_desk, screen, server_settings, speech_of, telephone
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.service.client import (
    CallConfig,
    ClientError,
    Decision,
    DecisionState,
    PartialReason,
    ServerLoad,
    Stage,
)
from shengdun.service.client.telephone import converse

pytestmark = pytest.mark.asyncio(loop_scope="module")

Recordings = Sequence[DemoRecording]
HURRY = timedelta(seconds=0.1)
NO_HURRY = timedelta(seconds=50)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, recordings: Recordings
) -> AsyncIterator[Desk]:
    """A server that holds one undecided call, and computes one voiceprint at a time."""
    settings = server_settings(
        tmp_path_factory.mktemp("desk"), models_dir, server__load_limit=1e-6, voice__workers=1
    )
    async with open_desk(settings, recordings, ("S1", "S6")) as desk:
        yield desk


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_door(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, recordings: Recordings
) -> AsyncIterator[Desk]:
    """A server that takes every call, and computes one voiceprint at a time."""
    settings = server_settings(
        tmp_path_factory.mktemp("open"), models_dir, server__load_limit=1.0, voice__workers=1
    )
    async with open_desk(settings, recordings, ("S1", "S6")) as desk:
        yield desk


async def _load(desk: Desk) -> ServerLoad:
    load = (await desk.client.server_info()).load
    assert load is not None
    return load


async def _refusal(desk: Desk, call_id: str) -> ClientError:
    with pytest.raises(ClientError) as caught:
        # Nothing is sent: a refusal does not wait for audio.
        await anext(await desk.client.screen_call(CallConfig(call_id=call_id)).__aenter__())
    return caught.value


async def test_a_call_too_many_is_refused_and_the_others_go_on(
    desk: Desk, recordings: Recordings
) -> None:
    """It is told when to try again, and can be taken as soon as there is room; the first one decides as if alone."""
    audio = telephone(speech_of(recordings, "S6"))
    alone = [evidence(decision) for decision in await screen(desk.client, "alone", audio)]
    refused_before = (await _load(desk)).refused_calls
    async with desk.client.screen_call(CallConfig(call_id="first")) as call:
        decisions = [await anext(call)]
        assert (await _load(desk)).undecided_calls == 1
        for start in range(0, len(audio), 16_000):
            await call.send(audio[start : start + 16_000])
            if start < 48_000:
                error = await _refusal(desk, f"second-{start}")
                assert (error.status, error.reason) == (
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    "OVERLOADED",
                )
                assert error.retry_after is not None
                assert timedelta(seconds=0.5) <= error.retry_after <= timedelta(seconds=30)
                assert "try again" in error.message
        await call.finish()
        decisions += [decision async for decision in call]
    assert [evidence(decision) for decision in decisions] == alone
    load = await _load(desk)
    assert (load.undecided_calls, load.refused_calls) == (0, refused_before + 3)
    assert (await screen(desk.client, "second-0", audio[:800]))[-1].latency >= timedelta()


async def test_a_decided_call_makes_room_while_it_goes_on(
    desk: Desk, recordings: Recordings
) -> None:
    """After FINAL a call costs nothing, so the next one is taken beside it."""
    audio = telephone(speech_of(recordings, "S6")) * 2
    async with desk.client.screen_call(CallConfig(call_id="decided", budget=NO_HURRY)) as call:
        await call.send(audio)
        while (await anext(call)).state is not DecisionState.FINAL:
            pass
        beside = await screen(desk.client, "beside", telephone(signals.silence(0.5)))
        assert beside[-1].state is DecisionState.NOT_ENOUGH_SPEECH


async def test_whoever_hangs_up_leaves_its_place(desk: Desk) -> None:
    """Without a word, and also when the call was refused for another reason."""
    with pytest.raises(ClientError, match="nowhere"):
        await screen(desk.client, "wrong", b"", line="nowhere")
    with pytest.raises(ClientError, match="nobody"):
        await screen(desk.client, "wrong", b"", watchlist_ids=("nobody",))
    with pytest.raises(ConnectionError):
        await _hang_up(desk)
    async with asyncio.timeout(30):
        # Each question goes over the network, so the loop gives way by itself.
        while (await _load(desk)).undecided_calls:
            pass
    assert (await screen(desk.client, "next", telephone(signals.silence(0.5))))[-1].sequence > 0


async def _hang_up(desk: Desk) -> None:
    async with desk.client.screen_call(CallConfig(call_id="gone")) as call:
        await anext(call)
        raise ConnectionError


@pytest.mark.timeout(300)
async def test_decisions_under_overload_differ_only_in_being_partial(
    open_door: Desk, recordings: Recordings
) -> None:
    """Calls that complete their windows at the same moments: who must wait is told so, and nobody anything else."""
    speakers = ("S1", "S2", "S5", "S6")
    audio = {who: telephone(speech_of(recordings, who, seconds=8)) for who in speakers}
    idle = {who: await screen(open_door.client, f"idle-{who}", audio[who]) for who in speakers}
    calls = [(who, n) for who in speakers for n in range(6)]
    under_load = await asyncio.gather(
        *(_paced(open_door, f"busy-{who}-{n}", audio[who]) for who, n in calls)
    )
    partial = 0
    for (who, _), decisions in zip(calls, under_load, strict=True):
        known = [evidence(decision) for decision in idle[who]]
        for decision in decisions:
            partial += PartialReason.BUDGET_EXCEEDED in decision.partial_reasons
            assert decision.partial or evidence(decision) in known
            assert _weighed(decision) in [_weighed(one) for one in idle[who]]
    load = await _load(open_door)
    assert partial
    assert load.decisions_over_budget == partial
    after = await screen(open_door.client, "after", audio["S6"], budget=NO_HURRY)
    assert [evidence(decision) for decision in after] == [evidence(one) for one in idle["S6"]]


def _weighed(decision: Decision) -> tuple[object, ...]:
    return (decision.probability, decision.level, decision.flags, decision.watchlists)


async def _paced(desk: Desk, call_id: str, audio: bytes) -> list[Decision]:
    """What the call is told; nothing if the machine is so busy that it's refused."""
    try:
        # No time for the windows of six calls that end at the same moment, which each speaker has.
        async with desk.client.screen_call(CallConfig(call_id=call_id, budget=HURRY)) as call:
            return [decision async for decision in converse(call, audio, paced=True)]
    except ClientError as error:
        if error.reason != "OVERLOADED":
            raise
        return []


async def test_where_the_time_went_is_counted(desk: Desk, recordings: Recordings) -> None:
    """Each decision says it, and the server adds it up by stage."""
    before = await _load(desk)
    decisions = await screen(desk.client, "timed", telephone(speech_of(recordings, "S1")))
    after = await _load(desk)
    timed = [decision.timings for decision in decisions if decision.sequence > 1]
    assert after.decisions - before.decisions == len(decisions)
    for stage in after.stages:
        assert stage.stage is not Stage.UNKNOWN
        assert len(stage.counts) == len(stage.bounds_s) + 1
        [earlier] = [one for one in before.stages if one.stage is stage.stage]
        assert sum(stage.counts) - sum(earlier.counts) == len(timed)
        spent = sum((getattr(t, stage.stage.value) for t in timed), timedelta())
        assert abs((stage.total - earlier.total) - spent) < timedelta(milliseconds=1)
