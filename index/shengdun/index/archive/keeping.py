"""This machine's partitions: one process at a time changes them, all others read them.

A change writes new files, puts their keys into the store, replaces the manifest, and then deletes the keys and files of
what was replaced. Whatever it dies at, the manifest says what counts; what else lies about is swept at the next start.
"""

import asyncio
import errno
import fcntl
import os
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from shengdun.index.archive.columns import Rows
from shengdun.index.archive.errors import ArchiveDiskFull, PartitionDamaged
from shengdun.index.archive.manifest import Manifest, ManifestFile, Partition
from shengdun.index.archive.partitions import (
    CALLS,
    INDEX,
    PartitionReader,
    call_pseudonym,
    index_key,
    key_aad,
    remove_partition,
    write_partition,
)
from shengdun.index.archive.stream import ArchiveStream
from shengdun.index.archive.tables import CallTable, words
from shengdun.index.durable_files import create_file
from shengdun.index.errors import IndexRoomError, KeyRingError, StoreUnavailable
from shengdun.index.keys import DataKey, KeyRing

MOST_CALLS: Final = 131_072
"""In a partition; merging ends there."""
_LOCK_POLL_S: Final = 0.02
_SPACE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitions:
    """The partitions as of one manifest.

    Attributes:
        manifest: the manifest.
        readers: of its partitions, by name.
    """

    manifest: Manifest = field(default_factory=Manifest)
    readers: Mapping[str, PartitionReader] = field(default_factory=dict)

    def has(self, pseudonym: bytes, is_it: Callable[[str], bool]) -> bool:
        """Whether a call is in any of them, also in one that can't be read to the end; blocks."""
        try:
            return self.find(pseudonym, is_it) is not None
        except PartitionDamaged:
            return True

    def find(
        self, pseudonym: bytes, is_it: Callable[[str], bool]
    ) -> tuple[PartitionReader, int] | None:
        """Where a call is, given by the keyed hash of its id; blocks. One whose index is damaged is left out.

        Raises:
            PartitionDamaged: its index has the call, and it can't be read.
        """
        for reader in self.readers.values():
            rows: list[int] = []
            with suppress(PartitionDamaged):
                rows = reader.find(pseudonym).tolist()
            for row in rows:
                if is_it(words(reader.open(), "call_id")[row]):
                    return reader, row
        return None


@dataclass(slots=True, kw_only=True, eq=False)
class Change:
    """What a change replaces and by what; its files are written, and nothing counts yet.

    Attributes:
        gone: what is replaced.
        made: what was written, with its keys.
    """

    gone: list[Partition] = field(default_factory=list)
    made: list[tuple[Partition, DataKey]] = field(default_factory=list)

    @property
    def fresh_keys(self) -> dict[str, DataKey]:
        """The keys of what was written, by name."""
        return {partition.name: key for partition, key in self.made}


