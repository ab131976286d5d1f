"""Comparing calibration profiles by what they consist of."""

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.store import DIMENSION, make_profile, voice
from shengdun.index.profile_comparison import compare, facts_of, llrs_at
from shengdun.index.scoring import unit_rows

PLAIN = make_profile()


def test_equal_profiles_differ_in_nothing() -> None:
    """Neither facts, nor centres, nor likelihood ratios."""
    compared = compare(PLAIN, make_profile())
    assert compared.facts == {}
    assert compared.centres is not None
    assert (compared.centres.distance, compared.centres.angle_deg) == (0.0, None)
    for at in compared.llrs:
        np.testing.assert_array_equal(at.llrs_a, at.llrs_b)


def test_the_distance_and_the_angle_of_centres() -> None:
    """Of vectors whose geometry is known, small angles included."""
    along = np.eye(DIMENSION, dtype=np.float32)

    def centred(vector: NDArray[np.floating]) -> tuple[float, float]:
        profile = dataclasses.replace(PLAIN, mean=vector.astype(np.float32))
        centres = compare(dataclasses.replace(PLAIN, mean=along[0]), profile).centres
        assert centres is not None
        assert centres.angle_deg is not None
        return centres.distance, centres.angle_deg

    assert centred(0.5 * along[1]) == pytest.approx((np.sqrt(1.25), 90.0))
    assert centred(-along[0]) == pytest.approx((2.0, 180.0))
    tilted = np.cos(1e-4) * along[0] + np.sin(1e-4) * along[1]
    assert centred(tilted)[1] == pytest.approx(np.degrees(1e-4), rel=1e-3)


def test_other_coefficients_and_arrays_are_named() -> None:
    """What differs is listed with both values, and nothing else is."""
    cohort = np.stack([voice(seed) for seed in range(20)]).astype(np.float16)
    other = dataclasses.replace(
        PLAIN,
        whitening=2.5 * np.eye(DIMENSION, dtype=np.float32)[::-1],
        cohort=cohort,
        cohort_nearest=5,
        coefficients=dataclasses.replace(PLAIN.coefficients, slope=30.0),
    )
    assert compare(PLAIN, other).facts == {
        "whitening": ("none", "stretches 2.5 times on average"),
        "cohort": ("none", "nearest 5 of 20"),
        "slope": ("20", "30"),
    }


def test_a_cosine_is_read_against_the_cohort() -> None:
    """With score normalisation the same cosine is worth less where strangers are near."""
    apart = np.stack([voice(seed) for seed in range(40)])
    close = unit_rows(voice(0) + 0.7 * apart).astype(np.float16)
    gentle = dataclasses.replace(PLAIN.coefficients, slope=1.2, slope_brevity=0.0, offset=-2.0)
    readings = []
    for cohort in (apart.astype(np.float16), close):
        normalising = dataclasses.replace(
            PLAIN, cohort=cohort, cohort_nearest=6, coefficients=gentle
        )
        readings.append(llrs_at(normalising, 10, 10)[:4])
    assert (readings[0] > readings[1]).all()
    alike = dataclasses.replace(PLAIN, cohort=np.eye(DIMENSION, dtype=np.float16), cohort_nearest=6)
    assert np.isfinite(llrs_at(alike, 10, 10)).all()


def test_every_profile_has_the_same_fields() -> None:
    """So that two of them can be set side by side."""
    assert facts_of(PLAIN).keys() == facts_of(make_profile("other@0", 8)).keys()
