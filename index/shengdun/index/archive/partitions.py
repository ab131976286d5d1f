"""Partitions on disk: columns and voiceprints, sealed one by one under the partition's own data key.

::

    <day>/<id>.calls   one line of JSON in clear: format, places and lengths of what follows
                       every column, sealed;  voiceprints in blocks of 8,192 rows, each sealed
    <day>/<id>.index   (n,) the first 64 bits of the keyed hash of each call id, sorted; then (n,) their rows, uint32

Everything sealed is bound to its partition, its name and its number, so that nothing can be swapped. The key lies,
wrapped by the master key, in the store and nowhere else: where it is deleted, no copy of the file can be read.
"""

import hashlib
import json
import os
import secrets
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.blocks import BLOCK_ROWS
from shengdun.index.archive.columns import Column
from shengdun.index.archive.errors import PartitionDamaged
from shengdun.index.archive.manifest import Partition
from shengdun.index.archive.tables import (
    COLUMNS,
    SINCE_FORMAT_2,
    CallTable,
    lacking,
    numbers,
    unpacked,
    words,
)
from shengdun.index.archive.voiceprints import Stored
from shengdun.index.durable_files import replace_file, replace_with_parts
from shengdun.index.errors import SealBroken
from shengdun.index.keys import DataKey, KeyRing

_FORMAT: Final = 2
_FORMATS: Final = (1, _FORMAT)
"""The first has no windows of calls."""
_SEAL_BYTES: Final = 28
_LONGEST_HEADER: Final = 65_536
CALLS: Final = ".calls"
INDEX: Final = ".index"


def key_aad(name: str) -> bytes:
    """What a partition's wrapped data key is bound to."""
    return f"archive-key/{name}".encode()


def write_partition(
    directory: Path, table: CallTable, *, day: str, rotation: str, keys: KeyRing
) -> tuple[Partition, DataKey]:
    """Write a partition's files (mode 0600), on disk when this returns; it doesn't count before the manifest has it.

    Raises:
        OSError: they can't be written.
    """
    partition_id = secrets.token_hex(8)
    started_us = numbers(table, "started_us")
    index = _index(table, keys)
    partition = Partition(
        partition_id=partition_id,
        day=day,
        model_id=table.model_id,
        rotation=rotation,
        dimension=table.vectors.shape[1],
        calls=len(table),
        lines=tuple(sorted(set(words(table, "line").values))),
        first_us=int(started_us.min()),
        last_us=int(started_us.max()),
        last_sequence=int(numbers(table, "sequence").max()),
        index_digest=hashlib.sha256(index).hexdigest(),
    )
    key = keys.new_data_key(key_aad(partition.name))
    path = directory / partition.name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_with_parts(path.with_suffix(CALLS), _sealed(partition, table, key))
    replace_file(path.with_suffix(INDEX), index)
    return partition, key


def remove_partition(directory: Path, name: str) -> None:
    """Remove a partition's files, if they are there, and its day's directory, if nothing else is in it."""
    path = directory / name
    for suffix in (CALLS, INDEX):
        path.with_suffix(suffix).unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()


def index_key(pseudonym: bytes) -> int:
    """What a call is found by: the first 64 bits of its keyed hash."""
    return int.from_bytes(pseudonym[:8], "big")


