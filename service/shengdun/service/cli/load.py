"""``shengdun load``."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

import typer

from shengdun.service.cli import loading as options
from shengdun.service.cli.measuring import Seed, tell
from shengdun.service.cli.output import complain, note, say
from shengdun.service.cli.places import settings_of
from shengdun.service.cli.target import Target, with_server
from shengdun.service.load.figures import decisive, warnings
from shengdun.service.load.job import Server
from shengdun.service.load.lengths import CallLengths, parse_lengths
from shengdun.service.load.report import LoadTest, headline, write_report
from shengdun.service.load.run import Order, Teller, run_load
from shengdun.service.load.scenarios import Course, Scenario
from shengdun.service.load.tally import Slice, Tally

app = typer.Typer()

INCOMPLETE: Final = 3
CLIENT_LIMITED: Final = 4
_INTERRUPTED: Final = 130
_NEEDS_RATE: Final = (Scenario.SOAK, Scenario.BURST)
_STEP_S: Final = 30.0
_SOAK_S: Final = 1800.0
_TOLD_EVERY_S: Final = 10.0
_LAST_SECONDS: Final = 5


@app.command(
    epilog="Exit codes: 0 played to the end, whatever it measured; 1 it could not begin; 2 wrong usage; 3 incomplete: "
    "the server went away, a client process died, or no call was made; 4 complete, but the client was the limit; "
    "130 interrupted. With 3, 4 and 130 there is a report of what was measured.",
)
@with_server
def load(
    target: Target,
    scenario: options.Played,
    *,
    output: options.Output = Path("load-report"),
    recordings: options.Recordings = None,
    transcripts: options.Transcripts = None,
    rate: options.Rate = None,
    calls: options.Calls = 20,
    duration: options.Duration = None,
    warm_up: options.WarmUp = None,
    call_length: options.CallLength = "20-40",
    chunk_ms: options.ChunkMs = 100,
    budget_ms: options.BudgetMs = None,
    line: options.Line = "",
    watchlist: options.Watchlists = None,
    burst_factor: options.BurstFactor = 4.0,
    burst_seconds: options.BurstSeconds = 20.0,
    precision: options.Precision = 1.1,
    most_rate: options.MostRate = 256.0,
    processes: options.Processes = 1,
    connections: options.Connections = 4,
    concurrency: options.Concurrency = 4,
    late_ms: options.LateMs = 20.0,
    grace: options.Grace = 15.0,
    seed: Seed = 1,
) -> int:
    """Play calls to a server at the pace of speech, and measure what comes back.

    Calls are recordings through a telephone codec and arrive at random. Latency counts from the planned time of the
    chunk that completed a window, so that nothing that waits is left out. Writes report.md, report.json and plots.
    """
    if rate is None and scenario in _NEEDS_RATE:
        raise typer.BadParameter(f"{scenario.value} needs --rate; rated finds the highest")
    lengths = _lengths(call_length)
    _prepare(output)
    order = Order(
        scenario=scenario,
        server=_server(target),
        recordings=recordings,
        models=settings_of(None, None).models_directory,
        line=line,
        watchlist_ids=tuple(watchlist or ()),
        budget_s=None if budget_ms is None else budget_ms / 1000,
        chunk_s=chunk_ms / 1000,
        late_s=late_ms / 1000,
        grace_s=grace,
        lengths=lengths,
        course=Course(
            calls=calls,
            rate_per_s=rate,
            duration_s=duration or (_SOAK_S if scenario is Scenario.SOAK else _STEP_S),
            warm_up_s=min(30.0, lengths.mean_s) if warm_up is None else warm_up,
            precision=precision,
            most_rate_per_s=most_rate,
            burst_factor=burst_factor,
            burst_s=burst_seconds,
        ),
        seed=seed,
        processes=processes,
        connections=connections,
        at_once=concurrency,
        transcripts=transcripts,
    )
    test, was_stopped = asyncio.run(_until_told(order))
    report = write_report(test, output)
    return _conclude(test, report, was_stopped=was_stopped)


def _lengths(text: str) -> CallLengths:
    try:
        return parse_lengths(text)
    except ValueError as error:
        raise typer.BadParameter(f"--call-length: {error}") from None


def _prepare(output: Path) -> None:
    """Make sure of the place for the report now, and not after half an hour."""
    output.mkdir(parents=True, exist_ok=True)
    if not os.access(output, os.W_OK):
        raise typer.BadParameter(f"--output: {output} can't be written to")


def _server(target: Target) -> Server:
    files = (target.ca_certificate, target.client_certificate, target.client_key)
    ca_certificate, client_certificate, client_key = (
        None if file is None else str(file.absolute()) for file in files
    )
    return Server(
        address=target.server,
        token=target.token,
        ca_certificate=ca_certificate,
        client_certificate=client_certificate,
        client_key=client_key,
    )


async def _until_told(order: Order) -> tuple[LoadTest, bool]:
    """A test that is told to stop, by SIGTERM as by SIGINT, still gives what it measured."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for told in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(told, stopping.set)
    progress = _Progress()
    teller = Teller(note=progress.note, stage=tell, progress=progress.tell)
    try:
        return await run_load(order, stopping=stopping, teller=teller), stopping.is_set()
    finally:
        progress.close()


