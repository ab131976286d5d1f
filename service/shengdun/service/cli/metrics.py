"""``shengdun metrics``."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final

import typer

from shengdun.service.cli.output import complain, say
from shengdun.service.cli.target import Target, with_server
from shengdun.service.client import ServerInfo, ServerLoad, StageLoad
from shengdun.service.contract.servers import ArchiveState

app = typer.Typer()

_CONNECTIONS_A_WORKER: Final = 16
"""The system gives connections to workers by chance: of two, one is missed by 32 of them once in two billion times."""

_LOADS: Final[tuple[tuple[str, str, str, Callable[[ServerLoad], float]], ...]] = (
    ("undecided_calls", "gauge", "Calls that are not decided yet.", lambda load: load.undecided_calls),
    ("calls_with_words", "gauge", "Calls whose words come.", lambda load: load.calls_with_words),
    ("words_ratio", "gauge", "What words of a call take of a core.", lambda load: load.words_share),
    ("load_ratio", "gauge", "Share of the cores that they take.", lambda load: load.load),
    ("load_limit_ratio", "gauge", "Above it calls are refused.", lambda load: load.load_limit),
    ("wait_seconds", "gauge", "What a window would wait now.", lambda load: load.wait.total_seconds()),
    ("refused_calls_total", "counter", "Calls refused as too many.", lambda load: load.refused_calls),
    ("decisions_total", "counter", "Decisions.", lambda load: load.decisions),
    (
        "decisions_over_budget_total",
        "counter",
        "Decisions that were due before all speech was evaluated.",
        lambda load: load.decisions_over_budget,
    ),
    (
        "final_decisions_over_budget_total",
        "counter",
        "Final decisions of calls whose speech was never all evaluated.",
        lambda load: load.final_decisions_over_budget,
    ),
)  # fmt: skip


_ARCHIVE: Final[tuple[tuple[str, str, str, Callable[[ArchiveState], float]], ...]] = (
    ("archived_calls", "gauge", "Calls in this machine's files.", lambda state: state.calls),
    (
        "archive_unmoved_calls",
        "gauge",
        "Calls in the store that aren't in files yet.",
        lambda state: state.unmoved_calls,
    ),
    (
        "archive_waiting_calls",
        "gauge",
        "Calls in memory until the store has them.",
        lambda state: state.waiting_calls,
    ),
    (
        "archive_lost_calls_total",
        "counter",
        "Calls that were never archived.",
        lambda state: state.lost_calls,
    ),
    ("archive_problems", "gauge", "Things that the log names.", lambda state: state.problems),
)


@app.command()
@with_server
async def metrics(target: Target) -> None:
    """Write what a server counts, in the text format of Prometheus; of several workers each for itself.

    For node_exporter's textfile collector, or any agent that runs a program. The server opens no port for it.
    """
    infos = await _of_all_workers(target)
    for line in _exposition(infos):
        say(line)
    if len(infos) < infos[0].workers:
        complain(f"{infos[0].workers - len(infos)} of {infos[0].workers} workers didn't answer")


async def _of_all_workers(target: Target) -> list[ServerInfo]:
    """What every worker says, in the order of their numbers; those that weren't reached are left out."""
    found: dict[int, ServerInfo] = {}
    workers = 1
    for _ in range(_CONNECTIONS_A_WORKER):
        for _ in range(workers - len(found)):
            async with target.connect(own_connection=True) as client:
                info = await client.server_info()
            found[info.worker], workers = info, info.workers
        if len(found) >= workers:
            break
    return [info for _, info in sorted(found.items())]


def _exposition(infos: Sequence[ServerInfo]) -> Iterator[str]:
    yield from _family("live_calls", "gauge", "Calls that are running.")
    yield from (_sample("live_calls", info, info.live_calls) for info in infos)
    yield from _family("watchlists_stale", "gauge", "1 while the store can't be reached.")
    yield from (_sample("watchlists_stale", info, int(info.watchlists_stale)) for info in infos)
    states = [(info, info.archive) for info in infos if info.archive is not None]
    for name, kind, about, count_of in _ARCHIVE if states else ():
        yield from _family(name, kind, about)
        yield from (_sample(name, info, count_of(state)) for info, state in states)
    loads = [(info, info.load) for info in infos if info.load is not None]
    if not loads:
        return
    for name, kind, about, value_of in _LOADS:
        yield from _family(name, kind, about)
        yield from (_sample(name, info, value_of(load)) for info, load in loads)
    yield from _family("stage_seconds", "histogram", "Where the latency of decisions went.")
    for info, load in loads:
        for stage in load.stages:
            yield from _histogram(info, stage)


def _histogram(info: ServerInfo, stage: StageLoad) -> Iterator[str]:
    label = f'stage="{stage.stage.value}",worker="{info.worker}"'
    bounds = [*(f"{bound:g}" for bound in stage.bounds_s), "+Inf"]
    for bound, count in zip(bounds, accumulate(stage.counts), strict=True):
        yield f'shengdun_stage_seconds_bucket{{{label},le="{bound}"}} {count}'
    yield f"shengdun_stage_seconds_sum{{{label}}} {stage.total.total_seconds():.10g}"
    yield f"shengdun_stage_seconds_count{{{label}}} {sum(stage.counts)}"


def _sample(name: str, info: ServerInfo, value: float) -> str:
    return f'shengdun_{name}{{worker="{info.worker}"}} {value:.10g}'


def _family(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP shengdun_{name} {about}"
    yield f"# TYPE shengdun_{name} {kind}"
