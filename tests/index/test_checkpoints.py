"""A start from a checkpoint is a start from the store, and an erasure ends every checkpoint wherever its file is."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fixtures.checkpoints import (
    ACTORS,
    LATER,
    checkpoints,
    content,
    fill,
    from_journal,
    is_from_checkpoint,
    keys_in_store,
    mode,
    opened,
    put_back,
    told,
    verified,
    write,
)
from fixtures.store import (
    best_actor,
    new_actor,
    new_watchlist,
    template,
    until,
)
from shengdun.index import checkpoints as checkpoints_module
from shengdun.index.checkpoint_file import CheckpointUnusable, read_header, read_parts
from shengdun.index.errors import SealBroken
from shengdun.index.journal import CHECKPOINT_KEYS
from shengdun.index.keys import KeyRing
from shengdun.index.registry import Registry
from shengdun.index.snapshot import Snapshot
from shengdun.index.store import Store
from shengdun.index.watchlists import KEEP, ActorChanges


async def test_a_start_from_a_checkpoint_is_a_start_from_the_journal(
    store: Store, tmp_path: Path, written: Path
) -> None:
    """The same actors, lists, versions, place in the journal, and evidence to the last bit."""
    async with opened(store, tmp_path) as registry:
        assert is_from_checkpoint(registry)
        await verified(registry)
        assert told(registry.snapshot) == told(await from_journal(store, tmp_path))


async def test_what_happened_since_is_applied(store: Store, tmp_path: Path, written: Path) -> None:
    """Additions and changes by another machine behind the checkpoint, of actors and of lists."""
    async with opened(store, tmp_path, machine="another") as other:
        await other.register_actor(new_actor("乙", actor_id="b-1"), [template(900)], principal="t")
        await other.add_voiceprints("a-03", [template(901), template(902)], principal="t")
        moved = ActorChanges(watchlist_ids=frozenset({"others"}), expires_at=LATER, notes=KEEP)
        await other.update_actor("a-04", moved, expected_revision=None, principal="t")
        await other.create_watchlist(new_watchlist("third"), principal="t")
        assert await other.allowed.forget_customer("c1", principal="t") == 1
        await other.record_event(principal="t", kind="actor.looked_at", subjects=["actor/a-01"])
    async with opened(store, tmp_path) as registry:
        assert is_from_checkpoint(registry)
        assert registry.snapshot.members("others")[-1] == "a-18"
        assert best_actor(registry, 901) == "a-03"
        assert best_actor(registry, 4) != "a-04"
        await verified(registry)
        assert told(registry.snapshot) == told(await from_journal(store, tmp_path))
        # It goes on from there as any other does.
        await registry.register_actor(new_actor("丙"), [template(950)], principal="t")
        await registry.erase_actor("a-05", reason="", principal="t")
        assert told(registry.snapshot) == told(await from_journal(store, tmp_path))


async def test_the_file_is_readable_by_its_owner_alone(written: Path) -> None:
    """As the key file and the anchor are."""
    assert mode(written) == 0o600


async def erase(registry: Registry) -> None:
    await registry.erase_actor("a-07", reason="request", principal="t")


async def remove_a_voiceprint(registry: Registry) -> None:
    (first, *_) = registry.snapshot.holding("a-08").names
    await registry.remove_voiceprint("a-08", first, principal="t")


async def empty_a_list(registry: Registry) -> None:
    await registry.delete_watchlist("agents", force=True, principal="t")


Ending = Callable[[Registry], Awaitable[None]]


@pytest.mark.parametrize("ending", [erase, remove_a_voiceprint, empty_a_list])
async def test_whatever_takes_biometrics_away_ends_all_checkpoints(
    store: Store, tmp_path: Path, written: Path, ending: Ending
) -> None:
    """Of every machine, at once, and although the file is put back afterwards."""
    async with opened(store, tmp_path, machine="another") as other:
        await write(other)
        assert await keys_in_store(store) == 2
        kept = content(written)
        await ending(other)
        assert await keys_in_store(store) == 0
        after = told(other.snapshot)
    put_back(written, kept)
    lines: list[str] = []
    async with opened(store, tmp_path, tell=lines.append) as registry:
        assert not is_from_checkpoint(registry)
        assert told(registry.snapshot) == after
    (line,) = lines
    assert line.endswith("its key is gone from the store, as after an erasure")


async def test_no_key_but_the_erased_one_opens_the_file(
    store: Store, tmp_path: Path, written: Path
) -> None:
    """The master keys alone don't, nor does the key of the checkpoint that follows."""
    kept = tmp_path / "kept"
    shutil.copy(written, kept)
    ring = KeyRing.load(tmp_path / "keys" / "master.json")
    async with opened(store, tmp_path) as registry:
        await erase(registry)
        await write(registry)
        following = read_header(written)
        key = await checkpoints(registry)._key(following)
        with pytest.raises(CheckpointUnusable, match="has another key"):
            list(read_parts(kept, read_header(kept), key))
        with pytest.raises(SealBroken):
            ring.unwrap(key.wrapped, f"checkpoint-key/{read_header(kept).checkpoint_id}".encode())


