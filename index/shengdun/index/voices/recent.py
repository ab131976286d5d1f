"""The recent window: calls that have a voiceprint, searched by voice.

The calls lie in immutable parts that are swapped whole, so that readers never lock; one writer at a time changes them.
The newest few thousand are compared one by one. Older parts are searched by sketches first, as long watchlists are
(decision note 0019), and the rows that look nearest then from their 8-bit voiceprints. Small parts are put together
into larger ones as they come to be many, so a call is copied a fixed number of times however large the window is.
"""

import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import count as numbers
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
    sum_of,
    text_hash,
)
from shengdun.index.voices.places import ROW_BITS, Places

TAIL_ROWS: Final = 4096
"""Newest calls that are compared one by one."""
PART_ROWS: Final = 1 << ROW_BITS
"""A part does not become larger, since it is made anew when a call of it is forgotten."""
PROPOSED_ROWS: Final = 2048
"""Rows of all parts whose voiceprints are compared exactly."""
KEPT_ROWS: Final = 512
"""The nearest of these, among which a caller is looked for again who was heard little further."""
SAME_VOICE: Final = 0.99
"""Cosine from which on that is so."""
_LEAST_ROWS: Final = 64
_MARGIN_ROWS: Final = 16
"""Rounding in 32 bits puts fewer into another order."""
_OVER_SHARE: Final = 1.5
_FANOUT: Final = 8
_ENCODED_AT_ONCE: Final = 4096
_SERIALS: Final = numbers()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """Which rows of the window are nearest to a voice. Of the calls themselves it holds nothing.

    Attributes:
        direction: (d,) of the voice.
        serials: of the parts that were looked through.
        parts: (k,) which of these each row is in, ascending.
        rows: (k,) in the part.
        cosines: (k,) of each, about.
    """

    direction: Floats
    serials: tuple[int, ...]
    parts: Numbers
    rows: Numbers
    cosines: Floats

    def by_part(self) -> dict[int, tuple[Floats, Numbers]]:
        """Cosines and rows by the serial number of the part."""
        ends = np.searchsorted(self.parts, np.arange(len(self.serials)), "right").tolist()
        return {
            serial: (self.cosines[start:end], self.rows[start:end])
            for serial, (start, end) in zip(self.serials, pairwise([0, *ends]), strict=True)
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nearest:
    """Calls near a voice, nearest first.

    Attributes:
        keys: (k,) 64-bit keys of the calls.
        cosines: (k,) of the projected voiceprints.
        scan: that they were found by.
    """

    keys: Hashes
    cosines: NDArray[np.float64]
    scan: Scan


class RecentCalls:
    """Calls of one voice model within a window of time.

    Args:
        coder: makes columns of the model's calls.
    """

    def __init__(self, coder: CallCoder) -> None:
        self._coder = coder
        self._held = _Held(total=np.zeros(coder.form.width, np.int64))
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return self._held.calls

    @property
    def total(self) -> tuple[Numbers, int]:
        """(D,) sum of the codes of its calls, not to be altered; and how many calls these are."""
        held = self._held
        return held.total, held.calls

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
        held = self._held
        return sum(part.nbytes for part in held.parts) + held.places.nbytes

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

    def nearest(
        self,
        projected: Floats,
        count: int,
        *,
        without: Collection[int] = (),
        known: Scan | None = None,
    ) -> Nearest:
        """The calls nearest to a voice.

        Args:
            projected: (d,) as the scorer projects voiceprints, of unit length.
            count: how many at most.
            without: keys of calls that are left out.
            known: what was found for the same caller before; if the voice is nearly the same still, only what came into
                the window since is scanned.
        """
        held = self._held
        if not held.calls:
            none = np.empty(0, np.int64)
            scan = Scan(
                direction=projected,
                serials=(),
                parts=none,
                rows=none,
                cosines=np.empty(0, np.float32),
            )
            return Nearest(keys=np.empty(0, np.uint64), cosines=np.empty(0), scan=scan)
        if known is not None and float(known.direction @ projected) < SAME_VOICE:
            known = None
        rotated = self._coder.form.rotated(projected[np.newaxis, :])
        parts, rows = _proposed(held, rotated, {} if known is None else known.by_part())
        codes = held.of_rows("codes", parts, rows)
        # Roughly at first: what is exact takes several times as long.
        rough = codes.astype(np.float32)
        lengths = np.sqrt(np.einsum("nd,nd->n", rough, rough))
        near = rough @ rotated[0] / np.maximum(lengths, 1.0)
        most = count + len(without) + _MARGIN_ROWS
        kept = _greatest(near, max(most, KEPT_ROWS))
        scan = Scan(
            direction=projected if known is None else known.direction,
            serials=tuple(part.serial for part in held.parts),
            parts=parts[kept],
            rows=rows[kept],
            cosines=near[kept],
        )
        kept = kept[_greatest(near[kept], most)]
        found = held.of_rows("id_hashes", parts[kept], rows[kept])
        vectors = self._coder.rotated(codes[kept])
        cosines = vectors.astype(np.float64) @ rotated[0].astype(np.float64)
        left = ~np.isin(found, np.array(sorted(without), np.uint64))
        found, cosines = found[left], cosines[left]
        order = np.lexsort((found, -cosines))[:count]
        return Nearest(keys=found[order], cosines=cosines[order], scan=scan)

    def of_customer(self, customer: int) -> Hashes:
        """Keys of the calls for a customer, by the 64 bits of the pseudonym; none for 0."""
        found = self._held.of_customer(customer) if customer else ()
        return np.concatenate(
            [np.empty(0, np.uint64), *(part.columns.id_hashes[rows] for part, rows in found)]
        )

    def rows(self, keys: Hashes) -> CallColumns:
        """The calls of some keys, in their order; keys that it doesn't have are left out."""
        found = list(self._held.find(keys))
        if not found:
            return self._none
        columns = CallColumns.gathered([(part.columns, rows) for part, _, rows in found])
        return columns.take(np.argsort(np.concatenate([which for _, which, _ in found])))

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
        for part in self._held.parts:
            yield part.columns

    @cached_property
    def _none(self) -> CallColumns:
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
        for _, which, _ in self._held.find(keys):
            has[which] = True
        return has

    def _append(self, columns: CallColumns) -> None:
        parts, total = list(self._held.parts), self._held.total + sum_of(columns.codes)
        while parts and len(parts[-1].columns) < TAIL_ROWS:
            columns = CallColumns.concatenate([parts.pop().columns, columns])
        for start in range(0, len(columns), PART_ROWS):
            piece = columns.take(np.arange(start, min(start + PART_ROWS, len(columns))))
            parts.append(_Part(piece, self._coder))
        self._held = self._held.with_parts(self._joined(parts), total)

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
            parts, gone_keys, total = [], [np.empty(0, np.uint64)], self._held.total
            for part in self._held.parts:
                gone = gone_of(part.columns)
                if not gone.any():
                    parts.append(part)
                    continue
                gone_keys.append(part.columns.id_hashes[gone])
                total = total - sum_of(part.columns.codes[gone])
                if not gone.all():
                    parts.append(_Part(part.columns.take(~gone), self._coder))
            self._held = self._held.with_parts(parts, total)
            return np.concatenate(gone_keys)


class _Part:
    """Some calls of the window, never altered; sketched when there are too many to compare one by one."""

    def __init__(self, columns: CallColumns, coder: CallCoder) -> None:
        self.columns = columns
        self.serial = next(_SERIALS)
        self._coder = coder
        self._sketches = self._sketched() if len(columns) >= TAIL_ROWS else None

    @property
    def is_sketched(self) -> bool:
        """Whether it is too large to compare its calls one by one."""
        return self._sketches is not None

    @cached_property
    def nbytes(self) -> int:
        """Memory that it takes."""
        sketches = 0 if self._sketches is None else int(self._sketches.codes.size())
        return self.columns.nbytes + sketches

    def find(self, keys: Hashes) -> tuple[Numbers, Numbers]:
        """Which of some keys it has, and their rows; for a small one."""
        ordered = self.columns.id_hashes
        at = np.searchsorted(ordered, keys, sorter=self._order)
        rows = self._order[np.minimum(at, len(ordered) - 1)]
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

    @cached_property
    def _order(self) -> Numbers:
        return np.argsort(self.columns.id_hashes)

    def _sketched(self) -> Any:  # noqa: ANN401 - FAISS isn't annotated
        codes = self.columns.codes
        starts = range(0, len(codes), _ENCODED_AT_ONCE)
        return self._coder.form.index_of_rotated(
            self._coder.rotated(codes[start : start + _ENCODED_AT_ONCE]) for start in starts
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Held:
    """All calls at one time.

    Attributes:
        total: (D,) sum of their codes.
        parts: that they are in, the newest last.
        calls: how many.
        places: of those in sketched parts.
    """

    total: Numbers
    parts: tuple[_Part, ...] = ()
    calls: int = 0
    places: Places = field(default_factory=Places)

    def with_parts(self, parts: Sequence[_Part], total: Numbers) -> "_Held":
        """Others in their place, with their sum."""
        return _Held(
            total=total,
            parts=tuple(parts),
            calls=sum(len(part.columns) for part in parts),
            places=self.places.of([part.columns for part in parts if part.is_sketched]),
        )

    def of_rows(self, name: str, parts: Numbers, rows: Numbers) -> NDArray[Any]:
        """A column of some rows: (k,) numbers of parts, ascending, and (k,) rows."""
        ends = np.searchsorted(parts, np.arange(len(self.parts)), "right").tolist()
        pieces = [
            getattr(part.columns, name)[rows[start:end]]
            for part, (start, end) in zip(self.parts, pairwise([0, *ends]), strict=True)
            if end > start
        ]
        return np.concatenate(pieces)

    def find(self, keys: Hashes) -> Iterator[tuple[_Part, Numbers, Numbers]]:
        """For each part with any of some calls which of the keys these are, and their rows."""
        sketched = [part for part in self.parts if part.is_sketched]
        for number, which, rows in self.places.find(keys):
            yield sketched[number], which, rows
        for part in self.parts:
            if not part.is_sketched:
                which, rows = part.find(keys)
                if len(which):
                    yield part, which, rows

    def of_customer(self, customer: int) -> Iterator[tuple[_Part, Numbers]]:
        """For each part with any calls for a customer their rows."""
        sketched = [part for part in self.parts if part.is_sketched]
        for number, rows in self.places.of_customer(customer):
            yield sketched[number], rows
        for part in self.parts:
            if not part.is_sketched:
                yield part, np.flatnonzero(part.columns.customers == customer)


def _proposed(
    held: _Held, rotated: Floats, known: Mapping[int, tuple[Floats, Numbers]]
) -> tuple[Numbers, Numbers]:
    """The rows that look nearest: (k,) numbers of their parts, ascending, and (k,) rows; at least one."""
    share = _OVER_SHARE * PROPOSED_ROWS / held.calls
    found = [
        known.get(part.serial)
        or part.propose(
            rotated, min(PROPOSED_ROWS, _LEAST_ROWS + math.ceil(share * len(part.columns)))
        )
        for part in held.parts
    ]
    near = np.concatenate([near for near, _ in found])
    rows = np.concatenate([rows for _, rows in found])
    parts = np.repeat(np.arange(len(found)), [len(rows) for _, rows in found])
    # Where sketches weren't asked, what looks nearest is nearest.
    is_sure = all(part.serial in known or not part.is_sketched for part in held.parts)
    chosen = _greatest(near, KEPT_ROWS if is_sure else PROPOSED_ROWS)
    return parts[chosen], rows[chosen]


def _greatest(values: Floats, count: int) -> Numbers:
    """Where the greatest of some values are, ascending."""
    if len(values) <= count:
        return np.arange(len(values))
    return np.sort(np.argpartition(values, -count)[-count:])
