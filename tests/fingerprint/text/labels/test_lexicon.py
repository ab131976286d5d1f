"""Finding labels in a text."""

import dataclasses
from itertools import cycle, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.canonical_texts import canonical, canonical_with_origins
from shengdun.fingerprint.text.labels.lexicon import LabelHit, Lexicon
from shengdun.fingerprint.text.labels.listening import LabelListener
from shengdun.fingerprint.text.labels.pack import (
    Label,
    Meaning,
    Packs,
    Pattern,
    Severity,
    Term,
    Vocabulary,
)

MEANING = Meaning(zh="某", en="Some")


def label(
    name: str, *terms: str, patterns: dict[str, str] | None = None, exceptions: tuple[str, ...] = ()
) -> Label:
    return Label(
        name=name,
        meaning=MEANING,
        severity=Severity.HIGH,
        source="本行规定",
        vocabulary=Vocabulary(
            terms=tuple(Term(written=term, canonical=canonical(term)) for term in terms),
            patterns=tuple(
                Pattern(name=key, regex=regex) for key, regex in (patterns or {}).items()
            ),
            exceptions=tuple(Term(written=term, canonical=canonical(term)) for term in exceptions),
        ),
    )


def lexicon(*labels: Label) -> Lexicon:
    return Lexicon(Packs(packs=(), labels=labels))


def found(finder: Lexicon, text: str) -> list[tuple[str, str, str]]:
    """Label, the words in the original, and the term's name."""
    hits = finder.find(*canonical_with_origins(text))
    return [(hit.label, text[hit.start : hit.end], hit.term) for hit in hits]


def test_a_hit_is_where_it_is_in_the_original() -> None:
    """Punctuation, width and traditional forms in the text or in the term make no difference."""
    finder = lexicon(label("AGENT", "代理—维权"))
    assert found(finder, "我是 代 理、維權 的") == [("AGENT", "代 理、維權", "代理—维权")]


def test_a_masked_stretch_is_one_character() -> None:
    finder = lexicon(label("ARTICLE", patterns={"条款": r"办法第\p{Co}条"}))
    assert found(finder, "按照办法第{七十}条办") == [("ARTICLE", "办法第{七十}条", "条款")]


def test_overlapping_hits_of_one_label_are_merged() -> None:
    """The hit that begins first gives its name, of several that do the longest, of equal ones the first in the pack."""
    finder = lexicon(
        label("AGENT", "债务", "债务优化", "优化公司", "公司合同", patterns={"也是": "债务优化"}),
        label("OTHER", "务优"),
    )
    assert found(finder, "债务优化公司合同，债务") == [
        ("AGENT", "债务优化公司合同", "债务优化"),
        ("OTHER", "务优", "务优"),
        ("AGENT", "债务", "债务"),
    ]


def test_hits_side_by_side_stay_two() -> None:
    finder = lexicon(label("AGENT", "停息", "挂账"))
    assert found(finder, "停息挂账") == [("AGENT", "停息", "停息"), ("AGENT", "挂账", "挂账")]


def test_a_hit_that_overlaps_an_exception_does_not_count() -> None:
    """Of its own label; within it, around it or across its edge."""
    finder = lexicon(
        label(
            "PROMISE",
            "保本",
            "收益",
            patterns={"保证": "保证.{0,3}收益"},
            exceptions=("不保本", "不保证", "收益率"),
        ),
        label("OTHER", "保本"),
    )
    assert found(finder, "不保本") == [("OTHER", "保本", "保本")]
    assert found(finder, "不保证有收益") == [("PROMISE", "收益", "收益")]
    assert found(finder, "保证有收益率") == []
    assert found(finder, "保证有收益") == [("PROMISE", "保证有收益", "保证")]


def test_latin_words_and_numbers_are_found_whole() -> None:
    finder = lexicon(label("AGENT", "app", "12378", "p图"))
    assert found(finder, "打12378，下载APP") == [
        ("AGENT", "12378", "12378"),
        ("AGENT", "APP", "app"),
    ]
    assert found(finder, "912378 123789 京A12378 apple wapp app图") == [("AGENT", "app", "app")]


def test_the_stretches_must_be_those_of_the_text() -> None:
    finder = lexicon(label("AGENT", "停息"))
    three = np.arange(3, dtype=np.int32)
    with pytest.raises(ValueError, match="one stretch"):
        finder.find("停息", three, three + 1)
    with pytest.raises(ValueError, match="one stretch"):
        LabelListener(finder).hear("停息", three[:2], three + 1)


