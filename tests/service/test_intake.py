"""A call whose windows can't be evaluated in time: what it is told, what is made up for, and what is never hidden."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from fixtures.admitting import costs_of, new_admission
from fixtures.calls import PCMU, joined_by, speech_of, telephone
from fixtures.store import until
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.front_end import FrontEnd
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.speakers import SpeakerCount
from shengdun.index.calibration import default_profile
from shengdun.index.scoring import Scorer
from shengdun.index.snapshot import Snapshot
from shengdun.service.admission import Permit
from shengdun.service.decision import Decision, PartialReason, State
from shengdun.service.evidence import VoiceEvidence
from shengdun.service.intake import OWED_AT_MOST, Intake
from shengdun.service.lanes import FrontLane
from shengdun.service.line_settings import LineSettings
from shengdun.service.lines import Line
from shengdun.service.session import CallSession, Chunk, Versions
from shengdun.service.shadows import Shadows
from shengdun.service.voiceprint_lane import VoiceprintLane

IN_TIME = timedelta(hours=1)
TOO_LATE = timedelta(hours=-1)
OVER_BUDGET = (PartialReason.BUDGET_EXCEEDED,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The lanes of a server, and sessions of calls in them.

    Attributes:
        lane: of one worker.
        permit: held.
        session: opens a session with a budget.
        snapshots: of the watchlists; the last one counts.
    """

    lane: VoiceprintLane
    permit: Permit
    session: Callable[[timedelta], CallSession]
    snapshots: list[Snapshot]

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Keep the lane's only worker busy for a block."""
        begun, release = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def occupy() -> None:
            loop.call_soon_threadsafe(begun.set)
            release.wait(60)

        work = asyncio.create_task(self.lane.run(self.permit, occupy, deadline=0.0, cost_s=0.0))
        await begun.wait()
        try:
            yield
        finally:
            release.set()
            await work


@pytest.fixture
async def room(
    model_store: ModelStore, voice_model: VoiceModel, voice_activity: VoiceActivity
) -> AsyncIterator[Room]:
    speakers = SpeakerCount(model_store.segmentation(), voice_model)
    snapshots = [Snapshot.empty([Scorer(default_profile(voice_model.model_id))])]
    line = Line.from_settings("default", LineSettings())
    costs = costs_of(0.1)
    shadows = Shadows(model_id=voice_model.model_id, models=(), snapshot=lambda: snapshots[-1])
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(shadows)
        front = await stack.enter_async_context(FrontLane(voice_activity, costs))
        lane = await stack.enter_async_context(VoiceprintLane(1))
        permit = stack.enter_context(new_admission(costs).admit(budget_s=0.3))

        def session(budget: timedelta) -> CallSession:
            evidence = VoiceEvidence(
                model=voice_model,
                snapshot=lambda: snapshots[-1],
                watchlist_ids=(),
                line=line,
                overlap_share=speakers.overlap_share,
            )
            return CallSession(
                call_id="c-1",
                line=line,
                budget=budget,
                front_end=FrontEnd(PCMU, window_s=voice_model.window_s, activity=voice_activity),
                evidence=evidence,
                intake=Intake(evidence, lane=lane, costs=costs, permit=permit),
                front_lane=front,
                permit=permit,
                versions=Versions(model_id=voice_model.model_id, watchlists_stale=lambda: False),
                shadows=shadows.of_call(call_id="c-1", watchlist_ids=(), line=line),
            )

        yield Room(lane=lane, permit=permit, session=session, snapshots=snapshots)


@pytest.fixture(scope="module")
def audio(recordings: list[DemoRecording]) -> bytes:
    """Twelve seconds of a call, four windows at most."""
    return telephone(speech_of(recordings, "S6"))


async def _hear(session: CallSession, audio: bytes) -> list[Decision]:
    now = asyncio.get_running_loop().time()
    chunks = [
        Chunk(data=audio[at : at + 800], received_at=now, end_s=(at + 800) / 8000)
        for at in range(0, len(audio), 800)
    ]
    return [decision async for decision in session.answers(await session.listen(chunks))]


async def _when_caught_up(session: CallSession) -> list[Decision]:
    decisions: list[Decision] = []
    while (late := session.late) is not None:
        await late
        decisions += [decision for decision in [session.catch_up()] if decision]
    return decisions


async def _finish(session: CallSession) -> Decision:
    [last] = [decision async for decision in session.finish()]
    return last


def _evidence(decision: Decision) -> tuple[object, ...]:
    return (
        decision.state,
        decision.risk,
        decision.net_speech,
        decision.audio_quality,
        decision.audio_position,
        decision.several_voices,
        decision.overlap,
    )


def _reasons(decision: Decision) -> tuple[PartialReason, ...]:
    return tuple(r for r in decision.partial_reasons if r is PartialReason.BUDGET_EXCEEDED)


async def test_a_late_window_is_answered_at_once_and_made_up_for(room: Room, audio: bytes) -> None:
    """Each partial decision says why, and what follows is to the bit what an idle server says."""
    idle = [_evidence(decision) for decision in await _hear(room.session(IN_TIME), audio)]
    session = room.session(TOO_LATE)
    async with room.busy():
        answers = await _hear(session, audio)
        assert [_reasons(answer) for answer in answers] == [OVER_BUDGET] * len(idle)
        assert {answer.state for answer in answers} == {State.NOT_ENOUGH_SPEECH}
    made_up = await _when_caught_up(session)
    assert [_evidence(decision) for decision in made_up] == idle
    assert [_reasons(decision) for decision in made_up] == [*[OVER_BUDGET] * (len(idle) - 1), ()]


