"""Several processes over one store, and a store that goes away."""

import asyncio
import time
from pathlib import Path

import pytest

from fixtures.store import (
    OpenRegistry,
    best_actor,
    new_actor,
    new_watchlist,
    template,
    until,
)
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.errors import StoreUnavailable
from shengdun.index.registry import Registry
from shengdun.index.watchlists import ActorChanges


async def caught_up(follower: Registry, leader: Registry) -> float:
    """Wait until a follower has what the leader has; return how long that took, in seconds."""
    started = time.monotonic()
    await until(lambda: follower.snapshot.head == leader.snapshot.head)
    return time.monotonic() - started


async def test_changes_arrive_at_other_processes_within_a_second(
    registry: Registry, open_registry: OpenRegistry
) -> None:
    """Enrolments, changes and erasures, in both directions."""
    other = await open_registry()
    actor = await registry.register_actor(new_actor("甲"), [template(1)], principal="t")
    assert await caught_up(other, registry) < 1
    assert best_actor(other, 1) == actor.actor_id
    await other.add_voiceprints(actor.actor_id, [template(2)], principal="t")
    assert await caught_up(registry, other) < 1
    assert best_actor(registry, 2) == actor.actor_id
    await registry.erase_actor(actor.actor_id, reason="", principal="t")
    assert await caught_up(other, registry) < 1
    assert best_actor(other, 1) is None
    assert other.snapshot.watchlist_version("agents") == registry.snapshot.watchlist_version(
        "agents"
    )


async def test_concurrent_writers_never_overwrite_each_other(
    registry: Registry, open_registry: OpenRegistry
) -> None:
    """Forty changes from two processes at once: each is kept, once, on the newest state."""
    other = await open_registry()
    actor = await registry.register_actor(new_actor("甲"), [template(0)], principal="t")
    await asyncio.gather(
        *(
            writer.add_voiceprints(actor.actor_id, [template(seed)], principal="t")
            for seed, writer in enumerate((registry, other) * 20, start=1)
        )
    )
    await caught_up(other, registry)
    await caught_up(registry, other)
    for each in (registry, other):
        held = each.snapshot.actor(actor.actor_id)
        assert len(held.voiceprints) == held.revision == 41
        assert all(best_actor(each, seed) == actor.actor_id for seed in range(41))
    assert len(await registry.audit(limit=1000)) == registry.snapshot.journal_sequence


async def test_one_of_two_conflicting_changes_loses(
    registry: Registry, open_registry: OpenRegistry
) -> None:
    """Both read revision 1; exactly one changes it, wherever it runs."""
    other = await open_registry()
    actor = await registry.register_actor(new_actor("甲"), [template(0)], principal="t")
    outcomes = await asyncio.gather(
        *(
            writer.update_actor(
                actor.actor_id, ActorChanges(notes=name), expected_revision=1, principal=name
            )
            for name, writer in (("a", registry), ("b", other))
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 1


async def test_a_store_that_goes_away_and_comes_back(
    registry: Registry, open_registry: OpenRegistry, embedded_store: EmbeddedStore
) -> None:
    """Searching goes on, health says so, enrolment fails cleanly; later everything catches up."""
    actor = await registry.register_actor(new_actor("甲"), [template(1)], principal="t")
    other = await open_registry()
    assert not other.health.stale
    await embedded_store.stop()
    await until(lambda: not registry.health.store_answers)
    assert registry.health.stale
    assert registry.health.problem
    assert best_actor(registry, 1) == actor.actor_id
    with pytest.raises(StoreUnavailable):
        await registry.register_actor(new_actor("乙"), [template(2)], principal="t")
    assert best_actor(registry, 2) is None
    await embedded_store.start()
    await until(lambda: not registry.health.stale and not other.health.stale)
    assert registry.health.problem == ""
    second = await registry.register_actor(new_actor("乙"), [template(2)], principal="t")
    await caught_up(other, registry)
    assert best_actor(other, 2) == second.actor_id
    assert registry.health.journal_sequence == other.health.journal_sequence


async def test_an_anchor_that_cannot_be_written_is_reported_and_caught_up_with(
    registry: Registry, open_registry: OpenRegistry, tmp_path: Path
) -> None:
    """Changes fail cleanly, health names the file, and both processes go on when the disk lets them."""
    other = await open_registry()
    lock = tmp_path / "data" / "journal.anchor.lock"
    lock.unlink()
    lock.mkdir()
    with pytest.raises(StoreUnavailable, match=r"journal\.anchor"):
        await registry.register_actor(new_actor("甲"), [template(1)], principal="t")
    await until(lambda: "journal.anchor" in other.health.problem)
    assert best_actor(other, 1) is None
    lock.rmdir()
    await until(lambda: best_actor(other, 1) is not None and best_actor(registry, 1) is not None)
    await until(lambda: not registry.health.stale and not other.health.stale)


async def test_health_is_current_while_nothing_happens(registry: Registry) -> None:
    """An idle store is not a stale one: the follower hears from it twice a second."""
    async with asyncio.timeout(5):
        oldest_s = 0.0
        for _ in range(30):
            await asyncio.sleep(0.05)
            oldest_s = max(oldest_s, registry.health.snapshot_age_s)
    assert not registry.health.stale
    assert registry.health.journal_lag == 0
    assert 0.2 < oldest_s < 2


async def test_closing_is_idempotent_and_keeps_the_snapshot(registry: Registry) -> None:
    """A closed registry can still be read."""
    await registry.create_watchlist(new_watchlist("x"), principal="t")
    await registry.close()
    await registry.close()
    assert registry.snapshot.has_watchlist("x")


async def test_processes_may_begin_a_new_store_at_once(open_registry: OpenRegistry) -> None:
    """Several workers start together over an empty directory: one begins the journal, none suspects the others."""
    opened = await asyncio.gather(*(open_registry() for _ in range(6)))
    await opened[0].create_watchlist(new_watchlist(), principal="t")
    for each in opened[1:]:
        await caught_up(each, opened[0])
        assert each.keys.active_key_id == opened[0].keys.active_key_id
