"""A start from a checkpoint is a start from the store, and an erasure ends every checkpoint wherever its file is."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.store import (
    best_actor,
    make_scorer,
    new_actor,
    new_watchlist,
    template,
    until,
    voice,
)
from shengdun.index import checkpoints as checkpoints_module
from shengdun.index.checkpoint_file import CheckpointUnusable, read_header, read_parts
from shengdun.index.checkpoints import Checkpointing, Checkpoints
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.errors import SealBroken
from shengdun.index.journal import CHECKPOINT_KEYS
from shengdun.index.keys import KeyRing
from shengdun.index.reading import StoreReading
from shengdun.index.registry import Registry
from shengdun.index.scoring import Scorer
from shengdun.index.sketches import SketchForm
from shengdun.index.snapshot import Snapshot
from shengdun.index.store import Store, StoreSettings
from shengdun.index.watchlists import KEEP, ActorChanges

LATER = datetime.now(UTC) + timedelta(days=1)
ACTORS = 20


@asynccontextmanager
async def opened(
    store: Store,
    tmp_path: Path,
    *,
    machine: str = "data",
    tell: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Registry]:
    """A registry that keeps a checkpoint; on another machine if one is named, to which the store is no embedded one."""
    async with AsyncExitStack() as stack:
        if machine != "data":
            store = await Store.connect(store.settings)
            stack.push_async_callback(store.close)
        reading = await StoreReading.of(
            store,
            data_directory=tmp_path / machine,
            key_path=tmp_path / "keys" / "master.json",
            checkpointing=Checkpointing(least_actors=1, tell=tell),
        )
        registry = await Registry.of(reading, scorers=[make_scorer()])
        stack.push_async_callback(registry.close)
        yield registry


def checkpoints(registry: Registry) -> Checkpoints:
    return registry._ledger._checkpoints


async def write(registry: Registry) -> Path:
    """Have a checkpoint written; its file."""
    await checkpoints(registry).write(registry._ledger._caught_up)
    return checkpoints(registry).path


def content(file: Path) -> bytes:
    return file.read_bytes()


def put_back(file: Path, kept: bytes) -> None:
    file.write_bytes(kept)


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def is_from_checkpoint(registry: Registry) -> bool:
    return registry._ledger._verifier is not None


async def verified(registry: Registry) -> None:
    """Wait for what a start from a checkpoint leaves for later."""
    assert registry._ledger._verifier is not None
    await registry._ledger._verifier
    assert not registry.health.distrusted


async def keys_in_store(store: Store) -> int:
    return int(await store._client.hlen(store.key(CHECKPOINT_KEYS)))


async def fill(registry: Registry) -> None:
    """Two lists, actors on one or both, some with several voiceprints, some that expire."""
    for name in ("agents", "others"):
        await registry.create_watchlist(new_watchlist(name), principal="t")
    for number in range(ACTORS):
        lists = ("agents", "others") if number % 3 == 0 else ("agents",)
        new = new_actor(
            f"甲{number}",
            *lists,
            actor_id=f"a-{number:02}",
            expires_at=LATER if number % 5 == 0 else None,
        )
        templates = [template(number + 100 * each, snr_db=15.0) for each in range(number % 3 + 1)]
        await registry.register_actor(new, templates, principal="t")


@pytest.fixture
async def written(store: Store, tmp_path: Path) -> Path:
    """The file of a checkpoint of a filled registry that is closed by now."""
    async with opened(store, tmp_path) as registry:
        await fill(registry)
        return await write(registry)


def told(snapshot: Snapshot) -> dict[str, Any]:
    """All that a snapshot says, but for the codes of its actors."""
    at = datetime.now(UTC)
    said: dict[str, Any] = {
        "head": snapshot.head,
        "watchlists": snapshot.watchlists,
        "actors": [snapshot.actor(each) for each in snapshot.actor_ids],
        "vectors": {
            (actor_id, name): one.vector.tolist()
            for actor_id in snapshot.actor_ids
            for name, one in snapshot.holding(actor_id).templates.items()
        },
    }
    for watchlist in snapshot.watchlists:
        name = watchlist.watchlist_id
        found = [
            snapshot.search(name, voice(seed), net_speech_s=7.0, at=moment)
            for seed in (0, 7, 107, 219, 5000)
            for moment in (at, LATER + timedelta(days=1))
        ]
        said[name] = [
            (one.version, one.size_actors, one.candidates, one.actor_ids, one.actor_llrs.tolist())
            for one in found
        ]
        said[f"{name}/members"] = snapshot.members(name)
    return said


async def from_journal(store: Store, tmp_path: Path) -> Snapshot:
    """What a machine without a checkpoint has."""
    async with opened(store, tmp_path, machine="another") as registry:
        assert not is_from_checkpoint(registry)
        return registry.snapshot


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


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def truncate_between_parts(file: Path) -> None:
    content = file.read_bytes()
    start = content.index(b"\n") + 1
    length = int.from_bytes(content[start : start + 8], "big")
    file.write_bytes(content[: start + 8 + length])


def flip_the_last_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def claim_another_length(file: Path) -> None:
    content = bytearray(file.read_bytes())
    start = content.index(b"\n") + 1
    content[start : start + 8] = b"\xff" * 8
    file.write_bytes(content)


def claim_another_entry(file: Path) -> None:
    line, _, rest = file.read_bytes().partition(b"\n")
    sequence = f'"sequence": {read_header(file).sequence}'.encode()
    file.write_bytes(line.replace(sequence, b'"sequence": 3') + b"\n" + rest)


def be_of_another_version(file: Path) -> None:
    line, _, rest = file.read_bytes().partition(b"\n")
    file.write_bytes(line.replace(b'"format": 1', b'"format": 0') + b"\n" + rest)


def be_no_checkpoint(file: Path) -> None:
    file.write_bytes(b"\x00" * 100)


def be_a_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (truncate, "is missing, was altered or has another key"),
        (truncate_between_parts, "is missing, was altered or has another key"),
        (flip_the_last_byte, "is missing, was altered or has another key"),
        (claim_another_length, "is missing, was altered or has another key"),
        (claim_another_entry, "part 0 is missing, was altered or has another key"),
        (be_of_another_version, "another version of Shengdun wrote it"),
        (be_no_checkpoint, "its header is malformed"),
        (be_a_directory, "can't be read"),
        (Path.unlink, "there is none"),
    ],
)
async def test_a_file_that_is_no_good_is_told_and_done_without(
    store: Store, tmp_path: Path, written: Path, damage: Callable[[Path], None], why: str
) -> None:
    """The store is loaded as without a checkpoint, and one line says why."""
    damage(written)
    lines: list[str] = []
    async with opened(store, tmp_path, tell=lines.append) as registry:
        assert not is_from_checkpoint(registry)
        assert best_actor(registry, 7) == "a-07"
    (line,) = lines
    assert why in line


async def test_a_checkpoint_of_another_store_is_not_used(
    store: Store, tmp_path: Path, written: Path
) -> None:
    """Not even with the same master keys and its key copied over: its journal is another one."""
    async with EmbeddedStore(tmp_path / "elsewhere" / "store") as embedded:
        foreign = await Store.connect(StoreSettings(url=embedded.url), guard=embedded)
        async with opened(foreign, tmp_path, machine="elsewhere") as registry:
            await fill(registry)
            await registry.register_actor(new_actor("乙"), [template(900)], principal="t")
            file = await write(registry)
        keys = await foreign._client.hgetall(foreign.key(CHECKPOINT_KEYS))
        await foreign.close()
    shutil.copy(file, written)
    await store._client.hset(store.key(CHECKPOINT_KEYS), mapping=keys)
    async with opened(store, tmp_path) as registry:
        assert not is_from_checkpoint(registry)
        assert best_actor(registry, 900) is None
        assert not registry.health.distrusted


async def test_another_calibration_profile_is_not_served_old_vectors(
    store: Store, tmp_path: Path, written: Path
) -> None:
    """And one more in shadow means that its vectors are missing."""
    for scorers in ([make_scorer(shift=0.2)], [make_scorer(), make_scorer(name="b", shift=0.1)]):
        active, shadow = scorers[:1], scorers[1:]
        reading = await StoreReading.of(
            store,
            data_directory=tmp_path / "data",
            key_path=tmp_path / "keys" / "master.json",
            checkpointing=Checkpointing(least_actors=1),
        )
        registry = await Registry.of(reading, scorers=active, shadow=shadow)
        assert not is_from_checkpoint(registry)
        assert checkpoints(registry)._is_due(registry.snapshot)
        await registry.close()


async def test_vectors_that_would_be_computed_otherwise_are_not_served(
    store: Store, tmp_path: Path, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade that forgot to say so: some rows of each segment are tried."""
    project = Scorer.project

    def otherwise(self: Scorer, voiceprints: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return project(self, -voiceprints)

    monkeypatch.setattr(Scorer, "project", otherwise)
    lines: list[str] = []
    async with opened(store, tmp_path, tell=lines.append) as registry:
        assert not is_from_checkpoint(registry)
    (line,) = lines
    assert line.endswith("vectors are computed otherwise now")


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
        file = checkpoints(registry).path
        header = read_header(file)
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


def test_codes_of_another_number_of_rows_are_refused() -> None:
    """A sketch that was written down is taken as it is, and nothing else is."""
    form = SketchForm.of(32)
    rows = np.stack([voice(seed) for seed in range(40)])
    index = form.index(rows)
    codes = SketchForm.codes_of(index)
    again = form.index_of_codes(codes, 40)
    query = form.rotated(rows[:1])
    assert np.array_equal(again.search(query, 40)[1], index.search(query, 40)[1])
    with pytest.raises(ValueError, match="not the codes of 90 rows"):
        form.index_of_codes(codes, 90)
