"""Several scorers over one index, and swapping them while it is searched and changed."""

import asyncio
import dataclasses
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.histories import (
    AT,
    DIMENSIONS,
    OTHER_MODEL,
    STEPS,
    History,
    assert_same,
    take_step,
)
from fixtures.store import (
    MODEL,
    OpenRegistry,
    make_profile,
    make_scorer,
    new_actor,
    new_watchlist,
    template,
    voice,
)
from shengdun.index.calibration import ProfileMismatch
from shengdun.index.errors import LastVoiceprint, ModelMismatch
from shengdun.index.registry import Registry
from shengdun.index.scorers import Scorers
from shengdun.index.scoring import Scorer
from shengdun.index.segments import NEVER_US, Hits, Row, Segment, append, remove
from shengdun.index.snapshot import Snapshot
from shengdun.index.store import Store
from shengdun.index.watchlists import ActorChanges, Template

ACTIVE = make_scorer()
CENTRED = make_scorer(name="centred", shift=0.05)
OTHER = make_scorer(OTHER_MODEL, DIMENSIONS[OTHER_MODEL], name="other")
ALL = Scorers(active=(ACTIVE,), shadow=(CENTRED, OTHER))


def of_other_model(seed: int) -> Template:
    return template(seed, model_id=OTHER_MODEL, dimension=DIMENSIONS[OTHER_MODEL])


@settings(max_examples=40, deadline=None)
@given(
    steps=STEPS,
    cuts=st.lists(st.integers(0, 25), max_size=3),
    prepared_at=st.integers(0, 25),
    taken_at=st.integers(0, 25),
)
def test_scorers_taken_up_later_find_what_they_would_have_found(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, Any, Any]],
    cuts: list[int],
    prepared_at: int,
    taken_at: int,
) -> None:
    """Prepared at any time and brought up to date at another, they give the bits of those used from the start."""
    always = History(tmp_path_factory.getbasetemp() / "scorers-key.json", CENTRED, OTHER)
    for step in steps:
        take_step(always, *step)
    later, prepared = Snapshot.empty([ACTIVE]), None
    for place, (entry, changes) in enumerate(zip(always.entries, always.commits, strict=True)):
        if place == prepared_at:
            prepared = later.with_scorers(ALL)
        if place == taken_at:
            later = later.with_scorers(ALL, prepared)
        later = later.applied([entry], changes, always.codec)
    assert_same(later.with_scorers(ALL, prepared), always.snapshot, range(0, 31, 6))
    replayed = always.replayed(*(min(cut, len(always.entries)) for cut in cuts))
    assert_same(replayed, always.snapshot, range(0, 31, 10))


@pytest.fixture
def history(tmp_path: Path) -> History:
    """On ``agents``: a-1 with both models, a-2 with the first only, a-3 likewise and expired at ``AT``."""
    history = History(tmp_path / "key.json", CENTRED, OTHER)
    for name, templates, expires_at in (
        ("a-1", [template(1), of_other_model(1)], None),
        ("a-2", [template(2)], None),
        ("a-3", [template(3)], AT),
    ):
        new = new_actor("甲", expires_at=expires_at)
        history.commit(history.planner.register_actor(history.snapshot, name, new, templates, "t"))
    return history


def test_a_named_scorer_searches_with_its_own_model_and_projection(history: History) -> None:
    """The result says which scorer gave it, and what is said of whom nothing is known in its model."""
    snapshot = history.snapshot
    plain = snapshot.search("agents", voice(2), net_speech_s=5.0, at=AT)
    assert (plain.model_id, plain.profile_id) == (MODEL, ACTIVE.profile_id)
    assert plain.actors_without_voiceprint == 0
    centred = snapshot.search(
        "agents", voice(2), net_speech_s=5.0, at=AT, profile_id=CENTRED.profile_id
    )
    assert centred.profile_id == CENTRED.profile_id
    assert centred.candidates[0].actor_id == "a-2"
    assert centred.actor_llrs[1] != plain.actor_llrs[1]
    other = snapshot.search(
        "agents", voice(1, 16), net_speech_s=5.0, at=AT, profile_id=OTHER.profile_id
    )
    assert (other.model_id, other.profile_id) == (OTHER_MODEL, OTHER.profile_id)
    assert other.actor_ids == ("a-1",)
    assert other.candidates[0].voiceprint_id in history.snapshot.holding("a-1").templates
    assert (other.size_actors, other.unscored_actors, other.actors_without_voiceprint) == (2, 0, 1)


