"""What speaks for each script."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shengdun.index.scripts.postings import Found
from shengdun.index.scripts.support import Support, leading

finds = st.lists(
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 7)), max_size=60), max_size=20
)
WEIGHTS = np.array([0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


def found_by(pairs: list[tuple[int, int]], wordings: int = len(WEIGHTS)) -> Found:
    """Rows by wording, each wording of one script alone."""
    rows = np.array([row for row, _ in pairs], np.int64)
    places = np.array([place for _, place in pairs], np.int64)
    return Found(places=places, rows=rows, counts=np.ones(wordings, np.int64))


@given(finds, st.integers(0, 70))
def test_support_is_what_a_plain_sum_says(parts: list[list[tuple[int, int]]], count: int) -> None:
    """Whatever is added and in how many pieces; of equals the older; what was before stays as it was."""
    support, plain = Support(), Counter[int]()
    before: list[tuple[Support, list[int]]] = [(support, [])]
    for part in parts:
        support = support.with_more(found_by(part), WEIGHTS)
        for row, place in part:
            plain[row] += round(WEIGHTS[place] * 2 * 2**20)
        order = sorted(plain, key=lambda row: (-plain[row], row))
        before.append((support, order[:count]))
    for each, expected in before:
        assert each.most(count, least=0.0).tolist() == expected
    least = 2.0
    enough = [row for row, weight in plain.items() if weight >= least * 2**20]
    assert sorted(support.most(len(plain), least=least).tolist()) == sorted(enough)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 7)), max_size=60), max_size=64)
)
def test_several_texts_at_once_have_what_each_has(parts: list[list[tuple[int, int]]]) -> None:
    """The same rows in the same order, of texts with none too."""
    pairs = [(row, 8 * text + place) for text, part in enumerate(parts) for row, place in part]
    texts, rows = leading(
        found_by(pairs, 8 * len(parts)),
        np.tile(WEIGHTS, len(parts)),
        np.repeat(np.arange(len(parts)), len(WEIGHTS)),
        count=5,
        least=1.5,
    )
    for text, part in enumerate(parts):
        alone = Support().with_more(found_by(part), WEIGHTS).most(5, least=1.5).tolist()
        assert [row for of, row in zip(texts, rows, strict=True) if of == text] == alone
    assert texts == sorted(texts)


@given(finds)
def test_the_order_of_what_is_added_changes_nothing(parts: list[list[tuple[int, int]]]) -> None:
    """Forwards, backwards, all at once."""
    forwards, backwards = Support(), Support()
    for part, other in zip(parts, reversed(parts), strict=True):
        forwards = forwards.with_more(found_by(part), WEIGHTS)
        backwards = backwards.with_more(found_by(other), WEIGHTS)
    at_once = Support().with_more(found_by([pair for part in parts for pair in part]), WEIGHTS)
    wanted = at_once.most(8, least=1.0).tolist()
    assert forwards.most(8, least=1.0).tolist() == wanted
    assert backwards.most(8, least=1.0).tolist() == wanted
