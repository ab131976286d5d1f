"""From shared passages to a likelihood ratio."""

import math
from dataclasses import replace

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


def test_each_e_fold_of_scripts_costs_the_same() -> None:
    """And more than one of length: unrelated texts have more in common than letters drawn by lot."""
    fitted = DEFAULT_COEFFICIENTS.fitted_among
    alone, ten, hundred = (
        DEFAULT_COEFFICIENTS.unlimited(10.0, 300, 200, among=times * fitted) for times in (1, 10, 100)
    )
    assert alone - ten == pytest.approx(DEFAULT_COEFFICIENTS.crowd * math.log(10))
    assert ten - hundred == pytest.approx(alone - ten)
    longer = DEFAULT_COEFFICIENTS.unlimited(10.0, 300, 2_000)
    assert alone - ten > alone - longer > 0.0


def test_turns_of_phrase_do_not_add_up_to_a_paragraph() -> None:
    """The best passage counts whole, each further one for what it is worth beyond custom, and none against it."""
    coefficients = replace(DEFAULT_COEFFICIENTS, customary=3.0)
    assert coefficients.together([]) == 0.0
    assert coefficients.together([2.0]) == 2.0
    assert coefficients.together([12.0]) == 12.0
    assert coefficients.together([5.0] * 5) == 5.0 + 4 * 2.0
    assert coefficients.together([2.0, 12.0, 3.0, 4.5]) == 12.0 + 1.5


@given(st.lists(st.floats(0.0, 50.0), min_size=1, max_size=6))
def test_passages_are_together_worth_no_more_than_their_sum(worths: list[float]) -> None:
    """And no less than the best of them."""
    together = DEFAULT_COEFFICIENTS.together(worths)
    assert max(worths) - 1e-9 <= together <= sum(worths) + 1e-9


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
