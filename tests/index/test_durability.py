"""What was acknowledged survives every kind of death, and what was altered is named."""

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from fixtures.store import (
    OpenRegistry,
    best_actor,
    make_scorer,
    new_actor,
    new_watchlist,
    template,
    until,
)
from shengdun.index.checkpoints import Checkpointing
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.errors import KeyMissing, KeyWrong, StoreTampered, StoreUnavailable
from shengdun.index.keys import KeyRing
from shengdun.index.reading import StoreReading
from shengdun.index.registry import Registry
from shengdun.index.store import Store, StoreSettings

ENROLLER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from fixtures.store import *

async def main():
    data = Path(sys.argv[1])
    embedded = EmbeddedStore(data / "store")
    await embedded.start()
    store = await Store.connect(StoreSettings(url=embedded.url), guard=embedded)
    registry = await Registry.open(store, data_directory=data, key_path=data / "key.json", scorers=[make_scorer()])
    await registry.create_watchlist(new_watchlist(), principal="t")
    for seed in range(10_000):
        actor = await registry.register_actor(new_actor("a"), [template(seed)], principal="t")
        print(seed, actor.actor_id, flush=True)

asyncio.run(main())
"""


async def open_at(
    data: Path,
    embedded: EmbeddedStore,
    key_path: Path | None = None,
    *,
    checkpointing: Checkpointing | None = None,
) -> Registry:
    store = await Store.connect(StoreSettings(url=embedded.url), guard=embedded)
    try:
        reading = await StoreReading.of(
            store,
            data_directory=data,
            key_path=key_path or data / "key.json",
            checkpointing=checkpointing,
        )
        return await Registry.of(reading, scorers=[make_scorer()])
    except BaseException:
        await store.close()
        raise


async def close(registry: Registry) -> None:
    await registry.close()
    await registry._ledger._store.close()


async def test_a_killed_service_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    """``kill -9`` of the whole service amid enrolments."""
    tests = Path(__file__).parents[1]
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ENROLLER, str(tmp_path), str(tests)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert service.stdout is not None
    acknowledged = [(await service.stdout.readline()).split() for _ in range(15)]
    service.kill()
    acknowledged += [line.split() for line in (await service.stdout.read()).splitlines()]
    await service.wait()
    async with EmbeddedStore(tmp_path / "store") as embedded:
        registry = await open_at(tmp_path, embedded)
        for seed, actor_id in acknowledged:
            assert best_actor(registry, int(seed)) == actor_id.decode()
        await close(registry)


async def test_a_killed_store_loses_nothing_it_acknowledged(
    registry: Registry, embedded_store: EmbeddedStore, open_registry: OpenRegistry
) -> None:
    """``kill -9`` of valkey-server amid enrolments and erasures; retries with the same key are safe."""
    actors: dict[int, str] = {}
    for seed in range(12):
        if seed % 4 == 3:
            assert embedded_store.pid
            os.kill(embedded_store.pid, signal.SIGKILL)
        while seed not in actors:
            try:
                actor = await registry.register_actor(
                    new_actor("甲"), [template(seed)], principal="t", idempotency_key=f"k-{seed}"
                )
                actors[seed] = actor.actor_id
            except StoreUnavailable:
                await asyncio.sleep(0.01)
    assert len(registry.snapshot.actor_ids) == 12
    reopened = await open_registry()
    assert {seed: best_actor(reopened, seed) for seed in actors} == actors


Tamper = Callable[[Any], Awaitable[None]]


async def raw(embedded: EmbeddedStore) -> Any:  # noqa: ANN401
    """An attacker's connection; untyped, because redis-py's annotations unite all forms of every answer."""
    return Redis(unix_socket_path=str(embedded.files.socket), protocol=2)


async def keys(redis: Any, what: str) -> list[bytes]:  # noqa: ANN401
    return sorted([key async for key in redis.scan_iter(match=f"*record/{what}/*")])


async def flip_a_byte(redis: Any) -> None:  # noqa: ANN401
    key = (await keys(redis, "voiceprint"))[0]
    value = bytearray(await redis.get(key))
    value[40] ^= 1
    await redis.set(key, bytes(value))


async def delete_a_record(redis: Any) -> None:  # noqa: ANN401
    await redis.delete((await keys(redis, "actor"))[0])


async def swap_two_records(redis: Any) -> None:  # noqa: ANN401
    first, second = (await keys(redis, "voiceprint"))[:2]
    a, b = await redis.mget(first, second)
    await redis.mset({first: b, second: a})


async def plant_a_record(redis: Any) -> None:  # noqa: ANN401
    await redis.set("{shengdun}:record/actor/act_planted", b"x")


async def drop_the_last_entry(redis: Any) -> None:  # noqa: ANN401
    stream = "{shengdun}:journal"
    ((last, _),) = await redis.xrevrange(stream, count=1)
    await redis.xdel(stream, last)


async def drop_the_first_entry(redis: Any) -> None:  # noqa: ANN401
    await redis.xdel("{shengdun}:journal", "1-0")


async def alter_an_entry(redis: Any) -> None:  # noqa: ANN401
    stream = "{shengdun}:journal"
    entries = await redis.xrange(stream)
    await redis.delete(stream)
    for identifier, fields in entries:
        body = fields[b"entry"].replace(b'"principal":"t"', b'"principal":"u"')
        await redis.xadd(stream, {"entry": body, "hash": fields[b"hash"]}, id=identifier)


async def append_an_entry(redis: Any) -> None:  # noqa: ANN401
    stream = "{shengdun}:journal"
    ((last, fields),) = await redis.xrevrange(stream, count=1)
    sequence = int(last.split(b"-")[0]) + 1
    await redis.xadd(stream, fields, id=f"{sequence}-0")


async def delete_everything(redis: Any) -> None:  # noqa: ANN401
    await redis.flushall()


async def delete_the_journal(redis: Any) -> None:  # noqa: ANN401
    await redis.delete("{shengdun}:journal")


@pytest.fixture
async def filled(tmp_path: Path) -> Path:
    """A data directory with one watchlist and three actors; its last entry is the fifth."""
    async with EmbeddedStore(tmp_path / "store") as embedded:
        registry = await open_at(tmp_path, embedded)
        await registry.create_watchlist(new_watchlist(), principal="t")
        for seed in range(3):
            actor = new_actor("甲", actor_id=f"a-{seed}")
            await registry.register_actor(actor, [template(seed)], principal="t")
        await registry.compacted()
        await close(registry)
    return tmp_path


CHECKPOINTING = Checkpointing(least_actors=1)
TAMPERING = pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (flip_a_byte, r"key voiceprint/a-0/vp_\w+ was altered"),
        (delete_a_record, "key actor/a-0 is missing"),
        (swap_two_records, r"key voiceprint/a-0/vp_\w+ was altered"),
        (plant_a_record, "key actor/act_planted is unknown to the journal"),
        (drop_the_last_entry, "journal entry 5 was acknowledged and is missing"),
        (drop_the_first_entry, "journal entry 1 is missing"),
        (alter_an_entry, "journal entry 2 was altered"),
        (append_an_entry, "journal entry 6 was altered"),
        (delete_everything, "the journal is empty, although entry 5"),
        (delete_the_journal, "the journal is empty, although entry 5"),
    ],
)


@TAMPERING
async def test_tampering_is_named_at_start(filled: Path, tamper: Tamper, named: str) -> None:
    """Whoever can write to the store, but has no key, can't change it unnoticed."""
    async with EmbeddedStore(filled / "store") as embedded:
        redis = await raw(embedded)
        await tamper(redis)
        await redis.aclose()
        with pytest.raises(StoreTampered, match=named):
            await open_at(filled, embedded)


