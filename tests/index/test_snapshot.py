"""Searching snapshots, and that they are what the journal says, however they came about."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.histories import AT, STEPS, History, assert_same, results, take_step
from fixtures.store import (
    MODEL,
    make_scorer,
    new_actor,
    new_watchlist,
    template,
    voice,
)
from shengdun.index.journal import Head, JournalEntry
from shengdun.index.registry import Registry
from shengdun.index.segments import NEVER_US, Row, Segment, append, remove
from shengdun.index.snapshot import Snapshot, WatchlistResult
from shengdun.index.watchlists import Template


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, cuts=st.lists(st.integers(0, 25), max_size=3))
def test_replaying_the_journal_rebuilds_the_same_index(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, Any, Any]],
    cuts: list[int],
) -> None:
    """Any history, replayed in any batches, gives the same actors and the same LLRs to the bit."""
    history = History(tmp_path_factory.getbasetemp() / "history-key.json")
    for step in steps:
        take_step(history, *step)
    replayed = history.replayed(*(min(cut, len(history.entries)) for cut in cuts))
    assert_same(history.snapshot, replayed, range(0, 31, 6))


async def test_an_erased_actor_is_never_found_after_its_receipt(registry: Registry) -> None:
    """Enrolments and erasures interleaved with searches from four threads."""
    erased: set[str] = set()
    stop = threading.Event()
    failures: list[str] = []
    searched = 0

    def search_on(seed: int) -> None:
        nonlocal searched
        while not stop.is_set():
            gone = frozenset(erased)
            result = registry.snapshot.search(
                "agents", voice(seed % 12), net_speech_s=5.0, at=datetime.now(UTC)
            )
            failures.extend(gone.intersection(result.actor_ids))
            searched += 1
            seed += 1

    searchers = [asyncio.create_task(asyncio.to_thread(search_on, seed)) for seed in range(4)]
    try:
        for seed in range(24):
            actor = await registry.register_actor(
                new_actor("甲"), [template(seed % 12)], principal="t"
            )
            found = registry.snapshot.search(
                "agents", voice(seed % 12), net_speech_s=5.0, at=datetime.now(UTC)
            )
            assert actor.actor_id in found.actor_ids
            if seed % 3:
                await registry.erase_actor(actor.actor_id, reason="", principal="t")
                erased.add(actor.actor_id)
    finally:
        stop.set()
        await asyncio.gather(*searchers)
    assert failures == []
    assert searched > 24


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A list of 4500 actors with one voiceprint each, every tenth expired at ``AT``."""
    history = History(tmp_path_factory.mktemp("large") / "key.json")
    changes: dict[str, bytes | None] = {}
    for seed in range(4500):
        new = new_actor("甲", expires_at=AT if seed % 10 == 0 else None)
        draft = history.planner.register_actor(
            history.snapshot, f"a-{seed:06}", new, [template(seed)], "t"
        )
        changes |= draft.writes
    entry = JournalEntry(
        head=Head(4, b""),
        at=AT,
        kind="bulk",
        principal="t",
        subjects=(),
        watchlists=("agents",),
        digests={},
    )
    return history.snapshot.applied([entry], changes, history.codec)


def test_a_search_finds_the_same_until_somebody_expires(large: Snapshot) -> None:
    """Who expires at the later instant was found at the earlier one; before and after that nothing changes."""
    moment = timedelta(microseconds=1)
    assert large.finds_the_same(at=AT - moment, as_at=AT - timedelta(days=1))
    assert not large.finds_the_same(at=AT, as_at=AT - moment)
    assert not large.finds_the_same(at=AT + moment, as_at=AT - moment)
    assert large.finds_the_same(at=AT + timedelta(days=1), as_at=AT)
    sizes = [
        large.search("agents", voice(1), net_speech_s=9.0, at=at).size_actors
        for at in (AT - moment, AT)
    ]
    assert sizes == [4500, 4050]


def test_a_large_list_is_searched_exactly(large: Snapshot) -> None:
    """Beyond the exhaustive size FAISS picks the nearest; the best are those of brute force."""
    snapshot = large
    vectors = np.stack([voice(seed) for seed in range(4500)]).astype(np.float64)
    valid = np.arange(4500) % 10 != 0
    for seed in (1, 10, 4499, 9001):
        result = snapshot.search("agents", voice(seed), net_speech_s=5.0, at=AT, candidates=8)
        cosines = np.where(valid, vectors @ voice(seed), -np.inf)
        nearest = np.argsort(-cosines)[:8]
        assert [each.actor_id for each in result.candidates] == [f"a-{row:06}" for row in nearest]
        assert len(result.actor_ids) == 512
        assert result.size_actors == 4050
        assert result.unscored_actors == 4050 - 512
        assert (np.diff(result.actor_llrs) <= 0).all()