def test_who_lacks_a_voiceprint_is_named(history: History) -> None:
    """In force at the time, of any model, whether a scorer uses it or not."""
    snapshot = history.snapshot
    assert snapshot.without_voiceprint("agents", MODEL, at=AT) == ()
    assert snapshot.without_voiceprint("agents", OTHER_MODEL, at=AT) == ("a-2",)
    before = AT - timedelta(microseconds=1)
    assert snapshot.without_voiceprint("agents", OTHER_MODEL, at=before) == ("a-2", "a-3")
    assert snapshot.without_voiceprint("agents", "unused@000000000000", at=AT) == ("a-1", "a-2")
    added = history.planner.add_voiceprints(snapshot, "a-2", [of_other_model(2)], None, "t")
    history.commit(added)
    assert history.snapshot.without_voiceprint("agents", OTHER_MODEL, at=AT) == ()
    result = history.snapshot.search(
        "agents", voice(1, 16), net_speech_s=5.0, at=AT, profile_id=OTHER.profile_id
    )
    assert result.actors_without_voiceprint == 0


def test_scorers_are_named_or_active(history: History) -> None:
    """None means the active one; what is not in use, or of another model, is refused with what there is."""
    snapshot = history.snapshot
    assert snapshot.scorer(None, MODEL).profile_id == ACTIVE.profile_id
    assert snapshot.scorer(OTHER.profile_id, OTHER_MODEL) is OTHER
    with pytest.raises(ProfileMismatch, match=f"is of voice model {OTHER_MODEL}"):
        snapshot.scorer(OTHER.profile_id, MODEL)
    with pytest.raises(ProfileMismatch, match="No calibration profile is active"):
        snapshot.scorer(None, OTHER_MODEL)
    with pytest.raises(ProfileMismatch, match=f"in use: {ACTIVE.profile_id}, {CENTRED.profile_id}"):
        snapshot.search("agents", voice(1), net_speech_s=1.0, at=AT, profile_id="gone@0")
    only_other = snapshot.with_scorers(Scorers(active=(OTHER,)))
    with pytest.raises(ModelMismatch, match=OTHER_MODEL):
        only_other.search("agents", voice(1), net_speech_s=1.0, at=AT)


@pytest.mark.parametrize(
    ("active", "shadow"), [((ACTIVE, CENTRED), ()), ((ACTIVE,), (ACTIVE,)), ((), (OTHER, OTHER))]
)
def test_one_scorer_a_model_is_active(
    active: tuple[Scorer, ...], shadow: tuple[Scorer, ...]
) -> None:
    """Two active ones of one model, or one profile twice, can't be."""
    with pytest.raises(ValueError, match="each"):
        Scorers(active=active, shadow=shadow)


def test_a_voiceprint_that_nothing_searches_with_is_refused(history: History) -> None:
    """Voiceprints of a second model are taken while a scorer of it runs, and not in place of the list's own."""
    planner, snapshot = history.planner, history.snapshot
    with pytest.raises(ModelMismatch):
        planner.register_actor(snapshot, "a-9", new_actor("甲"), [of_other_model(9)], "t")
    alone = snapshot.with_scorers(Scorers(active=(ACTIVE,)))
    with pytest.raises(ModelMismatch):
        planner.add_voiceprints(alone, "a-2", [of_other_model(2)], None, "t")


def test_the_last_voiceprint_of_the_active_model_stays(history: History) -> None:
    """With voiceprints of a model in shadow left, the actor would be on the list and never found."""
    own, other = sorted(
        history.snapshot.actor("a-1").voiceprints, key=lambda info: info.model_id != MODEL
    )
    with pytest.raises(LastVoiceprint, match=MODEL):
        history.planner.remove_voiceprint(history.snapshot, "a-1", own.voiceprint_id, None, "t")
    history.commit(
        history.planner.remove_voiceprint(history.snapshot, "a-1", other.voiceprint_id, None, "t")
    )
    assert history.snapshot.without_voiceprint("agents", OTHER_MODEL, at=AT) == ("a-1", "a-2")