def test_an_empty_text_and_an_empty_lexicon_have_no_hits() -> None:
    nothing = np.zeros(0, np.int32)
    assert lexicon(label("AGENT", "停息", patterns={"甲": "甲乙"})).find("", nothing, nothing) == ()
    assert found(lexicon(), "停息挂账") == []


def test_hits_say_how_much_they_matter() -> None:
    (hit,) = lexicon(label("AGENT", "停息")).find(*canonical_with_origins("停息"))
    assert hit == LabelHit(label="AGENT", severity=Severity.HIGH, start=0, end=2, term="停息")
    assert dataclasses.is_dataclass(hit)


DENSE = lexicon(
    label(
        "ONE",
        "甲乙",
        "乙甲甲",
        "aa",
        patterns={"长": "甲.*乙", "近": "乙.{0,4}丙"},
        exceptions=("丙甲乙", "乙丙丙丙"),
    ),
    label("TWO", "乙乙", "丙甲", patterns={"串": "(甲乙)+丙"}, exceptions=("甲乙乙",)),
)
SHORT = lexicon(
    label("ONE", "甲乙", "乙甲甲", "aa"), label("TWO", "乙丙", exceptions=("甲乙丙丙",))
)
pieces = st.lists(st.text(alphabet="甲乙丙丁a ", max_size=40), max_size=12)


def cut(text: str, sizes: list[int]) -> list[str]:
    """The text in pieces of these sizes, and the rest."""
    bounds = [0, *np.minimum(np.cumsum(sizes), len(text)).tolist(), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


@pytest.mark.parametrize("finder", [DENSE, SHORT], ids=["patterns", "terms"])
@settings(deadline=None, max_examples=40)
@given(pieces=pieces, copies=st.integers(1, 6))
def test_a_text_in_pieces_has_the_hits_of_the_whole(
    finder: Lexicon, pieces: list[str], copies: int
) -> None:
    """After every piece, not only at the end."""
    listener = LabelListener(finder)
    heard = ""
    for piece in pieces * copies:
        at = len(heard)
        heard += piece
        text, starts, ends = canonical_with_origins(piece)
        hits = listener.hear(text, starts + at, ends + at)
        assert hits == finder.find(*canonical_with_origins(heard))


@settings(deadline=None, max_examples=40)
@given(pieces=pieces, guesses=pieces, keep=st.floats(0.0, 1.0))
def test_what_is_only_tried_may_be_withdrawn(
    pieces: list[str], guesses: list[str], keep: float
) -> None:
    """Each answer is that to what was taken in with the guess behind it, and nothing of the guess stays."""
    listener, heard = LabelListener(DENSE), ""
    for piece, guess in zip(pieces, cycle([*guesses, ""])):
        at, kept = len(heard), piece[: round(keep * len(piece))]
        text, starts, ends = canonical_with_origins(kept + guess)
        settled = len(canonical_with_origins(kept)[0])
        hits = listener.hear(text, starts + at, ends + at, settled=settled)
        assert hits == DENSE.find(*canonical_with_origins(heard + kept + guess))
        heard += kept


@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 200), max_size=30), seed=st.integers(0, 2**32 - 1))
def test_a_long_text_may_be_cut_anywhere(sizes: list[int], seed: int) -> None:
    """Hits, chains of hits and exceptions that lie across many cuts."""
    rng = np.random.default_rng(seed)
    text = "".join(rng.choice(list("甲甲乙丙丁"), 1_500).tolist())
    starts = np.arange(len(text), dtype=np.int32)
    listener, at = LabelListener(DENSE), 0
    hits: tuple[LabelHit, ...] = ()
    for piece in cut(text, sizes):
        here = starts[at : at + len(piece)]
        hits, at = listener.hear(piece, here, here + 1), at + len(piece)
    assert hits == DENSE.find(text, starts, starts + 1)


def test_a_call_of_any_length_is_kept_in_little_memory() -> None:
    """What can't matter any more is forgotten."""
    listener = LabelListener(DENSE)
    for piece in range(200):
        starts = np.arange(piece * 50, piece * 50 + 50, dtype=np.int32)
        listener.hear("丁" * 50, starts, starts + 1)
    assert len(listener._text) <= 2 * DENSE.reach


def test_a_text_made_of_hits_is_searched_in_linear_time() -> None:
    """In quadratic time this would never end; the chain is one hit."""
    text = "甲乙" * 20_000
    starts = np.arange(len(text), dtype=np.int32)
    assert [hit.end - hit.start for hit in DENSE.find(text, starts, starts + 1)] == [len(text)]
    covered = lexicon(label("ONE", "甲乙", "甲乙甲", exceptions=("乙甲",)))
    assert covered.find(text, starts, starts + 1) == ()
