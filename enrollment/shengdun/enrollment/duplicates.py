"""Who sounds alike: searches for a voice among everybody who is registered."""

from datetime import datetime

import numpy as np

from shengdun.enrollment.assessed import HeardVoice
from shengdun.enrollment.reports import LikelyDuplicate
from shengdun.index.scoring import Scorer
from shengdun.index.snapshot import Snapshot


def find_duplicates(
    snapshot: Snapshot, voice: HeardVoice, *, model_id: str, least_llr: float, at: datetime
) -> tuple[LikelyDuplicate, ...]:
    """The actors on any watchlist whose voice is likely this one, likeliest first.

    Watchlists of other voice models can't be compared with and are left out, expired actors likewise.
    """
    best: dict[str, float] = {}
    for watchlist in snapshot.watchlists:
        if watchlist.model_id != model_id:
            continue
        found = snapshot.search(
            watchlist.watchlist_id, voice.voiceprint, net_speech_s=voice.net_speech_s, at=at
        )
        for candidate in found.candidates:
            best[candidate.actor_id] = max(
                candidate.llr, best.get(candidate.actor_id, candidate.llr)
            )
    likely = sorted(
        ((llr, actor_id) for actor_id, llr in best.items() if llr >= least_llr), reverse=True
    )
    return tuple(_duplicate(snapshot, actor_id, llr) for llr, actor_id in likely)


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


def _duplicate(snapshot: Snapshot, actor_id: str, llr: float) -> LikelyDuplicate:
    actor = snapshot.actor(actor_id)
    return LikelyDuplicate(
        actor_id=actor_id,
        display_name=actor.display_name,
        watchlist_ids=actor.watchlist_ids,
        llr=llr,
    )
