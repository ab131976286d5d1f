"""Searching snapshots, and that they are what the journal says, however they came about."""

import asyncio
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.store import (
    MODEL,
    make_scorer,
    new_actor,
    new_watchlist,
    template,
    voice,
)
from shengdun.index.journal import START, Draft, Head, JournalEntry
from shengdun.index.keys import KeyRing
from shengdun.index.planning import Planner
from shengdun.index.records import RecordCodec
from shengdun.index.registry import Registry
from shengdun.index.segments import NEVER_US, Row, Segment, append, remove
from shengdun.index.snapshot import Snapshot, WatchlistResult
from shengdun.index.watchlists import ActorChanges, Template

AT = datetime(2030, 1, 1, tzinfo=UTC)
LISTS = ("agents", "b-list", "c-list")


class History:
    """Changes applied one by one, as a registry does, and remembered as a store does."""

    def __init__(self, key_path: Path) -> None:
        self.codec = RecordCodec(KeyRing.open(key_path))
        self.planner = Planner(self.codec)
        self.snapshot = Snapshot.empty([make_scorer()])
        self.entries: list[JournalEntry] = []
        self.records: dict[str, bytes] = {}
        self.commits: list[Mapping[str, bytes | None]] = []
        for name in LISTS:
            self.commit(self.planner.create_watchlist(self.snapshot, new_watchlist(name), "t"))

    def commit(self, draft: Draft) -> None:
        head = self.entries[-1].head if self.entries else START
        changes: dict[str, bytes | None] = {**draft.writes, **dict.fromkeys(draft.deletions)}
        entry = JournalEntry(
            head=Head(head.sequence + 1, b""),
            at=datetime.now(UTC),
            kind=draft.kind,
            principal=draft.principal,
            subjects=draft.subjects,
            watchlists=draft.watchlists,
            digests={},
        )
        self.entries.append(entry)
        self.commits.append(changes)
        for name in draft.deletions:
            del self.records[name]
        self.records |= draft.writes
        self.snapshot = self.snapshot.applied([entry], changes, self.codec)

    def replayed(self, *cuts: int) -> Snapshot:
        """The snapshot built from the journal in batches that end at these entries."""
        snapshot = Snapshot.empty([make_scorer()])
        start = 0
        for end in (*sorted(cuts), len(self.entries)):
            changes: dict[str, bytes | None] = {}
            for each in self.commits[start:end]:
                changes |= each
            snapshot = snapshot.applied(self.entries[start:end], changes, self.codec)
            start = end
        return snapshot


def results(snapshot: Snapshot, seeds: range, at: datetime = AT) -> list[WatchlistResult]:
    return [
        snapshot.search(listed.watchlist_id, voice(seed), net_speech_s=5.0, at=at, candidates=50)
        for listed in snapshot.watchlists
        for seed in seeds
    ]


def assert_same(one: Snapshot, other: Snapshot, seeds: range) -> None:
    assert one.head == other.head
    assert one.watchlists == other.watchlists
    assert one.actor_ids == other.actor_ids
    assert [one.actor(name) for name in one.actor_ids] == [
        other.actor(name) for name in other.actor_ids
    ]
    for a, b in zip(results(one, seeds), results(other, seeds), strict=True):
        assert (a.version, a.size_actors, a.unscored_actors) == (
            b.version,
            b.size_actors,
            b.unscored_actors,
        )
        assert a.candidates == b.candidates
        assert a.actor_ids == b.actor_ids
        assert a.actor_llrs.tobytes() == b.actor_llrs.tobytes()


LISTED = st.frozensets(st.sampled_from(LISTS), min_size=1)
SEEDS = st.integers(0, 30)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("register"), LISTED, st.lists(SEEDS, min_size=1, max_size=3)),
        st.tuples(st.just("add"), st.integers(0, 9), SEEDS),
        st.tuples(st.just("remove"), st.integers(0, 9), st.integers(0, 3)),
        st.tuples(st.just("move"), st.integers(0, 9), LISTED),
        st.tuples(st.just("expire"), st.integers(0, 9), st.sampled_from([None, -1, 1])),
        st.tuples(st.just("erase"), st.integers(0, 9), st.none()),
        st.tuples(st.just("empty"), st.sampled_from(LISTS), st.none()),
    ),
    max_size=25,
)


def take_step(  # noqa: C901 - one branch a kind of change
    history: History,
    kind: str,
    what: Any,  # noqa: ANN401
    how: Any,  # noqa: ANN401
) -> None:
    snapshot, planner = history.snapshot, history.planner
    if kind == "register":
        name = f"a-{len(history.entries)}"
        templates = [template(seed) for seed in how]
        new = new_actor("甲", *what)
        if all(snapshot.has_watchlist(each) for each in new.watchlist_ids):
            history.commit(planner.register_actor(snapshot, name, new, templates, "t"))
        return
    if kind == "empty":
        if snapshot.has_watchlist(str(what)):
            history.commit(planner.empty_watchlist(snapshot, str(what), force=True, principal="t"))
        return
    if not snapshot.actor_ids:
        return
    actor_id = snapshot.actor_ids[int(what) % len(snapshot.actor_ids)]
    actor = snapshot.actor(actor_id)
    if kind == "add":
        added = [template(int(how))]
        history.commit(planner.add_voiceprints(snapshot, actor_id, added, None, "t"))
    elif kind == "remove" and len(actor.voiceprints) > 1:
        voiceprint = actor.voiceprints[int(how) % len(actor.voiceprints)]
        history.commit(
            planner.remove_voiceprint(snapshot, actor_id, voiceprint.voiceprint_id, None, "t")
        )
    elif kind == "move":
        lists = frozenset(name for name in how if snapshot.has_watchlist(name))
        if lists:
            changes = ActorChanges(watchlist_ids=lists)
            history.commit(planner.update_actor(snapshot, actor_id, changes, None, "t"))
    elif kind == "expire":
        expires_at = None if how is None else AT + timedelta(days=int(how))
        changes = ActorChanges(expires_at=expires_at)
        history.commit(planner.update_actor(snapshot, actor_id, changes, None, "t"))
    elif kind == "erase":
        history.commit(planner.erase_actor(snapshot, actor_id, reason="", principal="t"))


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
    names = [f"vp_{seed:05}" for seed in range(3000)]
    scorer = make_scorer()
    segments: tuple[Segment, ...] = ()
    for seed, name in enumerate(names):
        row = Row(
            voiceprint_id=name,
            actor_id=f"a-{seed}",
            actor_code=seed,
            expires_us=NEVER_US,
            net_speech_s=5.0,
            vector=voice(seed),
        )
        segments = append(segments, [row], scorer)
    assert len(segments) <= 4
    assert sum(len(each) for each in segments) == 3000
    segments = remove(segments, names[::2])
    assert sum(len(each) for each in segments) == 1500
    assert all(each.index.ntotal == len(each) for each in segments)
    assert remove(segments, names) == ()


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