class PartitionReader:
    """Reads a partition; one for each partition and process.

    Args:
        directory: of the archive.
        partition: which one.
        key: its data key; None if the store has none.
        keys: of this installation.

    Attributes:
        partition: as given.
    """

    def __init__(
        self, directory: Path, partition: Partition, key: DataKey | None, keys: KeyRing
    ) -> None:
        self.partition = partition
        self._path = directory / partition.name
        self._key = key
        self._keys = keys
        self._index: tuple[NDArray[np.uint64], NDArray[np.uint32]] | None = None

    def open(self) -> "OpenPartition":
        """Open its file, which can then be read to the end, although it may be replaced meanwhile.

        Raises:
            PartitionDamaged: the file is missing or malformed, or the key is gone.
        """
        if self._key is None:
            raise PartitionDamaged.of(self.partition.name, "has no key in the store any more")
        matrix = self._keys.rotation(
            bytes.fromhex(self.partition.rotation), max(1, self.partition.dimension)
        )
        return OpenPartition(self._path.with_suffix(CALLS), self.partition, self._key, matrix)

    def find(self, pseudonym: bytes) -> NDArray[np.int64]:
        """The rows of a call, given by the keyed hash of its id: at most one but for a coincidence of 64 bits.

        Raises:
            PartitionDamaged: the index can't be read.
        """
        hashes, rows = self._index = self._index or self._read_index()
        wanted = np.uint64(index_key(pseudonym))
        start = int(np.searchsorted(hashes, wanted, "left"))
        end = int(np.searchsorted(hashes, wanted, "right"))
        return rows[start:end].astype(np.int64)

    def find_all(self, pseudonyms: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The rows of any of some calls, given by the first 64 bits of their keyed hashes. Raises as ``find``."""
        hashes, rows = self._index = self._index or self._read_index()
        return np.sort(rows[np.isin(hashes, pseudonyms)].astype(np.int64))

    def _read_index(self) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
        try:
            content = self._path.with_suffix(INDEX).read_bytes()
        except OSError as error:
            raise PartitionDamaged.of(
                self.partition.name, f"has an index that can't be read: {error.strerror}"
            ) from error
        if hashlib.sha256(content).hexdigest() != self.partition.index_digest:
            raise PartitionDamaged.of(self.partition.name, "has an index that was altered")
        count = self.partition.calls
        return (
            np.frombuffer(content, "<u8", count),
            np.frombuffer(content, "<u4", count, offset=8 * count),
        )


class OpenPartition:
    """An open partition; a ``CallSource``. Its file is closed when nobody has it any more.

    Attributes:
        partition: which one.
        matrix: (d, d) that its voiceprints are rotated by.
    """

    def __init__(
        self, path: Path, partition: Partition, key: DataKey, matrix: NDArray[np.float64]
    ) -> None:
        """Raises ``PartitionDamaged``."""
        self.partition = partition
        self.matrix = matrix
        self._key = key
        self._columns: dict[str, Column] = {}
        self._last_block: tuple[int, Stored] | None = None
        try:
            self._file = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise self._damaged(f"can't be read: {error.strerror}") from error
        weakref.finalize(self, os.close, self._file)
        self._places = self._read_header()

    def __len__(self) -> int:
        return self.partition.calls

    @property
    def model_id(self) -> str:
        """See ``CallSource``."""
        return self.partition.model_id

    def column(self, name: str) -> Column:
        """See ``CallSource``."""
        if name not in self._columns:
            self._columns[name] = self._read_column(name)
        return self._columns[name]

    def _read_column(self, name: str) -> Column:
        dimension = max(1, self.partition.dimension)
        if self._format == 1 and name in SINCE_FORMAT_2:
            return lacking(name, len(self), dimension)
        return unpacked(name, self._unsealed(name, 0), dimension)

    def voices(self, start: int, stop: int) -> Stored:
        """See ``CallSource``; the last block is kept."""
        first, last = start // BLOCK_ROWS, (stop - 1) // BLOCK_ROWS
        if first != last:
            return np.concatenate([self._block(number) for number in range(first, last + 1)])[
                start - first * BLOCK_ROWS : stop - first * BLOCK_ROWS
            ]
        return self._block(first)[start - first * BLOCK_ROWS : stop - first * BLOCK_ROWS]

    def table(self) -> CallTable:
        """All of it. Raises ``PartitionDamaged``."""
        return CallTable(
            model_id=self.model_id,
            matrix=self.matrix,
            columns={name: self.column(name) for name in COLUMNS},
            vectors=self.voices(0, len(self)) if self.model_id else np.zeros((len(self), 0), "<i2"),
        )

    def _block(self, number: int) -> Stored:
        if self._last_block is None or self._last_block[0] != number:
            content = self._unsealed("voiceprints", number)
            self._read_ahead(number + 1)
            rows: Stored = np.frombuffer(content, "<i2").reshape(-1, self.partition.dimension)
            self._last_block = number, rows
        return self._last_block[1]

    def _read_ahead(self, number: int) -> None:
        """Have the system read the next block while this one is used: a scan of files on disk then waits little."""
        place = self._places.get(f"voiceprints/{number}")
        if place is not None and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file, *place, os.POSIX_FADV_WILLNEED)

    def _unsealed(self, name: str, number: int) -> bytes:
        try:
            start, length = self._places[f"{name}/{number}"]
            # A view, so that to take the nonce off copies nothing.
            sealed = cast("bytes", memoryview(os.pread(self._file, length, start)))
            return self._key.unseal(sealed, _aad(self.partition, name, number))
        except (KeyError, SealBroken, OSError) as error:
            raise self._damaged(f"has {name} (part {number}) that can't be opened") from error

    def _read_header(self) -> dict[str, tuple[int, int]]:
        try:
            line = os.pread(self._file, _LONGEST_HEADER, 0).split(b"\n", 1)[0]
            fields: dict[str, Any] = json.loads(line)
            lengths: dict[str, int] = fields["lengths"]
            self._format = int(fields["format"])
            valid = self._format in _FORMATS and fields["partition"] == self.partition.name
            place, places = len(line) + 1, {}
            for name, length in lengths.items():
                places[name] = (place, length)
                place += length
            valid = valid and os.fstat(self._file).st_size == place
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._damaged("is malformed") from error
        if not valid:
            raise self._damaged("is torn, or another one's file")
        return places

    def _damaged(self, problem: str) -> PartitionDamaged:
        return PartitionDamaged.of(self.partition.name, problem)


def _sealed(partition: Partition, table: CallTable, key: DataKey) -> Iterator[bytes]:
    columns = {
        f"{name}/0": key.seal(table.columns[name].packed(), _aad(partition, name, 0))
        for name in COLUMNS
    }
    starts = range(0, len(table), BLOCK_ROWS) if table.model_id else range(0)
    width = partition.dimension * table.vectors.itemsize
    blocks = {
        f"voiceprints/{start // BLOCK_ROWS}": min(BLOCK_ROWS, len(table) - start) * width
        + _SEAL_BYTES
        for start in starts
    }
    lengths = {name: len(sealed) for name, sealed in columns.items()} | blocks
    header = {"format": _FORMAT, "partition": partition.name, "lengths": lengths}
    yield json.dumps(header, separators=(",", ":")).encode() + b"\n"
    yield from columns.values()
    for start in starts:
        block = table.vectors[start : start + BLOCK_ROWS].tobytes()
        yield key.seal(block, _aad(partition, "voiceprints", start // BLOCK_ROWS))


def _aad(partition: Partition, name: str, number: int) -> bytes:
    shape = f"{partition.calls}/{partition.dimension}/{partition.rotation}/{partition.model_id}"
    return f"archive/{partition.name}/{shape}/{name}/{number}".encode()


def _index(table: CallTable, keys: KeyRing) -> bytes:
    hashes = np.array(
        [index_key(call_pseudonym(keys, call_id)) for call_id in words(table, "call_id")], "<u8"
    )
    order = np.argsort(hashes, kind="stable")
    return hashes[order].tobytes() + order.astype("<u4").tobytes()


def call_pseudonym(keys: KeyRing, call_id: str) -> bytes:
    """The keyed hash (16 bytes) that stands for a call id in the archive."""
    return bytes.fromhex(keys.pseudonym(f"archived-call/{call_id}"))
