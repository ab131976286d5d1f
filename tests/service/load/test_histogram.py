"""Histograms of durations: bounded error, and the same whether counted in one process or in many."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.service.load.histogram import RELATIVE_ERROR, Histogram, bucket_of, last_of

durations = st.lists(st.floats(min_value=0, max_value=100_000), max_size=50)


def counted(values: list[float]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(st.lists(durations, max_size=5))
def test_parts_merge_into_the_whole(parts: list[list[float]]) -> None:
    """What processes counted apart is, together, what one process would have counted."""
    together = counted([value for part in parts for value in part])
    assert Histogram.merged(counted(part) for part in parts) == together


@given(durations)
def test_it_survives_the_way_between_processes(values: list[float]) -> None:
    """JSON and back gives the same histogram."""
    histogram = counted(values)
    assert Histogram.from_json(json.loads(json.dumps(histogram.as_json()))) == histogram


@given(st.integers(min_value=0, max_value=10**12))
def test_buckets_are_narrow_and_without_gaps(duration_us: int) -> None:
    """A duration lies in its bucket, at most 0.8 % below the end; the next microsecond after it is the next bucket."""
    end_us = last_of(bucket_of(duration_us))
    assert duration_us <= end_us <= duration_us * (1 + RELATIVE_ERROR)
    assert bucket_of(end_us + 1) == bucket_of(end_us) + 1


@given(durations.filter(bool), st.sampled_from([50, 90, 99, 99.9, 100]))
def test_percentiles_are_never_told_too_short(values: list[float], per_cent: float) -> None:
    """A percentile is at least the one by nearest rank of the values themselves, and within the error of it."""
    exact = float(np.percentile(values, per_cent, method="inverted_cdf"))
    told = counted(values).percentile_s(per_cent)
    assert told is not None
    assert exact - 1e-6 <= told <= exact * (1 + RELATIVE_ERROR) + 2e-6


def test_nothing_counted_has_no_percentile() -> None:
    """An empty histogram tells nothing rather than 0."""
    empty = Histogram()
    assert (empty.percentile_s(99), empty.longest_s, empty.mean_s) == (None, None, None)


def test_extremes_are_exact() -> None:
    """The longest duration and the mean are not rounded to buckets; a negative duration counts as 0."""
    histogram = counted([0.123457, 2.345671, -1.0])
    assert histogram.longest_s == pytest.approx(2.345671, abs=1e-9)
    assert histogram.mean_s == pytest.approx((0.123457 + 2.345671) / 3, abs=1e-6)
