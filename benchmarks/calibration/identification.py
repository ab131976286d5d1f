"""The watchlist at work: who is found, and how often a stranger is flagged (ISO/IEC 19795-1: FNIR and FPIR).

A list of N actors is filled with strangers of the caller's own corpus, drawn again when there are fewer than N: they
share language, microphone and room with the caller, so this is harder than a list of people from everywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from trials import ENROLLED, Corpus

from shengdun.index.posterior import open_set_posterior
from shengdun.index.scoring import Scorer, aggregate

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

PRIORS_ON_LIST: Final = (0.01, 0.1)
LIST_SIZES: Final = (10, 100, 1000)
LEVELS: Final = (0.5, 0.9)
CALLS: Final = 1_000
PROBE_RANGES_S: Final = {3: (2.4, 3.6), 6: (4.8, 6.6), 10: (8.0, 10.6)}
TEMPLATE_RECORDINGS: Final = 3

JOIN: Final[dict[str, Callable[[Floats], float]]] = {
    "best": lambda llrs: float(llrs.max()),
    "mean": lambda llrs: float(llrs.mean()),
    "log-mean-exp": lambda llrs: float(np.logaddexp.reduce(llrs) - np.log(len(llrs))),
    "half best, half mean": lambda llrs: float((llrs.max() + llrs.mean()) / 2.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Calls of one corpus: each from a caller against one voiceprint set of every speaker's.

    Attributes:
        own: (c,) LLR of the caller's own actor, by way of enrolment.
        strangers: (c, m) LLRs of other actors, by way of enrolment.
    """

    own: dict[str, Floats]
    strangers: dict[str, Floats]


def study(corpus: Corpus, scorer: Scorer, *, seed: int) -> dict[int, Calls]:
    """Calls of 3, 6 and 10 s of net speech, as far as the corpus has them."""
    caller = _Callers(corpus, scorer, np.random.default_rng(seed))
    found = {seconds: caller.calls(*bounds) for seconds, bounds in PROBE_RANGES_S.items()}
    return {seconds: calls for seconds, calls in found.items() if calls is not None}


def rates(
    calls: Calls, enrolment: str, *, prior: float, size: int, seed: int
) -> dict[float, tuple[float, float]]:
    """FPIR and FNIR at each level, for a list of ``size`` actors."""
    rng = np.random.default_rng(seed)
    own, strangers = calls.own[enrolment], calls.strangers[enrolment]
    false, missed = dict.fromkeys(LEVELS, 0), dict.fromkeys(LEVELS, 0)
    for row in range(len(own)):
        others = rng.choice(strangers[row], size=size)
        stranger = open_set_posterior(others, prior_on_list=prior, actors=size)
        others[0] = own[row]
        known = open_set_posterior(others, prior_on_list=prior, actors=size)
        for level in LEVELS:
            false[level] += stranger.on_list >= level
            missed[level] += known.actor_probabilities[0] < level
    return {level: (false[level] / len(own), missed[level] / len(own)) for level in LEVELS}


