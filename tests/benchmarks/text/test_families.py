"""The committed scripts: enough of them, of the length that was asked for, and filled the same way every time."""

from random import Random

import pytest
from benchmarks.text.families import (
    Family,
    Half,
    filled,
    half_of,
    honest_complaints,
    read_families,
    registered,
)

FAMILIES = read_families()
SPLIT = ["evaluate", "evaluate", "fit", "fit", "evaluate", "evaluate"]


def test_there_are_forty_families_with_names_of_their_own_and_ten_paraphrases() -> None:
    """As many as the benchmark promises."""
    assert len({family.family_id for family in FAMILIES}) == len(FAMILIES) >= 40
    assert sum(family.paraphrase is not None for family in FAMILIES) >= 10


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.family_id)
def test_a_script_has_150_to_600_characters_and_no_blank_left(family: Family) -> None:
    """Every blank has values, and a paraphrase has the blanks of its script."""
    text = filled(family.text, Random(1))
    assert 150 <= len(text) <= 600
    assert "{" not in text
    assert "}" not in text
    assert "{" not in filled(family.paraphrase or "", Random(1))


def test_the_halves_have_families_and_paraphrases_each() -> None:
    """Neither half is a remainder."""
    for half in Half:
        own = [family for family in FAMILIES if family.half is half]
        assert len(own) >= 15
        assert any(family.paraphrase for family in own)


def test_a_half_depends_on_the_name_alone() -> None:
    """The split is the same on every machine: these names were split so when it was made."""
    assert [half_of(f"name-{number}") for number in range(6)] == SPLIT


def test_scripts_are_registered_alike_and_planted_otherwise() -> None:
    """The registered filling never changes; another generator fills the blanks differently, each blank alike."""
    assert registered(FAMILIES) == registered(FAMILIES)
    template = "{bank}欠{amount}元，{bank}"
    texts = {filled(template, Random(seed)) for seed in range(20)}
    assert len(texts) > 10
    for text in texts:
        bank = text.partition("欠")[0]
        assert text.endswith(f"，{bank}")


def test_honest_complaints_are_none_of_the_scripts() -> None:
    """Thirty at least, with no blank left, and no clause of twelve characters in common with any script."""
    honest = honest_complaints()
    assert len(set(honest)) >= 30
    scripts = "".join(registered(FAMILIES).values())
    for text in honest:
        assert "{" not in text
        assert not any(text[start : start + 12] in scripts for start in range(len(text) - 11))
