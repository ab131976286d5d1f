"""``kill -9`` at every step of moving and erasing: no acknowledged call is lost, none is there twice."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.archive import BY_HAND, OpenArchive, call, ids
from fixtures.store import OpenRegistry
from shengdun.index.archive import erasing
from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.errors import CallNotArchived
from shengdun.index.archive.following import Listener
from shengdun.index.archive.partitions import CALLS, INDEX, call_pseudonym
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.errors import StoreUnavailable

WORKER = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from fixtures.store import *
from fixtures.archive import BY_HAND, call
import shengdun.index.archive.keeping as keeping
from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.manifest import ManifestFile
from shengdun.index.archive.stream import ArchiveStream

data, todo, where, occurrence = Path(sys.argv[1]), sys.argv[3], sys.argv[4], int(sys.argv[5])
seen = 0

def dying(name):
    global seen
    seen += name == where
    if name == where and seen == occurrence:
        os.kill(os.getpid(), signal.SIGKILL)

def around(owner, name):
    inner = getattr(owner, name)
    if asyncio.iscoroutinefunction(inner):
        async def outer(*a, **k):
            dying("before " + name)
            result = await inner(*a, **k)
            dying("after " + name)
            return result
    else:
        def outer(*a, **k):
            dying("before " + name)
            result = inner(*a, **k)
            dying("after " + name)
            return result
    setattr(owner, name, outer)

async def main():
    from shengdun.index.attached import AttachedStore
    attached = AttachedStore(data / "store")
    store = await Store.connect(StoreSettings(url=attached.url), guard=attached)
    registry = await Registry.open(
        store, data_directory=data, key_path=data.parent / "keys" / "master.json", scorers=[make_scorer()]
    )
    archive = await CallArchive.open(store, registry.keys, data / "archive", registry, BY_HAND)
    for owner, name in [
        (ManifestFile, "write"), (keeping, "write_partition"), (keeping, "remove_partition"),
        (ArchiveStream, "put_keys"), (ArchiveStream, "drop_keys"), (ArchiveStream, "trim"),
        (ArchiveStream, "erase"), (ArchiveStream, "add"), (ArchiveStream, "settle"),
    ]:
        around(owner, name)
    if todo == "add":
        for number in range(20, 40):
            await archive.add(call(number))
            print(number, flush=True)
    elif todo == "flush":
        await archive.flush()
    else:
        await archive.erase([call(n).call_id for n in range(5, 15)], reason="", principal="t")
    print("done", flush=True)
    os._exit(0)

asyncio.run(main())
"""


ERASED = [call(number).call_id for number in range(5, 15)]