class _Callers:
    def __init__(self, corpus: Corpus, scorer: Scorer, rng: np.random.Generator) -> None:
        self._corpus = corpus
        self._scorer = scorer
        self._rng = rng
        single = (corpus.recordings == 1) & (corpus.conditions == ENROLLED)
        self._singles = [
            np.flatnonzero(single & (corpus.speakers == s)) for s in range(corpus.speaker_count)
        ]

    def calls(self, shortest_s: float, longest_s: float) -> Calls | None:
        """Calls with this much net speech; None when too few speakers have any."""
        corpus = self._corpus
        fits = (corpus.net_speech_s >= shortest_s) & (corpus.net_speech_s <= longest_s)
        fits &= corpus.conditions != ENROLLED
        probes = [
            np.flatnonzero(fits & (corpus.speakers == s)) for s in range(corpus.speaker_count)
        ]
        ready = [
            s
            for s in range(corpus.speaker_count)
            if len(probes[s]) and self._enrolments(s, probes[s][0])
        ]
        if len(ready) < 4:
            return None
        own: dict[str, list[float]] = {}
        strangers: dict[str, list[list[float]]] = {}
        for _ in range(CALLS):
            speaker = int(self._rng.choice(ready))
            probe = int(self._rng.choice(probes[speaker]))
            own_sides = self._enrolments(speaker, probe)
            if not own_sides:
                continue
            others = [
                s for s in range(corpus.speaker_count) if s != speaker and len(self._singles[s])
            ]
            picked = self._rng.choice(others, size=min(len(others), 24), replace=False)
            sides = [own_sides, *(self._enrolments(int(s), probe) for s in picked)]
            for enrolment, llrs in self._against(probe, [side for side in sides if side]).items():
                own.setdefault(enrolment, []).append(llrs[0])
                strangers.setdefault(enrolment, []).append(llrs[1:])
        width = min((len(row) for rows in strangers.values() for row in rows), default=0)
        if not width:
            return None
        return Calls(
            own={name: np.array(values) for name, values in own.items()},
            strangers={
                name: np.array([row[:width] for row in rows]) for name, rows in strangers.items()
            },
        )

    def _enrolments(self, speaker: int, probe: int) -> list[int]:
        """One side of each of up to three recordings of a speaker, none of them the probe's; the longest of each."""
        corpus = self._corpus
        by_origin: dict[frozenset[str], list[int]] = {}
        for row in self._singles[speaker].tolist():
            if not corpus.origins[row] & corpus.origins[probe]:
                by_origin.setdefault(corpus.origins[row], []).append(row)
        chosen = []
        for index in self._rng.permutation(len(by_origin))[:TEMPLATE_RECORDINGS]:
            rows = list(by_origin.values())[int(index)]
            longest = max(corpus.net_speech_s[row] for row in rows)
            chosen.append(
                int(self._rng.choice([r for r in rows if corpus.net_speech_s[r] > longest - 1.0]))
            )
        return chosen

    def _against(self, probe: int, enrolled: list[list[int]]) -> dict[str, list[float]]:
        corpus = self._corpus
        merged = [aggregate(corpus.voiceprints[s], corpus.net_speech_s[s]) for s in enrolled]
        merged_s = np.array([corpus.net_speech_s[s].sum() for s in enrolled])
        merged_snr_db = np.array([corpus.snr_db[s].mean() for s in enrolled])
        rows = np.concatenate([np.array(sides, dtype=np.int64) for sides in enrolled])
        actor = np.repeat(np.arange(len(enrolled)), [len(sides) for sides in enrolled])
        single = self._llrs(
            probe, corpus.voiceprints[rows], corpus.net_speech_s[rows], corpus.snr_db[rows]
        )
        llrs = {
            "one recording": [float(single[actor == a][0]) for a in range(len(enrolled))],
            "one mean of three": self._llrs(
                probe, np.stack(merged), merged_s, merged_snr_db
            ).tolist(),
        }
        for label, join in JOIN.items():
            llrs[f"three, {label}"] = [join(single[actor == a]) for a in range(len(enrolled))]
        return llrs

    def _llrs(
        self,
        probe: int,
        voiceprints: NDArray[np.float32],
        net_speech_s: Floats,
        snr_db: Floats,
    ) -> Floats:
        scorer = self._scorer
        query = scorer.project(self._corpus.voiceprints[probe : probe + 1])[0]
        templates = scorer.project(voiceprints)
        return scorer.llr(
            templates @ query,
            scorer.template_statistics(templates),
            scorer.query_statistics(query),
            net_speech_s=float(self._corpus.net_speech_s[probe]),
            template_net_speech_s=net_speech_s,
            snr_db=float(self._corpus.snr_db[probe]),
            template_snr_db=snr_db,
        )
