"""Plans: reproducible by their seed, random in their arrivals, complete before anything is sent."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.service.load.lengths import SHORTEST_S, CallLengths, LengthKind, parse_lengths
from shengdun.service.load.plan import Arrivals, Draw, Plan


def draw(seed: int = 1, length: str = "20-40") -> Draw:
    return Draw(seed=seed, lengths=parse_lengths(length), clips_s=[12.0, 8.0, 30.0])


def at_rate(
    rate_per_s: float, until_s: float, *, seed: int = 1, step: int = 0, length: str = "20-40"
) -> Plan:
    arrivals = Arrivals(rate_per_s=rate_per_s, from_s=0.0, until_s=until_s)
    return draw(seed, length).at_random([arrivals], step=step)


def test_the_same_seed_gives_the_same_plan() -> None:
    """Another seed, and another step of a scenario, give another one."""
    plan = at_rate(5.0, 60.0)
    assert at_rate(5.0, 60.0) == plan
    assert at_rate(5.0, 60.0).plan_id == plan.plan_id
    others = [at_rate(5.0, 60.0, seed=2), at_rate(5.0, 60.0, step=1)]
    assert plan.plan_id not in {other.plan_id for other in others}


def test_arrivals_are_random_at_the_rate_asked_for() -> None:
    """Gaps between calls are exponential (Poisson): their mean and their deviation are the inverse of the rate."""
    calls = at_rate(10.0, 2_000.0).calls
    gaps = np.diff([call.start_s for call in calls])
    assert np.mean(gaps) == pytest.approx(0.1, rel=0.05)
    assert np.std(gaps) == pytest.approx(0.1, rel=0.05)


@given(
    st.floats(min_value=0.01, max_value=20),
    st.floats(min_value=0, max_value=60),
    st.integers(min_value=0, max_value=2**32),
)
def test_every_call_lies_within_its_plan(rate_per_s: float, until_s: float, seed: int) -> None:
    """Calls are in order, none is shorter than a second or ends after the plan, and those cut short say so."""
    plan = at_rate(rate_per_s, until_s, seed=seed)
    assert [call.number for call in plan.calls] == list(range(len(plan.calls)))
    assert sorted(plan.calls, key=lambda call: call.start_s) == list(plan.calls)
    for call in plan.calls:
        assert call.length_s >= SHORTEST_S
        assert call.start_s + call.length_s <= plan.duration_s + 1e-9
        assert call.cut or call.length_s >= 20


@given(st.integers(min_value=1, max_value=9))
def test_processes_share_a_plan_without_loss(processes: int) -> None:
    """Every call is dealt to exactly one process, however many there are."""
    plan = at_rate(2.0, 30.0)
    dealt = [call for share in plan.share(processes) for call in share]
    assert sorted(dealt, key=lambda call: call.number) == list(plan.calls)


def test_one_call_at_a_time() -> None:
    """Each call begins after the one before has ended; without calls there is an empty plan."""
    calls = draw().one_by_one(5).calls
    assert all(
        after.start_s > before.start_s + before.length_s
        for before, after in itertools.pairwise(calls)
    )
    assert draw().one_by_one(0) == Plan(calls=(), duration_s=0.0, rate_per_s=0.0)


def test_a_burst_ends_when_it_ends() -> None:
    """Calls of a burst hang up at its end, so that the load goes back at once."""
    plan = draw().at_random(
        [
            Arrivals(rate_per_s=0.5, from_s=0.0, until_s=60.0),
            Arrivals(rate_per_s=20.0, from_s=20.0, until_s=25.0),
        ]
    )
    running = [sum(c.start_s <= at < c.start_s + c.length_s for c in plan.calls) for at in (24, 26)]
    assert running[0] > 50
    assert running[1] < 30


@pytest.mark.parametrize(
    ("text", "kind", "mean_s"),
    [
        ("30", LengthKind.FIXED, 30.0),
        ("20-40", LengthKind.UNIFORM, 30.0),
        ("exp:45.5", LengthKind.EXPONENTIAL, 45.5),
    ],
)
def test_lengths_are_drawn_as_they_are_written(text: str, kind: LengthKind, mean_s: float) -> None:
    """Each form has its distribution and its mean, and is written as it was read."""
    lengths = parse_lengths(text)
    rng = np.random.default_rng(1)
    drawn = [lengths.draw(rng) for _ in range(4_000)]
    assert (lengths.kind, lengths.mean_s, str(lengths)) == (kind, mean_s, text)
    assert np.mean(drawn) == pytest.approx(mean_s, rel=0.06)


@pytest.mark.parametrize("text", ["", "abc", "0.5", "40-20", "exp:20-40", "-3", "20-"])
def test_what_is_no_length_is_refused(text: str) -> None:
    """With the forms that there are, or the limit that was passed."""
    with pytest.raises(ValueError, match=r"write 30|at least 1 s"):
        parse_lengths(text)


def test_impossible_values_can_not_exist() -> None:
    """Neither lengths nor arrivals that make no sense can be constructed."""
    with pytest.raises(ValueError, match="at least"):
        CallLengths(kind=LengthKind.FIXED, low_s=0.0, high_s=0.0)
    with pytest.raises(ValueError, match="rate"):
        Arrivals(rate_per_s=-1.0, from_s=0.0, until_s=1.0)
