"""The lane in which voiceprints of live calls are computed and searched.

One window at a time on each of its workers, the earliest deadline first. A window that can't be ready at its deadline
any more is set aside before it is begun, and whoever waits for it is told at once. What was set aside is done when
nothing is waiting that is due soon; so under overload windows that are in time stay in time, and what is late never
makes others late. A worker that has nothing else to do is not kept from trying.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Generic, Self, TypeVar

from shengdun.service.admission import NotAdmitted, Permit

T = TypeVar("T")
_SOON_S: Final = 1.0
"""Recordings and replays are due much later. What a live call is owed goes before them."""


class Job(Generic[T]):
    """A piece of work in the lane.

    Attributes:
        done: what came of it.
        late: done once it can't be ready at its deadline any more, before it was begun.
    """

    __slots__ = (
        "begun_at",
        "cost_s",
        "deadline",
        "done",
        "late",
        "order",
        "permit",
        "sheds",
        "timer",
        "work",
    )

    def __init__(
        self, permit: Permit, work: Callable[[], T], *, cost_s: float, sheds: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        self.permit = permit
        self.work: Callable[[], T] | None = work
        self.cost_s = cost_s
        self.sheds = sheds
        self.deadline = 0.0
        self.order = 0
        self.done: asyncio.Future[T] = loop.create_future()
        self.late: asyncio.Future[None] = loop.create_future()
        self.timer: asyncio.TimerHandle | None = None
        self.begun_at: float | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it may still be begun."""
        return self.begun_at is None and not self.done.done()


