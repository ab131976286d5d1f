"""The lanes in which CPU work of live calls is done."""

import asyncio
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from fixtures.admitting import new_admission
from fixtures.calls import PCMU
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.front_end import FrontEnd
from shengdun.service.admission import Admission, NotAdmitted, Permit
from shengdun.service.costs import Costs
from shengdun.service.lanes import FrontLane
from shengdun.service.voiceprint_lane import VoiceprintLane

SOON_S = 0.9
LATER_S = 3600.0


@pytest.fixture
def admission() -> Admission:
    return new_admission()


@pytest.fixture
def permit(admission: Admission) -> Iterator[Permit]:
    """Held for the test."""
    with admission.admit_unpaced() as permit:
        yield permit


def _in(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def _when_busy(
    lane: VoiceprintLane, permit: Permit, release: threading.Event
) -> asyncio.Task[bool]:
    """Occupy the lane's only worker until released."""
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def occupy() -> bool:
        loop.call_soon_threadsafe(started.set)
        return release.wait(60)

    task = asyncio.create_task(lane.run(permit, occupy, deadline=0.0, cost_s=0.0))
    await started.wait()
    return task


async def test_earliest_deadline_runs_first(permit: Permit) -> None:
    """Work waits in the order of its deadlines, not of its arrival."""
    release = threading.Event()
    ran: list[str] = []
    async with VoiceprintLane(1) as lane:
        busy = await _when_busy(lane, permit, release)
        waiting = [
            lane.submit(permit, partial(ran.append, name), deadline=_in(seconds), cost_s=0.1)
            for name, seconds in (("late", 300.0), ("early", 100.0), ("middle", 200.0))
        ]
        release.set()
        await asyncio.gather(busy, *(job.done for job in waiting))
    assert ran == ["early", "middle", "late"]


async def test_hopeless_work_is_set_aside_before_it_is_begun(permit: Permit) -> None:
    """Whoever waits is told at once; it is done after all that can still be in time, first come first."""
    release = threading.Event()
    ran: list[str] = []
    async with VoiceprintLane(1) as lane:
        busy = await _when_busy(lane, permit, release)
        hopeless = [
            lane.submit(permit, partial(ran.append, name), deadline=_in(1.0), cost_s=1.1)
            for name in ("hopeless", "too")
        ]
        in_time = lane.submit(
            permit, partial(ran.append, "in time"), deadline=_in(SOON_S), cost_s=0.1
        )
        assert [job.late.done() for job in (*hopeless, in_time)] == [True, True, False]
        assert lane.ever_late == 2
        release.set()
        await asyncio.gather(busy, in_time.done, *(job.done for job in hopeless))
    assert ran == ["in time", "hopeless", "too"]


async def test_what_a_live_call_is_owed_goes_before_what_has_time(permit: Permit) -> None:
    """Recordings and replays are due much later, and never keep late windows waiting."""
    release = threading.Event()
    ran: list[str] = []
    async with VoiceprintLane(1) as lane:
        busy = await _when_busy(lane, permit, release)
        jobs = [
            lane.submit(permit, partial(ran.append, name), deadline=deadline, cost_s=0.1)
            for name, deadline in (("replay", _in(LATER_S)), ("owed", 0.0))
        ]
        release.set()
        await asyncio.gather(busy, *(job.done for job in jobs))
    assert ran == ["owed", "replay"]


async def test_a_lane_that_is_idle_tries_what_looks_hopeless(permit: Permit) -> None:
    """It is begun at once and nobody is told that it is late: it may take less than was expected."""
    async with VoiceprintLane(1) as lane:
        job = lane.submit(permit, lambda: "done", deadline=_in(60.0), cost_s=61.0)
        assert await job.done == "done"
        assert not job.late.done()
        assert lane.ever_late == 0


async def test_work_is_set_aside_when_its_hope_ends_while_it_waits(permit: Permit) -> None:
    """At its deadline less its cost, though the lane is busy and never looks at it."""
    release = threading.Event()
    async with VoiceprintLane(1) as lane:
        busy = await _when_busy(lane, permit, release)
        job = lane.submit(permit, lambda: None, deadline=_in(60.0), cost_s=59.95)
        assert not job.late.done()
        await job.late
        assert job.is_waiting
        release.set()
        await asyncio.gather(busy, job.done)


async def test_work_that_was_set_aside_can_be_renewed(permit: Permit) -> None:
    """With another deadline it takes its place among the work that is in time, and runs once."""
    release = threading.Event()
    ran: list[str] = []
    async with VoiceprintLane(1) as lane:
        busy = await _when_busy(lane, permit, release)
        renewed = lane.submit(permit, partial(ran.append, "renewed"), deadline=0.0, cost_s=0.1)
        other = lane.submit(permit, partial(ran.append, "other"), deadline=_in(200.0), cost_s=0.1)
        lane.renew(renewed, deadline=_in(100.0))
        assert not renewed.late.done()
        release.set()
        await asyncio.gather(busy, renewed.done, other.done)
    assert ran == ["renewed", "other"]


async def test_what_can_not_be_left_out_keeps_its_place(permit: Permit) -> None:
    """Work that is waited for however late it is runs by its deadline, before what has more time."""
    release = threading.Event()
    ran: list[str] = []
    async with VoiceprintLane(1) as lane:
        busy = await _when_busy(lane, permit, release)
        other = lane.submit(permit, partial(ran.append, "other"), deadline=_in(60.0), cost_s=0.1)
        needed = asyncio.create_task(
            lane.run(permit, partial(ran.append, "needed"), deadline=0.0, cost_s=0.1)
        )
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(busy, needed, other.done)
    assert ran == ["needed", "other"]


async def test_the_wait_counts_what_comes_first(permit: Permit) -> None:
    """Work that is due earlier or as early, by its cost, and what was set aside; what has more time doesn't count."""
    release = threading.Event()
    async with VoiceprintLane(1) as lane:
        assert lane.wait_s(1.0) == 0.0
        busy = await _when_busy(lane, permit, release)
        for seconds in (100.0, 200.0, 300.0, -1.0):
            lane.submit(permit, lambda: None, deadline=_in(seconds), cost_s=10.0)
        assert lane.wait_s(50.0) == 10.0
        assert lane.wait_s(250.0) == 30.0
        release.set()
        await busy


async def test_cancelled_work_is_never_begun(permit: Permit) -> None:
    """A call that is gone costs nothing more."""
    release = threading.Event()
    ran: list[str] = []
    async with VoiceprintLane(1) as lane:
        busy = await _when_busy(lane, permit, release)
        gone, late = (
            lane.submit(permit, partial(ran.append, "gone"), deadline=deadline, cost_s=0.1)
            for deadline in (_in(60.0), 0.0)
        )
        kept = lane.submit(permit, partial(ran.append, "kept"), deadline=_in(90.0), cost_s=0.1)
        lane.cancel(gone)
        lane.cancel(late)
        release.set()
        await asyncio.gather(busy, kept.done)
    assert ran == ["kept"]


async def test_work_needs_a_permit_that_is_held(admission: Admission) -> None:
    """One that was given back or made up is refused, and work of a call that ended meanwhile is never begun."""
    release = threading.Event()
    ran: list[str] = []
    work = partial(ran.append, "ran")
    async with VoiceprintLane(1) as lane:
        with admission.admit_unpaced() as lasting:
            busy = await _when_busy(lane, lasting, release)
            with admission.admit_unpaced() as ended:
                orphan = lane.submit(ended, work, deadline=_in(60.0), cost_s=0.1)
            for permit in (ended, Permit(admission)):
                with pytest.raises(NotAdmitted):
                    lane.submit(permit, work, deadline=_in(60.0), cost_s=0.1)
            release.set()
            await asyncio.gather(busy, orphan.done, return_exceptions=True)
    assert orphan.done.cancelled()
    assert ran == []


async def test_errors_reach_whoever_waits_and_the_lane_goes_on(permit: Permit) -> None:
    """What the work raises is raised by run, and the worker survives it."""
    async with VoiceprintLane(1) as lane:
        with pytest.raises(ZeroDivisionError):
            await lane.run(permit, lambda: 1 / 0, deadline=0.0, cost_s=0.0)
        assert await lane.run(permit, lambda: "here", deadline=0.0, cost_s=0.0) == "here"


async def test_leaving_the_lane_cancels_what_waits(permit: Permit) -> None:
    """Nobody waits for ever for a lane that has stopped."""
    release = threading.Event()
    async with VoiceprintLane(1) as lane:
        busy = await _when_busy(lane, permit, release)
        waiting = [
            lane.submit(permit, lambda: None, deadline=deadline, cost_s=0.1)
            for deadline in (0.0, _in(60.0))
        ]
        release.set()
    await asyncio.gather(busy, *(job.done for job in waiting), return_exceptions=True)
    assert all(job.done.done() for job in waiting)


async def test_audio_that_waits_to_be_listened_to_is_known(voice_activity: VoiceActivity) -> None:
    """How long it waits, also while its batch is being listened to; afterwards what a second of audio takes."""
    costs = Costs()
    front_end = FrontEnd(PCMU, window_s=3.0, activity=voice_activity)
    async with FrontLane(voice_activity, costs) as lane:
        assert lane.wait_s() == 0.0
        hearing = asyncio.create_task(lane.hear(front_end, [b"\xff" * 8000], finish=True))
        await asyncio.sleep(0)
        assert lane.wait_s() > 0.0
        listened = await hearing
        assert lane.wait_s() == 0.0
    assert listened.heard.position_s > 0.9
    assert (
        0.0 < costs.listening_share == pytest.approx(listened.elapsed_s / listened.heard.position_s)
    )


async def test_audio_that_completes_no_window_is_heard_with_what_follows(
    voice_activity: VoiceActivity,
) -> None:
    """The lane is asked when two seconds have come, as it says before, and loses nothing of them."""
    front_end = FrontEnd(PCMU, window_s=3.0, activity=voice_activity)
    async with FrontLane(voice_activity, Costs()) as lane:
        for _ in range(19):
            listened = await lane.hear(front_end, [b"\xff" * 800])
            assert listened.heard.position_s == 0.0
        assert lane.bytes_to_hear(front_end) == 800
        listened = await lane.hear(front_end, [b"\xff" * 800])
        assert lane.bytes_to_hear(front_end) == 16_000
    assert listened.heard.position_s == pytest.approx(2.0, abs=0.07)


async def test_calls_that_come_together_share_a_batch(voice_activity: VoiceActivity) -> None:
    """What comes a moment after a batch was begun waits for company; it takes as long as its batch."""
    async with FrontLane(voice_activity, Costs()) as lane:

        async def end() -> float:
            front_end = FrontEnd(PCMU, window_s=3.0, activity=voice_activity)
            return (await lane.hear(front_end, [b"\xff" * 800], finish=True)).elapsed_s

        first = asyncio.create_task(end())
        await asyncio.sleep(0)
        second = asyncio.create_task(end())
        await first
        third = asyncio.create_task(end())
        assert await second == await third != await first


async def test_audio_that_is_not_due_waits_for_company(voice_activity: VoiceActivity) -> None:
    """An idle lane doesn't begin with a portion that completes no window, but with what comes next and is due."""
    async with FrontLane(voice_activity, Costs()) as lane:
        portion = FrontEnd(PCMU, window_s=3.0, activity=voice_activity)
        patient = asyncio.create_task(lane.hear(portion, [b"\xff" * 16_000]))
        await asyncio.sleep(0.02)
        ended = FrontEnd(PCMU, window_s=3.0, activity=voice_activity)
        due = await lane.hear(ended, [b"\xff" * 800], finish=True)
        assert (await patient).elapsed_s == due.elapsed_s


def test_audio_that_may_follow_before_a_window_is_known(voice_activity: VoiceActivity) -> None:
    """What a window lacks at least, were all that follows speech; so long a portion can wait and keep nothing up."""
    front_end = FrontEnd(PCMU, window_s=3.0, activity=voice_activity)
    assert front_end.spare_s([b"\xff" * 16_000]) == pytest.approx(1.0, abs=0.05)
    assert 0.0 < front_end.spare_s([b"\xff" * 23_900]) < 0.05
    assert front_end.spare_s([b"\xff" * 24_100]) == 0.0


async def test_who_waits_for_an_answer_is_heard_first(voice_activity: VoiceActivity) -> None:
    """Audio that completes no window lets such go first that may, and doesn't all go at once."""
    order: list[str] = []
    async with FrontLane(voice_activity, Costs()) as lane:

        async def hear(name: str, audio: bytes, *, finish: bool) -> None:
            front_end = FrontEnd(PCMU, window_s=3.0, activity=voice_activity)
            await lane.hear(front_end, [audio], finish=finish)
            order.append(name)

        async with asyncio.TaskGroup() as group:
            for _ in range(6):
                group.create_task(hear("patient", b"\xff" * 16_000, finish=False))
            group.create_task(hear("due", b"\xff" * 800, finish=True))
    assert order[0] == "due"
    assert len(order) == 7
