"""The lanes in which CPU work of live calls runs."""

import asyncio
import threading
from functools import partial

import pytest

from shengdun.service.lanes import VoiceprintLane


async def _when_busy(lane: VoiceprintLane, release: threading.Event) -> asyncio.Task[bool]:
    """Occupy the lane's only worker until released."""
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def occupy() -> bool:
        loop.call_soon_threadsafe(started.set)
        return release.wait(60)

    task = asyncio.create_task(lane.run(occupy, deadline=0.0))
    await started.wait()
    return task


async def test_earliest_deadline_runs_first() -> None:
    """Work waits in the order of its deadlines, not of its arrival."""
    release = threading.Event()
    ran: list[str] = []
    async with VoiceprintLane(1) as lane:
        busy = await _when_busy(lane, release)
        waiting = [
            asyncio.create_task(lane.run(partial(ran.append, name), deadline=deadline))
            for name, deadline in (("late", 3.0), ("early", 1.0), ("middle", 2.0))
        ]
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(busy, *waiting)
    assert ran == ["early", "middle", "late"]


async def test_cancelled_work_is_never_begun() -> None:
    """A call that is gone costs nothing more."""
    release = threading.Event()
    ran: list[str] = []
    async with VoiceprintLane(1) as lane:
        busy = await _when_busy(lane, release)
        gone = asyncio.create_task(lane.run(lambda: ran.append("gone"), deadline=1.0))
        kept = asyncio.create_task(lane.run(lambda: ran.append("kept"), deadline=2.0))
        await asyncio.sleep(0)
        gone.cancel()
        release.set()
        await asyncio.gather(busy, kept)
    assert ran == ["kept"]


async def test_errors_reach_whoever_waits_and_the_lane_goes_on() -> None:
    """What the work raises is raised by run, and the worker survives it."""
    async with VoiceprintLane(1) as lane:
        with pytest.raises(ZeroDivisionError):
            await lane.run(lambda: 1 / 0, deadline=0.0)
        assert await lane.run(lambda: "still here", deadline=0.0) == "still here"


async def test_leaving_the_lane_cancels_what_waits() -> None:
    """Nobody waits for ever for a lane that has stopped."""
    release = threading.Event()
    async with VoiceprintLane(1) as lane:
        busy = await _when_busy(lane, release)
        waiting = asyncio.create_task(lane.run(lambda: None, deadline=1.0))
        await asyncio.sleep(0)
        release.set()
    results = await asyncio.gather(busy, waiting, return_exceptions=True)
    assert all(
        isinstance(result, asyncio.CancelledError) or result is True or result is None
        for result in results
    )
    assert waiting.done()