@TAMPERING
async def test_tampering_is_named_with_a_checkpoint_as_well(
    filled: Path, tamper: Tamper, named: str
) -> None:
    """Of records at the start; of the journal before the checkpoint, and of strangers, shortly after.

    Then nothing is changed any more, and the next start is refused.
    """
    async with EmbeddedStore(filled / "store") as embedded:
        registry = await open_at(filled, embedded, checkpointing=CHECKPOINTING)
        ledger = registry._ledger
        await ledger._checkpoints.write(ledger._caught_up)
        await close(registry)
        redis = await raw(embedded)
        await tamper(redis)
        await redis.aclose()
        if tamper in FOUND_LATER:
            registry = await open_at(filled, embedded, checkpointing=CHECKPOINTING)
            assert best_actor(registry, 1) == "a-1"
            await until(lambda: registry.health.distrusted)
            assert re.search(named, registry.health.problem)
            with pytest.raises(StoreTampered, match=named):
                await registry.erase_actor("a-1", reason="", principal="t")
            await close(registry)
        with pytest.raises(StoreTampered, match=named):
            await open_at(filled, embedded, checkpointing=CHECKPOINTING)


FOUND_LATER = (plant_a_record, drop_the_first_entry, alter_an_entry)


async def test_an_untouched_directory_opens(filled: Path) -> None:
    """The counterpart of the tampering tests."""
    async with EmbeddedStore(filled / "store") as embedded:
        registry = await open_at(filled, embedded)
        assert registry.snapshot.actor_ids == ("a-0", "a-1", "a-2")
        await close(registry)