async def test_who_was_erased_is_not_found_even_if_file_and_key_are_put_back(
    store: Store, tmp_path: Path, written: Path
) -> None:
    """Whoever may write to disk and store and has kept copies of both gets what the journal says since."""
    kept = content(written)
    name = store.key(CHECKPOINT_KEYS)
    kept_keys = await store._client.hgetall(name)
    async with opened(store, tmp_path, machine="another") as other:
        await erase(other)
        await other.register_actor(new_actor("乙", actor_id="a-07"), [template(77)], principal="t")
    put_back(written, kept)
    await store._client.hset(name, mapping=kept_keys)
    async with opened(store, tmp_path) as registry:
        assert is_from_checkpoint(registry)
        assert best_actor(registry, 7) != "a-07"
        assert best_actor(registry, 77) == "a-07"
        await verified(registry)
        assert told(registry.snapshot) == told(await from_journal(store, tmp_path))


async def test_an_erasure_while_a_checkpoint_is_written_ends_it(
    store: Store, tmp_path: Path, written: Path
) -> None:
    """Whether it comes before the key is in the store, or after the snapshot was taken."""
    for when in (1, 2):
        victim, looks = f"a-{when:02}", 0
        async with (
            opened(store, tmp_path, machine="another") as other,
            opened(store, tmp_path, machine=f"machine-{when}") as registry,
        ):

            async def caught_up(
                registry: Registry = registry,
                other: Registry = other,
                when: int = when,
                victim: str = victim,
            ) -> Snapshot:
                nonlocal looks
                looks += 1
                snapshot = await registry._ledger._caught_up()
                if looks == when:
                    await other.erase_actor(victim, reason="", principal="t")
                return snapshot

            await checkpoints(registry).write(caught_up)
            assert looks == 2
            assert await keys_in_store(store) == (1 if when == 1 else 0)
        async with opened(store, tmp_path, machine=f"machine-{when}") as again:
            assert is_from_checkpoint(again) == (when == 1)
            assert victim not in again.snapshot


async def test_a_writer_that_is_killed_costs_a_checkpoint_and_nothing_else(
    store: Store, tmp_path: Path, written: Path
) -> None:
    """The old key is gone, the new file was not there yet; what lies aside is removed by the next writer."""
    aside = written.with_name(f".{written.name}.0123abcd")
    aside.write_bytes(b"half of it")
    header = read_header(written)
    async with opened(store, tmp_path) as registry:
        await checkpoints(registry)._replace_key(header.checkpoint_id, "0" * 32, b"x")
    async with opened(store, tmp_path) as registry:
        assert not is_from_checkpoint(registry)
        await write(registry)
        assert not aside.exists()
        assert len(registry.snapshot.actor_ids) == ACTORS
    async with opened(store, tmp_path) as registry:
        assert is_from_checkpoint(registry)


