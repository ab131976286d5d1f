"""One worker, kept running: started again when it ends, ever more slowly when it ends soon."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from shengdun.service.errors import WorkersFailed
from shengdun.service.workers.plan import Plan

STOP_S: Final = 25.0
"""What a worker's stop may take beyond ``server.drain_s`` before it is killed, in seconds."""
_ATTEMPTS: Final = 5
_PAUSE_FIRST_S: Final = 0.2
_PAUSE_LONGEST_S: Final = 10.0
_STEADY_S: Final = 30.0
_COMMAND: Final = (sys.executable, "-P", "-m", "shengdun.service.workers.worker")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """How one process of a worker went.

    Attributes:
        served_s: for how long it took calls; None if it never did.
        why: what kept it from that, in its own words; empty if it had none.
        exit_code: of the process; minus the number of the signal that ended it.
    """

    served_s: float | None
    why: str
    exit_code: int

    @property
    def end(self) -> str:
        """How it ended, in words."""
        if self.why:
            return self.why
        how = f"signal {-self.exit_code}" if self.exit_code < 0 else f"exit code {self.exit_code}"
        return f"it ended with {how}; its log says more"


class Slot:
    """The place of one worker.

    Args:
        plan: what it is to do.
        is_vital: whether nobody would take calls while this worker can't be started, so that there is no point in
            going on.
    """

    def __init__(self, plan: Plan, *, is_vital: Callable[[], bool]) -> None:
        self._plan = plan
        self._is_vital = is_vital
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._has_served = False
        self._serving = asyncio.Event()

    @property
    def number(self) -> int:
        """Of the worker."""
        return self._plan.place.number

    @property
    def is_serving(self) -> bool:
        """Whether it takes calls."""
        return self._serving.is_set()

    async def serving(self) -> None:
        """Return when it takes calls."""
        await self._serving.wait()

    async def keep(self) -> None:
        """Keep the worker running until it is stopped.

        Raises:
            WorkersFailed: it can't be started.
        """
        failures, pause_s = 0, _PAUSE_FIRST_S
        while not self._stopping.is_set():
            life = await self._live()
            if self._stopping.is_set():
                return
            if life.served_s is None:
                failures += 1
                self._give_up(life, failures)
            elif life.served_s >= _STEADY_S or life.exit_code == 0:
                failures, pause_s = 0, _PAUSE_FIRST_S
            _log.warning("worker starts again", number=self.number, why=life.end, after_s=pause_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)
            pause_s = min(2 * pause_s, _PAUSE_LONGEST_S)

    def signal(self, number: int) -> None:
        """Send the worker a signal, if it runs, and don't start it again."""
        self._stopping.set()
        with suppress(ProcessLookupError):
            if self._process is not None:
                self._process.send_signal(number)

    def _give_up(self, life: Life, failures: int) -> None:
        # What a worker states itself at the first start, a missing model for instance, no further attempt mends.
        stated = bool(life.why) and not self._has_served
        if self._is_vital() and (stated or failures >= _ATTEMPTS):
            tried = "" if stated else f", tried {failures} times"
            raise WorkersFailed(
                life.why or f"worker {self.number} can't be started{tried}: {life.end}"
            )

    async def _live(self) -> Life:
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *_COMMAND,
                stdin=PIPE,
                stdout=PIPE,
                start_new_session=True,  # Ctrl-C is for the parent, which stops its workers in order
            )
        except OSError as error:
            why = f"worker {self.number} can't be started: {error.strerror}"
            return Life(served_s=None, why=why, exit_code=1)
        try:
            if self._stopping.is_set():
                process.terminate()  # told while it was being started
            return await self._follow(process)
        finally:
            self._serving.clear()
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _follow(self, process: Process) -> Life:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(ConnectionError):
            process.stdin.write(self._plan.line())
            await process.stdin.drain()
        told: dict[str, str] = json.loads(await process.stdout.readline() or b"{}")
        began_s = None
        if "serving" in told:
            began_s = asyncio.get_running_loop().time()
            self._has_served = True
            self._serving.set()
            _log.info("worker serves", number=self.number, pid=process.pid)
        exit_code = await process.wait()
        return Life(
            served_s=None if began_s is None else asyncio.get_running_loop().time() - began_s,
            why=told.get("message", ""),
            exit_code=exit_code,
        )
