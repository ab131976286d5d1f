"""The vectors of one watchlist: immutable segments that are searched exactly.

A change never touches a segment that a reader may be searching. New voiceprints go into a small last segment that is
built again; segments of similar size are merged, so that there are few; a removal builds the segment concerned again
without the removed rows, so that an erased voiceprint is gone from memory, too, when the last reader lets go.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import faiss as _faiss
import numpy as np
from numpy.typing import NDArray

from shengdun.index.scoring import Scorer, TemplateStatistics

NEVER_US: Final = np.iinfo(np.int64).max
# Its annotations are those of the C++ constructors, without the Python conveniences on top.
faiss: Any = _faiss

_SMALL_ROWS: Final = 1024
"""Segments up to this size are built again at every addition."""

_LARGE_ROWS: Final = 16_384
"""No segment grows larger, which bounds what a removal has to build again."""


def microseconds(moment: datetime | None) -> int:
    """A time as microseconds since 1970; ``NEVER_US`` for None."""
    return NEVER_US if moment is None else int(moment.timestamp() * 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One voiceprint of one actor, as it goes into a segment.

    Attributes:
        voiceprint_id: its id.
        actor_id: its actor.
        actor_code: a number that stands for the actor in this process.
        expires_us: when the actor expires.
        net_speech_s: behind the voiceprint.
        snr_db: signal-to-noise ratio of its recording in dB; NaN where it is unknown.
        vector: (d,) float32, as the voice model gave it.
    """

    voiceprint_id: str
    actor_id: str
    actor_code: int
    expires_us: int
    net_speech_s: float
    snr_db: float = math.nan
    vector: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hits:
    """Voiceprints found, in no particular order; k of them.

    Attributes:
        cosines: (k,) float64.
        voiceprint_ids: (k,) str.
        actor_ids: (k,) str.
        actor_codes: (k,) int64.
        net_speech_s: (k,) float64.
        snr_db: (k,) float64; NaN where it is unknown.
        statistics: of the templates.
    """

    cosines: NDArray[np.float64]
    voiceprint_ids: NDArray[np.object_]
    actor_ids: NDArray[np.object_]
    actor_codes: NDArray[np.int64]
    net_speech_s: NDArray[np.float64]
    snr_db: NDArray[np.float64]
    statistics: TemplateStatistics

    def take(self, rows: NDArray[np.int64]) -> "Hits":
        """Some of them, in the order of ``rows``."""
        return Hits(
            cosines=self.cosines[rows],
            voiceprint_ids=self.voiceprint_ids[rows],
            actor_ids=self.actor_ids[rows],
            actor_codes=self.actor_codes[rows],
            net_speech_s=self.net_speech_s[rows],
            snr_db=self.snr_db[rows],
            statistics=self.statistics.take(rows),
        )

    @classmethod
    def concatenate(cls, parts: Sequence["Hits"]) -> "Hits":
        """The hits of several segments; at least one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            cosines=np.concatenate([part.cosines for part in parts]),
            voiceprint_ids=np.concatenate([part.voiceprint_ids for part in parts]),
            actor_ids=np.concatenate([part.actor_ids for part in parts]),
            actor_codes=np.concatenate([part.actor_codes for part in parts]),
            net_speech_s=np.concatenate([part.net_speech_s for part in parts]),
            snr_db=np.concatenate([part.snr_db for part in parts]),
            statistics=TemplateStatistics.concatenate([part.statistics for part in parts]),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segment:
    """n voiceprints in a FAISS index; every array has n rows in the same order."""

    index: Any
    vectors: NDArray[np.float32]
    voiceprint_ids: NDArray[np.object_]
    actor_ids: NDArray[np.object_]
    actor_codes: NDArray[np.int64]
    expires_us: NDArray[np.int64]
    net_speech_s: NDArray[np.float64]
    snr_db: NDArray[np.float64]
    statistics: TemplateStatistics
    row_of: Mapping[str, int]
    earliest_us: int

    def __len__(self) -> int:
        return len(self.voiceprint_ids)

    @classmethod
    def build(cls, rows: Sequence[Row], scorer: Scorer) -> "Segment":
        """Project and index at least one row."""
        vectors = scorer.project(np.stack([row.vector for row in rows]))
        return cls._assemble(
            vectors,
            voiceprint_ids=np.array([row.voiceprint_id for row in rows], dtype=object),
            actor_ids=np.array([row.actor_id for row in rows], dtype=object),
            actor_codes=np.array([row.actor_code for row in rows], dtype=np.int64),
            expires_us=np.array([row.expires_us for row in rows], dtype=np.int64),
            net_speech_s=np.array([row.net_speech_s for row in rows], dtype=np.float64),
            snr_db=np.array([row.snr_db for row in rows], dtype=np.float64),
            statistics=scorer.template_statistics(vectors),
        )

    @classmethod
    def merge(cls, parts: Sequence["Segment"]) -> "Segment":
        """One segment with the rows of several."""
        return cls._assemble(
            np.concatenate([part.vectors for part in parts]),
            voiceprint_ids=np.concatenate([part.voiceprint_ids for part in parts]),
            actor_ids=np.concatenate([part.actor_ids for part in parts]),
            actor_codes=np.concatenate([part.actor_codes for part in parts]),
            expires_us=np.concatenate([part.expires_us for part in parts]),
            net_speech_s=np.concatenate([part.net_speech_s for part in parts]),
            snr_db=np.concatenate([part.snr_db for part in parts]),
            statistics=TemplateStatistics.concatenate([part.statistics for part in parts]),
        )

    def without(self, rows: Iterable[int]) -> "Segment | None":
        """The segment without some rows; None if none is left."""
        kept = np.delete(np.arange(len(self)), list(rows))
        if not len(kept):
            return None
        return self._assemble(
            self.vectors[kept],
            voiceprint_ids=self.voiceprint_ids[kept],
            actor_ids=self.actor_ids[kept],
            actor_codes=self.actor_codes[kept],
            expires_us=self.expires_us[kept],
            net_speech_s=self.net_speech_s[kept],
            snr_db=self.snr_db[kept],
            statistics=self.statistics.take(kept),
        )

    def expiring(self, expires_us: Mapping[int, int]) -> "Segment":
        """The segment with other expiries for some rows."""
        changed = self.expires_us.copy()
        changed[list(expires_us)] = list(expires_us.values())
        return replace(self, expires_us=changed, earliest_us=int(changed.min()))

    @classmethod
    def _assemble(cls, vectors: NDArray[np.float32], **columns: Any) -> "Segment":  # noqa: ANN401 - the fields
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors))
        return cls(
            index=index,
            # The index's own memory: a second copy of the vectors would double what a watchlist takes.
            vectors=faiss.rev_swig_ptr(index.get_xb(), vectors.size).reshape(vectors.shape),
            row_of={name: row for row, name in enumerate(columns["voiceprint_ids"].tolist())},
            earliest_us=int(columns["expires_us"].min()),
            **columns,
        )

    def valid(self, at_us: int) -> NDArray[np.int64]:
        """The rows that have not expired."""
        return np.flatnonzero(self.expires_us > at_us)

    def rows_of(self, actor_codes: NDArray[np.int64], at_us: int) -> NDArray[np.int64]:
        """The rows of some actors that have not expired."""
        return np.flatnonzero(np.isin(self.actor_codes, actor_codes) & (self.expires_us > at_us))

    def nearest(
        self, query: NDArray[np.float32], at_us: int, count: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The nearest rows that have not expired, with their cosines as FAISS rounds them."""
        parameters = None
        if self.earliest_us <= at_us:
            bitmap = np.packbits(self.expires_us > at_us, bitorder="little")
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bitmap))
        # One query needs one thread; the setting is each thread's own, and more threads would only fight for the cores.
        faiss.omp_set_num_threads(1)
        cosines, rows = self.index.search(
            query[np.newaxis, :], min(count, len(self)), params=parameters
        )
        found = rows[0] >= 0
        return cosines[0][found], rows[0][found]

    def hits(self, query: NDArray[np.float32], rows: NDArray[np.int64]) -> Hits:
        """Some rows with their cosines to the query, (d,), in double precision and row by row.

        FAISS rounds by a row's place in its segment; here the same voiceprint gives the same evidence however the
        segments came about.
        """
        vectors = self.vectors[rows].astype(np.float64)
        return Hits(
            cosines=np.vecdot(vectors, query.astype(np.float64)),
            voiceprint_ids=self.voiceprint_ids[rows],
            actor_ids=self.actor_ids[rows],
            actor_codes=self.actor_codes[rows],
            net_speech_s=self.net_speech_s[rows],
            snr_db=self.snr_db[rows],
            statistics=self.statistics.take(rows),
        )