def _conclude(test: LoadTest, report: Path, *, was_stopped: bool) -> int:
    for warning in warnings(test.steps):
        note(f"warning: {warning}")
    for step in test.steps:
        for kind, message in step.played.tally.examples.items():
            failed = sum(one.failed[kind] for one in step.played.tally.slices.values())
            note(f"{step.name}: {failed} calls ended with {kind}: {message}")
    for sentence in headline(test):
        say(sentence)
    say(f"report: {report}")
    if was_stopped:
        return _INTERRUPTED
    if test.problem:
        complain(test.problem)
        return INCOMPLETE
    decided_by = decisive(test.steps, searched=test.scenario == Scenario.RATED.value)
    return CLIENT_LIMITED if decided_by is not None and decided_by.client_limits else 0


class _Progress:
    """One line that is written over in a terminal, and again and again elsewhere."""

    def __init__(self) -> None:
        self._told_at = 0.0
        self._line_is_open = False

    def close(self) -> None:
        """End the line that is written over."""
        if self._line_is_open:
            note("")
            self._line_is_open = False

    def note(self, text: str) -> None:
        """Write a line of its own, below the one that is written over."""
        self.close()
        note(text)

    def tell(self, tally: Tally, played_s: float, planned_s: float, live: int) -> None:
        """Say how the run goes, if it is time to."""
        on_terminal = sys.stderr.isatty()
        now = time.monotonic()
        if not on_terminal and now - self._told_at < _TOLD_EVERY_S:
            return
        self._told_at = now
        line = _told(tally, played_s, planned_s, live)
        if on_terminal:
            print(f"\r{line}\033[K", end="", file=sys.stderr, flush=True)
            self._line_is_open = True
        else:
            note(line)


def _told(tally: Tally, played_s: float, planned_s: float, live: int) -> str:
    # The last second is still being counted.
    lately = tally.between(played_s - _LAST_SECONDS - 1, played_s - 1)
    return (
        f"{played_s:.0f} of {planned_s:.0f} s: {live} calls, {lately.windows / _LAST_SECONDS:.1f} windows/s"
        f"{_latency(lately)}, {tally.failures} failed"
    )


def _latency(lately: Slice) -> str:
    p50_s, p99_s = lately.complete.percentile_s(50), lately.complete.percentile_s(99)
    if p50_s is None or p99_s is None:
        return ""
    return f", p50 {1000 * p50_s:.0f} ms, p99 {1000 * p99_s:.0f} ms"
