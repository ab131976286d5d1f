"""Scans: everything archived that matches, partition by partition, then what isn't in partitions yet."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.blocks import BLOCK_ROWS, CallBlock
from shengdun.index.archive.columns import Rows
from shengdun.index.archive.errors import PartitionDamaged
from shengdun.index.archive.following import Follower
from shengdun.index.archive.keeping import PartitionKeeper, Partitions
from shengdun.index.archive.manifest import Partition
from shengdun.index.archive.matching import matching
from shengdun.index.archive.partitions import OpenPartition, call_pseudonym
from shengdun.index.archive.rows import ArchivedCall, CallQuery
from shengdun.index.archive.tables import CallSource, CallTable, microseconds, numbers, words
from shengdun.index.keys import KeyRing

_NEWER_S: Final = 5.0
_POLL_S: Final = 0.02
BLOCK_COLUMNS: Final = (
    "call_id",
    "started_us",
    "line",
    "customer",
    "number",
    "net_speech_s",
    "snr_db",
)
"""What a scan reads before it gives a block, unless it is told otherwise."""


class Scan:
    """One scan; several may run at once, each on any thread.

    Args:
        keeper: has the partitions.
        follower: knows what isn't in them yet, and what was erased.
        keys: of this installation.
        query: what is asked for.
        columns: to read before a block is given, so that nothing in it can turn out to be damaged afterwards.
        voiceprints: whether to read these before as well.
        ahead: whether to have the system fetch the voiceprints of a block as it is given, for those who read them.
        block_rows: rows that a block has at most.
        problems: told of every partition that is skipped, by name.
    """

    def __init__(
        self,
        keeper: PartitionKeeper,
        follower: Follower,
        keys: KeyRing,
        query: CallQuery,
        *,
        columns: Sequence[str],
        voiceprints: bool,
        ahead: bool = False,
        block_rows: int = BLOCK_ROWS,
        problems: dict[str, str],
    ) -> None:
        self._keeper = keeper
        self._follower = follower
        self._keys = keys
        self._query = query
        self._columns = columns
        self._voiceprints = voiceprints
        self._ahead = ahead
        self._block_rows = block_rows
        self._problems = problems
        # The tail first: what is moved to partitions meanwhile is then in both, and not in neither.
        self._erasures = follower.erasures
        self._tail = follower.tail()
        self._partitions: Partitions = keeper.partitions
        self._through = self._partitions.manifest.through

    def blocks(self) -> Iterator[CallBlock]:
        """The calls, by day."""
        tail = self._tables()
        for day in sorted({*self._days(), *tail}):
            for partition in self._opened(day):
                yield from self._of_partition(partition, day)
            for table in tail.get(day, ()):
                yield from self._of_source(table, len(table), day)

    def extent(self) -> int:
        """How many calls the scan goes through at most."""
        partitions = self._partitions.manifest.partitions
        tables = [table for of_day in self._tables().values() for table in of_day]
        masks = [(table, matching(table, self._query)) for table in tables]
        tail = sum(len(table) if mask is None else int(mask.sum()) for table, mask in masks)
        return tail + sum(one.calls for one in partitions if self._concerns(one))

    def _days(self) -> set[str]:
        return {one.day for one in self._partitions.manifest.partitions if self._concerns(one)}

    def _concerns(self, partition: Partition) -> bool:
        query = self._query
        return (
            (query.since is None or microseconds(query.since) <= partition.last_us)
            and (query.until is None or microseconds(query.until) > partition.first_us)
            and (not query.line or query.line in partition.lines)
            and (not query.model_id or query.model_id == partition.model_id)
        )

    def _opened(self, day: str) -> list[OpenPartition]:
        """All partitions of a day, open: from then on they can be read, whatever replaces them."""
        while True:
            opened, damaged = [], {}
            for partition in self._partitions.manifest.partitions:
                if partition.day != day or not self._concerns(partition):
                    continue
                try:
                    opened.append(self._partitions.readers[partition.name].open())
                except PartitionDamaged as error:
                    damaged[partition.name] = error.message
            if not damaged or not self._has_newer():
                self._problems.update(damaged)
                return opened

    def _has_newer(self) -> bool:
        """Whether the partitions were replaced since the scan began; takes the newer ones then."""
        patience = time.monotonic() + _NEWER_S
        while self._keeper.partitions is self._partitions:
            if self._keeper.is_current or _on_a_loop() or time.monotonic() > patience:
                return False
            time.sleep(
                _POLL_S
            )  # another process replaced them, and this one is about to hear of it
        self._partitions = self._keeper.partitions
        return True

    def _of_partition(self, opened: OpenPartition, day: str) -> Iterator[CallBlock]:
        try:
            yield from self._of_source(
                opened, len(opened), day, last_sequence=opened.partition.last_sequence
            )
        except PartitionDamaged as error:
            self._problems[error.partition] = error.message

    def _of_source(
        self, source: CallSource, calls: int, day: str, *, last_sequence: int = 0
    ) -> Iterator[CallBlock]:
        mask = matching(source, self._query)
        if last_sequence > self._through:
            # What was moved there since the scan began is in the tail that it began with, or came later.
            known = numbers(source, "sequence") <= self._through
            mask = known if mask is None else mask & known
        for name in self._columns:
            source.column(name)
        for start in range(0, calls, self._block_rows):
            stop = min(start + self._block_rows, calls)
            rows = (
                np.arange(start, stop) if mask is None else start + np.flatnonzero(mask[start:stop])
            )
            rows = self._not_erased(source, rows)
            if len(rows):
                block = CallBlock(source, rows, day)
                if self._voiceprints:
                    _ = block.stored_voiceprints
                elif self._ahead:
                    block.expect_voiceprints()
                yield block

    def _not_erased(self, source: CallSource, rows: Rows) -> Rows:
        """Without what was erased since the scan began, or is still to be taken out of partitions."""
        is_done = self._follower.last_erasure <= self._partitions.manifest.through
        if is_done and self._follower.erasures == self._erasures:
            return rows
        erased, ids = self._follower.erased, words(source, "call_id")
        kept = [call_pseudonym(self._keys, ids[row]) not in erased for row in rows.tolist()]
        return rows[np.array(kept, np.bool_)]

    def _tables(self) -> dict[str, list[CallTable]]:
        """What isn't in partitions yet, by day."""
        kinds: dict[tuple[str, str, int], list[tuple[int, ArchivedCall]]] = {}
        for number, call in self._tail:
            if number > self._through:
                dimension = 0 if call.voiceprint is None else len(call.voiceprint)
                kinds.setdefault((call.day, call.model_id, dimension), []).append((number, call))
        days: dict[str, list[CallTable]] = {}
        for (day, _, dimension), calls in sorted(kinds.items()):
            days.setdefault(day, []).append(CallTable.of(calls, self._matrix(dimension)))
        return days

    def _matrix(self, dimension: int) -> NDArray[np.float64]:
        return self._keys.rotation(self._keys.active_key_id, max(1, dimension))


def merged(problems: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Problems in one row, each once."""
    return tuple(dict.fromkeys(text for one in problems for text in one.values()))


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