class VoiceprintLane:
    """Runs work on a fixed number of threads; cancelled work and that of calls that have ended is never begun."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._in_time: list[tuple[float, int, Job[Any]]] = []
        self._set_aside: dict[int, Job[Any]] = {}
        self._running: set[Job[Any]] = set()
        self._order = itertools.count(1)
        self._available = asyncio.Semaphore(0)
        self._threads = ThreadPoolExecutor(
            max_workers=workers, thread_name_prefix="voiceprint-lane"
        )
        self._runners: list[asyncio.Task[None]] = []
        self._ever_late = 0

    async def __aenter__(self) -> Self:
        self._runners = [
            asyncio.create_task(self._run(), name=f"voiceprint-lane-{n}")
            for n in range(self._workers)
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for runner in self._runners:
            runner.cancel()
        await asyncio.gather(*self._runners, return_exceptions=True)
        for job in [*(job for _, _, job in self._in_time), *self._set_aside.values()]:
            self.cancel(job)
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)

    @property
    def workers(self) -> int:
        """How many pieces of work run at once."""
        return self._workers

    @property
    def ever_late(self) -> int:
        """Pieces of work that were set aside since the start; one that was renewed may be so again."""
        return self._ever_late

    def wait_s(self, within_s: float) -> float:
        """What work that came now would wait if all that is owed were done first, and all that is due as early.

        Args:
            within_s: when the work must be ready, in seconds from now.
        """
        now = _now()
        ahead_s = sum(
            job.cost_s
            for deadline, order, job in self._in_time
            if order == job.order and job.is_waiting and deadline <= now + within_s
        )
        # It would be begun before what is owed; but who is owed something is served before another one is let in.
        ahead_s += sum(job.cost_s for job in self._set_aside.values() if job.is_waiting)
        begun_s = sum(max(0.0, (job.begun_at or now) + job.cost_s - now) for job in self._running)
        return (ahead_s + begun_s) / self._workers if len(self._running) == self._workers else 0.0

    def submit(
        self,
        permit: Permit,
        work: Callable[[], T],
        *,
        deadline: float,
        cost_s: float,
        sheds: bool = True,
    ) -> Job[T]:
        """Have work done in a thread.

        Args:
            permit: that of the call.
            work: what to run; what it returns or raises comes out of ``done``.
            deadline: on the event loop's clock, in seconds; orders the work.
            cost_s: what it is expected to take, in seconds.
            sheds: whether it is set aside when it is late; otherwise it only keeps its place.

        Raises:
            NotAdmitted: the permit is not held.
        """
        if not permit.is_held:
            raise NotAdmitted("work needs a permit that is held")
        job = Job(permit, work, cost_s=cost_s, sheds=sheds)
        self._enter(job, deadline)
        self._available.release()
        return job

    async def run(
        self, permit: Permit, work: Callable[[], T], *, deadline: float, cost_s: float
    ) -> T:
        """Submit work that can't be left out, and wait for it; it is cancelled if the waiting is.

        Raises:
            NotAdmitted: the permit is not held.
        """
        job = self.submit(permit, work, deadline=deadline, cost_s=cost_s, sheds=False)
        try:
            return await job.done
        finally:
            self.cancel(job)

    def renew(self, job: Job[Any], *, deadline: float) -> None:
        """Give work that has not been begun another deadline, and so another chance to be in time."""
        if job.is_waiting:
            self._set_aside.pop(job.order, None)
            if job.late.done():
                job.late = asyncio.get_running_loop().create_future()
            self._enter(job, deadline)

    def cancel(self, job: Job[Any]) -> None:
        """See that work is not begun any more; nobody is told of what becomes of it if it was."""
        job.done.cancel()
        self._forget(job)

    def _enter(self, job: Job[Any], deadline: float) -> None:
        # The order is new, so that an earlier entry of the same work is known to count no more.
        job.deadline, job.order = deadline, next(self._order)
        self._stop_timer(job)
        if self._is_hopeless(job):
            # A worker that is idle begins it at once, and it may be done sooner than is expected.
            self._put_aside(job, tells=not self._is_idle())
            return
        heapq.heappush(self._in_time, (deadline, job.order, job))
        if job.sheds:
            loop = asyncio.get_running_loop()
            job.timer = loop.call_at(deadline - job.cost_s, self._put_aside, job)

    def _is_hopeless(self, job: Job[Any]) -> bool:
        return job.sheds and job.deadline - job.cost_s < _now()

    def _is_idle(self) -> bool:
        return len(self._running) < self._workers and not self._in_time and not self._set_aside

    def _put_aside(self, job: Job[Any], *, tells: bool = True) -> None:
        if not job.is_waiting or job.order in self._set_aside:
            return
        self._stop_timer(job)
        job.order = next(self._order)
        self._set_aside[job.order] = job
        if tells:
            self._ever_late += 1
            job.late.set_result(None)

    def _next(self) -> Job[Any] | None:
        while self._in_time:
            deadline, order, job = self._in_time[0]
            if order == job.order and job.is_waiting and not self._is_hopeless(job):
                if self._set_aside and deadline - job.cost_s > _now() + _SOON_S:
                    break
                heapq.heappop(self._in_time)
                return job
            heapq.heappop(self._in_time)
            if order == job.order:
                self._put_aside(job)
        # The one that has waited longest.
        first = next(iter(self._set_aside), None)
        return None if first is None else self._set_aside.pop(first)

    async def _run(self) -> None:
        while True:
            await self._available.acquire()
            job = self._next()
            if job is not None and job.is_waiting:
                await self._do(job)

    async def _do(self, job: Job[T]) -> None:
        if not job.permit.is_held or job.work is None:
            self.cancel(job)
            return
        job.begun_at = _now()
        self._stop_timer(job)
        self._running.add(job)
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._threads, job.work)
        except asyncio.CancelledError:
            job.done.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the work
            if not job.done.done():
                job.done.set_exception(error)
        else:
            if not job.done.done():
                job.done.set_result(result)
        finally:
            self._running.discard(job)
            self._forget(job)

    def _forget(self, job: Job[Any]) -> None:
        # What the work holds, seconds of audio, is let go of, and not when the lane comes upon what is left of it.
        self._stop_timer(job)
        self._set_aside.pop(job.order, None)
        if job.done.done():
            job.work = None

    def _stop_timer(self, job: Job[Any]) -> None:
        if job.timer is not None:
            job.timer.cancel()
            job.timer = None


def _now() -> float:
    return asyncio.get_running_loop().time()