async def test_a_store_put_back_to_an_older_copy_is_noticed(filled: Path) -> None:
    """The older journal verifies by itself; the anchor outside of the store tells."""
    shutil.copytree(filled / "store", filled / "copy")
    async with EmbeddedStore(filled / "store") as embedded:
        registry = await open_at(filled, embedded)
        await registry.erase_actor("a-1", reason="", principal="t")
        await close(registry)
    shutil.rmtree(filled / "store")
    (filled / "copy").rename(filled / "store")
    async with EmbeddedStore(filled / "store") as embedded:
        with pytest.raises(StoreTampered, match="journal entry 6 was acknowledged and is missing"):
            await open_at(filled, embedded)


async def test_a_truncated_file_is_noticed(filled: Path) -> None:
    """valkey-server forgives a cut tail, the anchor doesn't."""
    async with EmbeddedStore(filled / "store") as embedded:
        registry = await open_at(filled, embedded)
        await registry.compacted()
        await registry.record_event(principal="t", kind="actor.looked_at", subjects=["actor/a-0"])
        await close(registry)
    (file,) = (filled / "store" / "appendonlydir").glob("*.incr.aof")
    os.truncate(file, file.stat().st_size - 10)
    async with EmbeddedStore(filled / "store") as embedded:
        with pytest.raises(StoreTampered, match="journal entry 6"):
            await open_at(filled, embedded)


async def test_a_missing_or_malformed_anchor_is_noticed(filled: Path) -> None:
    """Without its anchor an embedded store could have been put back."""
    anchor = filled / "journal.anchor"
    async with EmbeddedStore(filled / "store") as embedded:
        anchor.write_text("{}")
        with pytest.raises(StoreTampered, match=r"journal\.anchor is malformed"):
            await open_at(filled, embedded)
        anchor.unlink()
        with pytest.raises(StoreTampered, match=r"journal\.anchor is missing"):
            await open_at(filled, embedded)


async def test_the_key_file_is_asked_for(filled: Path) -> None:
    """A missing key is not made anew, and a wrong one is told from tampering."""
    async with EmbeddedStore(filled / "store") as embedded:
        with pytest.raises(KeyMissing):
            await open_at(filled, embedded, filled / "elsewhere.json")
        assert not (filled / "elsewhere.json").exists()
        wrong = KeyRing.open(filled / "wrong.json")
        with pytest.raises(KeyWrong, match=r"not in wrong\.json"):
            await open_at(filled, embedded, wrong.path)


async def test_tampering_while_running_stops_changes_and_not_the_search(
    registry: Registry, embedded_store: EmbeddedStore
) -> None:
    """The last good snapshot goes on; health says what is wrong; changes are refused."""
    actor = await registry.register_actor(new_actor("甲"), [template(1)], principal="t")
    redis = await raw(embedded_store)
    await redis.flushall()
    await redis.aclose()
    await until(lambda: not registry.health.store_answers)
    assert "journal entry 3 was acknowledged and is missing" in registry.health.problem
    with pytest.raises(StoreTampered):
        await registry.erase_actor(actor.actor_id, reason="", principal="t")
    assert best_actor(registry, 1) == actor.actor_id
    assert registry.health.stale
