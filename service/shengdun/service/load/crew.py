"""Plays a plan with several worker processes, and gathers what they count while they play."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

from shengdun.service.client import ClientError, ShengdunClient
from shengdun.service.errors import LoadImpossible
from shengdun.service.load.clock import WallClock
from shengdun.service.load.job import Job, Rules, Server
from shengdun.service.load.plan import Plan
from shengdun.service.load.reel import Reel
from shengdun.service.load.server_watch import ServerUsage, ServerWatch, watch_server
from shengdun.service.load.tally import UNREACHABLE, Tally
from shengdun.service.load.worker import READY

_START_S: Final = 60.0
_LEAD_S: Final = 0.5
_STOP_S: Final = 15.0
_LONGEST_LINE: Final = 64 << 20
_SILENT_S: Final = 3.0


class End(Enum):
    """How a run ended."""

    PLANNED = "as planned"
    INTERRUPTED = "interrupted"
    SERVER_GONE = "the server could not be reached any more"
    WORKER_DIED = "a client process died"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A run after it was played, to its end or not.

    Attributes:
        plan: what was planned.
        tally: what was counted.
        end: how it ended.
        lasted_s: how long it was played.
        cpu_shares: of each client process, the processor time it used over the time it ran; 1 is a whole core.
        usage: of the server, each second, where it can be watched.
        clock_steps_s: by how much the wall clock was set meanwhile, for information.
        most_live: the most calls that ran at once, seen once a second.
    """

    plan: Plan
    tally: Tally
    end: End
    lasted_s: float
    cpu_shares: tuple[float, ...]
    usage: tuple[ServerUsage, ...]
    clock_steps_s: tuple[float, ...]
    most_live: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Plays plans to one server.

    Attributes:
        server: where to.
        rules: how calls are made and judged.
        reel: what callers say.
        processes: client processes.
        stopping: set when the run is to end early.
        tell: told once a second how the run goes: what was counted, seconds played and planned, calls running.
        recordings: when there are any, they are screened whole instead of calls.
        at_once: recordings of one process at the same time.
        transcripts: file of what callers say in words; None for calls without transcripts.
    """

    server: Server
    rules: Rules
    reel: Reel
    processes: int
    stopping: asyncio.Event
    tell: Callable[[Tally, float, float, int], None]
    recordings: tuple[tuple[Path, float], ...] = ()
    at_once: int = 1
    transcripts: Path | None = None

    async def play(self, plan: Plan) -> Played:
        """Play a plan; whatever happens, what was counted until then is given.

        Raises:
            LoadImpossible: a client process could not be started.
        """
        workers = [await _Process.start() for _ in range(self.processes)]
        try:
            async with asyncio.timeout(_START_S):
                await asyncio.gather(*(worker.ready() for worker in workers))
            run = _Run(self, plan, workers)
            return await run.play()
        except TimeoutError:
            raise LoadImpossible("the client processes did not start in time") from None
        finally:
            await asyncio.gather(*(worker.kill() for worker in workers))

    def jobs(self, plan: Plan, began_at: float) -> list[Job]:
        """What each process is told to do."""
        # Call ids of other runs, also those that a killed client left behind, must not be met.
        run_id = f"load-{os.getpid()}-{time.time_ns():x}"
        return [
            Job(
                server=self.server,
                rules=self.rules,
                run_id=run_id,
                began_at=began_at,
                duration_s=plan.duration_s,
                reel=str(self.reel.file),
                clips=self.reel.clips,
                calls=calls,
                recordings=tuple(
                    (str(file), length_s)
                    for file, length_s in self.recordings[place :: self.processes]
                ),
                at_once=self.at_once,
                transcripts=str(self.transcripts or ""),
            )
            for place, calls in enumerate(plan.share(self.processes))
        ]


@dataclass(slots=True)
class _Process:
    process: Process
    live: int = 0
    cpu_s: float = 0.0

    @classmethod
    async def start(cls) -> "_Process":
        # In a session of its own, so that Ctrl-C reaches this process alone, which then asks for the last tallies.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shengdun.service.load.worker"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=os.environ | {"GRPC_VERBOSITY": "NONE"},
            start_new_session=True,
            limit=_LONGEST_LINE,
        )
        return cls(process)

    async def ready(self) -> None:
        assert self.process.stdout is not None
        if await self.process.stdout.readline() != READY:
            raise LoadImpossible("a client process did not start; repeat with less of them")

    async def send(self, line: bytes) -> None:
        assert self.process.stdin is not None
        # One that has died is noticed by its output.
        with suppress(ConnectionError):
            self.process.stdin.write(line)
            await self.process.stdin.drain()

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@dataclass(slots=True)
class _Run:
    crew: Crew
    plan: Plan
    workers: Sequence[_Process]
    tally: Tally = field(default_factory=Tally)
    end: End = End.PLANNED
    began_at: float = 0.0
    usage: list[ServerUsage] = field(default_factory=list)
    most_live: int = 0
    answered_at: float = 0.0
    failed_since: int = 0

    async def play(self) -> Played:
        self.began_at = self.answered_at = time.monotonic() + _LEAD_S
        clock = WallClock()
        jobs = self.crew.jobs(self.plan, self.began_at)
        reading = [asyncio.create_task(self._read(worker)) for worker in self.workers]
        for worker, job in zip(self.workers, jobs, strict=True):
            await worker.send(job.to_line())
        looking = asyncio.create_task(self._look(clock, watch_server(self.crew.server.address)))
        stopped = asyncio.create_task(self.crew.stopping.wait())
        try:
            whole = asyncio.gather(*reading)
            waited: set[asyncio.Future[Any]] = {whole, stopped, looking}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                self.end = End.INTERRUPTED
            await self._finish(whole)
        finally:
            for task in (looking, stopped, *reading):
                task.cancel()
            await asyncio.gather(looking, stopped, *reading, return_exceptions=True)
        lasted_s = max(0.0, time.monotonic() - self.began_at)
        return Played(
            plan=self.plan,
            tally=self.tally,
            end=self.end,
            lasted_s=lasted_s,
            cpu_shares=tuple(worker.cpu_s / max(lasted_s, 1.0) for worker in self.workers),
            usage=tuple(self.usage),
            clock_steps_s=tuple(clock.steps_s),
            most_live=self.most_live,
        )

    async def _finish(self, whole: "asyncio.Future[list[None]]") -> None:
        if not whole.done():
            for worker in self.workers:
                worker.stop()
            await asyncio.wait({whole}, timeout=_STOP_S)

    async def _read(self, worker: _Process) -> None:
        assert worker.process.stdout is not None
        while line := await worker.process.stdout.readline():
            part = Tally.from_line(line)
            worker.live = part.live
            worker.cpu_s += part.cpu_s
            self._notice(part)
            self.tally.add(part)
        worker.live = 0
        if await worker.process.wait() != 0 and self.end is End.PLANNED:
            self.end = End.WORKER_DIED

    def _notice(self, part: Tally) -> None:
        """Note when the server last did anything, and what it was not there for since."""
        if any(one.decisions or one.ended for one in part.slices.values()):
            self.answered_at, self.failed_since = time.monotonic(), 0
        self.failed_since += sum(
            number
            for one in part.slices.values()
            for kind, number in one.failed.items()
            if kind.partition("/")[0] == UNREACHABLE
        )

    async def _look(self, clock: WallClock, watch: ServerWatch) -> None:
        """Tell how it goes, once a second; returns when the server is gone."""
        while True:
            played_s = time.monotonic() - self.began_at
            live = sum(worker.live for worker in self.workers)
            self.most_live = max(self.most_live, live)
            self.crew.tell(self.tally, max(0.0, played_s), self.plan.duration_s, live)
            clock.look()
            if (usage := watch.look(played_s)) is not None:
                self.usage.append(usage)
            silent_s = time.monotonic() - self.answered_at
            if self.failed_since and silent_s > _SILENT_S and not await self._answers():
                self.end = End.SERVER_GONE
                return
            await asyncio.sleep(1.0)

    async def _answers(self) -> bool:
        """Whether the server can be reached at all."""
        server = self.crew.server
        async with ShengdunClient.connect(server.address, **server.options) as client:
            try:
                await client.server_info()
            except ClientError as error:
                return error.status.name != UNREACHABLE
        return True
