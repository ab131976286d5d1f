"""Another voice that takes over in a call: told of with its time, and screened by itself."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from fixtures import signals
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
from fixtures.store import until
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.index.archive.errors import CallNotArchived
from shengdun.service.client import (
    CallConfig,
    Decision,
    DecisionState,
    FlagType,
    RiskLevel,
    SpeakerHandover,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

Recordings = Sequence[DemoRecording]
AGENT, CUSTOMER, PARTNER = "S6", "S8", "S9"
BUDGET = timedelta(seconds=30)
WINDOW = timedelta(seconds=3.5)
"""A window of net speech, with its pauses."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, recordings: list[DemoRecording]
) -> AsyncIterator[Desk]:
    """A server with the agent on its list; of its lines one watches whole calls, one their first half minute."""
    lines = {
        "watching": {"handover": {"watch": "whole_call"}},
        "briefly": {"handover": {"watch": 0.3}},
        "sparing": {"handover": {"watch": "whole_call", "look_at_every": 2}},
        "strict": {"handover": {"watch": "whole_call", "highest_level": "medium"}},
    }
    settings = server_settings(tmp_path_factory.mktemp("data"), models_dir, lines=lines)
    async with open_desk(settings, recordings, (AGENT,)) as desk:
        yield desk


def call_of(recordings: Recordings, *turns: tuple[str, float]) -> Samples:
    """Speakers one after the other, each for so many seconds of a recording, from its beginning on."""
    heard: dict[str, float] = {}
    parts = []
    for speaker, seconds in turns:
        start_s = heard.get(speaker, 0.0)
        heard[speaker] = start_s + seconds
        said = levelled(speech_of(recordings, speaker, seconds=heard[speaker]))
        parts.append(said[round(start_s * MODEL_RATE_HZ) :])
    return np.concatenate(parts)


def handover_of(decision: Decision) -> SpeakerHandover | None:
    """The handover that a decision tells of."""
    flags = [flag for flag in decision.flags if flag.type is FlagType.SPEAKER_HANDOVER]
    assert len(flags) <= 1
    return flags[0].speaker_handover if flags else None


async def decisions_on(
    desk: Desk, name: str, samples: Samples, line: str = "watching"
) -> list[Decision]:
    """What a line decides of a call, at its own pace."""
    return await screen(desk.client, name, telephone(samples), line=line, budget=BUDGET)


async def test_a_call_of_one_voice_is_decided_as_without_watching(
    desk: Desk, recordings: Recordings
) -> None:
    """No handover is told of, and the evidence is the same to the bit, though the call is heard to its end."""
    samples = call_of(recordings, (CUSTOMER, 30.0))
    watched = await decisions_on(desk, "one", samples)
    plain = await decisions_on(desk, "one-plain", samples, line="")
    assert all(handover_of(one) is None for one in watched)
    final = watched[-1]
    assert (final.level, final.probability, final.flags, final.watchlists) == (
        plain[-1].level,
        plain[-1].probability,
        plain[-1].flags,
        plain[-1].watchlists,
    )
    assert (final.state, final.settled) == (DecisionState.FINAL, True)
    settled = next(one for one in watched if one.settled)
    assert settled.state is DecisionState.PROVISIONAL
    assert settled.net_speech == plain[-1].net_speech


async def test_a_known_agent_who_takes_over_is_found(desk: Desk, recordings: Recordings) -> None:
    """Flagged HIGH from the second voice, at the time at which it began, though the first was a stranger's."""
    samples = call_of(recordings, (CUSTOMER, 15.0), (AGENT, 15.0))
    decisions = await decisions_on(desk, "agent", samples)
    before = [one for one in decisions if one.audio_position < timedelta(seconds=14)]
    assert all(
        (one.level, handover_of(one)) in {(None, None), (RiskLevel.LOW, None)} for one in before
    )
    last = decisions[-1]
    found = handover_of(last)
    assert found is not None
    assert abs(found.position - timedelta(seconds=15)) <= WINDOW
    assert last.level is RiskLevel.HIGH
    assert {flag.known_actor_voice.actor_id for flag in last.flags if flag.known_actor_voice} == {
        desk.actors[AGENT]
    }
    assert (found.first.level, found.second.level) == (RiskLevel.LOW, RiskLevel.HIGH)
    assert found.second.best is not None
    assert found.second.best.actor_id == desk.actors[AGENT]
    assert found.second.net_speech > timedelta(seconds=8)
    plain = await decisions_on(desk, "agent-plain", samples, line="")
    assert plain[-1].level is RiskLevel.LOW


async def test_a_line_may_look_at_every_other_window(desk: Desk, recordings: Recordings) -> None:
    """It answers less often once the call is settled, and the agent is found all the same, a window later."""
    samples = call_of(recordings, (CUSTOMER, 28.0), (AGENT, 20.0))
    every = await decisions_on(desk, "every", samples)
    sparing = await decisions_on(desk, "sparing", samples, line="sparing")
    assert len(sparing) < len(every)
    for decisions in (every, sparing):
        found = handover_of(decisions[-1])
        assert found is not None
        assert abs(found.position - timedelta(seconds=28)) <= 2 * WINDOW
        assert decisions[-1].level is RiskLevel.HIGH


