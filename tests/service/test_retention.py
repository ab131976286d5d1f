"""What has expired is erased by itself, when its time is over and not before."""

from datetime import UTC, datetime, timedelta

import pytest

from fixtures.allowing import new_allowed
from fixtures.scripts import COERCED, REFUND, new_script
from fixtures.store import OpenRegistry, new_actor, template, until
from shengdun.index.errors import ActorNotFound
from shengdun.index.registry import Registry
from shengdun.service.retention import PRINCIPAL, Retention
from shengdun.service.settings import RetentionSettings, load_settings

NOW = datetime.now(UTC)
KEEP = timedelta(days=30)


async def fill(registry: Registry) -> tuple[str, str, str, str]:
    """An actor and a script that expire tomorrow, and one each that never do."""
    tomorrow = NOW + timedelta(days=1)
    short = await registry.register_actor(
        new_actor("甲", expires_at=tomorrow), [template(1)], principal="tester"
    )
    long = await registry.register_actor(new_actor("乙"), [template(2)], principal="tester")
    brief = await registry.scripts.add(new_script(COERCED, expires_at=tomorrow), principal="tester")
    lasting = await registry.scripts.add(new_script(REFUND), principal="tester")
    return short.actor_id, long.actor_id, brief.script_id, lasting.script_id


async def test_only_what_expired_long_enough_ago_is_erased(registry: Registry) -> None:
    short, long, brief, lasting = await fill(registry)
    retention = Retention(registry, KEEP)
    assert await retention.sweep(NOW + timedelta(days=30)) == 0
    assert await retention.sweep(NOW + timedelta(days=32)) == 2
    assert registry.snapshot.actor_ids == (long,)
    assert set(registry.snapshot.scripts) == {lasting}
    with pytest.raises(ActorNotFound):
        registry.snapshot.actor(short)
    page = await registry.audit(after=0, limit=100)
    done = [entry for entry in page if entry.principal == PRINCIPAL]
    assert [entry.kind for entry in done] == ["actor.erased", "script.erased"]
    assert brief in str(done[1])


async def test_an_entry_of_the_allow_list_that_ended_is_removed_likewise(
    registry: Registry,
) -> None:
    await registry.allowed.add(
        new_allowed("alw_short", "c1", until=NOW + timedelta(days=1)), principal="tester"
    )
    await registry.allowed.add(new_allowed("alw_long", "c2"), principal="tester")
    retention = Retention(registry, KEEP)
    assert await retention.sweep(NOW + timedelta(days=30)) == 0
    assert await retention.sweep(NOW + timedelta(days=32)) == 1
    assert [entry.entry_id for entry in registry.allowed.entries] == ["alw_long"]


async def test_processes_that_erase_the_same_don_t_hinder_each_other(
    registry: Registry, open_registry: OpenRegistry
) -> None:
    """Whoever comes second finds it gone; both then have what is left."""
    _, long, _, lasting = await fill(registry)
    other = await open_registry()
    later = NOW + timedelta(days=32)
    counts = [await Retention(one, KEEP).sweep(later) for one in (registry, other)]
    assert sum(counts) == 2
    await until(lambda: other.snapshot.actor_ids == (long,))
    await until(lambda: set(other.snapshot.scripts) == {lasting})


async def test_it_is_done_at_the_start(registry: Registry) -> None:
    _, long, _, lasting = await fill(registry)
    async with Retention(registry, -timedelta(days=2)):
        await until(lambda: registry.snapshot.actor_ids == (long,))
        await until(lambda: set(registry.snapshot.scripts) == {lasting})


def test_it_can_be_turned_off() -> None:
    """By a word, so that a zero can mean at once."""
    assert RetentionSettings().expired_days == 30
    assert load_settings(
        environment={}, overrides={"retention.expired_days": "never"}
    ).retention == (RetentionSettings(expired_days="never"))