class PartitionKeeper:
    """The partitions in a directory that all processes of a machine share.

    Args:
        directory: for the archive alone; made when it is missing.
        stream: has the keys.
        keys: wrap them.

    Attributes:
        directory: as given.
        machine: a random name of this machine, which its keys have in the store.
        partitions: as of the newest manifest that was read; replaced, never altered.
    """

    def __init__(self, directory: Path, stream: ArchiveStream, keys: KeyRing) -> None:
        self.directory = directory
        self.partitions = Partitions()
        self._stream = stream
        self._keys = keys
        self._file = ManifestFile(directory / "manifest", keys)
        self._stamp = (-1, -1)
        self._turn = asyncio.Lock()
        self._reading = asyncio.Lock()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Beside the directory: who copies the archive to another machine must not copy the name.
        name = directory.with_name(f"{directory.name}.machine")
        create_file(name, secrets.token_hex(8).encode() + b"\n")
        self.machine = name.read_text().strip()

    @property
    def manifest(self) -> Manifest:
        """The newest manifest that was read."""
        return self.partitions.manifest

    async def open(self) -> None:
        """Read the manifest and sweep what a process that died left behind.

        Raises:
            StoreTampered: the manifest was altered.
            StoreUnavailable: the store doesn't answer, or the directory can't be used.
        """
        async with self.changing():
            counting = {partition.name for partition in self.manifest.partitions}
            lying = await asyncio.to_thread(self._files)
            ours = self.key_name("")
            kept = {
                name.removeprefix(ours)
                for name in await self._stream.key_names()
                if name.startswith(ours)
            }
            await self._remove(sorted((lying | kept) - counting))  # also what was to be dropped

    def _files(self) -> set[str]:
        """The names of all partitions that have files; removes what was left half written."""
        for path in self.directory.glob("**/.*.????????"):
            path.unlink(missing_ok=True)
        return {
            str(path.relative_to(self.directory).with_suffix(""))
            for suffix in (CALLS, INDEX)
            for path in self.directory.glob(f"*/*{suffix}")
        }

    @property
    def is_current(self) -> bool:
        """Whether no other process has replaced the manifest since it was read."""
        return self._file.stamp() == self._stamp

    async def reload(self) -> None:
        """Read the manifest again if another process has replaced it. Raises as ``open``."""
        async with self._reading:  # else an older manifest could come after a newer one
            try:
                stamp = self._file.stamp()
                if stamp == self._stamp:
                    return
                manifest = await asyncio.to_thread(self._file.read)
            except OSError as error:
                raise self._failed(error) from error
            await self._use(manifest)
            self._stamp = stamp

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Be the only process of this machine that changes the partitions; the manifest is the newest then."""
        async with self._turn:
            descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                while not _locked(descriptor):  # noqa: ASYNC110 - nobody tells when it is free
                    await asyncio.sleep(_LOCK_POLL_S)
                await self.reload()
                yield
            finally:
                os.close(descriptor)

    async def commit(
        self,
        build: Callable[[Change], None],
        *,
        settle: Callable[[Manifest], Manifest] = lambda manifest: manifest,
        erases: bool = False,
    ) -> Change:
        """Make a change; to be called while ``changing``.

        Args:
            build: writes the files, on another thread.
            settle: what else is new in the manifest.
            erases: whether what is replaced must be gone when this returns. Else it stays until the next change, so
                that scans by other processes don't miss it before they know what has taken its place.

        Raises:
            ArchiveDiskFull: nothing was changed.
            StoreUnavailable: it is not known whether it was; the next call knows.
        """
        await self._remove(self.manifest.dropping)
        change = Change()
        try:
            await _to_its_end(asyncio.to_thread(build, change))
            await self._stream.put_keys({self.key_name(one.name): key for one, key in change.made})
            made = [partition for partition, _ in change.made]
            base = replace(self.manifest, dropping=())
            manifest = settle(base.replacing(change.gone, made))
            await _to_its_end(asyncio.to_thread(self._file.write, manifest))
        except BaseException as error:
            await asyncio.to_thread(self._forget, change)
            if isinstance(error, OSError):
                raise self._failed(error) from error
            raise
        async with self._reading:
            await self._use(manifest, change.fresh_keys)
            self._stamp = self._file.stamp()
        if erases:
            await self._remove(manifest.dropping)
        return change

    def write(self, change: Change, table: CallTable, *, day: str, rotation: str) -> None:
        """Write calls to a new partition, as part of a change; blocks. Raises ``OSError``."""
        change.made.append(
            write_partition(self.directory, table, day=day, rotation=rotation, keys=self._keys)
        )

    def replace(self, change: Change, reader: PartitionReader, kept: Rows | None) -> None:
        """Replace a partition by one without some of its calls, as part of a change; blocks.

        Args:
            change: the change.
            reader: of the partition.
            kept: the rows that stay; None or empty for none.

        Raises:
            PartitionDamaged: it can't be read.
            OSError: the new one can't be written.
        """
        partition = reader.partition
        if kept is not None and len(kept):
            table = reader.open().table().take(kept)
            self.write(change, table, day=partition.day, rotation=partition.rotation)
        change.gone.append(partition)

    def rows_of(self, reader: PartitionReader, pseudonyms: Iterable[bytes]) -> list[int]:
        """The rows of some calls in a partition, given by their keyed hashes; blocks. Raises ``PartitionDamaged``."""
        wanted = frozenset(pseudonyms)
        rows = reader.find_all(np.array([index_key(one) for one in wanted], np.uint64)).tolist()
        ids = words(reader.open(), "call_id") if rows else ()
        return [row for row in rows if call_pseudonym(self._keys, ids[row]) in wanted]

    async def _use(self, manifest: Manifest, fresh: Mapping[str, DataKey] | None = None) -> None:
        known = dict(self.partitions.readers)
        data_keys = dict(fresh or {})
        unknown = [
            one.name
            for one in manifest.partitions
            if one.name not in known and one.name not in data_keys
        ]
        wrapped = await self._stream.get_keys([self.key_name(name) for name in unknown])
        for name, one in zip(unknown, wrapped, strict=True):
            with suppress(KeyRingError):
                if one is not None:
                    data_keys[name] = self._keys.unwrap(one, key_aad(name))
        self.partitions = Partitions(
            manifest=manifest,
            readers={
                one.name: known.get(one.name)
                or PartitionReader(self.directory, one, data_keys.get(one.name), self._keys)
                for one in manifest.partitions
            },
        )

    async def _remove(self, names: Iterable[str]) -> None:
        """Delete the keys of partitions that count no more, then their files."""
        gone = list(names)
        if gone:
            await self._stream.drop_keys([self.key_name(name) for name in gone])
            await asyncio.to_thread(self._unlink, gone)

    def _unlink(self, names: Iterable[str]) -> None:
        for name in names:
            remove_partition(self.directory, name)

    def _forget(self, change: Change) -> None:
        with suppress(OSError):
            counting = {one.name for one in self._file.read().partitions}
            for partition, _ in change.made:
                if partition.name not in counting:
                    remove_partition(self.directory, partition.name)

    def key_name(self, name: str) -> str:
        """The name in the store of a partition's key."""
        return f"partition/{self.machine}/{name}"

    def _failed(self, error: OSError) -> IndexRoomError:
        if error.errno in _SPACE:
            return ArchiveDiskFull(
                "The disk is full, so that archived calls can't be moved from the store to their partitions; they are "
                "safe in the store. Free space in the data directory."
            )
        return StoreUnavailable(
            f"The call archive in the data directory can't be used: {error.strerror}."
        )


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for what a thread does also when cancelled, so that nobody else begins before it has ended."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
