"""Levels from the scores of strangers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shengdun.index.promise import StrangerScores, derive_levels, expit, logit


def _scores(
    count: int = 1500, *, weights: np.ndarray | None = None, seed: int = 5
) -> StrangerScores:
    """Log odds with an exponential tail of mean 1, as calibrated evidence has."""
    log_odds = np.random.default_rng(seed).exponential(size=count) - 7.0
    return StrangerScores(
        log_odds=log_odds,
        weights=np.ones(count) if weights is None else weights,
    )


def test_beyond_what_the_calls_show_the_rate_stays_near_the_promise() -> None:
    """Over draws of 1,500 calls the true rate averages about the promise, and hardly ever exceeds it twice."""
    true = []
    for seed in range(16):
        levels = derive_levels(_scores(seed=seed), false_flags=10, high_share=0.1)
        assert levels.kept, levels.why
        assert levels.lower <= levels.expected <= levels.upper <= 20.1
        true.append(10_000 * np.exp(-(logit(levels.medium) + 7.0)))
    assert 5.0 < np.mean(true) <= 14.0
    assert np.mean(np.array(true) > 20.0) <= 0.1


def test_where_the_calls_reach_the_level_is_their_quantile() -> None:
    """A promise of 2,000 in 10,000 is read off the calls themselves, but for the care that the interval asks for."""
    scores = _scores()
    levels = derive_levels(scores, false_flags=2000, high_share=0.1)
    assert (scores.log_odds >= logit(levels.medium)).mean() == pytest.approx(0.2, abs=0.01)
    assert levels.expected == pytest.approx(2000, abs=10)


@settings(max_examples=10, deadline=None)
@given(st.floats(1, 300), st.floats(1.1, 3.0))
def test_a_stricter_promise_asks_for_higher_levels(promise: float, less: float) -> None:
    """MEDIUM and HIGH grow when fewer false flags are promised, and HIGH is above MEDIUM."""
    free = derive_levels(_scores(400), false_flags=promise, high_share=0.1)
    strict = derive_levels(_scores(400), false_flags=promise / less, high_share=0.1)
    assert free.medium <= strict.medium
    assert free.high <= strict.high
    assert strict.medium < strict.high


def test_calls_that_are_left_out_change_nothing() -> None:
    """A call of weight 0, as a listed agent's own has, has no part in the levels."""
    plain = _scores()
    agents = StrangerScores(
        log_odds=np.concatenate([plain.log_odds, np.full(45, 3.0)]),
        weights=np.concatenate([plain.weights, np.zeros(45)]),
        groups=np.concatenate([np.arange(1500), np.full(45, -1)]),
    )
    expected = derive_levels(plain, false_flags=30, high_share=0.1)
    assert derive_levels(agents, false_flags=30, high_share=0.1).medium == pytest.approx(
        expected.medium, rel=0.1
    )


def test_too_few_calls_cannot_vouch_for_a_low_rate() -> None:
    """The promise isn't kept, and it is said how many calls it would take."""
    levels = derive_levels(_scores(200), false_flags=10, high_share=0.1)
    assert not levels.kept
    assert "500 are needed" in levels.why


def test_what_may_be_flagged_is_at_most_twice_the_promise() -> None:
    """However few calls there are, levels are raised until the interval says so, for HIGH as for MEDIUM."""
    for promise in (13.0, 100.0):
        levels = derive_levels(_scores(400), false_flags=promise, high_share=0.1)
        assert levels.kept
        assert levels.upper <= 2.001 * promise
        at_high = derive_levels(_scores(400), false_flags=promise / 10.0, high_share=0.1)
        assert levels.high == pytest.approx(at_high.medium)


def test_calls_of_one_speaker_are_drawn_together() -> None:
    """Ten calls each of 150 people say less than calls of 1,500, and the interval shows it."""
    rng = np.random.default_rng(3)
    people = np.repeat(rng.exponential(size=150), 10) + rng.normal(0, 0.01, 1500) - 7.0
    apart = StrangerScores(log_odds=people, weights=np.ones(1500))
    together = StrangerScores(
        log_odds=people, weights=np.ones(1500), groups=np.repeat(np.arange(150), 10)
    )
    one = derive_levels(apart, false_flags=100, high_share=0.1)
    other = derive_levels(together, false_flags=100, high_share=0.1)
    assert other.medium > one.medium


def test_costs_can_only_raise_the_levels() -> None:
    """The stricter of the promise and the costs wins."""
    promise = derive_levels(_scores(), false_flags=100, high_share=0.1)
    cheap = derive_levels(_scores(), false_flags=100, high_share=0.1, least_medium=1e-6)
    dear = derive_levels(_scores(), false_flags=100, high_share=0.1, least_medium=0.9)
    assert (cheap.medium, cheap.high) == (promise.medium, promise.high)
    assert dear.medium == pytest.approx(0.9)
    assert dear.high > dear.medium
    assert dear.expected < promise.expected


def test_identical_scores_give_levels_all_the_same() -> None:
    """A list that says the same of everybody has no tail; the levels are above it."""
    flat = StrangerScores(log_odds=np.full(600, -7.0), weights=np.ones(600))
    levels = derive_levels(flat, false_flags=10, high_share=0.1)
    assert expit(-7.0) < levels.medium < levels.high
    assert levels.expected <= 10.1