def test_a_list_made_anew_for_another_model_has_whom_it_takes_back(history: History) -> None:
    """Deleted, made anew and joined again between two looks at the journal, by an actor with both models."""
    draft = history.planner.update_actor(
        history.snapshot,
        "a-1",
        ActorChanges(watchlist_ids=frozenset({"agents", "b-list"})),
        None,
        "t",
    )
    history.commit(draft)
    seen = len(history.entries)
    for _ in range(2):
        history.commit(
            history.planner.empty_watchlist(history.snapshot, "agents", force=True, principal="t")
        )
    created = new_watchlist(model_id=OTHER_MODEL)
    history.commit(history.planner.create_watchlist(history.snapshot, created, "t"))
    joining = ActorChanges(watchlist_ids=frozenset({"agents", "b-list"}))
    history.commit(history.planner.update_actor(history.snapshot, "a-1", joining, None, "t"))
    assert_same(history.replayed(seen), history.snapshot, range(3))
    assert history.replayed(seen).members("agents") == ("a-1",)


async def test_scorers_are_swapped_under_searches_enrolments_and_erasures(
    registry: Registry, open_registry: OpenRegistry
) -> None:
    """No acknowledged change is lost, nobody erased is found again, and no scorer meets another one's vectors."""
    erased: set[str] = set()
    stop = threading.Event()
    failures: list[str] = []
    searched = 0

    def search_on(seed: int) -> None:
        nonlocal searched
        while not stop.is_set():
            gone, snapshot = frozenset(erased), registry.snapshot
            for scorer in snapshot.scorers:
                place = seed % 12
                result = snapshot.search(
                    "agents",
                    voice(place, DIMENSIONS[scorer.model_id]),
                    net_speech_s=5.0,
                    at=AT,
                    profile_id=scorer.profile_id,
                )
                failures.extend(gone.intersection(result.actor_ids))
                # Every voice has two actors at most; nobody else comes near them, whoever scores.
                failures.extend(
                    each.actor_id
                    for each in result.candidates
                    if each.llr > 9.0 and not each.actor_id.startswith(f"v{place}-")
                )
            searched += 1
            seed += 1

    async def swap_on() -> int:
        swaps = 0
        choices = [ALL, Scorers(active=(CENTRED,), shadow=(OTHER,)), Scorers(active=(ACTIVE,))]
        while not stop.is_set():
            used = choices[swaps % 3]
            await registry.use_scorers(used.active, used.shadow)
            assert registry.snapshot.scorers == used
            swaps += 1
        return swaps

    searchers = [asyncio.create_task(asyncio.to_thread(search_on, seed)) for seed in range(2)]
    swapper = asyncio.create_task(swap_on())
    try:
        for seed in range(36):
            new = new_actor("甲", actor_id=f"v{seed % 12}-{seed}")
            actor = await registry.register_actor(new, [template(seed % 12)], principal="t")
            found = registry.snapshot.search("agents", voice(seed % 12), net_speech_s=5.0, at=AT)
            assert actor.actor_id in found.actor_ids
            if seed % 3:
                await registry.erase_actor(actor.actor_id, reason="", principal="t")
                erased.add(actor.actor_id)
    finally:
        stop.set()
        await asyncio.gather(*searchers)
    assert await swapper > 2
    assert failures == []
    assert searched > 2
    await registry.use_scorers(ALL.active, ALL.shadow)
    assert registry.snapshot.members("agents") == registry.snapshot.actor_ids
    reopened = await open_registry()
    await reopened.use_scorers(ALL.active, ALL.shadow)
    assert_same(registry.snapshot, reopened.snapshot, range(12))


async def test_changes_made_while_scorers_are_prepared_are_kept(registry: Registry) -> None:
    """Enrolled and erased meanwhile; preparing is made long by many strangers to normalise against."""
    for seed in range(30):
        many = [template(1000 * seed + each) for each in range(60)]
        await registry.register_actor(new_actor("甲", actor_id=f"a-{seed}"), many, principal="t")
    cohort = np.stack([voice(seed) for seed in range(5000)]).astype(np.float16)
    thorough = Scorer(
        dataclasses.replace(make_profile(name="thorough"), cohort=cohort, cohort_nearest=300)
    )
    acknowledged = set(registry.snapshot.actor_ids)

    async def take_up() -> tuple[Snapshot, set[str]]:
        await registry.use_scorers([thorough])
        return registry.snapshot, set(acknowledged)

    swap = asyncio.create_task(take_up())
    changes = 0
    while not swap.done():
        new = new_actor("乙", actor_id=f"b-{changes}")
        await registry.register_actor(new, [template(90_000 + changes)], principal="t")
        acknowledged.add(new.actor_id or "")
        if changes < 30:
            await registry.erase_actor(f"a-{changes}", reason="", principal="t")
            acknowledged.remove(f"a-{changes}")
        changes += 1
    taken_up, expected = await swap
    # A change under way may be in the snapshot before its caller has heard of it; nothing else may differ.
    assert len(expected.symmetric_difference(taken_up.actor_ids)) <= 1
    result = taken_up.search("agents", voice(1), net_speech_s=5.0, at=AT)
    assert result.profile_id == thorough.profile_id
    assert set(result.actor_ids) == set(taken_up.actor_ids)
    assert set(registry.snapshot.actor_ids) == acknowledged
    assert changes > 1


