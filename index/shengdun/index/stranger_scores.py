"""Scoring a site's strangers against the lists of a line, as live calls are scored.

LLRs count in full here, also beyond what the calibration data can vouch for: how often strangers get there is seen, and
not inferred. Held to their limits, an agent and a few chance likenesses on a long list would look alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.posterior import ListEvidence, combined_posterior
from shengdun.index.promise import StrangerScores, logit
from shengdun.index.scoring import QueryStatistics, Scorer, TemplateStatistics
from shengdun.index.search import EXHAUSTIVE_ROWS, rank
from shengdun.index.snapshot import ListContent
from shengdun.index.strangers import Strangers

Floats = NDArray[np.float64]

MOST_PAIRS: Final = 50_000_000
"""Looks times voiceprints that are compared; beyond, fewer strangers are taken, and never fewer voiceprints."""

_LARGEST_EVIDENCE: Final = 100.0
"""More than any call gives; an exponential must not overflow."""
_BLOCK_LOOKS: Final = 64
_MOST_AGENTS: Final = 0.01
"""Share of calls that may be listed agents'. Allowed more, strangers who resemble somebody on the list explain
themselves as agents, are left out, and the promise is broken (decision note 0015)."""
_FEWEST_AGENTS: Final = 1e-9
_ROUNDS: Final = 200
_CERTAIN: Final = 1e-12


def score_strangers(
    strangers: Strangers,
    lists: Sequence[ListContent],
    *,
    prior: float,
    at_us: int,
    most_pairs: int = MOST_PAIRS,
) -> StrangerScores | None:
    """Score every call of the strangers against all lists; takes seconds, so call it from a background thread.

    Some calls may be by listed agents, one in a hundred at most. How many is found from the evidence itself (Saerens et
    al., Neural Computation 14(1), 2002, section 2.2). A call that is more likely an agent's is left out; any other
    counts by the probability that it isn't.

    Args:
        strangers: of the site.
        lists: of one line, all of one scorer.
        prior: the line's.
        at_us: actors that have expired by then are left out; microseconds since 1970.
        most_pairs: the bound on the work.

    Returns:
        None when there is nobody on the lists.
    """
    filled = [each for each in lists if each.size_actors]
    voiceprints = sum(len(segment) for each in filled for segment in each.segments)
    if not filled or not voiceprints:
        return None
    affordable = int(most_pairs / (voiceprints * strangers.looks_per_call))
    taken = strangers.some(max(affordable, 1))
    scorer = filled[0].scorer
    share = prior / sum(each.size_actors for each in filled)
    found = _Whole.of(filled, share, at_us) or _Search(filled, share, at_us)
    log_odds = found.log_odds(scorer, taken)
    evidence = log_odds[taken.longest_rows()] - found.prior_log_odds
    return StrangerScores(
        log_odds=_largest(log_odds, taken.calls),
        weights=_weights(evidence),
        left_out=strangers.call_count - taken.call_count,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Whole:
    """Lists that are scored whole: all voiceprints of all actors, each actor once."""

    vectors: NDArray[np.float32]
    statistics: TemplateStatistics
    net_speech_s: Floats
    snr_db: Floats
    actor_rows: NDArray[np.int64]
    actors: int
    share: float
    nobody: float

    @classmethod
    def of(cls, lists: Sequence[ListContent], share: float, at_us: int) -> "_Whole | None":
        """None when a live call wouldn't be scored against all of them."""
        seen: set[int] = set()
        parts = []
        for each in lists:
            if not each.segments:
                return None
            valid = [(segment, segment.valid(at_us)) for segment in each.segments]
            codes = np.unique(np.concatenate([s.actor_codes[rows] for s, rows in valid]))
            if sum(map(len, each.segments)) > EXHAUSTIVE_ROWS or len(codes) < each.size_actors:
                return None
            new = np.array(sorted(set(codes.tolist()) - seen), dtype=np.int64)
            seen.update(new.tolist())
            parts += [(s, rows[np.isin(s.actor_codes[rows], new)]) for s, rows in valid]
        _, actor_rows = np.unique(
            np.concatenate([s.actor_codes[rows] for s, rows in parts]), return_inverse=True
        )
        somebody = 1.0 - float(np.prod([1.0 - share * each.size_actors for each in lists]))
        total = min(share * len(seen), somebody)
        return cls(
            vectors=np.concatenate([s.floats(rows) for s, rows in parts]),
            statistics=TemplateStatistics.concatenate([s.statistics.take(r) for s, r in parts]),
            net_speech_s=np.concatenate([s.net_speech_s[rows] for s, rows in parts]),
            snr_db=np.concatenate([s.snr_db[rows] for s, rows in parts]),
            actor_rows=actor_rows.astype(np.int64),
            actors=len(seen),
            share=total / len(seen),
            nobody=1.0 - total,
        )

    def log_odds(self, scorer: Scorer, looks: Strangers) -> Floats:
        """(m,) log posterior odds of "on a list" for each look."""
        against_nobody = float(np.log(self.share) - np.log(self.nobody))
        return self._joined(scorer, looks) + against_nobody

    @property
    def prior_log_odds(self) -> float:
        """Log odds of "on a list" before anything is heard."""
        return float(np.log(self.share * self.actors) - np.log(self.nobody))

    def _joined(self, scorer: Scorer, looks: Strangers) -> Floats:
        """The log of the sum of the actors' likelihood ratios."""
        queries = scorer.project(looks.voiceprints)
        queried = scorer.template_statistics(queries)
        joined = np.empty(len(queries))
        for start in range(0, len(queries), _BLOCK_LOOKS):
            block = queries[start : start + _BLOCK_LOOKS]
            cosines = (block @ self.vectors.T).astype(np.float64)
            for row, of_look in enumerate(cosines, start):
                llrs = scorer.unlimited_llr(
                    of_look,
                    self.statistics,
                    QueryStatistics(
                        mean=float(queried.mean[row]), deviation=float(queried.deviation[row])
                    ),
                    net_speech_s=float(looks.net_speech_s[row]),
                    template_net_speech_s=self.net_speech_s,
                    snr_db=_known(looks.snr_db[row]),
                    template_snr_db=self.snr_db,
                )
                joined[row] = np.logaddexp.reduce(
                    scorer.actor_llr(llrs, self.actor_rows, self.actors)
                )
        return joined


