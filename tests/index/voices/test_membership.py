"""Whether calls that each fit the others are one voice, or several people who sound alike."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.unknown_voices import EVIDENCE, made_call
from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.voices.columns import CallColumns
from shengdun.index.voices.evidence import Voices
from shengdun.index.voices.grouping import Odds
from shengdun.index.voices.membership import called_for, membership, surest, together
from shengdun.index.voices.policy import VoicePolicy

ODDS = Odds(policy=VoicePolicy(), window=1000)


def columns_of(calls: list[ArchivedCall]) -> CallColumns:
    return EVIDENCE.coder.columns(calls)


def voices_of(calls: list[ArchivedCall]) -> Voices:
    return EVIDENCE.calls(columns_of(calls))


def test_calls_of_one_voice_are_together_and_those_of_strangers_are_not() -> None:
    """And the more people sound alike, the less sure it is."""
    own = voices_of([made_call(1, number) for number in range(3)])
    assert together(own, EVIDENCE, ODDS) > 0.999
    assert together(voices_of([made_call(v, 0) for v in range(3)]), EVIDENCE, ODDS) < 1e-6
    chances = [
        together(own, EVIDENCE, replace(ODDS, policy=VoicePolicy(lookalikes=each)))
        for each in (1.0, 1e30, 1e60)
    ]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > chances[2]


def test_one_call_is_one_voice() -> None:
    """There is nobody else who could sound like it."""
    assert together(voices_of([made_call(1, 0)]), EVIDENCE, ODDS) == 1.0


@given(order=st.permutations(range(4)))
def test_the_order_of_calls_does_not_matter(order: list[int]) -> None:
    """What is asked is of all of them."""
    calls = [made_call(1, 0), made_call(1, 1), made_call(2, 0), made_call(1, 2)]
    expected = together(voices_of(calls), EVIDENCE, ODDS)
    shuffled = voices_of([calls[row] for row in order])
    assert together(shuffled, EVIDENCE, ODDS) == pytest.approx(expected)


def test_enough_customers_must_be_of_one_voice() -> None:
    """Neither question alone is enough: calls that fit, and calls that are of one voice."""
    calls = voices_of([made_call(1, number) for number in range(3)])
    of_calls = membership(calls, EVIDENCE, ODDS)
    chance = called_for(3, range(3), calls, of_calls, EVIDENCE, ODDS)
    assert 0.99 < chance <= together(calls, EVIDENCE, ODDS)
    assert called_for(4, range(3), calls, of_calls, EVIDENCE, ODDS) == 0.0
    doubted = replace(ODDS, policy=VoicePolicy(lookalikes=1e60))
    assert called_for(3, range(3), calls, of_calls, EVIDENCE, doubted) < 0.01


def test_a_caller_is_weighed_with_the_calls() -> None:
    """A caller who is somebody else takes the others along."""
    calls = voices_of([made_call(1, number) for number in range(2)])
    of_calls = np.full(2, np.inf)
    own, other = voices_of([made_call(1, 5)]), voices_of([made_call(2, 0)])

    def chance(caller: Voices) -> float:
        return called_for(2, range(2), calls, of_calls, EVIDENCE, ODDS, caller=caller)

    assert chance(own) > 0.99 > chance(other)


def test_the_surest_call_stands_for_a_household() -> None:
    """Calls without a customer, and those of households that are left out, stand for none."""
    odds = np.array([1.0, 3.0, 2.0, 9.0, 9.0])
    assert surest([7, 7, 8, 0, 9], odds, without={9}) == {7: 1, 8: 2}


def test_lookalikes_cannot_be_rarer_than_the_spread_has_them() -> None:
    """That would make evidence of nothing."""
    with pytest.raises(ValueError, match="lookalikes"):
        VoicePolicy(lookalikes=0.5)