async def test_a_registry_opens_with_scorers_in_shadow(
    registry: Registry, store: Store, tmp_path: Path
) -> None:
    """What it loads is projected for all of them."""
    await registry.register_actor(new_actor("甲"), [template(1)], principal="t")
    await registry.use_scorers(ALL.active, ALL.shadow)
    opened = await Registry.open(
        store,
        data_directory=tmp_path / "data",
        key_path=tmp_path / "keys" / "master.json",
        scorers=ALL.active,
        shadow=ALL.shadow,
    )
    try:
        assert_same(opened.snapshot, registry.snapshot, range(3))
    finally:
        await opened.close()


def test_voiceprints_keep_their_signal_to_noise_ratio() -> None:
    """Through additions, merges and removals; NaN where it was not measured."""
    rows = {
        f"vp-{seed:03}": Row(
            voiceprint_id=f"vp-{seed:03}",
            actor_id=f"a-{seed}",
            actor_code=seed,
            expires_us=NEVER_US,
            net_speech_s=5.0,
            snr_db=float("nan") if seed % 2 else float(seed),
            vector=voice(seed),
        )
        for seed in range(40)
    }
    segments: tuple[Segment, ...] = ()
    for row in rows.values():
        segments = append(segments, [row], ACTIVE)
    segments = remove(segments, {name: rows[name].actor_code for name in list(rows)[:10]})
    hits = Hits.concatenate([each.hits(voice(0), each.valid(0)) for each in segments])
    places = zip(hits.sources.tolist(), hits.rows.tolist(), strict=True)
    seeds = [int(segments[source].voiceprint_ids[row][3:]) for source, row in places]
    expected = [float("nan") if seed % 2 else float(seed) for seed in seeds]
    np.testing.assert_array_equal(hits.snr_db, expected)


def test_a_template_without_a_measured_ratio_has_none(history: History) -> None:
    """What was measured at enrolment reaches the rows that are scored."""
    draft = history.planner.register_actor(
        history.snapshot, "a-4", new_actor("甲"), [template(4, snr_db=17.5)], "t"
    )
    history.commit(draft)
    (measured,) = history.snapshot.holding("a-4").rows(MODEL).values()
    (unknown,) = history.snapshot.holding("a-2").rows(MODEL).values()
    assert measured.snr_db == 17.5
    assert np.isnan(unknown.snr_db)


def test_a_list_outlives_its_model(history: History) -> None:
    """With another model active, who has its voiceprints is found, can join and be enrolled; who lacks it is told."""
    history.snapshot = history.snapshot.with_scorers(Scorers(active=(OTHER,)))
    planner, snapshot = history.planner, history.snapshot
    found = snapshot.search(
        "agents",
        of_other_model(1).vector,
        net_speech_s=5.0,
        at=AT,
        profile_id=OTHER.profile_id,
    )
    assert found.actor_ids == ("a-1",)
    assert (found.size_actors, found.actors_without_voiceprint) == (2, 1)
    history.commit(
        planner.register_actor(snapshot, "a-9", new_actor("甲"), [of_other_model(9)], "t")
    )
    assert history.snapshot.without_voiceprint("agents", OTHER_MODEL, at=AT) == ("a-2",)
    own, other = sorted(
        history.snapshot.actor("a-1").voiceprints, key=lambda info: info.model_id != MODEL
    )
    with pytest.raises(LastVoiceprint, match=OTHER_MODEL):
        planner.remove_voiceprint(history.snapshot, "a-1", other.voiceprint_id, None, "t")
    history.commit(planner.remove_voiceprint(history.snapshot, "a-1", own.voiceprint_id, None, "t"))
    assert history.snapshot.holding("a-1").model_ids == {OTHER_MODEL}