async def test_what_is_left_out_does_not_depend_on_the_load(
    room: Room, recordings: list[DemoRecording]
) -> None:
    """Two people who talk at once are found, and their window left out, in windows that were late as in others."""
    audio = telephone(
        joined_by(speech_of(recordings, "S4"), speech_of(recordings, "S1"), until_s=4.0)
    )
    idle = await _hear(room.session(IN_TIME), audio)
    session = room.session(TOO_LATE)
    async with room.busy():
        answers = await _hear(session, audio)
        assert [_reasons(answer) for answer in answers] == [OVER_BUDGET] * len(idle)
    made_up = await _when_caught_up(session)
    assert [_evidence(decision) for decision in made_up] == [_evidence(each) for each in idle]
    assert idle[-1].overlap
    assert idle[-1].net_speech < timedelta(seconds=3 * len(idle))


async def test_the_next_window_in_time_brings_what_was_owed(room: Room, audio: bytes) -> None:
    """A lane that has time again takes both in, in order, and answers once, in full."""
    idle = [_evidence(decision) for decision in await _hear(room.session(IN_TIME), audio)]
    session = room.session(IN_TIME)
    async with room.busy():
        # The budget is an hour, so the lane is told that the first window is late, and not made to wait.
        session._budget_s = TOO_LATE.total_seconds()
        [answer, *_] = await _hear(session, audio[: 5 * 8000])
        assert _reasons(answer) == OVER_BUDGET
        session._budget_s = IN_TIME.total_seconds()
    decisions = [*await _hear(session, audio[5 * 8000 :])]
    assert [_reasons(decision) for decision in decisions] == [()] * len(decisions)
    assert [_evidence(decision) for decision in decisions] == idle[-len(decisions) :]


async def test_a_final_decision_says_that_it_rests_on_less(room: Room, audio: bytes) -> None:
    """The call ends before its last windows could be evaluated: they are dropped, and the decision is partial."""
    session = room.session(TOO_LATE)
    await _hear(session, audio[: 4 * 8000])
    await _when_caught_up(session)
    known = session._risk
    async with room.busy():
        await _hear(session, audio[4 * 8000 :])
        # The last search can't be left out then: who was erased meanwhile must not be named.
        room.snapshots.append(Snapshot.empty(room.snapshots[-1].scorers.active))
        last = asyncio.create_task(_finish(session))
        await until(lambda: session._intake.owed == 0)
        assert not last.done()
    decision = await last
    assert (decision.state, _reasons(decision)) == (State.FINAL, OVER_BUDGET)
    assert decision.risk == known
    assert decision.net_speech == timedelta(seconds=3)
    assert session.late is None


async def test_the_end_of_a_call_searches_only_what_has_changed(room: Room, audio: bytes) -> None:
    """Nothing is computed for the last decision of a call whose lists are what they were at its last window."""
    session = room.session(IN_TIME)
    decisions = await _hear(session, audio[: 4 * 8000])
    async with room.busy():
        last = await _finish(session)
    assert (last.state, last.risk) == (State.FINAL, decisions[-1].risk)
    assert last.timings.search == timedelta()


async def test_a_call_without_any_evaluated_speech_is_never_said_to_be_harmless(
    room: Room, audio: bytes
) -> None:
    """No level and no probability, partial, however much was said."""
    session = room.session(TOO_LATE)
    async with room.busy():
        await _hear(session, audio)
        decision = await _finish(session)
    assert (decision.state, decision.risk.level) == (State.NOT_ENOUGH_SPEECH, None)
    assert _reasons(decision) == OVER_BUDGET


async def test_a_call_owes_a_bounded_number_of_windows(
    room: Room, recordings: list[DemoRecording]
) -> None:
    """The oldest are given up, but for the one that the lane has; what follows says so to the end."""
    session = room.session(TOO_LATE)
    audio = telephone(speech_of(recordings, "S6")) * 3
    async with room.busy():
        answers = await _hear(session, audio)
        assert len(answers) > OWED_AT_MOST + 1
        assert session._intake.owed == OWED_AT_MOST
        assert session._intake.given_up == len(answers) - OWED_AT_MOST
    decisions = await _when_caught_up(session)
    assert all(_reasons(decision) == OVER_BUDGET for decision in decisions)
    if not session.is_concluded:
        assert _reasons(await _finish(session)) == OVER_BUDGET


async def test_an_abandoned_call_leaves_nothing_in_the_lane(room: Room, audio: bytes) -> None:
    """Work of a caller who has hung up is never begun."""
    session = room.session(TOO_LATE)
    async with room.busy():
        await _hear(session, audio[: 5 * 8000])
        late = session.late
        assert late is not None
        session.abandon()
        assert late.cancelled()
        assert session.late is None


async def test_the_stages_add_up_to_the_latency(room: Room, audio: bytes) -> None:
    """Every decision says where its time went; the network's share is there exactly when it was run."""
    session = room.session(IN_TIME)
    decisions = [session.begin(), *await _hear(session, audio)]
    for decision in decisions:
        timings = decision.timings
        stages = (timings.listening, timings.voiceprint, timings.search, timings.deciding)
        assert sum(stages, timings.waiting) == max(decision.latency, sum(stages, timedelta()))
        assert (timings.voiceprint > timedelta()) == (decision.sequence > 1)
