"""What is damaged is named and the rest works; a full disk loses nothing."""

import asyncio
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.archive import BY_HAND, NOON, OpenArchive, call, ids
from fixtures.store import until
from shengdun.index.archive.archive import ArchiveSettings, CallArchive
from shengdun.index.archive.errors import ArchiveDiskFull, CallNotArchived, PartitionDamaged
from shengdun.index.archive.partitions import CALLS, INDEX
from shengdun.index.archive.rows import CallQuery
from shengdun.index.errors import StoreTampered


@pytest.fixture
async def two_days(archive: CallArchive) -> CallArchive:
    """An archive with ten calls on each of two days."""
    for number in range(20):
        at = NOON - timedelta(days=number % 2)
        await archive.add(replace(call(number), started_at=at, ended_at=at))
    await archive.flush()
    return archive


def file_of(archive: CallArchive, suffix: str) -> Path:
    """A file of the first day's partition."""
    return (archive._keeper.directory / archive._keeper.manifest.partitions[0].name).with_suffix(
        suffix
    )


def flip(path: Path, place: int) -> None:
    """Alter one byte."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    """Take the last byte away."""
    path.write_bytes(path.read_bytes()[:-1])


DAMAGE: list[tuple[Callable[[Path], object], str]] = [
    (Path.unlink, "can't be read"),
    (cut, "is torn"),
    (lambda path: flip(path, 3), "is malformed"),
    (lambda path: flip(path, -5), "has voiceprints"),
    (lambda path: path.write_bytes(b""), "is malformed"),
]


@pytest.mark.parametrize(("damage", "problem"), DAMAGE)
async def test_a_damaged_partition_is_named_and_skipped(
    two_days: CallArchive, open_archive: OpenArchive, damage: Callable[[Path], object], problem: str
) -> None:
    """The other day is still there, for whoever opens the archive."""
    damage(file_of(two_days, CALLS))
    archive = await open_archive()
    with pytest.raises(PartitionDamaged):
        archive.get(call(1).call_id)
    assert not await archive.add(call(1))
    name = archive._keeper.manifest.partitions[0].name
    assert len(ids(archive)) == 10
    assert len(archive.problems) == 1
    assert name in archive.problems[0]
    assert problem in archive.problems[0]
    assert archive.get(call(2).call_id).call_id == call(2).call_id
    await archive.add(call(30))
    await archive.flush()
    assert len(ids(archive)) == 11


async def test_an_altered_index_is_noticed(
    two_days: CallArchive, open_archive: OpenArchive
) -> None:
    """Its calls aren't found by their ids, and everything else of them is."""
    flip(file_of(two_days, INDEX), 3)
    archive = await open_archive()
    with pytest.raises(CallNotArchived):
        archive.get(call(1).call_id)
    assert len(ids(archive)) == 20
    receipt = await archive.erase([call(2).call_id], reason="", principal="t")
    assert receipt.unreadable == (archive._keeper.manifest.partitions[0].name,)
    assert not receipt.is_complete


async def test_an_erasure_takes_a_damaged_partition_whole(two_days: CallArchive) -> None:
    """What nobody can read doesn't keep what must go."""
    flip(file_of(two_days, CALLS), -5)
    name = two_days._keeper.manifest.partitions[0].name
    receipt = await two_days.erase([call(1).call_id], reason="", principal="t")
    assert receipt.partitions == receipt.unreadable == (name,)
    assert (await two_days.verify(receipt)).holds
    assert len(ids(two_days)) == 10
    assert two_days.problems == ()


async def test_a_block_that_is_read_later_says_what_is_wrong(two_days: CallArchive) -> None:
    """If the scan was told not to read it before."""
    flip(file_of(two_days, CALLS), -5)
    first = next(two_days.scan(CallQuery(), voiceprints=False))
    assert len(first.call_ids) == 10
    with pytest.raises(PartitionDamaged, match="voiceprints"):
        _ = first.voiceprints


async def test_an_altered_manifest_is_refused(
    two_days: CallArchive, open_archive: OpenArchive
) -> None:
    """Nobody can leave a partition out of it."""
    await two_days.close()
    flip(two_days._keeper.directory / "manifest", 40)
    with pytest.raises(StoreTampered, match="manifest"):
        await open_archive()


async def test_a_partition_without_its_key_is_named(
    two_days: CallArchive, open_archive: OpenArchive
) -> None:
    """As after an erasure by somebody who knows no files."""
    name = two_days._keeper.manifest.partitions[0].name
    await two_days._stream.drop_keys([two_days._keeper.key_name(name)])
    archive = await open_archive()
    assert len(ids(archive)) == 10
    assert "has no key" in archive.problems[0]


@contextmanager
def full_disk() -> Iterator[None]:
    """Let this process write no more than some bytes to a file, which fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_loses_nothing(archive: CallArchive, open_archive: OpenArchive) -> None:
    """Calls stay in the store, and are moved once there is space; health says so meanwhile."""
    for number in range(6):
        await archive.add(call(number))
    with full_disk(), pytest.raises(ArchiveDiskFull):
        await archive.flush()
    assert archive.health.tail == 6
    assert len(ids(archive)) == 6
    with full_disk():
        moving = await open_archive(replace(BY_HAND, flush_s=0.02))
        await until(lambda: any("disk is full" in problem for problem in moving.problems))
    await until(lambda: moving.health.calls == 6 and not moving.problems)
    assert len(ids(archive)) == 6


async def test_an_erasure_on_a_full_disk_is_completed_later(archive: CallArchive) -> None:
    """The calls are found no more from the start."""
    for number in range(6):
        await archive.add(call(number))
    await archive.flush()
    with full_disk(), pytest.raises(ArchiveDiskFull):
        await archive.erase([call(3).call_id], reason="", principal="t")
    await asyncio.sleep(0)
    await until(lambda: len(ids(archive)) == 5)
    await archive.flush()
    assert archive.health.calls == len(ids(archive)) == 5


async def test_a_machine_that_was_away_for_long_says_so(
    archive: CallArchive, open_archive: OpenArchive
) -> None:
    """It has what comes from then on, and names what it lacks."""
    brief = ArchiveSettings(flush_s=None, linger_s=0.0, keep_s=0.0)
    second = await open_archive(brief, machine="second")
    await second.close()
    hurried = await open_archive(brief)
    for number in range(3):
        await archive.add(call(number))
    await hurried.flush()
    again = await open_archive(brief, machine="second")
    await archive.add(call(9))
    await again.flush()
    assert ids(again) == [call(9).call_id]
    assert "lacks the calls of entries 1 to 3" in again.problems[0]
