"""Passages that two texts share."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shengdun.fingerprint.text.shingles import shingles
from shengdun.index.scripts.alignment import SEED, Aligned, Seeds, align

codes = st.lists(st.integers(1, 6), max_size=120)


def aligned(text: list[int], script: list[int], rarity: float = 1.0) -> list[Aligned]:
    """Of codes, every one as rare."""
    wide = np.array(text, np.uint16)
    places = Seeds(np.array(script, np.uint16)).found_in(shingles(wide, SEED), offset=0)
    sums = (np.arange(len(text) + 1) * rarity).astype(np.float64)
    return align(*places, sums)


def test_one_stretch_is_one_passage_worth_its_length() -> None:
    """Ten of a script's codes in the middle of others."""
    script = list(range(100, 140))
    [passage] = aligned([1, 2, 3, *script[10:20], 4, 5], script)
    assert passage == Aligned(text_start=3, text_end=13, script_start=10, script_end=20, worth=10.0)


def test_words_put_in_and_left_out_cost_and_do_not_part() -> None:
    """Two codes between, then three missing."""
    script = list(range(100, 140))
    text = [*script[:10], 7, 8, *script[10:20], *script[23:33]]
    [passage] = aligned(text, script)
    assert (passage.text_start, passage.text_end) == (0, 32)
    assert (passage.script_start, passage.script_end) == (0, 33)
    assert 25.0 < passage.worth < 30.0


def test_common_wording_is_worth_nothing() -> None:
    """However long."""
    script = list(range(100, 140))
    assert aligned(script, script, rarity=0.05) == []


@given(codes, codes)
def test_passages_lie_within_and_never_overlap(text: list[int], script: list[int]) -> None:
    """In order in the text, apart in both, worth more than the least and no more than their length."""
    found = aligned(text, script)
    for passage in found:
        assert 0 <= passage.text_start < passage.text_end <= len(text)
        assert 0 <= passage.script_start < passage.script_end <= len(script)
        assert 0.0 < passage.worth <= passage.text_end - passage.text_start
    assert all(one.text_end <= other.text_start for one, other in pairwise(found))
    in_script = sorted(found, key=lambda each: each.script_start)
    assert all(one.script_end <= other.script_start for one, other in pairwise(in_script))
