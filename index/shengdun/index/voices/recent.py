"""The recent window: calls that have a voiceprint, searched by voice.

The calls lie in immutable parts that are swapped whole, so that readers never lock; one writer at a time changes them.
The newest few thousand are compared one by one. Older parts are searched by sketches first, as long watchlists are
(decision note 0019), and the rows that look nearest then from their 8-bit voiceprints. Small parts are put together
into larger ones as they come to be many, so a call is copied a fixed number of times however large the window is.
"""

import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.voices.columns import (
    CallCoder,
    CallColumns,
    Floats,
    Hashes,
    Numbers,
    microseconds,
    text_hash,
)

TAIL_ROWS: Final = 4096
"""Newest calls that are compared one by one."""
PART_ROWS: Final = 32_768
"""A part does not become larger. Each costs a search a tenth of a millisecond before it scans."""
PROPOSED_ROWS: Final = 1024
"""Rows of all parts whose voiceprints are compared exactly."""
_LEAST_ROWS: Final = 64
_OVER_SHARE: Final = 1.5
_FANOUT: Final = 8
_ENCODED_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nearest:
    """Calls near a voice, nearest first.

    Attributes:
        keys: (k,) 64-bit keys of the calls.
        cosines: (k,) of the projected voiceprints.
    """

    keys: Hashes
    cosines: NDArray[np.float64]