def test_expiry_is_honoured_in_a_large_list(large: Snapshot) -> None:
    """The clock decides at each search, on the same snapshot."""
    snapshot = large
    before = snapshot.search(
        "agents", voice(10), net_speech_s=5.0, at=AT - timedelta(microseconds=1)
    )
    assert before.candidates[0].actor_id == "a-000010"
    assert before.size_actors == 4500
    after = snapshot.search("agents", voice(10), net_speech_s=5.0, at=AT)
    assert "a-000010" not in after.actor_ids


def test_searches_at_once_give_the_same_bits_as_alone(large: Snapshot) -> None:
    """Whatever else runs, a search gives the same evidence."""
    snapshot = large
    alone = results(snapshot, range(6))
    together: dict[int, list[WatchlistResult]] = {}

    def run(place: int) -> None:
        together[place] = results(snapshot, range(6))

    threads = [threading.Thread(target=run, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in together.values():
        for a, b in zip(alone, each, strict=True):
            assert a.candidates == b.candidates
            assert a.actor_llrs.tobytes() == b.actor_llrs.tobytes()


def test_an_empty_list_finds_nobody(tmp_path: Path) -> None:
    """No candidates and no actors; not an error."""
    result = results(History(tmp_path / "key.json").snapshot, range(1))[0]
    assert (result.candidates, result.size_actors, len(result.actor_llrs)) == ((), 0, 0)
    assert result.version == "agents@1"


def test_the_best_voiceprint_speaks_for_its_actor(tmp_path: Path) -> None:
    """An actor's voiceprints don't fill the places of the runners-up."""
    history = History(tmp_path / "key.json")
    for name, seeds in (("a-1", (1, 2, 3)), ("a-2", (4,))):
        templates = [template(seed) for seed in seeds]
        history.commit(
            history.planner.register_actor(history.snapshot, name, new_actor("甲"), templates, "t")
        )
    result = history.snapshot.search("agents", voice(3), net_speech_s=5.0, at=AT)
    assert result.actor_ids == ("a-1", "a-2")
    held = history.snapshot.holding("a-1").templates
    best: Template = held[result.candidates[0].voiceprint_id]
    assert float(best.vector @ voice(3)) > 0.999


def test_segments_stay_few_and_their_rows_whole() -> None:
    """Thousands of single additions leave a handful of segments; removals free their rows."""
    rows = {
        f"vp_{seed:05}": Row(
            voiceprint_id=f"vp_{seed:05}",
            actor_id=f"a-{seed}",
            actor_code=seed,
            expires_us=NEVER_US,
            net_speech_s=5.0,
            vector=voice(seed),
        )
        for seed in range(3000)
    }
    scorer = make_scorer()
    segments: tuple[Segment, ...] = ()
    for row in rows.values():
        segments = append(segments, [row], scorer)
    assert len(segments) <= 4
    assert sum(len(each) for each in segments) == 3000
    segments = remove(segments, {name: rows[name].actor_code for name in list(rows)[::2]})
    assert sum(len(each) for each in segments) == 1500
    assert all(each.index.ntotal == len(each) for each in segments)
    assert remove(segments, {name: row.actor_code for name, row in rows.items()}) == ()


def test_a_list_made_anew_for_another_model_keeps_nobody_of_the_old_one(tmp_path: Path) -> None:
    """A replica that reads deletion and creation at once doesn't go on finding who was erased."""
    models = (MODEL, "other-voice@ba9876543210")
    history = History(tmp_path / "key.json")
    planner = history.planner
    draft = planner.register_actor(history.snapshot, "a-1", new_actor("甲"), [template(1)], "t")
    history.commit(draft)
    behind = Snapshot.empty([make_scorer(model_id) for model_id in models])
    behind = behind.applied(
        history.entries,
        {name: value for each in history.commits for name, value in each.items()},
        history.codec,
    )
    seen = len(history.entries)
    for _ in range(2):
        history.commit(
            planner.empty_watchlist(history.snapshot, "agents", force=True, principal="t")
        )
    history.commit(
        planner.create_watchlist(history.snapshot, new_watchlist(model_id=models[1]), "t")
    )
    missed = {name: value for each in history.commits[seen:] for name, value in each.items()}
    caught_up = behind.applied(history.entries[seen:], missed, history.codec)
    result = caught_up.search("agents", voice(1), net_speech_s=5.0, at=AT)
    assert (result.actor_ids, result.size_actors) == ((), 0)
