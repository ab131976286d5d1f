"""Regular expressions that packs may have."""

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.canonical_texts import canonical
from shengdun.fingerprint.text.labels.patterns import LONGEST, Gate, Matcher, encoded, uncanonical

REFUSED = [
    ("", "is empty"),
    ("   ", "is empty"),
    ("甲" * 501, "more than 500"),
    ("投诉(", "RE2 does not take it"),
    ("投诉(?=监管)", "RE2 does not take it"),
    ("(?<!不)投诉", "RE2 does not take it"),
    (r"(投)诉\1", "RE2 does not take it"),
    ("(.{0,60}甲){0,60}", "RE2 does not take it"),
    (".{0,1000}甲", "too large a program"),
    ("(投诉)?", "matches where there is nothing"),
    ("投诉|", "matches where there is nothing"),
    (r"\b", "matches where there is nothing"),
    (".*", "matches where there is nothing"),
    (".+", "matches nearly any text"),
    (r"\p{Han}{3}", "matches nearly any text"),
    ("投诉|.{59}", "matches nearly any text"),
    ("^投诉", "an end of the text"),
    ("投诉$", "an end of the text"),
    (r"\A投诉", "the beginning of the text"),
    (r"投诉\z", "the end of the text"),
    (r"投\C诉", "a single byte"),
    (r"\Q投诉\E", "a quotation"),
]
REGEXES = [
    "甲.{0,3}乙",
    "甲+",
    "(甲乙)+",
    "甲.*乙",
    "[甲乙]丙|丙.乙甲",
    "甲乙|甲乙丙",
    "(?s)丙.{1,70}",
]
letters = st.text(alphabet="甲乙丙", max_size=200)


@pytest.mark.parametrize(("regex", "said"), REFUSED, ids=repr)
def test_a_pattern_that_packs_may_not_have_is_refused(regex: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Matcher(regex)


@pytest.mark.parametrize(
    "regex", [r"a\^b", r"[$^]元整", r"投诉\b", r"(?i)app投诉", r"\\Azz", r"[^甲]乙丙", r"\[甲\]乙"]
)
def test_what_only_looks_refusable_is_taken(regex: str) -> None:
    Matcher(regex)


@settings(deadline=None)
@given(regex=st.sampled_from(REGEXES), text=letters)
def test_from_each_start_the_longest_match_within_the_limit_is_found(regex: str, text: str) -> None:
    """Compared with trying every start and every end by itself."""
    program = re2.compile(regex)
    expected = []
    for start in range(len(text)):
        ends = range(min(start + LONGEST, len(text)), start + 1, -1)
        end = next((end for end in ends if program.fullmatch(text[start:end])), None)
        expected += [] if end is None else [(start, end)]
    assert list(Matcher(regex).matches(encoded(text))) == expected


def test_a_longer_match_is_cut_short() -> None:
    (first, *_) = Matcher("甲+").matches(encoded("甲" * 100))
    assert first == (0, LONGEST)


def test_a_match_far_away_is_found_in_a_long_text() -> None:
    """Nothing falls between the windows, wherever it is."""
    for before in (0, 59, 60, 61, 119, 120, 121, 179, 5_000, 70_000):
        text = "丙" * before + "甲" + "丙" * 58 + "乙" + "丙" * 4_000
        assert list(Matcher("甲.*乙").matches(encoded(text))) == [(before, before + 60)]


def test_a_text_made_to_be_slow_is_searched_in_linear_time() -> None:
    """Every start looks as far as it may and nothing is found; in quadratic time this would never end."""
    assert not list(Matcher("甲.*乙丁").matches(encoded("甲" * 200_000)))
    assert not list(Matcher("(甲+)+丁").matches(encoded("甲" * 200_000)))
    text = "甲" * 100_000 + "丁"
    assert len(list(Matcher("甲.*丁").matches(encoded(text)))) == LONGEST - 1


def test_lone_surrogates_and_wide_characters_keep_their_places() -> None:
    text = "\ud800😀é甲乙\udfff甲乙"
    assert list(Matcher("甲乙").matches(encoded(text))) == [(3, 5), (6, 8)]


def test_a_word_boundary_is_judged_by_the_whole_text() -> None:
    """Not by where a window happens to end."""
    assert not list(Matcher(r"ab\b").matches(encoded("丙" * 118 + "abc")))
    assert (
        list(
            Matcher(r"ab\b").matches(
                encoded(
                    "abc",
                ),
                since=1,
            )
        )
        == []
    )


def test_characters_that_canonical_text_never_has_are_named() -> None:
    assert list(uncanonical("維權，APP", canonical)) == [
        ("維", "维"),
        ("權", "权"),
        ("，", ""),
        ("A", "a"),
        ("P", "p"),
    ]
    assert not list(uncanonical(r"维权.{0,3}\p{Han}[一-龥A]\S(?i)app(?P<Name>投诉)", canonical))


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([*REGEXES, r"(?i)aP{1,3}", r"甲\b"]), max_size=4),
    st.text(alphabet="甲乙丙aPp", max_size=200),
    st.integers(0, 200),
)
def test_a_gate_is_shut_only_where_nothing_matches(
    regexes: list[str], text: str, since: int
) -> None:
    """It may be open where nothing does; in an ordinary text it is shut."""
    since = min(since, len(text))
    if Gate(regexes).is_shut(encoded(text), since=since):
        found = [list(Matcher(regex).matches(encoded(text), since=since)) for regex in regexes]
        assert not any(found)
    assert Gate(REGEXES).is_shut(encoded("丁" * 100), since=0)
