"""Searching one watchlist: from a caller's voiceprint to a calibrated LLR for each actor.

Every voiceprint of a list up to ``EXHAUSTIVE_ROWS`` is scored; of a longer one, those of the actors that have any among
the nearest ``NEAREST_ROWS``. All of an actor's voiceprints speak either way (decision note 0011), so its LLR doesn't
change when its list grows long. The result depends on the voiceprint, the list's content and the time, and on nothing
else: not on the order of enrolments, on how the vectors are stored, or on what else runs.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scoring import Scorer
from shengdun.index.segments import Hits, Segment

EXHAUSTIVE_ROWS: Final = 4096
NEAREST_ROWS: Final = 512


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
    """

    actor_ids: tuple[str, ...]
    voiceprint_ids: tuple[str, ...]
    llrs: NDArray[np.float64]

    def candidates(self, count: int) -> tuple[Candidate, ...]:
        """The best actors."""
        best = zip(
            self.actor_ids[:count], self.voiceprint_ids[:count], self.llrs[:count], strict=True
        )
        return tuple(
            Candidate(actor_id=actor_id, voiceprint_id=voiceprint_id, llr=float(llr))
            for actor_id, voiceprint_id, llr in best
        )


NOBODY: Final = Ranking(actor_ids=(), voiceprint_ids=(), llrs=np.empty(0))


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
    hits = _find(segments, query, at_us)
    if not len(hits.cosines):
        return NOBODY
    llrs = scorer.llr(
        hits.cosines,
        hits.statistics,
        scorer.query_statistics(query),
        net_speech_s=net_speech_s,
        template_net_speech_s=hits.net_speech_s,
        snr_db=snr_db,
        template_snr_db=hits.snr_db,
    )
    return _by_actor(hits, llrs, scorer)


def _find(segments: tuple[Segment, ...], query: NDArray[np.float32], at_us: int) -> Hits:
    if sum(len(segment) for segment in segments) <= EXHAUSTIVE_ROWS:
        return Hits.concatenate([each.hits(query, each.valid(at_us)) for each in segments])
    found = [segment.nearest(query, at_us, NEAREST_ROWS) for segment in segments]
    cosines = np.concatenate([each for each, _ in found])
    if len(cosines) > NEAREST_ROWS:
        farthest = np.partition(cosines, -NEAREST_ROWS)[-NEAREST_ROWS]
    else:
        farthest = np.float32(-np.inf)
    hits = Hits.concatenate(
        [
            segment.hits(query, rows[near >= farthest])
            for segment, (near, rows) in zip(segments, found, strict=True)
        ]
    )
    nearest = hits.take(_order(hits, -hits.cosines)[:NEAREST_ROWS])
    actor_codes = np.unique(nearest.actor_codes)
    return Hits.concatenate(
        [each.hits(query, each.rows_of(actor_codes, at_us)) for each in segments]
    )


def _by_actor(hits: Hits, llrs: NDArray[np.float64], scorer: Scorer) -> Ranking:
    """Order the actors by their LLR; ties, as at the calibration's limits, by what lies below it."""
    order = _order(hits, -hits.cosines, -llrs)
    hits, llrs = hits.take(order), llrs[order]
    _, first, actor_rows = np.unique(hits.actor_codes, return_index=True, return_inverse=True)
    actor_llrs = scorer.actor_llr(llrs, actor_rows.astype(np.int64), len(first))
    best_first = np.lexsort((first, -actor_llrs))
    rows = first[best_first]
    return Ranking(
        actor_ids=tuple(hits.actor_ids[rows].tolist()),
        voiceprint_ids=tuple(hits.voiceprint_ids[rows].tolist()),
        llrs=actor_llrs[best_first],
    )


def _order(hits: Hits, *keys: NDArray[np.float64]) -> NDArray[np.int64]:
    """The order by some keys, the last one first, and by voiceprint id where all of them are equal."""
    order = np.lexsort(keys)
    ties = np.ones(max(len(order) - 1, 0), dtype=bool)
    for key in keys:
        ties &= np.diff(key[order]) == 0
    if not ties.any():
        return order
    return np.lexsort((hits.voiceprint_ids.astype(str), *keys))
