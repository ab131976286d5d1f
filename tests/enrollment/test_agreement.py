"""Whose voice is it, on constructed voices whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fixtures.store import make_scorer, voice
from shengdun.enrollment.agreement import find_agreement, pairwise_llrs, part_windows

DIMENSION = 192
SCORER = make_scorer(dimension=DIMENSION)


def recordings_of(*people: int, seed: int = 0, spread: float = 0.4) -> NDArray[np.float32]:
    """A voiceprint for each entry, near the voice of that person."""
    noise = np.random.default_rng(seed).standard_normal((len(people), DIMENSION))
    noise *= spread / np.sqrt(DIMENSION)
    rows = np.stack([voice(person, DIMENSION) for person in people]) + noise
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit.astype(np.float32)


@given(
    same=st.integers(2, 8),
    others=st.integers(0, 3),
    seed=st.integers(0, 10_000),
    order=st.randoms(use_true_random=False),
)
def test_the_majority_is_found_wherever_it_stands(
    same: int, others: int, seed: int, order: object
) -> None:
    """Recordings of one person are told from those of others that are fewer, in any order."""
    people = [1] * same + list(range(2, 2 + min(others, same - 1)))
    order.shuffle(people)  # type: ignore[attr-defined]
    found = find_agreement(
        SCORER, recordings_of(*people, seed=seed), np.full(len(people), 9.0), least_llr=0.0
    )
    assert found.main.tolist() == [person == 1 for person in people]
    assert ((found.llrs >= 0) == found.main).all()


def test_one_recording_agrees_with_nothing() -> None:
    """There is nothing to compare it with, and it is the main voice."""
    found = find_agreement(SCORER, recordings_of(1), np.array([9.0]), least_llr=0.0)
    assert found.main.tolist() == [True]
    assert np.isnan(found.llrs).all()


def test_two_people_each_disagree() -> None:
    """Both are told how little they agree, also the one that was begun with."""
    found = find_agreement(SCORER, recordings_of(1, 2), np.array([9.0, 9.0]), least_llr=0.0)
    assert found.main.sum() == 1
    assert (found.llrs < 0).all()


@given(own=st.integers(3, 20), others=st.integers(1, 2), seed=st.integers(0, 10_000))
def test_two_voices_are_parted(own: int, others: int, seed: int) -> None:
    """The windows of the second voice are exactly the smaller group, and the groups are not one voice."""
    people = [1] * own + [2] * others
    parting = part_windows(SCORER, recordings_of(*people, seed=seed), np.full(len(people), 3.0))
    assert parting.main.tolist() == [person == 1 for person in people]
    assert parting.llr is not None
    assert parting.llr < 0


@given(count=st.integers(1, 20), seed=st.integers(0, 10_000))
def test_one_voice_stays_one(count: int, seed: int) -> None:
    """However its windows are parted, the parts are one voice."""
    parting = part_windows(SCORER, recordings_of(*[1] * count, seed=seed), np.full(count, 3.0))
    assert parting.llr is None or parting.llr > 0
    assert parting.main.sum() * 2 >= count


def test_pairs_are_those_of_the_scorer() -> None:
    """The matrix is symmetric and has what the scorer says about each pair."""
    rows, net = recordings_of(1, 1, 2), np.array([4.0, 9.0, 20.0])
    pairs = pairwise_llrs(SCORER, rows, net)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        llr = SCORER.pairwise_llr(rows[one], rows[other], net_a_s=net[one], net_b_s=net[other])
        assert pairs[one, other] == pytest.approx(llr)
        assert pairs[other, one] == pytest.approx(llr)
