import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.index.accuracy import measures
from shengdun.index.accuracy.measures import DetectionCost, det_curve

llrs = st.lists(st.floats(-20, 20, allow_nan=False), min_size=2, max_size=60)


def counts(targets: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, rows = np.unique(np.concatenate([targets, others]), return_inverse=True)
    of = np.arange(len(rows)) < len(targets)
    return (
        np.bincount(rows, weights=of, minlength=len(scores)).astype(np.float64),
        np.bincount(rows, weights=~of, minlength=len(scores)).astype(np.float64),
    )


def test_voices_that_are_told_apart_have_no_error() -> None:
    """With all of one voice above all strangers every measure is at its best."""
    targets, others = np.array([3.0, 4.0, 5.0]), np.array([-5.0, -4.0])
    curve = det_curve(*counts(targets, others))
    assert curve.eer == 0.0
    assert curve.min_dcf() == 0.0
    assert measures.eer(targets, others) == 0.0


def test_the_detection_cost_is_that_of_the_cheapest_threshold() -> None:
    """One miss in four costs less than one false alarm in four when voices are rare: cost 0.25 at prior 0.01."""
    targets, others = np.array([0.0, 2.0, 3.0, 4.0]), np.array([-2.0, -1.0, 0.0, 1.0])
    curve = det_curve(*counts(targets, others))
    assert curve.min_dcf() == pytest.approx(0.25)
    assert curve.min_dcf(DetectionCost(prior=0.99)) == pytest.approx(0.5)
    assert curve.miss_rate_at(0.25) == pytest.approx(0.25)
    assert curve.miss_rate_at(0.5) == 0.0


def test_saying_nothing_costs_one_bit() -> None:
    """LLRs of 0 have a Cllr of 1."""
    assert measures.cllr(np.zeros(5), np.zeros(9)) == pytest.approx(1.0)


@given(targets=llrs, others=llrs)
def test_the_curve_has_the_same_equal_error_rate_as_the_scores(
    targets: list[float], others: list[float]
) -> None:
    """Counting by score loses nothing."""
    a, b = np.array(targets), np.array(others)
    assert det_curve(*counts(a, b)).eer == pytest.approx(measures.eer(a, b))


@given(targets=llrs, others=llrs)
def test_counts_have_the_same_min_cllr_as_distinct_scores(
    targets: list[float], others: list[float]
) -> None:
    """Pooling counted scores is pooling the scores themselves, wherever no score is shared."""
    a = np.unique(np.array(targets))
    b = np.setdiff1d(np.unique(np.array(others)), a)
    if len(b):
        counted = measures.min_cllr_of_counts(*counts(a, b))
        assert counted == pytest.approx(measures.min_cllr(a, b), abs=1e-9)


def test_a_curve_needs_both_kinds_of_trials() -> None:
    """Without strangers there is no curve, rather than one of NaN."""
    with pytest.raises(ValueError, match="strangers"):
        det_curve(np.ones(3), np.zeros(3))
