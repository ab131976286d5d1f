"""Lists too long to be scored whole: what is found is exact, and depends on their content alone."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fixtures.store import make_scorer, voice
from shengdun.index.scoring import unit_rows
from shengdun.index.search import EXHAUSTIVE_ROWS, NEAREST_ROWS, PROPOSED_ROWS, Ranking, rank
from shengdun.index.segments import NEVER_US, Row, Segment, append, expire, remove
from shengdun.index.sketches import SketchForm, faiss

SCORER = make_scorer()
LATE_US = 5
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(EXHAUSTIVE_ROWS + 1, EXHAUSTIVE_ROWS + 1500)


def crowd(seed: int, count: int, *, clusters: int = 7, per_actor: int = 3) -> dict[str, Row]:
    """Clustered voices, some of them twice, by voiceprint id; an actor's are not enrolled one after the other."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, 32))
    vectors = unit_rows(centres[rng.integers(clusters, size=count)] + rng.normal(0, 1, (count, 32)))
    vectors[rng.integers(count, size=count // 20)] = vectors[0]
    actors = rng.integers(count // per_actor, size=count)
    return {
        f"vp-{number:05}": Row(
            voiceprint_id=f"vp-{number:05}",
            actor_id=f"a-{actor:05}",
            actor_code=int(actor),
            expires_us=NEVER_US,
            net_speech_s=4.0 + number % 9,
            vector=vector,
        )
        for number, (actor, vector) in enumerate(zip(actors, vectors, strict=True))
    }


def in_parts(rows: Sequence[Row], seed: int, *, parts: int) -> tuple[Segment, ...]:
    """The rows enrolled in another order, in several additions."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(rows))
    cuts = np.sort(rng.integers(len(rows), size=parts - 1))
    segments: tuple[Segment, ...] = ()
    for part in np.split(order, cuts):
        if len(part):
            segments = append(segments, [rows[row] for row in part.tolist()], SCORER)
    return segments


def search(segments: tuple[Segment, ...], query: NDArray[np.float32]) -> Ranking:
    return rank(segments, SCORER, query, net_speech_s=6.0, at_us=LATE_US)


def assert_same(a: Ranking, b: Ranking) -> None:
    assert a.actor_ids == b.actor_ids
    assert a.voiceprint_ids == b.voiceprint_ids
    assert a.llrs.tobytes() == b.llrs.tobytes()


def scored_whole(rows: Mapping[str, Row], query: NDArray[np.float32]) -> dict[str, float]:
    """The LLR of every actor, on lists so short that nothing is left out."""
    by_actor: dict[str, list[Row]] = {}
    for row in rows.values():
        by_actor.setdefault(row.actor_id, []).append(row)
    names = sorted(by_actor)
    found: dict[str, float] = {}
    for start in range(0, len(names), 500):
        some = [row for name in names[start : start + 500] for row in by_actor[name]]
        ranking = search(append((), some, SCORER), query)
        found |= dict(zip(ranking.actor_ids, ranking.llrs.tolist(), strict=True))
    return found


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, count=SIZES)
def test_the_best_of_a_long_list_are_those_of_scoring_it_whole(seed: int, count: int) -> None:
    """On clustered lists, for strangers and for calls of listed voices; with the same LLRs to the bit."""
    rows = crowd(seed, count)
    segments = in_parts(list(rows.values()), seed, parts=3)
    rng = np.random.default_rng(seed)
    listed = rows[f"vp-{int(rng.integers(count)):05}"].vector
    calls = [listed, unit_rows((listed + rng.normal(0, 0.1, 32))[np.newaxis])[0], voice(seed)]
    for query in calls:
        ranking = search(segments, query)
        whole = scored_whole(rows, query)
        best = sorted(whole.values(), reverse=True)[:10]
        assert ranking.llrs[:10].tolist() == best
        assert all(
            whole[name] == llr
            for name, llr in zip(ranking.actor_ids, ranking.llrs.tolist(), strict=True)
        )


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, count=SIZES, parts=st.integers(2, 9))
def test_the_order_of_enrolments_makes_no_difference(seed: int, count: int, parts: int) -> None:
    """Nor into which segments they fell: all of what is found is the same to the bit."""
    rows = list(crowd(seed, count).values())
    at_once, in_turn = append((), rows, SCORER), in_parts(rows, seed, parts=parts)
    for query in (voice(seed), rows[3].vector):
        assert_same(search(at_once, query), search(in_turn, query))


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, count=SIZES, share=st.sampled_from([0.01, 0.5, 0.97]))
def test_erased_and_expired_voiceprints_leave_what_never_having_had_them_leaves(
    seed: int, count: int, share: float
) -> None:
    """However many they are; for each query that comes nearest to one of them."""
    kept = crowd(seed, count)
    more = {
        f"x{name}": Row(
            voiceprint_id=f"x{name}",
            actor_id=f"x{row.actor_id}",
            actor_code=row.actor_code + count,
            expires_us=NEVER_US,
            net_speech_s=row.net_speech_s,
            vector=row.vector,
        )
        for name, row in crowd(seed + 1, round(count * share / (1 - share)) + 20).items()
    }
    never_had = append((), list(kept.values()), SCORER)
    had = in_parts([*kept.values(), *more.values()], seed, parts=4)
    expired = expire(had, {row.actor_code: LATE_US for row in more.values()})
    erased = remove(had, {name: row.actor_code for name, row in more.items()})
    assert sum(map(len, erased)) == count
    for query in (next(iter(more.values())).vector, voice(seed)):
        expected = search(never_had, query)
        assert_same(search(erased, query), expected)
        assert_same(search(expired, query), expected)


def test_a_list_of_equals_is_scored_whole() -> None:
    """Thousands of copies of one voice look just as near: none is left out by chance, and ids decide."""
    count = EXHAUSTIVE_ROWS + PROPOSED_ROWS
    rows = [
        Row(
            voiceprint_id=f"vp-{number:05}",
            actor_id=f"a-{number:05}",
            actor_code=number,
            expires_us=NEVER_US,
            net_speech_s=5.0,
            vector=voice(1),
        )
        for number in range(count)
    ]
    found = search(in_parts(rows, 1, parts=5), voice(1))
    assert found.actor_ids == tuple(f"a-{number:05}" for number in range(NEAREST_ROWS))
    assert_same(found, search(in_parts(rows, 2, parts=3), voice(1)))


@pytest.mark.parametrize("dimension", [10, 16, 32, 192])
def test_sketches_are_arranged_as_faiss_arranges_them(dimension: int) -> None:
    """FAISS's own ``add`` gives the same answers for as many rows as fill blocks, and for a block that isn't full."""
    form = SketchForm.of(dimension)
    for count in (1, 31, 64, 97):
        vectors = np.stack([voice(seed, dimension) for seed in range(count)])
        ours, theirs = form.index(vectors), form.empty()
        theirs.add(form.rotated(vectors))
        assert ours.ntotal == theirs.ntotal
        query = form.rotated(voice(500, dimension)[np.newaxis])
        for mine, other in zip(ours.search(query, count), theirs.search(query, count), strict=True):
            np.testing.assert_array_equal(mine, other)


def test_one_row_alone_can_be_sketched() -> None:
    """An enrolment into a long list begins as a segment of its own."""
    index = SketchForm.of(192).index(voice(1, 192)[np.newaxis])
    assert isinstance(index, faiss.IndexPQFastScan)
    assert index.ntotal == 1
