"""Searching one watchlist: from a caller's voiceprint to a calibrated LLR for each actor.

Every voiceprint of a list up to ``EXHAUSTIVE_ROWS`` is scored; of a longer one, those of the actors that have any among
the nearest ``NEAREST_ROWS``. These are the nearest of the ``PROPOSED_ROWS`` whose sketches look nearest: practically
all of the true nearest, and without exception those that could matter (decision note 0019). All of an actor's
voiceprints speak either way (0011), so its LLR doesn't change when its list grows long. The result depends on the
voiceprint, the list's content and the time, and on nothing else: not on the order of enrolments, on how the vectors are
stored, or on what else runs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scoring import Scorer
from shengdun.index.segments import Hits, Segment
from shengdun.index.sketches import SketchForm

Rows = tuple[NDArray[np.int64], ...]
"""Rows of each segment."""

EXHAUSTIVE_ROWS: Final = 4096
NEAREST_ROWS: Final = 512
PROPOSED_ROWS: Final = 1024
_LEAST_ROWS: Final = 64
_OVER_SHARE: Final = 1.25
_WIDEN: Final = 4
_ROUNDING: Final = 1e-4
"""More than single precision can be wrong by in a cosine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One actor as a caller may be it.

    Attributes:
        actor_id: who.
        voiceprint_id: the actor's voiceprint that fits best.
        llr: natural-log likelihood ratio of "the caller is this actor".
    """

    actor_id: str
    voiceprint_id: str
    llr: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranking:
    """The scored actors, best first.

    Attributes:
        actor_ids: n of them, each once.
        voiceprint_ids: the best voiceprint of each.
        llrs: (n,) float64.
        unlimited_llrs: (n,) float64, what they'd be if the calibration data could vouch for any.
    """

    actor_ids: tuple[str, ...]
    voiceprint_ids: tuple[str, ...]
    llrs: NDArray[np.float64]
    unlimited_llrs: NDArray[np.float64]

    def candidates(self, count: int) -> tuple[Candidate, ...]:
        """The best actors."""
        best = zip(
            self.actor_ids[:count], self.voiceprint_ids[:count], self.llrs[:count], strict=True
        )
        return tuple(
            Candidate(actor_id=actor_id, voiceprint_id=voiceprint_id, llr=float(llr))
            for actor_id, voiceprint_id, llr in best
        )


NOBODY: Final = Ranking(
    actor_ids=(), voiceprint_ids=(), llrs=np.empty(0), unlimited_llrs=np.empty(0)
)


def rank(
    segments: tuple[Segment, ...],
    scorer: Scorer,
    voiceprint: NDArray[np.float32],
    *,
    net_speech_s: float,
    at_us: int,
    snr_db: float | None = None,
) -> Ranking:
    """Score a caller's voiceprint, (d,) float32, against the voiceprints in some segments.

    Args:
        segments: of one watchlist.
        scorer: of its voice model.
        voiceprint: unit length.
        net_speech_s: behind the voiceprint.
        at_us: actors that have expired by then are left out; microseconds since 1970.
        snr_db: the caller's speech over noise; None where it isn't known.
    """
    if not segments:
        return NOBODY
    query = scorer.project(voiceprint[np.newaxis, :])[0]
    found = zip(segments, _find(segments, query, at_us), strict=True)
    used = [(segment, rows) for segment, rows in found if len(rows)]
    if not used:
        return NOBODY
    hits = Hits.concatenate([segment.hits(query, rows) for segment, rows in used])
    unlimited = scorer.unlimited_llr(
        hits.cosines,
        hits.statistics,
        scorer.query_statistics(query),
        net_speech_s=net_speech_s,
        template_net_speech_s=hits.net_speech_s,
        snr_db=snr_db,
        template_snr_db=hits.snr_db,
    )
    return _by_actor([segment for segment, _ in used], hits, unlimited, scorer)


def _find(segments: tuple[Segment, ...], query: NDArray[np.float32], at_us: int) -> Rows:
    if sum(len(segment) for segment in segments) <= EXHAUSTIVE_ROWS:
        return tuple(each.valid(at_us) for each in segments)
    proposed = _proposed(segments, query, at_us)
    actor_codes = np.unique(_nearest(segments, query, proposed))
    return tuple(each.rows_of(actor_codes, at_us) for each in segments)


def _proposed(segments: tuple[Segment, ...], query: NDArray[np.float32], at_us: int) -> Rows:
    """The rows that look nearer than the last of the best ``PROPOSED_ROWS``.

    That one, and whatever looks just as near, is left out: which of several equals a segment returns is chance.
    """
    rotated = SketchForm.of(len(query)).rotated(query[np.newaxis, :])
    # A little over its share is nearly always enough of a segment, and takes a third of the time of asking for all.
    share = _OVER_SHARE * PROPOSED_ROWS / sum(len(segment) for segment in segments)
    counts = [
        min(PROPOSED_ROWS, _LEAST_ROWS + math.ceil(share * len(segment))) for segment in segments
    ]
    found = [s.propose(rotated, at_us, count) for s, count in zip(segments, counts, strict=True)]
    while True:
        nearness = np.concatenate([each.nearness for each in found])
        last = -np.inf
        if len(nearness) >= PROPOSED_ROWS:
            last = float(np.partition(nearness, -PROPOSED_ROWS)[-PROPOSED_ROWS])
        behind = [place for place, each in enumerate(found) if each.unseen > last]
        if not behind:
            break
        for place in behind:
            counts[place] *= _WIDEN
            found[place] = segments[place].propose(rotated, at_us, counts[place])
    if np.count_nonzero(nearness > last) < min(NEAREST_ROWS, len(nearness)):
        return tuple(each.valid(at_us) for each in segments)
    return tuple(each.rows[each.nearness > last] for each in found)


def _nearest(
    segments: tuple[Segment, ...], query: NDArray[np.float32], proposed: Rows
) -> NDArray[np.int64]:
    """The actors of the nearest ``NEAREST_ROWS`` of some rows, in no particular order and not each once."""
    pairs = list(zip(segments, proposed, strict=True))
    rough = [segment.rough_cosines(query, rows) for segment, rows in pairs]
    if sum(map(len, rough)) > NEAREST_ROWS:
        last = np.partition(np.concatenate(rough), -NEAREST_ROWS)[-NEAREST_ROWS] - _ROUNDING
        pairs = [(s, rows[near >= last]) for (s, rows), near in zip(pairs, rough, strict=True)]
    cosines = np.concatenate([segment.cosines(query, rows) for segment, rows in pairs])
    codes: NDArray[np.int64] = np.concatenate(
        [segment.actor_codes[rows] for segment, rows in pairs]
    )
    if len(cosines) <= NEAREST_ROWS:
        return codes
    last = np.partition(cosines, -NEAREST_ROWS)[-NEAREST_ROWS]
    nearer, equal = np.flatnonzero(cosines > last), np.flatnonzero(cosines == last)
    if len(nearer) + len(equal) > NEAREST_ROWS:
        names = np.concatenate([segment.voiceprint_ids[rows] for segment, rows in pairs])
        equal = equal[np.argsort(names[equal].astype(str))][: NEAREST_ROWS - len(nearer)]
    nearest: NDArray[np.int64] = codes[np.concatenate([nearer, equal])]
    return nearest


def _by_actor(
    segments: Sequence[Segment], hits: Hits, unlimited: NDArray[np.float64], scorer: Scorer
) -> Ranking:
    """Order the actors by their LLR; ties, as at the calibration's limits, by what lies below it."""
    llrs = scorer.limited(unlimited)
    order = _order(segments, hits, -hits.cosines, -llrs)
    actor_rows, actors = _numbered(hits.actor_codes)
    actor_rows, llrs, unlimited = actor_rows[order], llrs[order], unlimited[order]
    first = np.full(actors, len(order))
    np.minimum.at(first, actor_rows, np.arange(len(order)))
    actor_llrs = scorer.actor_llr(llrs, actor_rows, actors)
    best_first = np.lexsort((first, -actor_llrs))
    best = order[first[best_first]]
    actor_ids, voiceprint_ids = np.empty((2, len(best)), dtype=object)
    sources, rows = hits.sources[best], hits.rows[best]
    for number, segment in enumerate(segments):
        own = np.flatnonzero(sources == number)
        actor_ids[own] = segment.actor_ids[rows[own]]
        voiceprint_ids[own] = segment.voiceprint_ids[rows[own]]
    return Ranking(
        actor_ids=tuple(actor_ids.tolist()),
        voiceprint_ids=tuple(voiceprint_ids.tolist()),
        llrs=actor_llrs[best_first],
        unlimited_llrs=scorer.actor_llr(unlimited, actor_rows, actors)[best_first],
    )


def _numbered(actor_codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """(k,) the number of each one's actor, from 0 on in the order of their codes, and how many actors there are."""
    steps = np.diff(actor_codes)
    if (steps >= 0).all():
        # As they are in one segment.
        numbers = np.concatenate([[0], np.cumsum(steps > 0)])
        return numbers, int(numbers[-1]) + 1
    codes, numbers = np.unique(actor_codes, return_inverse=True)
    return numbers.astype(np.int64), len(codes)


def _order(
    segments: Sequence[Segment], hits: Hits, *keys: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The order by some keys, the last one first, and by voiceprint id where all of them are equal."""
    order = np.lexsort(keys)
    ties = np.ones(max(len(order) - 1, 0), dtype=bool)
    for key in keys:
        ties &= np.diff(key[order]) == 0
    if not ties.any():
        return order
    places = zip(hits.sources.tolist(), hits.rows.tolist(), strict=True)
    names = np.array([segments[source].voiceprint_ids[row] for source, row in places])
    return np.lexsort((names, *keys))
