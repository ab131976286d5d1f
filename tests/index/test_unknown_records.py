"""Records that the journal doesn't know are found among all, and nothing that belongs there is taken for one."""

import pytest

from fixtures.scripts import new_script
from fixtures.store import new_actor, new_watchlist, template
from shengdun.index.errors import StoreTampered
from shengdun.index.journal import RECORD_PREFIX
from shengdun.index.loading import find_strangers
from shengdun.index.registry import Registry
from shengdun.index.snapshot import Snapshot, records_gone
from shengdun.index.store import Store

PRINCIPAL = "tester"


async def fill(registry: Registry) -> None:
    await registry.create_watchlist(new_watchlist("others"), principal=PRINCIPAL)
    for number in range(3):
        new = new_actor("甲", "others", actor_id=f"a-{number}")
        await registry.register_actor(new, [template(number), template(9)], principal=PRINCIPAL)
    await registry.scripts.add(new_script(script_id="one"), principal=PRINCIPAL)


async def records_of(store: Store) -> set[str]:
    return {name.removeprefix(RECORD_PREFIX) for name in await store.scan(RECORD_PREFIX)}


async def test_a_snapshot_knows_the_records_that_it_was_made_from(
    registry: Registry, store: Store
) -> None:
    """Lists, actors, voiceprints and scripts, and no others."""
    await fill(registry)
    snapshot, names = registry.snapshot, await records_of(store)
    assert {name.partition("/")[0] for name in names} == {
        "watchlist",
        "actor",
        "voiceprint",
        "script",
    }
    assert all(map(snapshot.has_record, names))
    for other in (
        "actor/a-3",
        "actor",
        "voiceprint/a-0/vp_0",
        "voiceprint/a-3/x",
        "a-0",
        "call/a-0",
        "",
    ):
        assert not snapshot.has_record(other)


async def test_what_is_gone_between_two_snapshots_is_named(
    registry: Registry, store: Store
) -> None:
    """An actor with its voiceprints, one voiceprint, a script; not what was changed or came."""
    await fill(registry)
    before, names = registry.snapshot, await records_of(store)
    assert list(records_gone(before, before)) == []
    await registry.erase_actor("a-0", reason="", principal=PRINCIPAL)
    (first, _) = before.holding("a-1").names
    await registry.remove_voiceprint("a-1", first, principal=PRINCIPAL)
    await registry.scripts.erase("one", reason="", principal=PRINCIPAL)
    await registry.add_voiceprints("a-2", [template(20)], principal=PRINCIPAL)
    assert set(records_gone(before, registry.snapshot)) == names - await records_of(store)


async def test_what_was_erased_meanwhile_must_be_gone(registry: Registry, store: Store) -> None:
    """Also if it was known when it was looked at: put back by somebody, it is a stranger."""
    await fill(registry)
    name = store.key(f"{RECORD_PREFIX}actor/a-0")
    kept = await store.get(name)
    assert kept is not None
    looks = 0

    async def known() -> Snapshot:
        nonlocal looks
        looks += 1
        if looks == 2:
            await registry.erase_actor("a-0", reason="", principal=PRINCIPAL)
        return registry.snapshot

    await find_strangers(store, known)
    assert looks == 2
    looks = 0
    await registry.register_actor(
        new_actor("甲", "others", actor_id="a-0"), [template(0)], principal=PRINCIPAL
    )

    async def put_back() -> Snapshot:
        snapshot = await known()
        if looks == 2:
            await store.put_all({name: kept}, ttl_ms=60_000)
        return snapshot

    with pytest.raises(StoreTampered, match="key actor/a-0 is unknown to the journal"):
        await find_strangers(store, put_back)
