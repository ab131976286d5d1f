"""Thresholds, recall and coverage, checked against counting by hand."""

import math

import pytest
from benchmarks.text.figures import Recall, coverage, recall, threshold
from benchmarks.text.systems import NOTHING, Finding, Stretch
from benchmarks.text.trials import Trial
from hypothesis import given
from hypothesis import strategies as st


def finding(score: float, *stretches: tuple[int, int, float], script_id: str = "a") -> Finding:
    """What a system might say."""
    return Finding(
        script_id=script_id,
        score=score,
        stretches=tuple(Stretch(start=start, end=end, score=own) for start, end, own in stretches),
    )


def trial(start: int, end: int) -> Trial:
    """A text of a hundred characters."""
    return Trial(text="字" * 100, script_id="a", start=start, end=end)


@given(scores=st.lists(st.integers(0, 6), min_size=1, max_size=60), one_in=st.integers(1, 20))
def test_a_threshold_is_the_lowest_that_flags_few_enough(scores: list[int], one_in: int) -> None:
    """Never more than one in so many, however many scores are equal, and any lower score flags more."""
    found = threshold([finding(score) for score in scores], one_in)
    allowed = len(scores) // one_in
    assert found.false_flags == sum(score > found.score for score in scores) <= allowed
    if math.isfinite(found.score):
        assert sum(score >= found.score for score in scores) > allowed


def test_nothing_found_is_never_a_flag() -> None:
    """A text that is like no script stays below any threshold, the lowest one too."""
    found = threshold([NOTHING] * 10, 1_000)
    assert found.score == -math.inf
    assert recall([trial(0, 10)], [NOTHING], found.score).found == 0


def test_a_flag_with_another_script_is_not_found() -> None:
    """The script must be the planted one, and the score above the threshold."""
    trials = [trial(0, 10)] * 4
    found = [finding(2.0), finding(1.0), finding(2.0, script_id="b"), NOTHING]
    assert recall(trials, found, 1.0) == Recall(found=1, of=4)


def test_the_interval_is_wilsons() -> None:
    """Against the values of his formula; of no trial there is none."""
    low, high = Recall(found=190, of=200).interval
    assert (low, high) == pytest.approx((0.9105, 0.9727), abs=1e-3)
    assert Recall(found=200, of=200).interval[1] == pytest.approx(1.0)
    assert math.isnan(Recall(found=0, of=0).share)


def test_coverage_counts_characters_of_what_is_above_the_threshold() -> None:
    """Stretches that overlap count once, and those below the threshold don't count."""
    found = finding(3.0, (10, 30, 3.0), (20, 40, 2.0), (60, 90, 0.5))
    counted = coverage([trial(20, 60)], [found], 1.0)
    assert (counted.common, counted.named, counted.planted) == (20, 30, 40)
    assert counted.precision == pytest.approx(2 / 3)
    assert counted.recall == pytest.approx(0.5)