@dataclass(frozen=True, slots=True)
class _Search:
    """Lists that are too long to be scored whole: every look is a search, as it is in a live call."""

    lists: Sequence[ListContent]
    share: float
    at_us: int

    def log_odds(self, scorer: Scorer, looks: Strangers) -> Floats:
        """(m,) log posterior odds of "on a list" for each look."""
        return np.array(
            [
                logit(min(combined_posterior(evidence).on_any_list, 1.0 - _CERTAIN))
                for evidence in self._each(scorer, looks)
            ]
        )

    @property
    def prior_log_odds(self) -> float:
        """Log odds of "on a list" before anything is heard."""
        return logit(sum(self.share * each.size_actors for each in self.lists))

    def _each(self, scorer: Scorer, looks: Strangers) -> Iterable[list[ListEvidence]]:
        for row in range(len(looks.calls)):
            yield [self._evidence(scorer, each, looks, row) for each in self.lists]

    def _evidence(
        self, scorer: Scorer, content: ListContent, looks: Strangers, row: int
    ) -> ListEvidence:
        ranking = rank(
            content.segments,
            scorer,
            looks.voiceprints[row],
            net_speech_s=float(looks.net_speech_s[row]),
            at_us=self.at_us,
            snr_db=_known(looks.snr_db[row]),
        )
        return ListEvidence(
            actor_ids=ranking.actor_ids,
            llrs=ranking.unlimited_llrs,
            prior_on_list=self.share * content.size_actors,
            actors=content.size_actors,
        )


def _known(snr_db: float) -> float | None:
    return None if np.isnan(snr_db) else float(snr_db)


def _largest(log_odds: Floats, calls: NDArray[np.int64]) -> Floats:
    _, call = np.unique(calls, return_inverse=True)
    largest = np.full(int(call.max()) + 1, -np.inf)
    np.maximum.at(largest, call, log_odds)
    return largest


def _weights(evidence: Floats) -> Floats:
    ratios = np.exp(np.minimum(evidence, _LARGEST_EVIDENCE))
    agents = _MOST_AGENTS / 2.0
    for _ in range(_ROUNDS):
        share = agents * ratios / (1.0 - agents + agents * ratios)
        agents = float(np.clip(share.mean(), _FEWEST_AGENTS, _MOST_AGENTS))
    weights: Floats = np.where(share > 0.5, 0.0, 1.0 - share)
    return weights