async def test_a_call_is_kept_by_the_voice_that_took_over(
    desk: Desk, recordings: Recordings
) -> None:
    """With the flag, and a voiceprint in which the customer has no part."""
    samples = call_of(recordings, (CUSTOMER, 12.0), (AGENT, 14.0))
    last = (await decisions_on(desk, "kept", samples))[-1]
    found = handover_of(last)
    assert found is not None
    assert desk.server._application is not None
    archive = desk.server._application.archive
    assert archive is not None

    def is_there() -> bool:
        try:
            return bool(archive.get("kept"))
        except CallNotArchived:
            return False

    await until(is_there)
    row = archive.get("kept")
    assert "SPEAKER_HANDOVER" in {flag.kind for flag in row.decision.flags}
    assert timedelta(seconds=row.net_speech_s) == found.second.net_speech


async def test_strangers_who_hand_over_are_told_of_and_stay_low(
    desk: Desk, recordings: Recordings
) -> None:
    """A couple is no gang: the flag is there, and the level and the action are those of a stranger."""
    samples = call_of(recordings, (CUSTOMER, 14.0), (PARTNER, 14.0))
    last = (await decisions_on(desk, "couple", samples))[-1]
    found = handover_of(last)
    assert found is not None
    assert not found.in_turns
    assert (last.level, last.recommended_action) == (RiskLevel.LOW, "continue")
    assert {found.first.level, found.second.level} == {RiskLevel.LOW}
    strict = (await decisions_on(desk, "couple-strict", samples, line="strict"))[-1]
    assert strict.level is RiskLevel.MEDIUM


async def test_a_voice_that_comes_back_is_told_of_with_the_first_change(
    desk: Desk, recordings: Recordings
) -> None:
    """Customer, agent, customer: two voices in turns, and the agent is found among them."""
    samples = call_of(recordings, (CUSTOMER, 11.0), (AGENT, 16.0), (CUSTOMER, 11.0))
    last = (await decisions_on(desk, "turns", samples))[-1]
    found = handover_of(last)
    assert found is not None
    assert found.in_turns
    assert abs(found.position - timedelta(seconds=11)) <= WINDOW
    assert found.second.best is not None
    assert found.second.best.actor_id == desk.actors[AGENT]
    assert found.second.level is RiskLevel.HIGH


async def test_a_change_too_late_for_two_windows_is_not_told_of(
    desk: Desk, recordings: Recordings
) -> None:
    """A single window of another voice can be anything."""
    samples = call_of(recordings, (CUSTOMER, 18.0), (AGENT, 1.6))
    decisions = await decisions_on(desk, "late", samples)
    assert all(handover_of(one) is None for one in decisions)
    assert decisions[-1].state is DecisionState.FINAL


async def test_beyond_the_minutes_of_a_line_nothing_is_heard(
    desk: Desk, recordings: Recordings
) -> None:
    """The decision is final at the first window behind them, and who takes over later is not heard."""
    samples = call_of(recordings, (CUSTOMER, 26.0), (AGENT, 14.0))
    decisions = await decisions_on(desk, "brief", samples, line="briefly")
    last = decisions[-1]
    assert last.state is DecisionState.FINAL
    assert handover_of(last) is None
    assert timedelta(seconds=18) < last.audio_position < timedelta(seconds=27)


async def test_silence_is_no_handover(desk: Desk, recordings: Recordings) -> None:
    """Nor is a caller who is put on hold between two halves of a call."""
    silent = (await decisions_on(desk, "silent", signals.silence(20.0)))[-1]
    assert (silent.state, silent.flags) == (DecisionState.NOT_ENOUGH_SPEECH, ())
    one, other = (
        call_of(recordings, (CUSTOMER, 26.0))[part * 13 * MODEL_RATE_HZ :][: 13 * MODEL_RATE_HZ]
        for part in (0, 1)
    )
    held = np.concatenate([one, signals.silence(12.0), other])
    assert all(handover_of(each) is None for each in await decisions_on(desk, "held", held))


async def test_somebody_who_talks_at_the_same_time_is_no_handover(
    desk: Desk, recordings: Recordings
) -> None:
    """Windows with two people at once are left out of it as they are of everything."""
    caller = call_of(recordings, (CUSTOMER, 24.0))
    both = joined_by(speech_of(recordings, PARTNER), caller, until_s=5.0)
    decisions = await decisions_on(desk, "overlap", both)
    assert all(handover_of(one) is None for one in decisions)


async def test_how_a_call_is_cut_up_makes_no_difference(desk: Desk, recordings: Recordings) -> None:
    """Every other window is skipped by what was heard, and never by how it came."""
    audio = telephone(call_of(recordings, (CUSTOMER, 15.0), (AGENT, 15.0)))
    said = await asyncio.gather(
        *(
            screen(
                desk.client,
                f"cut-{size}",
                audio,
                chunk_bytes=size,
                line="watching",
                budget=BUDGET,
            )
            for size in (160, 24_000)
        )
    )
    assert [evidence(one) for one in said[0]] == [evidence(one) for one in said[1]]


async def test_a_settled_call_that_is_watched_counts_by_what_it_takes(
    desk: Desk, recordings: Recordings
) -> None:
    """It stays among the undecided calls of the server while it runs, and leaves them when its watch is over."""
    audio = telephone(call_of(recordings, (CUSTOMER, 30.0)))
    undecided = []
    for line in ("watching", ""):
        config = CallConfig(call_id=f"load-{line}", line=line, budget=BUDGET)
        async with desk.client.screen_call(config) as call:
            await call.send(audio)
            async for decision in call:
                if decision.settled:
                    break
            load = (await desk.client.server_info()).load
            assert load is not None
            undecided.append(load.undecided_calls)
    assert undecided == [1, 0]
