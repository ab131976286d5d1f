"""The cheap first look at scripts."""

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shengdun.index.scripts.postings import NEWEST_ROWS, OLDEST_ROWS, Found, Postings

SHINGLES = np.arange(12, dtype=np.uint64) << np.uint64(40)


def rows_of(found: Found) -> list[list[int]]:
    """Of each shingle."""
    return [
        sorted(found.rows[found.places == place].tolist()) for place in range(len(found.counts))
    ]


@given(st.lists(st.lists(st.integers(0, 11), max_size=8), max_size=40), st.sets(st.integers(0, 39)))
def test_postings_find_what_a_plain_list_finds(scripts: list[list[int]], dead: set[int]) -> None:
    """Whatever was added, merged, removed and dropped."""
    postings, plain = Postings(), defaultdict(set)
    alive = np.ones(40, dtype=np.bool_)
    for row, held in enumerate(scripts):
        postings.add(SHINGLES[held], np.full(len(held), row, np.uint32))
        for each in held:
            plain[each].add(row)
    alive[list(dead)] = False
    before = postings.find(SHINGLES, alive)
    postings.drop(alive)
    for looked in (before, postings.find(SHINGLES, alive)):
        assert rows_of(looked) == [sorted(plain[each] - dead) for each in range(len(SHINGLES))]
    assert before.counts.tolist() == [len(plain[each]) for each in range(len(SHINGLES))]


def test_common_wording_proposes_the_oldest_scripts_and_the_newest() -> None:
    """So many and no more, those that are gone not among them, and how many there are."""
    count = 8 * (OLDEST_ROWS + NEWEST_ROWS)
    postings, alive = Postings(), np.ones(count, dtype=np.bool_)
    postings.add(np.repeat(SHINGLES[:1], count), np.arange(count, dtype=np.uint32))
    alive[:10] = False
    found = postings.find(SHINGLES[:2], alive)
    assert rows_of(found) == [[*range(10, OLDEST_ROWS), *range(count - NEWEST_ROWS, count)], []]
    assert found.counts.tolist() == [count, 0]


def test_nothing_is_found_in_nothing() -> None:
    """No postings, no shingles."""
    alive = np.ones(1, dtype=np.bool_)
    assert rows_of(Postings().find(SHINGLES[:0], alive)) == []
    assert rows_of(Postings().find(SHINGLES[:2], alive)) == [[], []]
    postings = Postings()
    postings.add(SHINGLES[:0], np.zeros(0, np.uint32))
    assert len(postings) == 0
    assert postings.nbytes == 0
