"""The open-set posterior: Bayes' rule over the actors of the lists and nobody."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.index.posterior import ListEvidence, combined_posterior, open_set_posterior

llr_lists = st.lists(st.floats(-700.0, 700.0), max_size=20)
priors = st.floats(1e-6, 0.999)


@given(llrs=llr_lists, prior=priors, more=st.integers(0, 1000))
def test_the_probabilities_sum_to_one_however_extreme_the_evidence(
    llrs: list[float], prior: float, more: int
) -> None:
    """No overflow, no NaN, and nothing is lost between the actors and nobody."""
    posterior = open_set_posterior(np.array(llrs), prior_on_list=prior, actors=len(llrs) + more)
    assert posterior.on_list + posterior.nobody == pytest.approx(1.0)
    assert posterior.actor_probabilities.sum() <= posterior.on_list + 1e-12
    assert np.isfinite(posterior.actor_probabilities).all()


@given(prior=priors, actors=st.integers(1, 50))
def test_evidence_that_says_nothing_leaves_the_prior(prior: float, actors: int) -> None:
    """LLR 0 for everybody gives back the prior, evenly shared."""
    posterior = open_set_posterior(np.zeros(actors), prior_on_list=prior, actors=actors)
    assert posterior.on_list == pytest.approx(prior)
    assert posterior.actor_probabilities == pytest.approx(prior / actors)


def test_the_formula_of_the_design_on_a_small_list() -> None:
    """Compared with the arithmetic written out."""
    llrs = np.array([5.0, -2.0])
    posterior = open_set_posterior(llrs, prior_on_list=0.1, actors=2)
    odds = 0.05 * np.exp(llrs)
    assert posterior.actor_probabilities == pytest.approx(odds / (0.9 + odds.sum()))


@given(llr=st.floats(0.0, 30.0), prior=priors, actors=st.integers(1, 10_000))
def test_a_longer_list_asks_for_more_evidence(llr: float, prior: float, actors: int) -> None:
    """The same LLR never counts for more on a list with more actors."""
    one = np.array([llr])
    short = open_set_posterior(one, prior_on_list=prior, actors=actors)
    long = open_set_posterior(one, prior_on_list=prior, actors=actors * 10)
    assert long.actor_probabilities[0] <= short.actor_probabilities[0] + 1e-12


def test_actors_that_were_not_scored_keep_their_share() -> None:
    """Scoring the two nearest of a thousand says the same about them as scoring all, when the rest are no nearer."""
    near = np.array([9.0, -1.0])
    partial = open_set_posterior(near, prior_on_list=0.01, actors=1000)
    whole = open_set_posterior(
        np.concatenate([near, np.full(998, -1.0)]), prior_on_list=0.01, actors=1000
    )
    assert partial.actor_probabilities == pytest.approx(whole.actor_probabilities[:2])
    assert partial.on_list == pytest.approx(whole.on_list)


def test_an_empty_list_can_hold_nobody() -> None:
    """Without actors the caller is certainly on no list, whatever the prior says."""
    posterior = open_set_posterior(np.empty(0), prior_on_list=0.2, actors=0)
    assert (posterior.on_list, posterior.nobody) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("llrs", "prior", "actors"),
    [([0.0], 0.0, 1), ([0.0], 1.0, 1), ([0.0, 0.0], 0.1, 1), ([float("nan")], 0.1, 1)],
)
def test_impossible_arguments_are_refused(llrs: list[float], prior: float, actors: int) -> None:
    """A prior of 0 or 1, more scores than actors, and NaN have no posterior."""
    with pytest.raises(ValueError, match=r"prior_on_list|actors|NaN"):
        open_set_posterior(np.array(llrs), prior_on_list=prior, actors=actors)


def _evidence(
    llrs: dict[str, float], prior: float = 0.01, actors: int | None = None
) -> ListEvidence:
    return ListEvidence(
        actor_ids=tuple(llrs),
        llrs=np.array(list(llrs.values())),
        prior_on_list=prior,
        actors=len(llrs) if actors is None else actors,
    )


def test_one_list_combined_is_that_list() -> None:
    """The combination of a single list is its own posterior."""
    evidence = _evidence({"a": 7.0, "b": -3.0}, actors=10)
    alone = open_set_posterior(evidence.llrs, prior_on_list=0.01, actors=10)
    combined = combined_posterior([evidence])
    assert combined.actor_probabilities == pytest.approx(alone.actor_probabilities)
    assert combined.on_any_list == pytest.approx(alone.on_list)
    assert combined.on_list == pytest.approx((alone.on_list,))


def test_an_actor_on_two_lists_is_counted_once() -> None:
    """The same list twice says no more than once."""
    evidence = _evidence({"a": 6.0, "b": 0.0})
    once = combined_posterior([evidence])
    twice = combined_posterior([evidence, evidence])
    assert twice.actor_ids == ("a", "b")
    assert twice.actor_probabilities[0] == pytest.approx(once.actor_probabilities[0], rel=1e-6)
    assert twice.on_list == pytest.approx((once.on_any_list, once.on_any_list), rel=1e-6)


def test_each_list_is_told_its_own_probability() -> None:
    """Evidence for an actor of one list raises that list and not the other."""
    combined = combined_posterior([_evidence({"a": 9.0}), _evidence({"b": -4.0})])
    assert combined.on_list[0] > 0.9
    assert combined.on_list[1] < 0.01
    assert combined.on_any_list == pytest.approx(sum(combined.on_list))


@given(prior=st.floats(0.3, 0.99), lists=st.integers(1, 6))
def test_many_lists_with_high_priors_still_leave_room_for_nobody(prior: float, lists: int) -> None:
    """Priors of independent lists are combined as such, so they never add up beyond 1."""
    combined = combined_posterior([_evidence({f"a{row}": 0.0}, prior) for row in range(lists)])
    assert combined.nobody == pytest.approx((1.0 - prior) ** lists)
    assert combined.on_any_list + combined.nobody == pytest.approx(1.0)
