"""CPU work that may wait: enrolments and texts, which must never hold up a live call."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from shengdun.index.priority import step_back

T = TypeVar("T")


def available_cores() -> int:
    """The cores that this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0))


def background_workers(cores: int | None = None) -> int:
    """How many threads work that may wait gets: half of the cores, at least one.

    Args:
        cores: that this process may keep busy; None for all that it may run on.
    """
    return max(1, (cores or available_cores()) // 2)


class BackgroundLane:
    """Runs work on fewer threads than the machine has cores, at a lower priority than everything else here.

    Args:
        workers: threads; by default as ``background_workers`` says.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._threads = ThreadPoolExecutor(
            max_workers=workers or background_workers(),
            thread_name_prefix="background-lane",
            initializer=step_back,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # Work that has begun is a fraction of a second; what has not begun is never begun.
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)

    async def run(self, work: Callable[[], T], /) -> T:
        """Run ``work`` in a thread; returns what it returns and raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