class RecentCalls:
    """Calls of one voice model within a window of time.

    Args:
        coder: makes columns of the model's calls.
    """

    def __init__(self, coder: CallCoder) -> None:
        self._coder = coder
        self._parts: tuple[_Part, ...] = ()
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return sum(len(part.columns) for part in self._parts)

    @property
    def model_id(self) -> str:
        """The voice model of its calls."""
        return self._coder.model_id

    @property
    def coder(self) -> CallCoder:
        """Makes columns of calls, and vectors of columns."""
        return self._coder

    @property
    def nbytes(self) -> int:
        """Memory that the calls take."""
        return sum(part.nbytes for part in self._parts)

    def add(self, calls: Sequence[ArchivedCall]) -> int:
        """Take in calls; those without a voiceprint of this model, and those that it has, are left out.

        Returns:
            How many were taken in.
        """
        fitting = [call for call in calls if self.takes(call)]
        return self.add_columns(self._coder.columns(fitting)) if fitting else 0

    def takes(self, call: ArchivedCall) -> bool:
        """Whether a call has a voiceprint that it can compare."""
        return call.voiceprint is not None and call.model_id == self.model_id

    def add_columns(self, columns: CallColumns) -> int:
        """Take in calls as columns, as ``CallCoder`` makes them; those that it has are left out. Returns how many."""
        with self._writing:
            _, first = np.unique(columns.id_hashes, return_index=True)
            fresh = np.zeros(len(columns), np.bool_)
            fresh[first] = True
            fresh &= ~self._has(columns.id_hashes)
            if fresh.any():
                self._append(columns if fresh.all() else columns.take(fresh))
            return int(np.count_nonzero(fresh))

    def remove(self, call_ids: Iterable[str]) -> Hashes:
        """Forget calls: nothing of them is left in its memory. Returns the keys of those that it had."""
        keys = np.array([text_hash(call_id) for call_id in call_ids], np.uint64)
        return self._forget(lambda columns: np.isin(columns.id_hashes, keys))

    def expire(self, before: datetime) -> Hashes:
        """Forget calls that started earlier. Returns their keys."""
        before_us = microseconds(before)
        return self._forget(lambda columns: columns.started_us < before_us)

    def nearest(self, projected: Floats, count: int, *, without: Collection[int] = ()) -> Nearest:
        """The calls nearest to a voice.

        Args:
            projected: (d,) as the scorer projects voiceprints, of unit length.
            count: how many at most.
            without: keys of calls that are left out.
        """
        parts = self._parts
        rotated = self._coder.form.rotated(projected[np.newaxis, :])
        proposed = _proposed(parts, rotated)
        keys = [part.columns.id_hashes[rows] for part, rows in proposed]
        vectors = [self._coder.rotated(part.columns.codes[rows]) for part, rows in proposed]
        if not keys:
            return Nearest(keys=np.empty(0, np.uint64), cosines=np.empty(0))
        found = np.concatenate(keys)
        cosines = np.concatenate(vectors).astype(np.float64) @ rotated[0].astype(np.float64)
        left = ~np.isin(found, np.array(sorted(without), np.uint64))
        found, cosines = found[left], cosines[left]
        order = np.lexsort((found, -cosines))[:count]
        return Nearest(keys=found[order], cosines=cosines[order])

    def of_customer(self, customer: int) -> Hashes:
        """Keys of the calls for a customer, by the 64 bits of the pseudonym; none for 0."""
        if not customer:
            return np.empty(0, np.uint64)
        hits = [p.columns.id_hashes[p.columns.customers == customer] for p in self._parts]
        return np.concatenate([np.empty(0, np.uint64), *hits])

    def rows(self, keys: Hashes) -> CallColumns:
        """The calls of some keys, in their order; keys that it doesn't have are left out."""
        found = [(part, *part.find(keys)) for part in self._parts]
        taken = [part.columns.take(rows) for part, _, rows in found if len(rows)]
        if not taken:
            return self._empty()
        places = np.concatenate([place for _, place, _ in found])
        return CallColumns.concatenate(taken).take(np.argsort(places))

    def rows_of(self, groups: Sequence[Hashes]) -> list[CallColumns]:
        """As ``rows`` of each of several groups of keys, in one go."""
        if not groups:
            return []
        keys = np.concatenate(groups)
        found = self.rows(keys)
        has = np.isin(keys, found.id_hashes)
        ends = np.cumsum([len(group) for group in groups])
        # Up to each group's end so many of the keys were found.
        ends_found = np.concatenate([[0], np.cumsum(has)])[ends].tolist()
        return [found.part(start, end) for start, end in pairwise([0, *ends_found])]

    def parts(self) -> Iterator[CallColumns]:
        """All calls, a part at a time; not to be altered."""
        for part in self._parts:
            yield part.columns

    def _empty(self) -> CallColumns:
        dimension = self._coder.dimension
        none = np.zeros((1, dimension), np.float32)
        one = self._coder.columns_of(
            ids=["-"],
            voiceprints=none,
            customers=[""],
            numbers=[""],
            lines=[""],
            started_us=np.zeros(1, np.int64),
            net_speech_s=np.zeros(1, np.float32),
            snr_db=np.zeros(1, np.float32),
        )
        return one.take(np.zeros(0, np.int64))

    def _has(self, keys: Hashes) -> NDArray[np.bool_]:
        has = np.zeros(len(keys), np.bool_)
        for part in self._parts:
            place, _ = part.find(keys)
            has[place] = True
        return has

    def _append(self, columns: CallColumns) -> None:
        parts = list(self._parts)
        while parts and len(parts[-1].columns) < TAIL_ROWS:
            columns = CallColumns.concatenate([parts.pop().columns, columns])
        for start in range(0, len(columns), PART_ROWS):
            piece = columns.take(np.arange(start, min(start + PART_ROWS, len(columns))))
            parts.append(_Part(piece, self._coder))
        self._parts = tuple(self._joined(parts))

    def _joined(self, parts: list["_Part"]) -> list["_Part"]:
        """Neighbours put together while there are many small ones."""
        small = [p for p in parts[:-1] if len(p.columns) < PART_ROWS // 2]
        if len(small) < _FANOUT:
            return parts
        kept = [p for p in parts[:-1] if len(p.columns) >= PART_ROWS // 2]
        whole = CallColumns.concatenate([p.columns for p in small])
        pieces = [
            _Part(whole.take(np.arange(start, min(start + PART_ROWS, len(whole)))), self._coder)
            for start in range(0, len(whole), PART_ROWS)
        ]
        return [*kept, *pieces, parts[-1]]

    def _forget(self, gone_of: Callable[[CallColumns], NDArray[np.bool_]]) -> Hashes:
        with self._writing:
            parts, gone_keys = [], [np.empty(0, np.uint64)]
            for part in self._parts:
                gone = gone_of(part.columns)
                if not gone.any():
                    parts.append(part)
                    continue
                gone_keys.append(part.columns.id_hashes[gone])
                if not gone.all():
                    parts.append(_Part(part.columns.take(~gone), self._coder))
            self._parts = tuple(parts)
            return np.concatenate(gone_keys)


class _Part:
    """Some calls of the window, never altered; sketched when there are too many to compare one by one."""

    def __init__(self, columns: CallColumns, coder: CallCoder) -> None:
        self.columns = columns
        self._coder = coder
        self._order = np.argsort(columns.id_hashes).astype(np.uint32)
        self._sketches = self._sketched() if len(columns) >= TAIL_ROWS else None

    @cached_property
    def nbytes(self) -> int:
        """Memory that it takes."""
        sketches = 0 if self._sketches is None else int(self._sketches.codes.size())
        return self.columns.nbytes + int(self._order.nbytes) + sketches

    def find(self, keys: Hashes) -> tuple[Numbers, Numbers]:
        """Which of some keys it has, and their rows."""
        ordered = self.columns.id_hashes
        at = np.searchsorted(ordered, keys, sorter=self._order)
        rows = self._order[np.minimum(at, len(ordered) - 1)].astype(np.int64)
        place = np.flatnonzero(ordered[rows] == keys)
        return place, rows[place]

    def propose(self, rotated: Floats, count: int) -> tuple[Floats, Numbers]:
        """How near some rows look, and which they are; all of a part without sketches."""
        if self._sketches is None:
            near = self._coder.rough(self.columns.codes) @ rotated[0]
            return near, np.arange(len(near))
        nearness, rows = self._sketches.search(rotated, min(count, len(self.columns)))
        seen = rows[0] >= 0
        return nearness[0][seen], rows[0][seen]

    def _sketched(self) -> Any:  # noqa: ANN401 - FAISS isn't annotated
        codes = self.columns.codes
        starts = range(0, len(codes), _ENCODED_AT_ONCE)
        return self._coder.form.index_of_rotated(
            self._coder.rotated(codes[start : start + _ENCODED_AT_ONCE]) for start in starts
        )


def _proposed(parts: tuple[_Part, ...], rotated: Floats) -> list[tuple[_Part, Numbers]]:
    """The rows of each part that look nearest."""
    total = sum(len(part.columns) for part in parts)
    if not total:
        return []
    share = _OVER_SHARE * PROPOSED_ROWS / total
    found = [
        part.propose(
            rotated, min(PROPOSED_ROWS, _LEAST_ROWS + math.ceil(share * len(part.columns)))
        )
        for part in parts
    ]
    nearness = np.concatenate([near for near, _ in found])
    last = -np.inf
    if len(nearness) > PROPOSED_ROWS:
        last = float(np.partition(nearness, -PROPOSED_ROWS)[-PROPOSED_ROWS])
    return [(part, rows[near >= last]) for part, (near, rows) in zip(parts, found, strict=True)]
