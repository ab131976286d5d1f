"""Moving calls from the store to this machine's partitions, and out of those when their retention is over."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from shengdun.index.archive.building import Batch, Removed, put_in, take_out
from shengdun.index.archive.errors import PartitionDamaged
from shengdun.index.archive.keeping import Change, PartitionKeeper
from shengdun.index.archive.manifest import Manifest
from shengdun.index.archive.partitions import call_pseudonym
from shengdun.index.archive.retention import Retention, checked, leave_out, past
from shengdun.index.archive.stream import ArchiveStream, Entry, EntryKind
from shengdun.index.keys import KeyRing

_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """What retention took out of this machine's partitions.

    Attributes:
        calls: how many calls.
        partitions: those that were replaced or dropped whole, by name.
        unreadable: those that have calls to be kept no more, and others, and can't be read.
    """

    calls: int
    partitions: tuple[str, ...]
    unreadable: tuple[str, ...]


class Mover:
    """Changes the partitions of this machine; every method is to be called while ``keeper.changing``.

    Args:
        keeper: has them.
        stream: where the calls come from.
        keys: of this installation.
        keep_s: for how long a machine that isn't heard of has entries kept for it.
        linger_s: for how long every entry stays, so that all processes hear of it.
    """

    def __init__(
        self,
        keeper: PartitionKeeper,
        stream: ArchiveStream,
        keys: KeyRing,
        *,
        keep_s: float,
        linger_s: float,
    ) -> None:
        self._keeper = keeper
        self._stream = stream
        self._keys = keys
        self._keep_s = keep_s
        self._linger_s = linger_s

    async def register(self) -> None:
        """Have entries kept for this machine from now on; notes what it has missed.

        Raises:
            StoreUnavailable: the store doesn't answer.
        """
        through = self._keeper.manifest.through
        _, trimmed = await self._stream.register(self._keeper.machine, through)
        if trimmed > through:
            await self._keeper.commit(
                lambda _: None, settle=lambda manifest: _missing(manifest, trimmed)
            )

    async def move(self) -> Removed:
        """Move all that the store has; returns what erasures took out of the partitions.

        Raises:
            ArchiveDiskFull: there is no space; what isn't moved stays in the store.
            StoreUnavailable: the store doesn't answer.
            SealBroken: an entry of the store was altered.
        """
        removed = Removed()
        while entries := await self._read():
            removed = removed.joined(await self._move(entries))
        through = self._keeper.manifest.through
        await self._stream.trim(
            self._keeper.machine, through, keep_s=self._keep_s, linger_s=self._linger_s
        )
        return removed

    async def retain(self, retention: Retention, now: datetime) -> Retained:
        """Take out what is to be kept no more.

        Raises:
            ClockJumped: nothing was taken out.
            ArchiveDiskFull: nothing was taken out.
            StoreUnavailable: the store doesn't answer.
        """
        manifest, problem = checked(self._keeper.manifest, now)
        readers = [] if problem else past(self._keeper, retention, now)
        calls, unreadable = 0, []

        def build(change: Change) -> None:
            nonlocal calls
            for reader in readers:
                try:
                    calls += leave_out(self._keeper, change, reader, retention, now)
                except PartitionDamaged:
                    unreadable.append(reader.partition.name)

        def settle(found: Manifest) -> Manifest:
            return replace(found, retained_us=manifest.retained_us, resumes_us=manifest.resumes_us)

        change = await self._keeper.commit(build, settle=settle, erases=True)
        if problem:
            raise problem
        gone = tuple(partition.name for partition in change.gone)
        return Retained(calls=calls, partitions=gone, unreadable=tuple(unreadable))

    async def _read(self) -> list[Entry]:
        trimmed, entries = await self._stream.read(self._keeper.manifest.through, limit=_AT_ONCE)
        if trimmed > self._keeper.manifest.through:
            await self._keeper.commit(
                lambda _: None, settle=lambda manifest: _missing(manifest, trimmed)
            )
            _, entries = await self._stream.read(trimmed, limit=_AT_ONCE)
        return entries

    async def _move(self, entries: list[Entry]) -> Removed:
        removed = Removed()

        def build(change: Change) -> None:
            nonlocal removed
            batch = Batch.of(entries, self._keys)
            hashes = [call_pseudonym(self._keys, call_id) for call_id in batch.erased]
            if hashes:
                removed = take_out(self._keeper, change, hashes)
            put_in(self._keeper, change, batch.calls, self._keys)

        last = entries[-1].number
        await self._keeper.commit(
            build,
            settle=lambda manifest: replace(manifest, through=last),
            erases=any(entry.kind is EntryKind.ERASURE for entry in entries),
        )
        return removed


def _missing(manifest: Manifest, trimmed: int) -> Manifest:
    """The manifest of a machine that was away for so long that the store has taken entries out."""
    return replace(
        manifest, through=trimmed, missed=(*manifest.missed, (manifest.through, trimmed))
    )
