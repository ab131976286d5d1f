"""Searching one watchlist, short or long."""

from collections.abc import Mapping, Sequence

import numpy as np

from fixtures.store import make_scorer, voice
from shengdun.index.search import EXHAUSTIVE_ROWS, NEAREST_ROWS, Ranking, rank
from shengdun.index.segments import NEVER_US, Row, append

SCORER = make_scorer()
STRANGERS: dict[str, Sequence[int]] = {
    f"stranger-{seed:05}": (seed,) for seed in range(1_000, 1_001 + EXHAUSTIVE_ROWS)
}
EXPIRED_US = 5


def ranked(actors: Mapping[str, Sequence[int]], seed: int, *, expired: frozenset[str]) -> Ranking:
    rows = [
        Row(
            voiceprint_id=f"{actor_id}/{voiceprint}",
            actor_id=actor_id,
            actor_code=code,
            expires_us=EXPIRED_US if actor_id in expired else NEVER_US,
            net_speech_s=8.0,
            vector=voice(voiceprint),
        )
        for code, (actor_id, voiceprints) in enumerate(actors.items())
        for voiceprint in voiceprints
    ]
    segments = append((), rows, SCORER)
    return rank(segments, SCORER, voice(seed), net_speech_s=10.0, at_us=EXPIRED_US)


def llr_of(ranking: Ranking, actor_id: str) -> float:
    return float(ranking.llrs[ranking.actor_ids.index(actor_id)])


def test_an_actor_has_the_same_evidence_on_a_long_list_as_on_a_short_one() -> None:
    """All of its voiceprints speak, those too that are not among the nearest of a long list."""
    many: dict[str, Sequence[int]] = {"many-voices": tuple(range(10)), "one-voice": (20,)}
    short = ranked(many, 3, expired=frozenset())
    long = ranked(STRANGERS | many, 3, expired=frozenset())
    assert llr_of(long, "many-voices") == llr_of(short, "many-voices")
    assert long.actor_ids[0] == "many-voices"
    assert len(long.actor_ids) <= NEAREST_ROWS
    assert (np.diff(long.llrs) <= 0).all()


def test_voiceprints_of_expired_actors_stay_out_of_a_long_list() -> None:
    """Neither found by themselves nor brought along."""
    many: dict[str, Sequence[int]] = {"expired": tuple(range(10)), "in-force": (3, 4)}
    found = ranked(STRANGERS | many, 3, expired=frozenset({"expired"}))
    assert found.actor_ids[0] == "in-force"
    assert "expired" not in found.actor_ids
