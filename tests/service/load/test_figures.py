"""Figures, warnings, searches and plots from what was counted, where the right answer is known."""

import asyncio
from xml.etree import ElementTree as ET

import pytest

from shengdun.service.load.clock import WallClock
from shengdun.service.load.crew import End, Played
from shengdun.service.load.figures import (
    Step,
    decisive,
    recovery_s,
    stale_spans,
    summary,
    warnings,
)
from shengdun.service.load.pictures import pictures
from shengdun.service.load.plan import Plan
from shengdun.service.load.plots import Chart, drawn
from shengdun.service.load.server_watch import ServerUsage, watch_server
from shengdun.service.load.tally import Tally

BUDGET_S = 0.3


def step_of(
    tally: Tally,
    *,
    rate_per_s: float = 1.0,
    end: End = End.PLANNED,
    cpu: float = 0.1,
    clock_steps_s: tuple[float, ...] = (),
) -> Step:
    played = Played(
        plan=Plan(calls=(), duration_s=60.0, rate_per_s=rate_per_s),
        tally=tally,
        end=end,
        lasted_s=60.0,
        cpu_shares=(cpu,),
        usage=(),
        clock_steps_s=clock_steps_s,
        most_live=1,
    )
    return Step(name="step", played=played, from_s=10.0, until_s=60.0, budget_s=BUDGET_S)


def tally_of(late: dict[int, int], *, windows: int = 100) -> Tally:
    """A minute of windows, each second so many, of which some are late."""
    tally = Tally()
    for second in range(60):
        part = tally.slices[second]
        part.begun = part.ended = part.good = 1
        part.windows = windows
        slow = late.get(second, 0)
        part.in_time = windows - slow
        for number in range(windows):
            part.complete.record(1.0 if number < slow else 0.1)
        part.sent = 1_000
    return tally


def test_the_budget_is_kept_by_99_in_100() -> None:
    """One late window in a hundred passes, more don't; what lies before the measured part doesn't count."""
    assert step_of(tally_of(dict.fromkeys(range(60), 1))).passed
    assert not step_of(tally_of(dict.fromkeys(range(60), 2))).passed
    assert step_of(tally_of(dict.fromkeys(range(10), 100))).passed


def test_windows_without_a_full_answer_count_as_late() -> None:
    """Answers that were dropped make no latency, and must not make the figures better."""
    tally = tally_of({})
    tally.slices[30].windows += 100
    tally.slices[30].unfinished += 100
    assert not step_of(tally).passed


def test_a_failed_call_is_never_filtered() -> None:
    """One call that fails, also while warming up, and the rate is not kept."""
    tally = tally_of({})
    tally.fail(3, "UNAVAILABLE", "", "gone")
    step = step_of(tally)
    assert not step.passed
    assert summary(step)["calls"]["failed"] == {"UNAVAILABLE": 1}
    assert summary(step)["calls"]["failed_share"] == pytest.approx(1 / 60)


def test_shed_calls_are_told_apart() -> None:
    """RESOURCE_EXHAUSTED is shed, whatever its reason; other statuses are failures."""
    tally = tally_of({})
    tally.fail(20, "RESOURCE_EXHAUSTED", "OVERLOADED", "full")
    tally.fail(21, "RESOURCE_EXHAUSTED", "CALL_TOO_LONG", "long")
    tally.fail(22, "INTERNAL", "", "defect")
    calls = summary(step_of(tally))["calls"]
    assert calls["shed_share"] == pytest.approx(2 / 60)
    assert calls["failed_share"] == pytest.approx(1 / 60)


def test_recovery_is_counted_from_the_end_of_the_burst() -> None:
    """The first second from which the budget is kept for five; None when it isn't before the end."""
    assert recovery_s(step_of(tally_of(dict.fromkeys(range(20, 33), 50))), 30.0) == 3.0
    assert recovery_s(step_of(tally_of({})), 30.0) == 0.0
    assert recovery_s(step_of(tally_of(dict.fromkeys(range(20, 60), 50))), 30.0) is None


