"""Who sounds alike: searches for a voice among everybody who is registered."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from shengdun.enrollment.assessed import HeardVoice
from shengdun.enrollment.reports import LikelyDuplicate
from shengdun.index.scoring import Scorer
from shengdun.index.snapshot import Snapshot, WatchlistResult


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicatePrior:
    """What is expected before a voice is compared, and from when on that counts as likely.

    Attributes:
        known: probability, before any evidence, that whoever is brought is on a watchlist already; in (0, 1).
        likely: probability of that, after all evidence, from which actors are reported; in (0, 1).
    """

    known: float
    likely: float

    def __post_init__(self) -> None:
        if not (0 < self.known < 1 and 0 < self.likely < 1):
            raise ValueError("probabilities of duplicates lie between 0 and 1")

    def least_llr(self, actors: int) -> float:
        """LLR from which one of so many actors is likely the one who is brought.

        Each actor is weighed against nobody and not against the others: a voice that is registered twice is a likely
        duplicate of both.
        """
        each = self.known / max(actors, 1)
        return math.log(self.likely / (1 - self.likely)) - math.log(each / (1 - self.known))


def find_duplicates(
    snapshot: Snapshot, voice: HeardVoice, *, scorer: Scorer, prior: DuplicatePrior, at: datetime
) -> tuple[LikelyDuplicate, ...]:
    """The actors on any watchlist whose voice is likely this one, likeliest first.

    As in a call, the number of actors is in the arithmetic: among ten thousand somebody sounds alike by chance, so it
    takes more evidence there than on a list of ten. Actors without a voiceprint of the scorer's model can't be compared
    with and are left out, expired actors likewise.

    Args:
        snapshot: where to look.
        voice: whose it is.
        scorer: one of the snapshot's.
        prior: what is expected, and from when on a likeness counts.
        at: actors that have expired by then are left out.
    """
    results = [
        snapshot.search(
            watchlist.watchlist_id,
            voice.voiceprint,
            net_speech_s=voice.net_speech_s,
            at=at,
            profile_id=scorer.profile_id,
        )
        for watchlist in snapshot.watchlists
    ]
    llrs = _best_llrs(results)
    actors = len(llrs) + sum(result.unscored_actors for result in results)
    # The calibration vouches for no more than it says about a voice and itself; more is not asked for.
    most = scorer.pairwise_llr(
        voice.voiceprint, voice.voiceprint, net_a_s=voice.net_speech_s, net_b_s=voice.net_speech_s
    )
    least = min(prior.least_llr(actors), most)
    likely = sorted((-llr, actor_id) for actor_id, llr in llrs.items() if llr >= least)
    return tuple(_duplicate(snapshot, actor_id, -llr) for llr, actor_id in likely)


def llr_of_actor(
    snapshot: Snapshot, actor_id: str, voice: HeardVoice, scorer: Scorer
) -> float | None:
    """LLR that a voice is an actor's, from all of its voiceprints; None if none is of the scorer's model.

    Raises:
        ActorNotFound: there is no such actor.
    """
    llrs = []
    for info in snapshot.actor(actor_id).voiceprints:
        template = snapshot.template(actor_id, info.voiceprint_id)
        if template is not None and info.model_id == scorer.model_id:
            llrs.append(
                scorer.pairwise_llr(
                    voice.voiceprint,
                    template.vector,
                    net_a_s=voice.net_speech_s,
                    net_b_s=info.net_speech_s,
                )
            )
    if not llrs:
        return None
    joined = scorer.actor_llr(np.array(llrs), np.zeros(len(llrs), dtype=np.int64), 1)
    return float(joined[0])


def _best_llrs(results: Sequence[WatchlistResult]) -> dict[str, float]:
    best: dict[str, float] = {}
    for result in results:
        for actor_id, llr in zip(result.actor_ids, result.actor_llrs.tolist(), strict=True):
            best[actor_id] = max(llr, best.get(actor_id, llr))
    return best


def _duplicate(snapshot: Snapshot, actor_id: str, llr: float) -> LikelyDuplicate:
    actor = snapshot.actor(actor_id)
    return LikelyDuplicate(
        actor_id=actor_id,
        display_name=actor.display_name,
        watchlist_ids=actor.watchlist_ids,
        llr=llr,
    )
