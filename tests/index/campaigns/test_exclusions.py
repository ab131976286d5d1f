"""Wording that must not count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shengdun.fingerprint.text.normalise import normalise
from shengdun.fingerprint.text.pinyin import syllables
from shengdun.index.campaigns.exclusions import (
    RUN,
    CommonWording,
    Exclusions,
    default_exclusions,
)
from shengdun.index.scripts.background import default_background, learn

READ_OUT = "本次通话将被录音请您确认已经知晓并同意上述内容"


def covered(exclusions: Exclusions, text: str) -> str:
    """The characters that are excluded; a dash for each other."""
    marks = exclusions.covered(syllables(text))
    return "".join(
        character if mark else "-" for character, mark in zip(text, marks.tolist(), strict=True)
    )


def test_what_is_listed_is_excluded_and_what_stands_beside_it_is_not() -> None:
    """In whole and in part."""
    exclusions = Exclusions.of([READ_OUT])
    assert covered(exclusions, "我说" + READ_OUT + "对吗") == "--" + READ_OUT + "--"
    assert covered(exclusions, "他让我确认已经知晓才行") == "---确认已经知晓--"
    assert covered(exclusions, "你们必须把钱全部退给我") == "-" * 11


def test_a_misheard_syllable_does_not_hide_it() -> None:
    """Two syllables are wrong, and still all of it is excluded; what sounds alike is the same anyway."""
    misheard = READ_OUT.replace("确认", "切好")
    assert "-" not in covered(Exclusions.of([READ_OUT]), misheard)
    assert "-" not in covered(Exclusions.of([READ_OUT]), READ_OUT.replace("知晓", "之小"))


def test_the_words_of_a_listed_text_count_elsewhere() -> None:
    """Fewer than a run of them."""
    assert covered(Exclusions.of([READ_OUT]), "通话我有录音内容是") == "-" * 9


@pytest.mark.parametrize("texts", [[], [""], ["退保"], ["。。。"]])
def test_texts_shorter_than_a_run_exclude_nothing(texts: list[str]) -> None:
    """Nor do none."""
    exclusions = Exclusions.of(texts)
    assert len(exclusions.hashes) == 0
    assert not exclusions.covered(syllables(READ_OUT)).any()


def test_statutes_and_greetings_are_excluded_from_the_start() -> None:
    """Their names, not what is said about them."""
    shipped = default_exclusions()
    assert covered(shipped, "按商业银行信用卡业务监督管理办法我要分期") == (
        "-商业银行信用卡业务监督管理办法----"
    )
    assert "-" not in covered(shipped, "您好请问有什么可以帮您")


def test_excluded_wording_has_no_rarity() -> None:
    """And other wording has what the background says."""
    backgrounds = (default_background(),)
    text = syllables("你们掩盖了真实的借款成本" + READ_OUT)
    plain = CommonWording(backgrounds=backgrounds, exclusions=Exclusions()).rarity(text)
    rarity = CommonWording(backgrounds=backgrounds, exclusions=Exclusions.of([READ_OUT])).rarity(
        text
    )
    assert rarity[:12].tolist() == plain[:12].tolist()
    assert not rarity[12:].any()
    assert plain[12:].any()


def test_wording_is_as_common_as_where_it_is_commonest() -> None:
    """What all calls of a line have in common is common there, whatever the world says."""
    shipped = default_background()
    line = learn(
        [READ_OUT + end for end in ("我要退保", "查账单", "改地址", "挂失卡")], least_documents=2
    )
    text = syllables(READ_OUT)
    of_line = CommonWording(backgrounds=(shipped, line), exclusions=Exclusions()).rarity(text)
    of_world = CommonWording(backgrounds=(shipped,), exclusions=Exclusions()).rarity(text)
    assert of_line.max() == pytest.approx(0.0)
    assert of_world.mean() > 0.3
    with pytest.raises(ValueError, match="background"):
        CommonWording(backgrounds=(), exclusions=Exclusions())


@settings(deadline=None)
@given(
    st.lists(st.text(alphabet="本次通话录音请您确认", max_size=20), max_size=4),
    st.text(alphabet="本次通话录音请您确认", max_size=40),
)
def test_every_run_of_a_listed_text_is_excluded(listed: list[str], text: str) -> None:
    """And where none is nothing is; more texts exclude no less."""
    text, canonical = normalise(text).text, [normalise(each).text for each in listed]
    runs = {each[at : at + RUN] for each in canonical for at in range(len(each) - RUN + 1)}
    exclusions = Exclusions.of([])
    for each in listed:
        exclusions = exclusions.with_more(Exclusions.of([each]))
    marks = exclusions.covered(syllables(text))
    places = [at for at in range(len(text) - RUN + 1) if text[at : at + RUN] in runs]
    assert all(marks[at : at + RUN].all() for at in places)
    assert marks.any() == bool(places)
    assert np.array_equal(exclusions.hashes, Exclusions.of(listed).hashes)
