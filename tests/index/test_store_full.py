"""Memory or disk used up: writes fail cleanly, erasures go on, nothing that was acknowledged is lost."""

import asyncio
import itertools
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.store import best_actor, make_scorer, new_actor, new_watchlist, template, until
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.errors import IndexRoomError, StoreFull, StoreUnavailable
from shengdun.index.registry import Registry
from shengdun.index.store import Store, StoreSettings


async def open_at(data: Path, embedded: EmbeddedStore) -> tuple[Store, Registry]:
    store = await Store.connect(StoreSettings(url=embedded.url), guard=embedded)
    registry = await Registry.open(
        store, data_directory=data, key_path=data / "key.json", scorers=[make_scorer()]
    )
    await registry.compacted()
    await registry.create_watchlist(new_watchlist(), principal="t")
    return store, registry


async def fill(registry: Registry) -> dict[int, str]:
    """Register actors until the store refuses; return those that it acknowledged."""
    actors: dict[int, str] = {}

    async def register_forever() -> None:
        for seed in itertools.count():
            actor = await registry.register_actor(
                new_actor("甲" * 60), [template(seed)], principal="t"
            )
            actors[seed] = actor.actor_id

    with pytest.raises(StoreFull):
        await register_forever()
    return actors


async def test_memory_that_is_used_up(tmp_path: Path) -> None:
    """Enrolments are refused whole; an erasure is possible and makes room."""
    async with EmbeddedStore(tmp_path / "store", max_memory_bytes=1_500_000) as embedded:
        store, registry = await open_at(tmp_path, embedded)
        actors = await fill(registry)
        assert len(actors) > 3
        assert set(registry.snapshot.actor_ids) == set(actors.values())
        for actor_id in list(actors.values())[:-1]:
            await registry.erase_actor(actor_id, reason="", principal="t")
        await registry.compacted()
        await registry.register_actor(new_actor("乙"), [template(7)], principal="t")
        await registry.close()
        await store.close()


async def answers(store: Store) -> None:
    """Return when the store is up again; the test's own timeout is the deadline."""
    while True:
        try:
            await store.ping()
        except IndexRoomError:
            await asyncio.sleep(0.01)
        else:
            return


@pytest.fixture
def file_size_limit() -> Iterator[None]:
    """Lets no file of this process and its children grow much beyond 60 kB: a disk that is full, without root."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # What the tests print may go to a file, and has to go on.
    longest = max(file.stat().st_size for file in Path("/proc/self/fd").iterdir() if file.is_file())
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000 + longest, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_that_is_full(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A write that the disk refuses stops valkey-server; it comes back with all that was acknowledged."""
    request.getfixturevalue("file_size_limit")
    embedded = EmbeddedStore(tmp_path / "store")
    await embedded.start()
    store, registry = await open_at(tmp_path, embedded)
    actors = await fill(registry)
    assert actors
    await answers(store)
    await until(lambda: not registry.health.stale)
    for seed, actor_id in actors.items():
        assert best_actor(registry, seed) == actor_id
    await registry.close()
    reopened = await Registry.open(
        store, data_directory=tmp_path, key_path=tmp_path / "key.json", scorers=[make_scorer()]
    )
    assert set(reopened.snapshot.actor_ids) >= set(actors.values())
    await reopened.close()
    await store.close()
    await embedded.stop()


async def test_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    """Writes stop before the disk is full, so that erasing still works."""
    embedded = EmbeddedStore(tmp_path / "store")
    await embedded.start()
    store, registry = await open_at(tmp_path, embedded)
    actor = await registry.register_actor(new_actor("甲"), [template(1)], principal="t")
    embedded._reserve_bytes = 1 << 60
    with pytest.raises(StoreFull, match="Free space"):
        await registry.register_actor(new_actor("乙"), [template(2)], principal="t")
    assert best_actor(registry, 1) == actor.actor_id
    await registry.erase_actor(actor.actor_id, reason="", principal="t")
    assert best_actor(registry, 1) is None
    await registry.close()
    await store.close()
    await embedded.stop()


async def test_a_stopped_store_is_not_called_full(tmp_path: Path) -> None:
    """The cause is told apart."""
    async with EmbeddedStore(tmp_path / "store") as embedded:
        store, registry = await open_at(tmp_path, embedded)
        await embedded.stop()
        with pytest.raises(StoreUnavailable):
            await registry.register_actor(new_actor("甲"), [template(1)], principal="t")
        await registry.close()
        await store.close()
