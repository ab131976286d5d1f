"""From shared passages to a likelihood ratio."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.index.scripts.evidence import DEFAULT_COEFFICIENTS, ScriptCoefficients


def test_no_more_scripts_than_were_fitted_with_change_nothing() -> None:
    """Fewer than those are no better evidence than the data showed."""
    fitted = DEFAULT_COEFFICIENTS.fitted_among
    alone = DEFAULT_COEFFICIENTS.unlimited(10.0, 300, 200)
    assert DEFAULT_COEFFICIENTS.unlimited(10.0, 300, 200, among=0) == alone
    assert DEFAULT_COEFFICIENTS.unlimited(10.0, 300, 200, among=fitted) == alone


def test_ten_times_as_many_scripts_are_as_a_script_ten_times_as_long() -> None:
    """Chance finds as much in either."""
    fitted = DEFAULT_COEFFICIENTS.fitted_among
    many = DEFAULT_COEFFICIENTS.unlimited(10.0, 300, 200, among=10 * fitted)
    assert many == pytest.approx(DEFAULT_COEFFICIENTS.unlimited(10.0, 300, 2_000))
    alone = DEFAULT_COEFFICIENTS.unlimited(10.0, 300, 200)
    assert alone - many == pytest.approx(DEFAULT_COEFFICIENTS.chance * math.log(10))


@given(
    st.floats(-20.0, 20.0), st.integers(1, 5_000), st.integers(1, 5_000), st.integers(0, 1_000_000)
)
def test_what_is_needed_is_just_enough(llr: float, text: int, script: int, among: int) -> None:
    """The inverse."""
    needed = DEFAULT_COEFFICIENTS.needed(llr, text, script, among=among)
    back = DEFAULT_COEFFICIENTS.unlimited(needed, text, script, among=among)
    assert back == pytest.approx(llr, abs=1e-9)


def test_coefficients_fitted_with_nothing_are_refused() -> None:
    """There is always one script at least."""
    with pytest.raises(ValueError, match="fitted"):
        ScriptCoefficients(offset=0.0, slope=1.0, chance=1.0, floor=-1.0, cap=1.0, fitted_among=0)
