from importlib.resources import files

import numpy as np
import pytest
from benchmarks.text.readings import table
from hypothesis import given
from hypothesis import strategies as st

from shengdun.fingerprint.text.normalise import normalise
from shengdun.fingerprint.text.pinyin import characters, loose_syllable, syllables
from shengdun.fingerprint.text.placeholders import Kind


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("投诉", "头数"),
        ("保险", "宝鲜"),
        ("是", "四"),
        ("这", "则"),
        ("出", "粗"),
        ("你", "里"),
        ("女", "律"),
        ("发", "哈"),
        ("京", "金"),
        ("正", "针"),
        ("帮", "班"),
        ("两", "脸"),
        ("光", "关"),
    ],
)
def test_what_sounds_alike_has_the_same_codes(one: str, other: str) -> None:
    """Homophones, and the pairs that recognisers and speakers of the south confuse."""
    assert syllables(one).tolist() == syllables(other).tolist()


@pytest.mark.parametrize(
    ("one", "other"), [("东", "蹲"), ("用", "云"), ("八", "趴"), ("居", "区"), ("大", "塔")]
)
def test_what_sounds_different_has_other_codes(one: str, other: str) -> None:
    assert syllables(one).tolist() != syllables(other).tolist()


@pytest.mark.parametrize(
    ("reading", "syllable"),
    [
        ("zhōng", "zong"),
        ("nǚ", "lv"),
        ("shuāng", "suan"),
        ("fēng", "hen"),
        ("ér", "er"),
        ("ńg", "ng"),
        ("xiǎng", "xian"),
    ],
)
def test_readings_lose_tone_and_what_is_confused(reading: str, syllable: str) -> None:
    assert loose_syllable(reading) == syllable


def test_frequent_characters_have_their_frequent_reading() -> None:
    """Polyphones are read as they mostly are."""
    assert syllables("的了行重长还得都").tolist() == syllables("德乐形众掌孩德兜").tolist()


def test_what_is_no_chinese_has_codes_of_its_own() -> None:
    """Latin letters, digits, placeholders and other scripts: all different, and none a syllable's."""
    foreign = "abcxyz0129" + "".join(kind.placeholder for kind in Kind) + "あйαㄱ"
    codes = syllables(foreign)
    assert codes.dtype == np.uint16
    assert len(set(codes.tolist())) == len(foreign)
    chinese = syllables("".join(map(chr, range(0x4E00, 0x9FA6))))
    assert not set(codes.tolist()) & set(chinese.tolist())
    assert (chinese < 0x1000).mean() > 0.99
    assert len(np.unique(chinese[chinese < 0x1000])) > 200


def test_codes_are_fixed() -> None:
    """They don't move with the dictionary, so hashes of them can be stored."""
    assert syllables("投诉银行退保费a1").tolist() == [503, 960, 992, 802, 509, 298, 680, 97, 49]


@given(st.text(max_size=50), st.integers(0, 50))
def test_no_cut_changes_a_code(text: str, at: int) -> None:
    canonical = normalise(text).text
    assert np.array_equal(
        syllables(canonical), np.concatenate([syllables(canonical[:at]), syllables(canonical[at:])])
    )
    assert characters(canonical).tolist() == [ord(character) for character in canonical]


def test_the_table_is_that_of_the_dictionary() -> None:
    """Whoever renews the dictionary renews the table, by ``python -m benchmarks.text.readings``."""
    shipped = files("shengdun.fingerprint.text").joinpath("syllables.txt").read_text("utf-8")
    assert shipped == table()
