"""A load test from the first look at the server to the report."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shengdun.service.client import ServerInfo, ShengdunClient
from shengdun.service.errors import LoadImpossible
from shengdun.service.load.crew import Crew, End
from shengdun.service.load.job import Rules, Server
from shengdun.service.load.lengths import CallLengths
from shengdun.service.load.plan import Draw
from shengdun.service.load.reel import Reel, record_reel
from shengdun.service.load.report import LoadTest
from shengdun.service.load.scenarios import Course, Director, Scenario
from shengdun.service.load.surroundings import surroundings
from shengdun.service.load.tally import Tally
from shengdun.service.load.wording import read_wording


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked for.

    Attributes:
        scenario: which one.
        server: the server under test.
        recordings: folder of what callers say; None takes the demonstration's.
        models: the model store, which has those.
        line: line of business; empty is the default one.
        watchlist_ids: watchlists to screen; none means the line's.
        budget_s: within which decisions have to come; None takes the line's.
        chunk_s: audio in one message.
        late_s: a chunk sent later than planned by more than this counts as late.
        grace_s: how long calls may still run after a plan has ended.
        lengths: how long calls are.
        course: the figures of the scenario.
        seed: of everything that is drawn.
        processes: client processes.
        connections: connections of each.
        at_once: recordings that each screens at the same time.
        transcripts: file of what callers say in words; None for calls without transcripts.
    """

    scenario: Scenario
    server: Server
    recordings: Path | None
    models: Path
    line: str
    watchlist_ids: tuple[str, ...]
    budget_s: float | None
    chunk_s: float
    late_s: float
    grace_s: float
    lengths: CallLengths
    course: Course
    seed: int
    processes: int
    connections: int
    at_once: int
    transcripts: Path | None = None

    @property
    def configuration(self) -> dict[str, Any]:
        """What was asked for as a report has it: without tokens, and without places of this machine."""
        kept = asdict(self.course) | {
            name: getattr(self, name)
            for name in ("line", "budget_s", "chunk_s", "late_s", "grace_s", "seed", "processes")
        }
        return {
            "target": self.server.address,
            "tls": self.server.ca_certificate is not None,
            "watchlists": ", ".join(self.watchlist_ids),
            "call_lengths": str(self.lengths),
            "connections": self.connections,
            "recordings_at_once": self.at_once,
            **kept,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """Whom the run tells how it goes.

    Attributes:
        note: a line about what comes next.
        stage: a stage that is being worked on, how much of it is done and how much there is.
        progress: what was counted, seconds played, seconds planned, and calls running.
    """

    note: Callable[[str], None]
    stage: Callable[[str, int, int], None]
    progress: Callable[[Tally, float, float, int], None]


async def run_load(order: Order, *, stopping: asyncio.Event, teller: Teller) -> LoadTest:
    """Make a load test; whatever happens once it has begun, what was measured is given.

    Args:
        order: what was asked for.
        stopping: set when the test is to end early.
        teller: is told how it goes.

    Raises:
        ClientError: the server can't be reached or refuses.
        LoadImpossible: there is nothing that can be played, or the server has no such line.
        ModelMissing: the demonstration's recordings are not installed.
    """
    callers = len(read_wording(order.transcripts)) if order.transcripts else 0
    info = await _introduced(order.server)
    budget_s = order.budget_s or _budget_of(info, order.line)
    with tempfile.TemporaryDirectory(prefix="shengdun-load-") as directory:
        reel = await asyncio.to_thread(
            record_reel, order.recordings, order.models, Path(directory), tell=teller.stage
        )
        if reel.left_out:
            why = next(iter(reel.left_out.values()))
            teller.note(f"warning: {len(reel.left_out)} files are left out; the first: {why}")
        director = _director(order, reel, budget_s=budget_s, stopping=stopping, teller=teller)
        problem = await _played(director, order.scenario)
    source = f"{len(reel.recordings)} of {reel.source}"
    return LoadTest(
        scenario=order.scenario.value,
        configuration=order.configuration
        | {
            "budget_s": budget_s,
            "recordings": source,
            "left_out": len(reel.left_out),
            "transcripts": f"of {callers} callers" if callers else "none",
        },
        surroundings=surroundings(info),
        steps=tuple(director.steps),
        rated_per_s=director.rated_per_s,
        burst_until_s=order.course.burst_until_s if order.scenario is Scenario.BURST else None,
        problem=problem,
    )


def _director(
    order: Order, reel: Reel, *, budget_s: float, stopping: asyncio.Event, teller: Teller
) -> Director:
    crew = Crew(
        server=order.server,
        rules=_rules(order, budget_s),
        reel=reel,
        processes=order.processes,
        stopping=stopping,
        tell=teller.progress,
        at_once=order.at_once,
        transcripts=order.transcripts,
    )
    draw = Draw(
        seed=order.seed,
        lengths=order.lengths,
        clips_s=[clip.length_s for clip in reel.clips],
    )
    return Director(
        crew=crew, draw=draw, course=order.course, budget_s=budget_s, steps=[], note=teller.note
    )


def _rules(order: Order, budget_s: float) -> Rules:
    return Rules(
        line=order.line,
        watchlist_ids=order.watchlist_ids,
        chunk_s=order.chunk_s,
        budget_s=budget_s,
        ask_budget=order.budget_s is not None,
        late_s=order.late_s,
        grace_s=order.grace_s,
        connections=order.connections,
    )


async def _introduced(server: Server) -> ServerInfo:
    async with ShengdunClient.connect(server.address, **server.options) as client:
        return await client.server_info()


def _budget_of(info: ServerInfo, line: str) -> float:
    named = line or "default"
    for one in info.lines:
        if one.line == named:
            return one.budget.total_seconds()
    offered = ", ".join(one.line for one in info.lines)
    raise LoadImpossible(f"the server has no line {named!r}; name one of {offered} by --line")


async def _played(director: Director, scenario: Scenario) -> str:
    """Why the scenario did not go to its end; empty if it did."""
    try:
        await director.play(scenario)
    except LoadImpossible as error:
        if not director.steps:
            raise
        return error.message
    return _problem(director)


def _problem(director: Director) -> str:
    if not director.steps:
        return "interrupted before anything was played"
    for step in director.steps:
        if step.played.end is not End.PLANNED:
            return f"{step.played.end.value}, {step.played.lasted_s:.1f} s after {step.name} began"
    if not any(step.played.tally.slices for step in director.steps):
        return "no call was made; raise the rate, the duration or the number of calls"
    return ""
