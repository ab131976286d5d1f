"""Whether calls that each fit the others are one voice, or several people who sound alike."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.unknown_voices import EVIDENCE, made_call
from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.scoring import unit_rows
from shengdun.index.voices.columns import CallColumns
from shengdun.index.voices.evidence import Voices
from shengdun.index.voices.grouping import Odds
from shengdun.index.voices.membership import called_for, crowding, membership, surest, together
from shengdun.index.voices.policy import VoicePolicy
from shengdun.index.voices.spread import Others

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


def leaning(calls: list[ArchivedCall], towards: ArchivedCall, share: float) -> Others:
    """Calls of people who all sound somewhat like another."""
    assert towards.voiceprint is not None
    rows = np.stack([call.voiceprint for call in calls if call.voiceprint is not None])
    mixed = unit_rows((1.0 - share) * rows + share * towards.voiceprint)
    made = [replace(call, voiceprint=row) for call, row in zip(calls, mixed, strict=True)]
    return EVIDENCE.others(voices_of(made))


def test_where_many_sound_alike_calls_have_to_be_surer() -> None:
    """People of another kind in the window change nothing; the voice's own calls don't count against it."""
    heard = [made_call(1, number) for number in range(3)]
    own = voices_of(heard)
    strangers = [made_call(voice, 0) for voice in range(100, 180)]
    plain = membership(own, EVIDENCE, ODDS)
    elsewhere = replace(ODDS, others=EVIDENCE.others(voices_of(strangers)))
    np.testing.assert_array_equal(membership(own, EVIDENCE, elsewhere), plain)
    alike = replace(ODDS, others=leaning(strangers, heard[0], 0.35))
    lowered = plain - membership(own, EVIDENCE, alike)
    assert lowered[0] > 0.5
    assert (lowered >= 0.0).all()
    undecided = VoicePolicy(lookalikes=np.exp(EVIDENCE.of_all(own) - 19.0))
    crowded, alone = (
        together(own, EVIDENCE, replace(odds, policy=undecided)) for odds in (alike, ODDS)
    )
    assert 0.0 < crowded < alone < 1.0
    further = [made_call(1, number) for number in range(3, 83)]
    assert not crowding(
        own, EVIDENCE, replace(ODDS, others=EVIDENCE.others(voices_of(further)))
    ).any()
    assert not crowding(own, EVIDENCE, replace(alike, policy=VoicePolicy(crowding=0.0))).any()


def test_few_others_say_nothing_of_a_window() -> None:
    """A mean over a handful is not to be had."""
    heard = [made_call(1, number) for number in range(3)]
    alike = leaning([made_call(voice, 0) for voice in range(100, 140)], heard[0], 0.35)
    assert not crowding(voices_of(heard), EVIDENCE, replace(ODDS, others=alike)).any()


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


def test_crowding_cannot_speak_for_a_voice() -> None:
    """A window full of lookalikes makes nobody more suspicious."""
    with pytest.raises(ValueError, match="crowding"):
        VoicePolicy(crowding=-0.1)