def test_the_client_is_blamed_only_for_its_own() -> None:
    """Late sends are the client's when the server had taken the chunk before; so is a core that is used up."""
    tally = tally_of({})
    tally.slices[20].late = tally.slices[20].held = 5_000
    assert step_of(tally).client_limits == ()
    tally.slices[20].held = 0
    (late,) = step_of(tally).client_limits
    assert late.startswith("8.3% of the chunks were sent late")
    (busy,) = step_of(tally_of({}), cpu=0.97).client_limits
    assert "whole core" in busy


def test_a_search_rests_on_the_lowest_rate_that_failed() -> None:
    """Whether the client was the limit matters there, and not at twice that rate."""
    bad = dict.fromkeys(range(60), 50)
    rates = {1.0: {}, 2.0: {}, 4.0: bad, 2.8: bad}
    steps = [step_of(tally_of(late), rate_per_s=rate) for rate, late in rates.items()]
    assert decisive(steps, searched=True) is steps[3]
    assert decisive(steps[:3], searched=False) is steps[2]
    assert decisive([], searched=True) is None


def test_what_a_reader_must_know_is_told() -> None:
    """Clock steps, an unreachable store, and a run that ended early are each a warning."""
    tally = tally_of({})
    for second in (12, 13, 40):
        tally.slices[second].partial["WATCHLISTS_STALE"] += 1
    step = step_of(tally, end=End.SERVER_GONE, clock_steps_s=(3600.0,))
    assert stale_spans(step) == [(12, 14), (40, 41)]
    told = "\n".join(warnings([step]))
    assert "the wall clock was set by +3600.0 s" in told
    assert "store could not be reached from 12 to 14 s" in told
    assert "the server could not be reached any more" in told


def test_only_steps_of_the_wall_clock_are_noticed() -> None:
    """A clock that is slewed is followed; one that is set is told with by how much."""
    clock = WallClock(difference_s=0.0)
    for difference_s in (0.01, 0.02, -3_600.0, -3_599.9, -3_599.0):
        clock.look(difference_s)
    assert clock.steps_s == pytest.approx([-3_600.02, 0.9])
    clock.look()
    assert len(clock.steps_s) == 3


async def test_a_server_of_this_machine_is_watched() -> None:
    """The process behind a port is found, and its memory and time read; elsewhere there is nothing to see."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        usage = watch_server(f"127.0.0.1:{port}").look(1.0)
    assert isinstance(usage, ServerUsage)
    assert usage.memory_bytes > 1_000_000
    assert usage.cpu_s > 0
    assert watch_server("192.0.2.1:50051").look(1.0) is None
    assert watch_server("no such host:50051").look(1.0) is None


@pytest.mark.parametrize("points", [[(0.0, 0.0)], [(-0.5, 3.0)], [(2.0, 3.0), (2.0, 3.0)]])
def test_a_plot_of_one_place_is_drawn(points: list[tuple[float, float]]) -> None:
    """A run of a moment has a single point, which still is a plot."""
    assert "polyline" in drawn(Chart(title="t", across="s", up="MB", lines={"memory": points}))


def test_plots_are_well_formed() -> None:
    """Titles are escaped, values that a logarithm has not are left out, and nothing measured is said."""
    chart = Chart(
        title="a < b & c",
        across="s",
        up="ms",
        lines={"p50": [(0, 0.0), (1, 10.0), (2, 1000.0)], "none": []},
        limit=("budget", 300.0),
        logarithmic=True,
    )
    root = ET.fromstring(drawn(chart))  # noqa: S314 - our own
    lines = [element for element in root.iter() if element.tag.endswith("polyline")]
    assert [len(line.attrib["points"].split()) for line in lines] == [2]
    empty = drawn(Chart(title="t", across="s", up="ms", lines={"p50": []}))
    assert "nothing was measured" in empty


def test_a_run_without_anything_has_no_pictures() -> None:
    """Nothing planned, nothing drawn."""
    assert pictures([step_of(Tally())]) == {}
