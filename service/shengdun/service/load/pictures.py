"""The pictures of a report: latency and shares over load, the run over time, decisions over net speech, memory."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from shengdun.service.load.figures import Step
from shengdun.service.load.histogram import Histogram
from shengdun.service.load.plots import Chart, Points
from shengdun.service.load.tally import Slice

_PERCENTILES: Final = (50, 99)
_WINDOWS: Final = "windows answered each second"


def pictures(steps: Sequence[Step]) -> dict[str, Chart]:
    """The charts of a scenario by their file names without suffix; those that would show nothing are left out."""
    charts: dict[str, Chart] = {}
    offered = [step for step in steps if step.played.plan.calls]
    if len(offered) > 1:
        charts |= _over_load(offered)
    if offered:
        charts |= _over_time(offered[-1])
        charts["net-speech"] = _over_net_speech(offered[-1])
    if steps and steps[-1].played.usage:
        charts["server-memory"] = _memory(steps[-1])
    return charts


def _over_load(steps: Sequence[Step]) -> dict[str, Chart]:
    ordered = sorted(steps, key=lambda step: step.played.plan.rate_per_s)
    budget = ("budget", 1000 * ordered[0].budget_s)

    def shares(share: Callable[[Slice], float]) -> Points:
        wholes = [(step.played.plan.rate_per_s, step.whole) for step in ordered]
        return [(rate, 100 * share(whole) / whole.begun) for rate, whole in wholes if whole.begun]

    return {
        "latency-over-load": Chart(
            title="From the planned time of the chunk to the complete decision",
            across="calls begun each second",
            up="ms",
            lines={
                f"p{each:g}": [
                    (step.played.plan.rate_per_s, 1000 * latency_s)
                    for step in ordered
                    if (latency_s := step.measured.complete.percentile_s(each)) is not None
                ]
                for each in (*_PERCENTILES, 99.9)
            },
            limit=budget,
            logarithmic=True,
        ),
        "shares-over-load": Chart(
            title="What became of the calls",
            across="calls begun each second",
            up="% of the calls",
            lines={
                "goodput": shares(lambda whole: whole.good),
                "shed": shares(lambda whole: whole.shed),
                "failed otherwise": shares(lambda whole: whole.failed.total() - whole.shed),
            },
        ),
    }


def _over_time(step: Step) -> dict[str, Chart]:
    slices = sorted(step.played.tally.slices.items())
    return {
        "latency-over-time": Chart(
            title=f"{step.name}: from the planned time of the chunk to the complete decision",
            across="s of the plan",
            up="ms",
            lines={
                f"p{each}": list(_latencies(((at, one.complete) for at, one in slices), each))
                for each in _PERCENTILES
            },
            limit=("budget", 1000 * step.budget_s),
            logarithmic=True,
        ),
        "load-over-time": Chart(
            title=f"{step.name}: what was asked and answered",
            across="s of the plan",
            up="each second",
            lines={
                "calls begun": [(at, one.begun) for at, one in slices],
                _WINDOWS: [(at, one.windows) for at, one in slices],
                "of them in time": [(at, one.in_time) for at, one in slices],
                "calls shed": [(at, one.shed) for at, one in slices],
            },
        ),
    }


def _over_net_speech(step: Step) -> Chart:
    steps = sorted(step.played.tally.by_net_speech.items())
    return Chart(
        title=f"{step.name}: decisions over net speech",
        across="s of net speech",
        up="ms",
        lines={f"p{each}": list(_latencies(steps, each)) for each in _PERCENTILES},
        limit=("budget", 1000 * step.budget_s),
        logarithmic=True,
    )


def _memory(step: Step) -> Chart:
    return Chart(
        title=f"{step.name}: memory of the server",
        across="s",
        up="MB",
        lines={"resident": [(one.at_s, one.memory_bytes / 1e6) for one in step.played.usage]},
    )


def _latencies(
    histograms: "Iterator[tuple[int, Histogram]] | Sequence[tuple[int, Histogram]]", per_cent: float
) -> Iterator[tuple[float, float]]:
    for at, histogram in histograms:
        latency_s = histogram.percentile_s(per_cent)
        if latency_s is not None:
            yield at, 1000 * latency_s
