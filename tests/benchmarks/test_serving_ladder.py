"""The ladder draws what it says and tells where a server fell."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from benchmarks.serving.ladder import Ladder, Rung, highest

from shengdun.service.load.lengths import CallLengths, LengthKind
from shengdun.service.load.plan import Draw
from shengdun.service.load.tally import HUNG_UP, Tally

LADDER = Ladder(lowest_per_s=5.0, factor=2.0, rungs=4, rung_s=20, call_s=4)
DRAW = Draw(
    seed=3, lengths=CallLengths(kind=LengthKind.FIXED, low_s=4.0, high_s=4.0), clips_s=[30.0]
)


def rungs(held: Sequence[bool]) -> list[Rung]:
    return [
        Rung(
            rate_per_s=float(number),
            begun=50,
            failed=0,
            windows=100,
            in_time=99 if one else 98,
            seconds=5,
        )
        for number, one in enumerate(held, start=1)
    ]


def test_calls_arrive_at_the_rate_of_their_rung() -> None:
    """Twice as many calls begin on each rung, half a call before it counts; none is cut off but by the end."""
    plan = LADDER.plan(DRAW)
    for rate, begins_s in zip(LADDER.rates_per_s, LADDER.begins_s, strict=True):
        on_rung = [c for c in plan.calls if begins_s - 2 <= c.start_s < begins_s + 18]
        assert len(on_rung) == pytest.approx(20 * rate, rel=0.3)
    assert all(call.length_s == 4.0 for call in plan.calls if not call.cut)
    assert [call.number for call in plan.calls] == list(range(len(plan.calls)))
    assert LADDER.plan(DRAW).plan_id == plan.plan_id


@pytest.mark.parametrize(
    ("held", "climbed"),
    [
        ([True, True, False, False, True], (2.0, False)),
        ([True, False, True, False, False], (3.0, False)),
        ([False, False, True], (0.0, False)),
        ([True, False, True], (3.0, True)),
        ([], (0.0, False)),
    ],
)
def test_two_rungs_in_a_row_end_a_climb(held: list[bool], climbed: tuple[float, bool]) -> None:
    """One that isn't held between two that are was a neighbour's doing."""
    climb = highest(rungs(held))
    assert (climb.calls_per_s, climb.reached_top) == climbed


def test_nothing_answered_is_not_held() -> None:
    """A server that answers nothing at all has fallen."""
    nothing = Rung(rate_per_s=1.0, begun=1, failed=0, windows=0, in_time=0, seconds=1)
    assert not nothing.is_held


def test_who_refuses_calls_holds_no_more_than_it_takes() -> None:
    """Windows of the calls that were taken may all be in time: if one in a hundred was refused, the rung is lost."""
    all_taken = Rung(rate_per_s=9.0, begun=50, failed=0, windows=100, in_time=100, seconds=5)
    assert all_taken.is_held
    assert not replace(all_taken, failed=1).is_held


def test_climbing_stops_after_the_fall() -> None:
    """It's told from rungs alone that are over and answered."""
    tally = Tally()
    for second in range(4, 24):
        tally.slices[second].windows = tally.slices[second].in_time = 100
    for second in range(24, 84):
        tally.slices[second].windows = 100
    assert not LADDER.has_fallen(tally, 60.0)
    assert LADDER.has_fallen(tally, 66.0)


def test_who_is_hung_up_on_when_the_climb_stops_was_not_refused() -> None:
    """The calls of the last rungs still run then, and say nothing of the server."""
    tally = Tally()
    tally.slices[5].begun = 10
    tally.slices[5].failed.update({HUNG_UP: 6, "RESOURCE_EXHAUSTED/OVERLOADED": 3})
    assert [rung.failed for rung in LADDER.rungs_of(tally)] == [3, 0, 0, 0]
