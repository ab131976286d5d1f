"""A watchlist at work: how often strangers are flagged, and known agents missed (ISO/IEC 19795-1: FPIR and FNIR).

Every call is searched for twice in a list of N actors: once without its speaker, as a stranger's call, and once with
its speaker in place of one of them. The scorer, the search's limits and the open-set posterior are those of the
service; prior and levels are those of a line. A search for a listed speaker succeeds when the list's posterior reaches
the level and the speaker is the first candidate. Lists are filled with speakers of the caller's own corpus, then with
those of other corpora, then with made ones (``strangers``); every result says how many of each.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.samples import Seconds
from shengdun.index.accuracy.bootstrap import Figure, figures, speaker_draws
from shengdun.index.accuracy.made_strangers import MadeStrangers, make_strangers
from shengdun.index.accuracy.sides import Calls, Enrolments, may_be_compared
from shengdun.index.accuracy.verification import MIN_SPEAKERS
from shengdun.index.posterior import open_set_posterior
from shengdun.index.scoring import Scorer, TemplateStatistics
from shengdun.index.search import EXHAUSTIVE_ROWS, NEAREST_ROWS

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

RECORDINGS_ENROLLED: Final = 3
"""Recordings that an actor is enrolled from, where there are so many."""
ALLOWED_FPIR: Final = 0.01
"""Share of strangers' calls flagged at which misses are compared, whatever a line's levels are."""
_LEAST_STRANGERS: Final = round(1 / ALLOWED_FPIR)
"""With fewer calls of strangers that share can't be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePolicy:
    """What a line asks for.

    Attributes:
        name: of the line.
        prior: share of its calls that come from somebody on its lists.
        medium: least probability of MEDIUM.
        high: least probability of HIGH.
    """

    name: str
    prior: float
    medium: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Searches:
    """What the searches of all calls gave, for one size of list.

    Attributes:
        callers: (c,) row of each call's speaker in the corpus.
        stranger: (c,) posterior of the list without the speaker; NaN where nothing was heard.
        listed: (c,) posterior of the list with the speaker; NaN where the speaker can't be enrolled from others.
        found: (c,) whether the speaker was then the first candidate.
        own_share: of listed actors, those of the caller's own corpus.
        other_share: those of other corpora.
        made_share: those that don't exist.
    """

    callers: Rows
    stranger: Floats
    listed: Floats
    found: NDArray[np.bool_]
    own_share: float
    other_share: float
    made_share: float

    def among(self, speakers: NDArray[np.bool_]) -> "Searches":
        """The searches of callers of these speakers, (s,) a flag for each speaker of the corpus."""
        chosen = speakers[self.callers]
        return Searches(
            callers=self.callers[chosen],
            stranger=self.stranger[chosen],
            listed=self.listed[chosen],
            found=self.found[chosen],
            own_share=self.own_share,
            other_share=self.other_share,
            made_share=self.made_share,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Identification:
    """Figures of searches in lists of one size.

    Attributes:
        speakers: callers that a list held.
        strangers: calls searched without their speaker.
        listed: calls searched with their speaker.
        own_share: of listed actors, those of the caller's own corpus.
        other_share: those of other corpora.
        made_share: those that don't exist.
        figures: ``fpir_medium``, ``fnir_medium``, ``fpir_high``, ``fnir_high``, and with 100 strangers
            ``fnir_at_fpir``; empty where there are too few speakers.
    """

    speakers: int
    strangers: int
    listed: int
    own_share: float
    other_share: float
    made_share: float
    figures: dict[str, Figure]


@dataclass(slots=True)
class _Tally:
    stranger: list[float] = field(default_factory=list)
    listed: list[float] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)
    shares: list[tuple[int, int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Gallery:
    """Everybody who can be listed, ready to be scored."""

    enrolments: Enrolments
    scorer: Scorer
    policy: LinePolicy
    largest: int
    seed: int
    corpora: NDArray[np.str_]
    templates: NDArray[np.float32]
    statistics: TemplateStatistics
    order: Rows
    strangers: dict[str, MadeStrangers] = field(default_factory=dict)
    latest: dict[int, tuple[NDArray[np.float32], TemplateStatistics]] = field(default_factory=dict)

    def made(self, corpus: str) -> MadeStrangers:
        """Strangers that don't exist, like those of a corpus."""
        if corpus not in self.strangers:
            self.strangers[corpus] = make_strangers(
                self.enrolments, corpus, count=self.largest, seed=self.seed
            )
        return self.strangers[corpus]

    def crowd(self, corpus: str, caller: int) -> tuple[NDArray[np.float32], TemplateStatistics]:
        """Those strangers as they are to one caller, projected; calls come caller by caller, so the latest is kept."""
        if caller not in self.latest:
            self.latest.clear()
            projected = self.scorer.project(self.made(corpus).apart_from(caller))
            self.latest[caller] = projected, self.scorer.template_statistics(projected)
        return self.latest[caller]


class Watchlists:
    """Searches the calls of a corpus in lists of its speakers.

    Args:
        enrolments: every recording as a template.
        scorer: of their voice model.
        policy: the line's.
        largest: the largest list that will be asked for.
        seed: of who is listed.
    """

    def __init__(
        self,
        enrolments: Enrolments,
        scorer: Scorer,
        policy: LinePolicy,
        *,
        largest: int,
        seed: int,
    ) -> None:
        templates = scorer.project(enrolments.voiceprints)
        self._gallery = _Gallery(
            enrolments=enrolments,
            scorer=scorer,
            policy=policy,
            largest=largest,
            seed=seed,
            corpora=np.array([one.corpus for one in enrolments.recordings]),
            templates=templates,
            statistics=scorer.template_statistics(templates),
            order=np.random.default_rng(seed).permutation(len(enrolments.recordings)),
        )

    def search(self, calls: Calls, seconds: Seconds, sizes: tuple[int, ...]) -> dict[int, Searches]:
        """Search every call of so much net speech in lists of each size; a call that failed finds nobody."""
        tallies = {size: _Tally() for size in sizes}
        ready, failed = calls.ready(seconds), calls.failed(seconds)
        for call in ready:
            search = _Search(self._gallery, calls, call, seconds)
            for size, tally in tallies.items():
                search.tell(size, tally)
        for call in failed:
            listed = bool(may_be_compared(self._gallery.enrolments, calls, call).any())
            for tally in tallies.values():
                tally.stranger.append(float("nan"))
                tally.listed.append(0.0 if listed else float("nan"))
                tally.found.append(False)
        callers = calls.speakers[np.array([*ready, *failed], dtype=np.int64)]
        return {size: _searches(tally, callers) for size, tally in tallies.items()}


class _Search:
    """One call against everybody; lists are then drawn from what was found."""

    def __init__(self, gallery: _Gallery, calls: Calls, call: int, seconds: Seconds) -> None:
        self._gallery = gallery
        enrolments = gallery.enrolments
        corpus = calls.recordings[call][0].corpus
        caller = int(calls.speakers[call])
        heard = calls.heard[call]
        self._rng = np.random.default_rng([gallery.seed, call])
        rows = _enrolled_rows(
            enrolments, gallery.order, caller, may_be_compared(enrolments, calls, call)
        )
        made = gallery.made(corpus)
        crowd, crowd_statistics = gallery.crowd(corpus, caller)
        query = gallery.scorer.project(heard.voiceprints[seconds][np.newaxis, :])[0]
        self._cosines = np.concatenate([gallery.templates[rows] @ query, crowd @ query])
        self._llrs = gallery.scorer.llr(
            self._cosines,
            TemplateStatistics.concatenate([gallery.statistics.take(rows), crowd_statistics]),
            gallery.scorer.query_statistics(query),
            net_speech_s=heard.net_speech_s[seconds],
            template_net_speech_s=np.concatenate(
                [enrolments.net_speech_s[rows], made.net_speech_s]
            ),
            snr_db=heard.snr_db,
            template_snr_db=np.concatenate([enrolments.snr_db[rows], made.snr_db]),
        )
        actors, self._actor_rows = np.unique(enrolments.speakers[rows], return_inverse=True)
        self._caller = int(np.flatnonzero(actors == caller)[0]) if caller in actors else None
        own_corpus = np.unique(enrolments.speakers[rows[gallery.corpora[rows] == corpus]])
        self._own, self._others = self._shuffled(actors, own_corpus, caller)
        self._made_count = len(made.net_speech_s)
        self._actors = len(actors)

    def tell(self, size: int, tally: _Tally) -> None:
        """Draw a list of a size and search it, without and with the caller."""
        own, others = self._own[:size], self._others[: max(size - len(self._own), 0)]
        left = size - len(own) - len(others)
        made = self._actors + self._rng.permutation(self._made_count)[:left]
        strangers = np.concatenate([own, others, made]).astype(np.int64)
        tally.shares.append((len(own), len(others), len(made)))
        posterior, _ = self._searched(strangers)
        tally.stranger.append(posterior)
        if self._caller is None:
            tally.listed.append(float("nan"))
            tally.found.append(False)
            return
        posterior, first = self._searched(np.concatenate([[self._caller], strangers[1:]]))
        tally.listed.append(posterior)
        tally.found.append(first == self._caller)

    def _searched(self, listed: Rows) -> tuple[float, int]:
        """Posterior of the list, and its first candidate."""
        real = np.isin(self._actor_rows, listed)
        rows = np.concatenate(
            [
                np.flatnonzero(real),
                len(self._actor_rows) + listed[listed >= self._actors] - self._actors,
            ]
        )
        actor_of = np.concatenate([self._actor_rows[real], listed[listed >= self._actors]])
        if len(rows) > EXHAUSTIVE_ROWS:
            nearest = np.argpartition(self._cosines[rows], -NEAREST_ROWS)[-NEAREST_ROWS:]
            # As in the search: all voiceprints of those who have any among the nearest.
            kept = np.isin(actor_of, actor_of[nearest])
            rows, actor_of = rows[kept], actor_of[kept]
        scored, places = np.unique(actor_of, return_inverse=True)
        llrs = self._gallery.scorer.actor_llr(
            self._llrs[rows], places.astype(np.int64), len(scored)
        )
        posterior = open_set_posterior(
            llrs, prior_on_list=self._gallery.policy.prior, actors=len(listed)
        )
        return posterior.on_list, int(scored[int(np.argmax(llrs))])

    def _shuffled(self, actors: Rows, own_corpus: Rows, caller: int) -> tuple[Rows, Rows]:
        """Rows of actors of the caller's own corpus and of others, without the caller, in a drawn order."""
        order = self._rng.permutation(np.flatnonzero(actors != caller))
        near = np.isin(actors[order], own_corpus)
        return order[near], order[~near]


def _enrolled_rows(
    enrolments: Enrolments, order: Rows, caller: int, own: NDArray[np.bool_]
) -> Rows:
    """At most ``RECORDINGS_ENROLLED`` recordings of every speaker; of the caller, only those that may be compared."""
    usable = ~enrolments.failed & (own | (enrolments.speakers != caller))
    shuffled = order[usable[order]]
    speakers = enrolments.speakers[shuffled]
    by_speaker = np.argsort(speakers, kind="stable")
    ordered = speakers[by_speaker]
    starts = np.searchsorted(ordered, ordered, side="left")
    kept = np.arange(len(ordered)) - starts < RECORDINGS_ENROLLED
    enrolled: Rows = shuffled[by_speaker[kept]]
    return enrolled


def identify(
    searches: Searches, policy: LinePolicy, *, speakers: int, replicates: int, seed: int
) -> Identification:
    """The figures of some searches with their intervals, which are over callers; who is listed stays the same."""
    listed = ~np.isnan(searches.listed)
    strangers = ~np.isnan(searches.stranger)
    count = len(np.unique(searches.callers[listed]))
    found: dict[str, Figure] = {}
    if count >= MIN_SPEAKERS and strangers.any():
        whole = rates_of(searches, policy, np.ones(speakers))
        draws = speaker_draws(speakers, replicates=replicates, seed=seed)
        found = figures(whole or {}, lambda draw: rates_of(searches, policy, draw), draws)
    return Identification(
        speakers=count,
        strangers=int(strangers.sum()),
        listed=int(listed.sum()),
        own_share=searches.own_share,
        other_share=searches.other_share,
        made_share=searches.made_share,
        figures=found,
    )


def rates_of(searches: Searches, policy: LinePolicy, draw: Floats) -> dict[str, float] | None:
    """The rates when speakers count as often as they were drawn, (s,); None if no search is left."""
    weights = draw[searches.callers]
    of_strangers = np.where(np.isnan(searches.stranger), 0.0, weights)
    of_listed = np.where(np.isnan(searches.listed), 0.0, weights)
    if min(of_strangers.sum(), of_listed.sum()) <= 0:
        return None
    # A caller who is listed but not first is missed at any level.
    reached = np.where(searches.found, np.nan_to_num(searches.listed), -1.0)
    stranger = np.nan_to_num(searches.stranger)
    rates = {}
    for name, level in (("medium", policy.medium), ("high", policy.high)):
        rates[f"fpir_{name}"] = _share(stranger >= level, of_strangers)
        rates[f"fnir_{name}"] = _share(reached < level, of_listed)
    if np.count_nonzero(~np.isnan(searches.stranger)) >= _LEAST_STRANGERS:
        rates["fnir_at_fpir"] = _share(reached <= _level_for(stranger, of_strangers), of_listed)
    return rates


def _level_for(stranger: Floats, weights: Floats) -> float:
    """The least posterior that at most the allowed share of strangers exceeds."""
    order = np.argsort(-stranger)
    over = np.cumsum(weights[order]) / weights.sum()
    return float(stranger[order][int(np.argmax(over > ALLOWED_FPIR))])


def _share(happened: NDArray[np.bool_], weights: Floats) -> float:
    return float(weights[happened].sum() / weights.sum())


def _searches(tally: _Tally, callers: Rows) -> Searches:
    counts = np.array(tally.shares or [(0, 0, 0)], np.float64).sum(axis=0)
    shares = counts / max(counts.sum(), 1.0)
    return Searches(
        callers=callers,
        stranger=np.array(tally.stranger),
        listed=np.array(tally.listed),
        found=np.array(tally.found, dtype=bool),
        own_share=float(shares[0]),
        other_share=float(shares[1]),
        made_share=float(shares[2]),
    )
