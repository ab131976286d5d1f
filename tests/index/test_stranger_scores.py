"""Strangers are scored as live calls are."""

import numpy as np
import pytest

from fixtures.site import drawn_strangers, drawn_voices, list_content, site_profile
from fixtures.store import make_scorer
from shengdun.index.posterior import ListEvidence, combined_posterior
from shengdun.index.promise import logit
from shengdun.index.scoring import Scorer
from shengdun.index.search import rank
from shengdun.index.snapshot import ListContent
from shengdun.index.stranger_scores import score_strangers
from shengdun.index.strangers import Strangers

PRIOR = 0.03


def _live(lists: list[ListContent], strangers: Strangers, row: int) -> float:
    """The log posterior odds of one look, by the search that a live call makes."""
    share = PRIOR / sum(each.size_actors for each in lists)
    evidence = []
    for each in lists:
        ranking = rank(
            each.segments,
            each.scorer,
            strangers.voiceprints[row],
            net_speech_s=float(strangers.net_speech_s[row]),
            at_us=0,
        )
        evidence.append(
            ListEvidence(
                actor_ids=ranking.actor_ids,
                llrs=ranking.unlimited_llrs,
                prior_on_list=share * each.size_actors,
                actors=each.size_actors,
            )
        )
    return logit(combined_posterior(evidence).on_any_list)


@pytest.mark.parametrize("lists", ["one", "sharing", "incomplete", "long"])
def test_scores_are_those_of_live_calls(lists: str) -> None:
    """For one list, two that share actors, one with actors without voiceprints, and one too long to score whole."""
    scorer = make_scorer()
    rows = 4_200 if lists == "long" else 60
    voiceprints = drawn_voices(rows, seed=2)
    contents = [list_content(voiceprints, scorer, voiceprints_each=3)]
    if lists == "sharing":
        contents.append(list_content(voiceprints[:30], scorer, voiceprints_each=3))
    if lists == "incomplete":
        contents = [
            ListContent(version="l@1", size_actors=25, segments=c.segments, scorer=scorer)
            for c in contents
        ]
    strangers = drawn_strangers(drawn_voices(8, seed=3))
    scores = score_strangers(strangers, contents, prior=PRIOR, at_us=0)
    assert scores is not None
    live = np.array([_live(contents, strangers, row) for row in range(len(strangers.calls))])
    np.testing.assert_allclose(scores.log_odds, live.reshape(8, 3).max(axis=1), atol=1e-3)


def test_listed_agents_among_the_strangers_are_left_out() -> None:
    """Their own calls weigh next to nothing, on a short list and on a long one; others stay."""
    for size in (20, 400):
        agents, others = drawn_voices(size, seed=4), drawn_voices(300, seed=5)
        scorer = Scorer(site_profile(drawn_strangers(others)))
        content = list_content(agents, scorer)
        calls = drawn_strangers(np.concatenate([others, agents[:9]]), looks_s=(20.0, 40.0))
        scores = score_strangers(calls, [content], prior=PRIOR, at_us=0)
        assert scores is not None
        assert scores.weights[300:].sum() < 1.0
        assert scores.weights[:300].mean() > 0.98


def test_strangers_alone_are_all_counted() -> None:
    """Where there is no agent among them, none is suspected."""
    scorer = make_scorer()
    content = list_content(drawn_voices(50, seed=6), scorer)
    scores = score_strangers(
        drawn_strangers(drawn_voices(300, seed=7)), [content], prior=PRIOR, at_us=0
    )
    assert scores is not None
    assert scores.weights.min() > 0.5


def test_the_work_is_bounded_by_taking_fewer_strangers() -> None:
    """Never fewer voiceprints; how many calls were left out is told."""
    content = list_content(drawn_voices(50, seed=6), make_scorer())
    strangers = drawn_strangers(drawn_voices(300, seed=7))
    scores = score_strangers(strangers, [content], prior=PRIOR, at_us=0, most_pairs=50 * 3 * 100)
    assert scores is not None
    assert (len(scores.log_odds), scores.left_out) == (100, 200)


def test_an_empty_list_scores_nobody() -> None:
    """There is nothing to derive levels for."""
    scorer = make_scorer()
    empty = ListContent(version="empty@1", size_actors=0, segments=(), scorer=scorer)
    strangers = drawn_strangers(drawn_voices(5))
    assert score_strangers(strangers, [empty], prior=PRIOR, at_us=0) is None
    assert score_strangers(strangers, [], prior=PRIOR, at_us=0) is None
