"""How much evidence makes a likely duplicate."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.enrollment.duplicates import DuplicatePrior

PROBABILITIES = st.floats(0.01, 0.99)


@given(known=PROBABILITIES, likely=PROBABILITIES, actors=st.integers(1, 1_000_000))
def test_the_least_evidence_is_where_the_probability_is_met(
    known: float, likely: float, actors: int
) -> None:
    """With exactly that LLR, one actor of so many against nobody has the probability that counts as likely."""
    llr = DuplicatePrior(known=known, likely=likely).least_llr(actors)
    odds = known / actors / (1 - known) * math.exp(llr)
    assert odds / (1 + odds) == pytest.approx(likely)


def test_more_actors_ask_for_more_evidence() -> None:
    """Among ten thousand somebody sounds alike by chance."""
    prior = DuplicatePrior(known=0.2, likely=0.5)
    assert prior.least_llr(10) < prior.least_llr(10_000)
    assert prior.least_llr(0) == prior.least_llr(1)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1, 1.5])
def test_certainties_are_no_prior(wrong: float) -> None:
    """Neither no doubt nor no chance can be weighed."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        DuplicatePrior(known=wrong, likely=0.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        DuplicatePrior(known=0.5, likely=wrong)
