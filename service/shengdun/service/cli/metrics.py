"""``shengdun metrics``."""

from collections.abc import Iterator
from itertools import accumulate

import typer

from shengdun.service.cli.output import say
from shengdun.service.cli.target import Target, with_server
from shengdun.service.client import ServerInfo, ServerLoad, StageLoad

app = typer.Typer()


@app.command()
@with_server
async def metrics(target: Target) -> None:
    """Write what a server counts, in the text format of Prometheus.

    For node_exporter's textfile collector, or any agent that runs a program. The server opens no port for it.
    """
    async with target.connect() as client:
        info = await client.server_info()
    for line in _exposition(info):
        say(line)


def _exposition(info: ServerInfo) -> Iterator[str]:
    yield from _metric("live_calls", "gauge", "Calls that are running.", info.live_calls)
    stale = int(info.watchlists_stale)
    yield from _metric("watchlists_stale", "gauge", "1 while the store can't be reached.", stale)
    if info.load is not None:
        yield from _of_load(info.load)


def _of_load(load: ServerLoad) -> Iterator[str]:
    for name, kind, about, value in (
        ("undecided_calls", "gauge", "Calls that are not decided yet.", load.undecided_calls),
        ("load_ratio", "gauge", "Share of the cores that they take.", load.load),
        ("load_limit_ratio", "gauge", "Above it calls are refused.", load.load_limit),
        ("wait_seconds", "gauge", "What a window would wait now.", load.wait.total_seconds()),
        ("refused_calls_total", "counter", "Calls refused as too many.", load.refused_calls),
        ("decisions_total", "counter", "Decisions.", load.decisions),
        (
            "decisions_over_budget_total",
            "counter",
            "Decisions that were due before all speech was evaluated.",
            load.decisions_over_budget,
        ),
        (
            "final_decisions_over_budget_total",
            "counter",
            "Final decisions of calls whose speech was never all evaluated.",
            load.final_decisions_over_budget,
        ),
    ):
        yield from _metric(name, kind, about, value)
    yield from _head("stage_seconds", "histogram", "Where the latency of decisions went.")
    for stage in load.stages:
        yield from _histogram(stage)


def _histogram(stage: StageLoad) -> Iterator[str]:
    label = f'stage="{stage.stage.value}"'
    bounds = [*(f"{bound:g}" for bound in stage.bounds_s), "+Inf"]
    for bound, count in zip(bounds, accumulate(stage.counts), strict=True):
        yield f'shengdun_stage_seconds_bucket{{{label},le="{bound}"}} {count}'
    yield f"shengdun_stage_seconds_sum{{{label}}} {stage.total.total_seconds():.10g}"
    yield f"shengdun_stage_seconds_count{{{label}}} {sum(stage.counts)}"


def _metric(name: str, kind: str, about: str, value: float) -> Iterator[str]:
    yield from _head(name, kind, about)
    yield f"shengdun_{name} {value:.10g}"


def _head(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP shengdun_{name} {about}"
    yield f"# TYPE shengdun_{name} {kind}"
