"""The lanes in which CPU work of live calls runs, so that the event loop owns sockets and nothing else.

The front lane decodes audio and finds speech, for all calls that have audio waiting in one batch. The voiceprint lane
computes one voiceprint at a time on each of its workers, the earliest deadline first. ONNX Runtime, soxr and FAISS
release the interpreter lock while they work.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.front_end import FrontEnd, Heard, hear

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    front_end: FrontEnd
    chunks: Sequence[bytes]
    finish: bool
    heard: asyncio.Future[Heard]


class FrontLane:
    """Decodes audio and finds speech, many calls in one batch. Work is done in the order it came."""

    def __init__(self, activity: VoiceActivity) -> None:
        self._activity = activity
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="front-lane")
        self._runner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._runner = asyncio.create_task(self._run(), name="front-lane")
        return self

    async def __aexit__(self, *_: object) -> None:
        await _stop([self._runner] if self._runner else [])
        for waiting in self._waiting:
            waiting.heard.cancel()
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)

    async def hear(
        self, front_end: FrontEnd, chunks: Sequence[bytes], *, finish: bool = False
    ) -> Heard:
        """Hear the next chunks of a call; ``finish`` also hears what is still held back.

        Raises:
            VoiceError: a chunk is not audio of the call's format; other calls of the batch are not disturbed.
        """
        heard: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        self._waiting.append(
            _Waiting(front_end=front_end, chunks=chunks, finish=finish, heard=heard)
        )
        self._wake.set()
        return await heard

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch = [waiting for waiting in self._waiting if not waiting.heard.done()]
            self._waiting.clear()
            try:
                if batch:
                    _settle(batch, await loop.run_in_executor(self._thread, self._hear, batch))
            except asyncio.CancelledError:
                for waiting in batch:
                    waiting.heard.cancel()
                raise

    def _hear(self, batch: Sequence[_Waiting]) -> Sequence[Heard | Exception]:
        work = [(waiting.front_end, waiting.chunks, waiting.finish) for waiting in batch]
        try:
            return hear(work, self._activity)
        except Exception as error:  # noqa: BLE001 - the lane must outlive a defect in one batch; the calls get it
            return [error] * len(batch)


def _settle(batch: Sequence[_Waiting], results: Sequence[Heard | Exception]) -> None:
    for waiting, result in zip(batch, results, strict=True):
        if waiting.heard.done():
            continue
        if isinstance(result, Exception):
            waiting.heard.set_exception(result)
        else:
            waiting.heard.set_result(result)


@dataclass(order=True, slots=True)
class _Job(Generic[T]):
    deadline: float
    order: int
    work: Callable[[], T] = field(compare=False)
    done: asyncio.Future[T] = field(compare=False)


class VoiceprintLane:
    """Runs work on a fixed number of threads, the earliest deadline first; cancelled work is never begun."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._jobs: list[_Job[Any]] = []
        self._order = itertools.count()
        self._available = asyncio.Semaphore(0)
        self._threads = ThreadPoolExecutor(
            max_workers=workers, thread_name_prefix="voiceprint-lane"
        )
        self._runners: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._runners = [
            asyncio.create_task(self._run(), name=f"voiceprint-lane-{n}")
            for n in range(self._workers)
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        await _stop(self._runners)
        for job in self._jobs:
            job.done.cancel()
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)

    async def run(self, work: Callable[[], T], *, deadline: float) -> T:
        """Run ``work`` in a thread.

        Args:
            work: what to run; whatever it raises is raised here.
            deadline: on the event loop's clock, in seconds; orders the work.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._jobs, _Job(deadline, next(self._order), work, done))
        self._available.release()
        return await done

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._available.acquire()
            job = heapq.heappop(self._jobs)
            if job.done.done():
                continue
            try:
                result = await loop.run_in_executor(self._threads, job.work)
            except asyncio.CancelledError:
                job.done.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - handed to whoever waits for the work
                if not job.done.done():
                    job.done.set_exception(error)
            else:
                if not job.done.done():
                    job.done.set_result(result)


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
