"""The vectors of one watchlist: immutable segments, with sketches to find the rows that are worth scoring.

A change never touches a segment that a reader may be searching. New voiceprints go into a small last segment that is
built again; segments of similar size are merged, so that there are few; a removal builds the segment concerned again
without the removed rows, so that an erased voiceprint is gone from memory, too, when the last reader lets go.

A component is kept as a multiple of 1 / 32767 in 16 bits, half of what the voice model gave. Everything that is said
about a voiceprint rests on those numbers, whichever way it is found; they move a cosine by some 1e-5 (note 0019).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scoring import Scorer, TemplateStatistics
from shengdun.index.sketches import SketchForm, faiss

NEVER_US: Final = np.iinfo(np.int64).max
_ALWAYS_US: Final = np.iinfo(np.int64).min

_SMALL_ROWS: Final = 1024
"""Segments up to this size are built again at every addition."""

_LARGE_ROWS: Final = 65_536
"""No segment grows larger, which bounds what a removal has to build again."""

_STEPS: Final = 32_767
"""Components of vectors are kept in steps of 1 / _STEPS."""


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
        sources: (k,) int64, which of the segments that were concatenated each is from.
        rows: (k,) int64, its row there; ids are looked up for the few that are told.
        actor_codes: (k,) int64.
        net_speech_s: (k,) float64.
        snr_db: (k,) float64; NaN where it is unknown.
        statistics: of the templates.
    """

    cosines: NDArray[np.float64]
    sources: NDArray[np.int64]
    rows: NDArray[np.int64]
    actor_codes: NDArray[np.int64]
    net_speech_s: NDArray[np.float64]
    snr_db: NDArray[np.float64]
    statistics: TemplateStatistics

    @classmethod
    def concatenate(cls, parts: Sequence["Hits"]) -> "Hits":
        """The hits of several segments; at least one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            cosines=np.concatenate([part.cosines for part in parts]),
            sources=np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts]),
            rows=np.concatenate([part.rows for part in parts]),
            actor_codes=np.concatenate([part.actor_codes for part in parts]),
            net_speech_s=np.concatenate([part.net_speech_s for part in parts]),
            snr_db=np.concatenate([part.snr_db for part in parts]),
            statistics=TemplateStatistics.concatenate([part.statistics for part in parts]),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proposals:
    """Rows of a segment that look nearest, expired ones left out; k of them.

    Attributes:
        nearness: (k,) float32, how near each row's sketch is; comparable between segments.
        rows: (k,) int64.
        unseen: no row that isn't among those looked at is nearer than this; minus infinity when all were looked at.
    """

    nearness: NDArray[np.float32]
    rows: NDArray[np.int64]
    unseen: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segment:
    """n voiceprints; every array has n rows in the same order, that of the actor codes.

    Attributes:
        index: the FAISS index of the sketches.
        vectors: (n, d) int16, in steps of 1 / 32767.
        voiceprint_ids: (n,) str.
        actor_ids: (n,) str.
        actor_codes: (n,) int64, ascending.
        expires_us: (n,) int64.
        net_speech_s: (n,) float64.
        snr_db: (n,) float64; NaN where it is unknown.
        statistics: of the templates.
        earliest_us: the least of ``expires_us``.
    """

    index: Any
    vectors: NDArray[np.int16]
    voiceprint_ids: NDArray[np.object_]
    actor_ids: NDArray[np.object_]
    actor_codes: NDArray[np.int64]
    expires_us: NDArray[np.int64]
    net_speech_s: NDArray[np.float64]
    snr_db: NDArray[np.float64]
    statistics: TemplateStatistics
    earliest_us: int

    def __len__(self) -> int:
        return len(self.voiceprint_ids)

    @classmethod
    def build(cls, rows: Sequence[Row], scorer: Scorer) -> "Segment":
        """Project and index at least one row."""
        rows = sorted(rows, key=lambda row: row.actor_code)
        projected = scorer.project(np.stack([row.vector for row in rows]))
        vectors = np.rint(projected * np.float32(_STEPS)).astype(np.int16)
        return cls._assemble(
            vectors,
            voiceprint_ids=np.array([row.voiceprint_id for row in rows], dtype=object),
            actor_ids=np.array([row.actor_id for row in rows], dtype=object),
            actor_codes=np.array([row.actor_code for row in rows], dtype=np.int64),
            expires_us=np.array([row.expires_us for row in rows], dtype=np.int64),
            net_speech_s=np.array([row.net_speech_s for row in rows], dtype=np.float64),
            snr_db=np.array([row.snr_db for row in rows], dtype=np.float64),
            statistics=scorer.template_statistics(_floats(vectors)),
        )

    @classmethod
    def merge(cls, parts: Sequence["Segment"]) -> "Segment":
        """One segment with the rows of several."""
        order = np.argsort(np.concatenate([part.actor_codes for part in parts]), kind="stable")
        statistics = TemplateStatistics.concatenate([part.statistics for part in parts])
        return cls._assemble(
            np.concatenate([part.vectors for part in parts])[order],
            voiceprint_ids=np.concatenate([part.voiceprint_ids for part in parts])[order],
            actor_ids=np.concatenate([part.actor_ids for part in parts])[order],
            actor_codes=np.concatenate([part.actor_codes for part in parts])[order],
            expires_us=np.concatenate([part.expires_us for part in parts])[order],
            net_speech_s=np.concatenate([part.net_speech_s for part in parts])[order],
            snr_db=np.concatenate([part.snr_db for part in parts])[order],
            statistics=statistics.take(order),
        )

    def without(self, rows: NDArray[np.int64]) -> "Segment | None":
        """The segment without some rows; None if none is left."""
        kept = np.delete(np.arange(len(self)), rows)
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
        """The segment with other expiries for some actors, given by code; itself if it has none of them."""
        codes = np.array(sorted(expires_us), dtype=np.int64)
        rows = self.rows_of(codes, _ALWAYS_US)
        if not len(rows):
            return self
        changed = self.expires_us.copy()
        changed[rows] = [expires_us[code] for code in self.actor_codes[rows].tolist()]
        return replace(self, expires_us=changed, earliest_us=int(changed.min()))

    @classmethod
    def restored(
        cls,
        vectors: NDArray[np.int16],
        codes: NDArray[np.uint8],
        **columns: Any,  # noqa: ANN401 - the fields
    ) -> "Segment":
        """A segment that was written down: its fields, with the codes of its sketches."""
        index = SketchForm.of(vectors.shape[1]).index_of_codes(codes, len(vectors))
        return cls._of(vectors, index, columns)

    @classmethod
    def _assemble(cls, vectors: NDArray[np.int16], **columns: Any) -> "Segment":  # noqa: ANN401 - the fields
        index = SketchForm.of(vectors.shape[1]).index(_floats(vectors))
        return cls._of(vectors, index, columns)

    @classmethod
    def _of(
        cls,
        vectors: NDArray[np.int16],
        index: Any,  # noqa: ANN401 - FAISS isn't annotated
        columns: Mapping[str, Any],
    ) -> "Segment":
        earliest_us = int(columns["expires_us"].min())
        return cls(index=index, vectors=vectors, earliest_us=earliest_us, **columns)

    def valid(self, at_us: int) -> NDArray[np.int64]:
        """The rows that have not expired."""
        if self.earliest_us > at_us:
            return np.arange(len(self))
        return np.flatnonzero(self.expires_us > at_us)

    def rows_of(self, actor_codes: NDArray[np.int64], at_us: int) -> NDArray[np.int64]:
        """The rows of some actors, (m,) ascending codes, that have not expired."""
        first = np.searchsorted(self.actor_codes, actor_codes, side="left")
        counts = np.searchsorted(self.actor_codes, actor_codes, side="right") - first
        rows = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        return rows if self.earliest_us > at_us else rows[self.expires_us[rows] > at_us]

    def rows_named(self, actor_codes: Mapping[str, int]) -> NDArray[np.int64]:
        """The rows of some voiceprints, given by id with their actors' codes; without those that aren't here."""
        codes = np.array(sorted(set(actor_codes.values())), dtype=np.int64)
        rows = self.rows_of(codes, _ALWAYS_US)
        named = self.voiceprint_ids[rows].tolist()
        return rows[np.array([name in actor_codes for name in named], dtype=np.bool_)]

    def floats(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(k, d) float32: the vectors of some rows."""
        return _floats(self.vectors[rows])

    def propose(self, rotated: NDArray[np.float32], at_us: int, count: int) -> Proposals:
        """The nearest rows by their sketches.

        Args:
            rotated: (1, d'), the query as ``SketchForm.rotated`` gives it.
            at_us: rows that have expired by then are looked at and left out.
            count: how many rows to look at.
        """
        # One query needs one thread; the setting is each thread's own, and more threads would only fight for the cores.
        faiss.omp_set_num_threads(1)
        looked_at = min(count, len(self))
        found, places = self.index.search(rotated, looked_at)
        nearness, rows = found[0], places[0]
        unseen = float(nearness.min()) if looked_at < len(self) else -np.inf
        if self.earliest_us <= at_us:
            in_force = self.expires_us[rows] > at_us
            nearness, rows = nearness[in_force], rows[in_force]
        return Proposals(nearness=nearness, rows=rows, unseen=unseen)

    def rough_cosines(
        self, query: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """(k,) cosines of some rows to the query, (d,), that may be wrong by some 1e-6, in a third of the time."""
        cosines: NDArray[np.float32] = self.floats(rows) @ query
        return cosines

    def cosines(self, query: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(k,) cosines of some rows to the query, (d,), in double precision and row by row.

        So the same voiceprint gives the same evidence however the segments came about.
        """
        vectors = self.vectors[rows].astype(np.float64)
        cosines: NDArray[np.float64] = np.vecdot(vectors, query.astype(np.float64) / _STEPS)
        return cosines

    def hits(self, query: NDArray[np.float32], rows: NDArray[np.int64]) -> Hits:
        """Some rows with their cosines to the query, (d,)."""
        return Hits(
            cosines=self.cosines(query, rows),
            sources=np.zeros(len(rows), dtype=np.int64),
            rows=rows,
            actor_codes=self.actor_codes[rows],
            net_speech_s=self.net_speech_s[rows],
            snr_db=self.snr_db[rows],
            statistics=self.statistics.take(rows),
        )


def _floats(vectors: NDArray[np.int16]) -> NDArray[np.float32]:
    floats: NDArray[np.float32] = vectors * np.float32(1.0 / _STEPS)
    return floats


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


def remove(segments: Sequence[Segment], actor_codes: Mapping[str, int]) -> tuple[Segment, ...]:
    """The segments without some voiceprints, given by id with their actors' codes; the others are shared."""
    kept: list[Segment] = []
    for segment in segments:
        rows = segment.rows_named(actor_codes)
        smaller = segment.without(rows) if len(rows) else segment
        if smaller is not None:
            kept.append(smaller)
    return tuple(kept)


def expire(segments: Sequence[Segment], expires_us: Mapping[int, int]) -> tuple[Segment, ...]:
    """The segments with other expiries for some actors, given by code."""
    return tuple(segment.expiring(expires_us) for segment in segments)
