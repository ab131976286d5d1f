"""One process that plays its share of a plan: a job comes in by standard input, tallies go out by standard output.

Every second it gives what was counted since the last time, so that whatever happens to it, what was measured before is
known. When its standard input ends, it gives its calls up, counts them, and ends.
"""

import asyncio
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import cycle
from pathlib import Path
from typing import Final

from shengdun.service.client import ClientError, ShengdunClient
from shengdun.service.load.job import Job
from shengdun.service.load.player import Player, Stage
from shengdun.service.load.reel import mapped
from shengdun.service.load.tally import CLIENT_DEFECT, GIVEN_UP, HUNG_UP, NOT_ENDED, Tally
from shengdun.service.load.wording import read_wording

READY: Final = b"ready\n"
"""The line that a worker writes when it can take its job."""
_TALLY_EVERY_S: Final = 1.0
_LEAD_S: Final = 0.2


class Worker:
    """Plays the share of one job.

    Args:
        job: what to do.
        out: file descriptor that tallies are written to, one line of JSON each.
    """

    def __init__(self, job: Job, out: int) -> None:
        self._job = job
        self._out = out
        self._tally = Tally()
        self._running: set[asyncio.Task[None]] = set()
        self._cpu_s = time.process_time()
        self._status_of_the_rest = HUNG_UP

    async def run(self, told_to_stop: asyncio.Future[None]) -> None:
        """Play all calls, until the plan's end and its grace, or until told to stop."""
        last_s = self._job.began_at + self._job.duration_s + self._job.rules.grace_s
        telling = asyncio.create_task(self._tell())
        with mapped(Path(self._job.reel)) as audio:
            wording = read_wording(Path(self._job.transcripts)) if self._job.transcripts else ()
            stage = Stage(job=self._job, audio=audio, wording=wording)
            playing = asyncio.create_task(self._play(stage))
            done, _ = await asyncio.wait(
                {playing, told_to_stop},
                timeout=last_s - time.monotonic(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            self._status_of_the_rest = HUNG_UP if done else NOT_ENDED
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        self._give()

    async def _play(self, stage: Stage) -> None:
        async with AsyncExitStack() as connections:
            server = self._job.server
            clients = [
                await connections.enter_async_context(
                    ShengdunClient.connect(server.address, own_connection=True, **server.options)
                )
                for _ in range(self._job.rules.connections)
            ]
            try:
                if self._job.recordings:
                    await self._recordings(clients)
                else:
                    await self._calls(stage, clients)
            finally:
                for task in self._running:
                    task.cancel(self._status_of_the_rest)
                await asyncio.gather(*self._running, return_exceptions=True)

    async def _calls(self, stage: Stage, clients: Sequence[ShengdunClient]) -> None:
        for call, client in zip(self._job.calls, cycle(clients)):
            # Just in time: a task for each call of a day would take memory from the beginning.
            await asyncio.sleep(self._job.began_at + call.start_s - _LEAD_S - time.monotonic())
            self._start(Player(stage, call, self._tally), client)
        while self._running:
            await asyncio.wait(self._running)

    def _start(self, player: Player, client: ShengdunClient) -> None:
        task = asyncio.create_task(player.play(client))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _recordings(self, clients: Sequence[ShengdunClient]) -> None:
        await asyncio.sleep(self._job.began_at - time.monotonic())
        waiting = iter(self._job.recordings)
        for _, client in zip(range(self._job.at_once), cycle(clients)):
            task = asyncio.create_task(self._screen(client, waiting))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        while self._running:
            await asyncio.wait(self._running)

    async def _screen(self, client: ShengdunClient, waiting: Iterator[tuple[str, float]]) -> None:
        for recording, length_s in waiting:
            began_at = time.monotonic()
            second = int(began_at - self._job.began_at)
            self._tally.slices[second].begun += 1
            rules = self._job.rules
            try:
                screened = await client.screen_recording(
                    Path(recording), line=rules.line, watchlist_ids=rules.watchlist_ids
                )
            except ClientError as error:
                self._tally.fail(second, error.status.name, error.reason, error.message)
            except asyncio.CancelledError as error:
                status = str(error) if str(error) in GIVEN_UP else HUNG_UP
                self._tally.fail(second, status, "", GIVEN_UP[status])
                raise
            except Exception as error:  # noqa: BLE001 - what isn't counted would make the figures better
                self._tally.fail(second, CLIENT_DEFECT, type(error).__name__, str(error))
            else:
                part = self._tally.slices[second]
                part.ended += 1
                part.decisions += 1
                part.audio_s += length_s
                part.complete.record(time.monotonic() - began_at)
                self._tally.states[screened.decision.state.name] += 1

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_TALLY_EVERY_S)
            self._give()

    def _give(self) -> None:
        taken = self._tally.take()
        taken.live = len(self._running)
        now_s = time.process_time()
        taken.cpu_s, self._cpu_s = now_s - self._cpu_s, now_s
        write_lines(self._out, [taken.to_line()])


def write_lines(out: int, lines: Iterable[bytes]) -> None:
    """Write whole lines, however long they are."""
    for line in lines:
        rest = line
        while rest:
            rest = rest[os.write(out, rest) :]


async def _main() -> None:
    # Loaded and connected before the clock of the run begins.
    loop = asyncio.get_running_loop()
    write_lines(sys.stdout.fileno(), [READY])
    line = await loop.run_in_executor(None, sys.stdin.buffer.readline)
    if not line:
        return
    told_to_stop: asyncio.Future[None] = loop.create_future()

    def stop() -> None:
        loop.remove_reader(sys.stdin.fileno())
        if not told_to_stop.done():
            told_to_stop.set_result(None)

    loop.add_reader(sys.stdin.fileno(), stop)
    await Worker(Job.from_line(line), sys.stdout.fileno()).run(told_to_stop)


if __name__ == "__main__":
    asyncio.run(_main())
