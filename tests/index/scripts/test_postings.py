"""The cheap first look at scripts."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.index.scripts.blocks import Block
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


@pytest.mark.parametrize("count", [3, 2_000, 400_000])
def test_a_block_says_where_runs_of_any_length_are(count: int) -> None:
    """Of small blocks and of those with fences; at both ends, of one posting and of thousands, and of none."""
    rng = np.random.default_rng(count)
    hashes = rng.integers(0, 2**32, count, dtype=np.uint64)
    hashes[: count // 2] = rng.choice(hashes[:3], count // 2)
    hashes[-300:-100] = hashes[-1]
    edges = np.array([0, 2**32 - 1], np.uint64)
    hashes[1 : 1 + len(edges)] = edges
    postings = np.unique((hashes << np.uint64(32)) | np.arange(count, dtype=np.uint64))
    asked = np.concatenate([hashes[:500], hashes[-500:], rng.integers(0, 2**32, 500, np.uint64)])
    low = np.sort(asked) << np.uint64(32)
    first, last = Block(postings).run(low)
    assert first.tolist() == np.searchsorted(postings, low).tolist()
    end = np.searchsorted(postings, low | np.uint64(2**32 - 1), side="right")
    # Where there are none, an end is as good as a beginning.
    assert last[last > first].tolist() == end[last > first].tolist()
    assert (last - first).tolist() == (end - np.searchsorted(postings, low)).tolist()


def test_nothing_is_found_in_nothing() -> None:
    """No postings, no shingles."""
    alive = np.ones(1, dtype=np.bool_)
    assert rows_of(Postings().find(SHINGLES[:0], alive)) == []
    assert rows_of(Postings().find(SHINGLES[:2], alive)) == [[], []]
    postings = Postings()
    postings.add(SHINGLES[:0], np.zeros(0, np.uint32))
    assert len(postings) == 0
    assert postings.nbytes == 0