async def die(data: Path, todo: str, where: str, occurrence: int = 1) -> list[str]:
    """Do something in another process that is killed at a step of it; what it had acknowledged."""
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORKER, str(data), str(Path(__file__).parents[2])),
        *(todo, where, str(occurrence)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await worker.communicate()
    assert worker.returncode == -signal.SIGKILL
    return output.decode().split()


@pytest.fixture
async def filled(open_archive: OpenArchive, open_registry: OpenRegistry, tmp_path: Path) -> Path:
    """A data directory with ten calls in partitions and ten in the store."""
    archive = await open_archive()
    for number in range(20):
        await archive.add(call(number))
        if number == 9:
            await archive.flush()
    await archive.close()
    return tmp_path / "data"


STEPS = [
    "before write_partition",
    "after write_partition",
    "before put_keys",
    "after put_keys",
    "before write",
    "after write",
    "before trim",
    "after trim",
]


@pytest.mark.parametrize("step", STEPS)
async def test_a_killed_move_loses_and_doubles_nothing(
    filled: Path, open_archive: OpenArchive, step: str
) -> None:
    """And nothing that it began is left lying about."""
    await die(filled, "flush", step)
    archive = await open_archive()
    everybody = sorted(call(number).call_id for number in range(20))
    assert ids(archive) == everybody
    for number in range(20):
        assert not await archive.add(call(number))
    await archive.flush()
    assert ids(archive) == everybody
    assert archive.problems == ()
    await check_nothing_else(archive._keeper.directory, await open_archive())


ERASING = [
    ("before erase", 1, False),
    ("after erase", 1, True),
    ("before write_partition", 2, True),
    ("before put_keys", 2, True),
    ("before write", 2, True),
    ("after write", 2, True),
    ("before drop_keys", 2, True),
    ("after drop_keys", 2, True),
    ("after remove_partition", 2, True),
    ("before trim", 2, True),
]


@pytest.mark.parametrize(("step", "occurrence", "ordered"), ERASING)
async def test_a_killed_erasure_is_done_or_was_not_begun(
    filled: Path, open_archive: OpenArchive, step: str, occurrence: int, *, ordered: bool
) -> None:
    """Once the store has it, the calls are found no more, and the next move completes it."""
    await die(filled, "erase", step, occurrence)
    archive = await open_archive()
    kept = range(20) if not ordered else [*range(5), *range(15, 20)]
    expected = sorted(call(number).call_id for number in kept)
    assert ids(archive) == expected
    await archive.flush()
    assert ids(archive) == expected
    assert archive.health.calls == len(expected)
    await check_nothing_else(archive._keeper.directory, await open_archive())


IMPATIENT = replace(BY_HAND, erase_wait_s=0.5)
"""As the process that was killed never says that it has heard."""
ONCE_BEGUN = [("after erase", 1), ("after write", 2), ("before trim", 2), ("before settle", 1)]


@pytest.mark.parametrize(("step", "occurrence"), ONCE_BEGUN)
async def test_a_killed_erasure_goes_on_by_itself(
    filled: Path,
    open_archive: OpenArchive,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    occurrence: int,
) -> None:
    """Once its process counts as dead; who keeps something of the calls elsewhere hears of it however far it was."""
    await die(filled, "erase", step, occurrence)
    archive = await open_archive(IMPATIENT)
    told: list[str] = []
    archive.follow(Listener(erased=told.extend))
    assert await archive.finish_erasures() == 0  # whoever began it may be at it still
    monkeypatch.setattr(erasing, "FORGET_S", 0.0)
    assert await archive.finish_erasures() == len(ERASED)
    assert sorted(set(told)) == sorted(ERASED)
    assert await archive._stream.begun() == []
    assert await archive.finish_erasures() == 0
    assert not set(ids(archive)) & set(ERASED)


async def test_a_killed_erasure_that_is_asked_for_again_has_its_receipt(
    filled: Path, open_archive: OpenArchive
) -> None:
    """Of all calls that it was about, though none of them is archived any more; of any other request it has not."""
    await die(filled, "erase", "before settle")
    archive = await open_archive(IMPATIENT)
    with pytest.raises(CallNotArchived):
        await archive.erase(ERASED[1:], reason="", principal="t")
    receipt = await archive.erase(ERASED[::-1], reason="again", principal="t")
    hashes = {call_pseudonym(archive._keys, one).hex() for one in ERASED}
    assert set(receipt.call_hashes) == hashes
    assert receipt.in_store + receipt.in_partitions == 0
    assert (await archive.verify(receipt)).holds
    assert await archive._stream.begun() == []
    with pytest.raises(CallNotArchived):
        await archive.erase(ERASED, reason="", principal="t")


@pytest.mark.parametrize("step", ["before add", "after add"])
async def test_what_was_acknowledged_is_there(
    filled: Path, open_archive: OpenArchive, step: str
) -> None:
    """What wasn't may be there or not, and can be added again without being there twice."""
    acknowledged = await die(filled, "add", step, 8)
    assert len(acknowledged) == 7
    archive = await open_archive()
    found = ids(archive)
    assert {call(int(number)).call_id for number in acknowledged} <= set(found)
    await archive.add(call(27))
    assert sorted({*found, call(27).call_id}) == ids(archive)


async def test_a_killed_store_loses_and_doubles_nothing(
    embedded_store: EmbeddedStore, open_archive: OpenArchive
) -> None:
    """``kill -9`` of valkey-server amid calls that are repeated until they are acknowledged."""
    archive = await open_archive()
    for number in range(12):
        if number % 4 == 3:
            assert embedded_store.pid
            os.kill(embedded_store.pid, signal.SIGKILL)
        while True:
            try:
                await archive.add(call(number))
                break
            except StoreUnavailable:
                await asyncio.sleep(0.01)
    await archive.flush()
    assert ids(archive) == sorted(call(number).call_id for number in range(12))


async def check_nothing_else(directory: Path, archive: CallArchive) -> None:
    """Check that there are no files and no keys but those that count, once somebody has opened the archive."""
    keeper = archive._keeper
    names = {one.name for one in keeper.manifest.partitions}
    files = await asyncio.to_thread(
        lambda: {str(path.relative_to(directory)) for path in directory.glob("*/*")}
    )
    assert files == {name + suffix for name in names for suffix in (CALLS, INDEX)}
    keys = {one for one in await keeper._stream.key_names() if one.startswith("partition/")}
    assert keys == {keeper.key_name(name) for name in names}
