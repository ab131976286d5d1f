"""Errors as often as asked, of the kind asked, and the same for the same seed."""

from collections import Counter
from random import Random

import pytest
from benchmarks.text.corruption import (
    Corruption,
    clause_starts,
    corrupted,
    reordered,
    reworded,
    spoken,
)
from benchmarks.text.families import filled, read_families
from benchmarks.text.homophones import Homophones, common_characters, is_chinese, syllable
from hypothesis import given
from hypothesis import strategies as st

SCRIPT = filled(read_families()[0].text, Random(1))
ALL = "".join(family.text for family in read_families())
NEAR = {"zh": "z", "ch": "c", "sh": "s", "n": "l"}


def loose(sound: str) -> str:
    """A syllable with what is easily mixed up merged."""
    for long, short in NEAR.items():
        if sound.startswith(long):
            sound = short + sound[len(long) :]
            break
    return sound.removesuffix("g") if sound.endswith("ng") else sound


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.3])
def test_homophone_errors_are_as_frequent_as_asked_and_sound_alike(
    rate: float, homophones: Homophones
) -> None:
    """Nothing but Chinese characters changes, each into another one of the same or a near syllable."""
    changed = corrupted(ALL, Corruption.HOMOPHONES, rate, Random(1), homophones)
    assert len(changed) == len(ALL)
    wrong = [(old, new) for old, new in zip(ALL, changed, strict=True) if old != new]
    assert len(wrong) / sum(map(is_chinese, ALL)) == pytest.approx(rate, rel=0.1)
    assert all(loose(syllable(old)) == loose(syllable(new)) for old, new in wrong)
    # Some are of a near syllable and most of the same.
    near = sum(syllable(old) != syllable(new) for old, new in wrong)
    assert 0 < near < len(wrong) / 3


def test_wrong_characters_are_replaced_lost_and_added(homophones: Homophones) -> None:
    """A fifth of the characters is touched; as many are lost as are added, so the length stays about the same."""
    changed = corrupted(ALL, Corruption.CHARACTERS, 0.2, Random(1), homophones)
    assert len(changed) == pytest.approx(len(ALL), rel=0.03)
    kept = sum((Counter(ALL) & Counter(changed)).values())
    assert len(ALL) * 0.8 <= kept < len(ALL) * 0.97


def test_reordering_keeps_every_sentence(homophones: Homophones) -> None:
    """The same characters in another order; of two sentences the clauses are moved."""
    changed = reordered(SCRIPT, Random(1))
    assert changed != SCRIPT
    assert Counter(changed) == Counter(SCRIPT)
    few = "我要投诉，你们骗我，马上退钱，不然我打电话。"
    assert {reordered(few, Random(seed)) for seed in range(9)} != {few}


def test_synonyms_replace_words_of_the_table() -> None:
    """Words are replaced and the rest of the sentence stays."""
    assert reworded("我要求退还", Random(1)) in {
        "我请求返还",
        "我要求返还",
        "我请求退还",
        "我要求退还",
    }
    assert len({reworded(SCRIPT, Random(seed)) for seed in range(5)}) == 5


def test_speech_has_no_punctuation_and_some_fillers() -> None:
    """What is left without the fillers are the words of the script."""
    said = spoken(SCRIPT, Random(1))
    assert not any(mark in said for mark in "，。、？：")
    assert len(said) > sum(character.isalnum() for character in SCRIPT)


@given(seed=st.integers(0, 2**32), kind=st.sampled_from(Corruption), rate=st.floats(0.0, 1.0))
def test_a_seed_gives_the_same_text(seed: int, kind: Corruption, rate: float) -> None:
    """Whatever the kind, the same generator gives the same text, and no text is refused."""
    homophones = Homophones([SCRIPT])
    once = corrupted(SCRIPT, kind, rate, Random(seed), homophones)
    assert once == corrupted(SCRIPT, kind, rate, Random(seed), homophones)
    assert corrupted("", kind, rate, Random(seed), homophones) == ""


def test_the_table_of_common_characters_is_that_of_the_standard() -> None:
    """GB 2312-80 has 3,755 in its first level, and a character that sounds like no other stays."""
    assert len(set(common_characters())) == 3_755
    assert Homophones([]).mistaken("A", Random(1)) == "A"


def test_clauses_begin_after_punctuation() -> None:
    """The first begins the text."""
    assert clause_starts("你好，我要投诉。行") == [0, 3, 8]
