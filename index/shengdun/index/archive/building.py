"""What a batch of the stream makes of the partitions: calls go in, erased ones out, small partitions are merged.

A new partition takes in those before it of its kind that are at most twice its size, so that a call is written again
only some ten times until its partition is full, and a day has few partitions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from shengdun.index.archive.errors import PartitionDamaged
from shengdun.index.archive.keeping import MOST_CALLS, Change, PartitionKeeper
from shengdun.index.archive.manifest import Partition
from shengdun.index.archive.partitions import PartitionReader
from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.archive.stream import Entry, EntryKind
from shengdun.index.archive.tables import CallTable
from shengdun.index.archive.tail import decode_call, decode_erasure
from shengdun.index.keys import KeyRing

Numbered = tuple[int, ArchivedCall]
"""A call behind its number in the stream."""


@dataclass(slots=True, kw_only=True)
class Removed:
    """What an erasure took out of the partitions.

    Attributes:
        calls: how many calls.
        partitions: those that were replaced or dropped, by name.
        unreadable: those that couldn't be looked through, or were dropped whole because they couldn't be read.
    """

    calls: int = 0
    partitions: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def joined(self, other: "Removed") -> "Removed":
        """With what another step took out."""
        return Removed(
            calls=self.calls + other.calls,
            partitions=[*self.partitions, *other.partitions],
            unreadable=[*self.unreadable, *other.unreadable],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Entries of the stream, opened.

    Attributes:
        calls: those that weren't erased since.
        erased: the ids of calls that were.
        last: the number of the last entry.
    """

    calls: tuple[Numbered, ...]
    erased: tuple[str, ...]
    last: int

    @classmethod
    def of(
        cls,
        entries: Sequence[Entry],
        keys: KeyRing,
        known: Callable[[int], ArchivedCall | None] = lambda _number: None,
    ) -> "Batch":
        """Open some entries, at least one.

        Args:
            entries: of the stream.
            keys: restore voiceprints.
            known: gives calls that were opened before, by their numbers.
        """
        calls: list[Numbered] = []
        erased: list[str] = []
        for entry in entries:
            if entry.kind is EntryKind.ERASURE:
                erased += decode_erasure(entry.content)
            elif entry.content:
                call = known(entry.number) or decode_call(entry.content, keys)
                calls.append((entry.number, call))
        return cls(calls=tuple(calls), erased=tuple(erased), last=entries[-1].number)


def put_in(
    keeper: PartitionKeeper, change: Change, calls: Iterable[Numbered], keys: KeyRing
) -> None:
    """Write calls to new partitions, which take in small ones that are there; blocks. Raises ``OSError``."""
    kinds: dict[tuple[str, str, int], list[Numbered]] = {}
    for numbered in calls:
        call = numbered[1]
        dimension = 0 if call.voiceprint is None else len(call.voiceprint)
        kinds.setdefault((call.day, call.model_id, dimension), []).append(numbered)
    rotation = keys.active_key_id.hex()
    for (day, model_id, dimension), of_kind in kinds.items():
        matrix = keys.rotation(keys.active_key_id, max(1, dimension))
        table = CallTable.of(of_kind, matrix)
        gone = {partition.name for partition in change.gone}
        before = [
            one
            for one in keeper.manifest.partitions
            if one.kind == (day, model_id, rotation)
            and one.dimension == dimension
            and one.name not in gone
        ]
        table = _with_small(keeper, change, table, before)
        keeper.write(change, table, day=day, rotation=rotation)


def take_out(keeper: PartitionKeeper, change: Change, pseudonyms: Sequence[bytes]) -> Removed:
    """Replace the partitions that have some calls by ones without them; blocks. Raises ``OSError``."""
    removed = Removed()
    for name, reader in keeper.partitions.readers.items():
        try:
            rows = keeper.rows_of(reader, pseudonyms)
        except PartitionDamaged:
            removed.unreadable.append(name)
            continue
        if not rows:
            continue
        kept = np.setdiff1d(np.arange(reader.partition.calls), rows)
        try:
            keeper.replace(change, reader, kept)
        except PartitionDamaged:
            # Nobody can read the others in it either, and these must go.
            keeper.replace(change, reader, None)
            removed.unreadable.append(name)
        removed.calls += len(rows)
        removed.partitions.append(name)
    return removed


def _with_small(
    keeper: PartitionKeeper, change: Change, table: CallTable, before: Sequence[Partition]
) -> CallTable:
    readers: Mapping[str, PartitionReader] = keeper.partitions.readers
    taken: list[CallTable] = []
    calls = len(table)
    for partition in sorted(before, key=lambda one: one.calls):
        if partition.calls > 2 * calls or partition.calls + calls > MOST_CALLS:
            break
        try:
            taken.append(readers[partition.name].open().table())
        except PartitionDamaged:
            continue
        calls += partition.calls
        change.gone.append(partition)
    return taken[0].joined([*taken[1:], table]) if taken else table