async def test_processes_of_a_machine_share_one_checkpoint(
    store: Store, tmp_path: Path, written: Path
) -> None:
    """They start from it, only one of them writes the next, and an erasure by one reaches the others."""
    async with opened(store, tmp_path) as first, opened(store, tmp_path) as second:
        assert is_from_checkpoint(first)
        assert is_from_checkpoint(second)
        await erase(first)
        await until(lambda: "a-07" not in second.snapshot)
        assert checkpoints(second)._is_due(second.snapshot)
        await asyncio.gather(write(first), write(second))
        await write(second)
        assert await keys_in_store(store) == 1
        for each in (first, second):
            await write(each)
            assert not checkpoints(each)._is_due(each.snapshot)
    async with opened(store, tmp_path) as registry:
        assert is_from_checkpoint(registry)
        assert "a-07" not in registry.snapshot


async def test_master_keys_may_be_rotated(store: Store, tmp_path: Path, written: Path) -> None:
    """The old key still opens the file, which is due to be written anew; sealing actors again ends it."""
    KeyRing.load(tmp_path / "keys" / "master.json").rotate()
    async with opened(store, tmp_path) as registry:
        assert is_from_checkpoint(registry)
        await verified(registry)
        assert checkpoints(registry)._is_due(registry.snapshot)
        await write(registry)
        assert not checkpoints(registry)._is_due(registry.snapshot)
        assert await registry.reseal_actors(principal="t") == ACTORS
        assert await keys_in_store(store) == 0
        await write(registry)
    async with opened(store, tmp_path) as registry:
        assert is_from_checkpoint(registry)
        assert told(registry.snapshot) == told(await from_journal(store, tmp_path))


async def test_checkpoints_are_written_in_the_background(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a start without one, after an erasure, and after a lot has happened; not for every change."""
    monkeypatch.setattr(checkpoints_module, "_LOOK_S", 0.005)
    monkeypatch.setattr(checkpoints_module, "_FIRST_S", 0.0)
    monkeypatch.setattr(checkpoints_module, "_EVERY_S", 0.0)
    monkeypatch.setattr(checkpoints_module, "_ENTRIES", 3)

    def is_written(registry: Registry) -> bool:
        return not checkpoints(registry)._is_due(registry.snapshot)

    async with opened(store, tmp_path) as registry:
        await fill(registry)
        await until(lambda: is_written(registry))
        # The one of the background may be of the middle of what was filled in, and as far behind as it may be.
        checkpoints(registry).discard()
        await write(registry)
        file = checkpoints(registry).path
        header = read_header(file)
        assert header.sequence == registry.snapshot.head.sequence
        await registry.record_event(principal="t", kind="actor.looked_at", subjects=["actor/a-01"])
        await asyncio.sleep(0.05)
        assert read_header(file) == header
        for _ in range(3):
            await registry.record_event(principal="t", kind="looked", subjects=["actor/a-01"])
        await until(lambda: read_header(file).sequence > header.sequence)
        await erase(registry)
        await until(lambda: is_written(registry))
    async with opened(store, tmp_path) as registry:
        assert is_from_checkpoint(registry)
        await verified(registry)
        header = read_header(file)
        await erase_another(registry)
        await until(lambda: read_header(file) != header)


async def erase_another(registry: Registry) -> None:
    await registry.erase_actor("a-09", reason="", principal="t")


async def test_few_actors_need_none(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the limit nothing is written, and what was written before most were erased is removed."""
    monkeypatch.setattr(checkpoints_module, "_LOOK_S", 0.005)
    monkeypatch.setattr(checkpoints_module, "_FIRST_S", 0.0)
    monkeypatch.setattr(checkpoints_module, "_EVERY_S", 0.0)
    async with opened(store, tmp_path) as registry:
        file = checkpoints(registry).path
        await registry.create_watchlist(new_watchlist(), principal="t")
        assert not checkpoints(registry)._is_due(registry.snapshot)
        actor = await registry.register_actor(new_actor("甲"), [template(1)], principal="t")
        await until(file.exists)
        await registry.erase_actor(actor.actor_id, reason="", principal="t")
        await until(lambda: not file.exists())