def append(segments: Sequence[Segment], rows: Sequence[Row], scorer: Scorer) -> tuple[Segment, ...]:
    """The segments with more rows."""
    grown = list(segments)
    starts = range(0, len(rows), _LARGE_ROWS)
    grown += [Segment.build(rows[start : start + _LARGE_ROWS], scorer) for start in starts]
    while len(grown) > 1 and _mergeable(len(grown[-2]), len(grown[-1])):
        grown[-2:] = [Segment.merge(grown[-2:])]
    return tuple(grown)


def _mergeable(before: int, last: int) -> bool:
    if before + last > _LARGE_ROWS:
        return False
    return before + last <= _SMALL_ROWS or (last >= _SMALL_ROWS and before < 2 * last)


def remove(segments: Sequence[Segment], voiceprint_ids: Iterable[str]) -> tuple[Segment, ...]:
    """The segments without some voiceprints; those that have none of them are shared."""
    removed = set(voiceprint_ids)
    kept: list[Segment] = []
    for segment in segments:
        rows = [segment.row_of[name] for name in removed if name in segment.row_of]
        smaller = segment.without(rows) if rows else segment
        if smaller is not None:
            kept.append(smaller)
    return tuple(kept)


def expire(segments: Sequence[Segment], expires_us: Mapping[str, int]) -> tuple[Segment, ...]:
    """The segments with other expiries for some voiceprints."""
    changed = []
    for segment in segments:
        rows = {
            segment.row_of[name]: us for name, us in expires_us.items() if name in segment.row_of
        }
        changed.append(segment.expiring(rows) if rows else segment)
    return tuple(changed)
