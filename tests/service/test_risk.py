"""From what the watchlists say to a level and flags."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.index.snapshot import Candidate, WatchlistResult
from shengdun.service.decision import AppliedLevels, Level
from shengdun.service.line_settings import LineSettings
from shengdun.service.lines import Line
from shengdun.service.risk import assess
from shengdun.service.standing import Basis

LINE = Line.from_settings("default", LineSettings(prior=0.01))


def _result(
    llrs: dict[str, float],
    *,
    watchlist_id: str = "agents",
    unscored: int = 0,
    beyond: float = 0.0,
) -> WatchlistResult:
    ranked = sorted(llrs, key=lambda actor_id: -llrs[actor_id])
    return WatchlistResult(
        watchlist_id=watchlist_id,
        version=f"{watchlist_id}@1",
        model_id="model@1",
        profile_id="profile@1",
        size_actors=len(llrs) + unscored,
        candidates=tuple(
            Candidate(actor_id=actor_id, voiceprint_id=f"vp-{actor_id}", llr=llrs[actor_id])
            for actor_id in ranked[:5]
        ),
        actor_ids=tuple(ranked),
        actor_llrs=np.array([llrs[actor_id] for actor_id in ranked]),
        unlimited_llrs=np.array([llrs[actor_id] + beyond for actor_id in ranked]),
        unscored_actors=unscored,
    )


def test_one_actor_follows_the_formula() -> None:
    """With one actor the probability is prior odds times the likelihood ratio."""
    risk = assess([_result({"a": 3.0})], LINE)
    odds = 0.01 / 0.99 * math.exp(3.0)
    assert risk.probability == pytest.approx(odds / (1 + odds))
    assert risk.level is Level.LOW
    assert risk.flags == ()


def test_strong_evidence_raises_a_flag_with_the_actor() -> None:
    """The flag names the list, the actor, its voiceprint and its evidence; the runner-up is shown."""
    risk = assess([_result({"a": 9.0, "b": -4.0})], LINE)
    assert risk.level is Level.HIGH
    (flag,) = risk.flags
    assert (flag.watchlist_id, flag.candidate.actor_id, flag.candidate.llr) == ("agents", "a", 9.0)
    assert flag.candidate.voiceprint_id == "vp-a"
    (outcome,) = risk.watchlists
    assert outcome.runner_up is not None
    assert outcome.runner_up.actor_id == "b"


def test_derived_levels_are_compared_with_evidence_in_full() -> None:
    """What lies beyond the limits counts for levels that know how often strangers get there, and for no others."""
    line = Line.from_settings("default", LineSettings(prior=0.01))
    result = _result({"a": 4.0}, beyond=3.0)
    fixed = assess([result], line)
    assert fixed.level_probability == fixed.probability
    assert (fixed.level, fixed.flags) == (Level.LOW, ())
    line.standing = replace(
        line.standing,
        levels=AppliedLevels(medium=0.5, high=0.99, expected=10.0, full_evidence=True),
        basis=Basis(profile_id="profile@1", sizes={"agents": 1}),
    )
    derived = assess([result], line)
    odds = 0.01 / 0.99 * math.exp(7.0)
    assert derived.level_probability == pytest.approx(odds / (1 + odds))
    assert derived.probability == fixed.probability
    assert derived.level is Level.MEDIUM
    assert derived.flags[0].candidate.llr == 4.0


def test_no_watchlists_and_empty_ones_say_low() -> None:
    """Nobody listed, nobody found: a level, no flag, and the empty list in the outcome."""
    assert assess([], LINE).level is Level.LOW
    risk = assess([_result({})], LINE)
    assert (risk.level, risk.probability) == (Level.LOW, 0.0)
    assert risk.watchlists[0].best is None


def test_an_empty_list_beside_a_full_one_changes_nothing() -> None:
    """An empty list takes no share of the prior."""
    alone = assess([_result({"a": 5.0})], LINE)
    beside = assess([_result({"a": 5.0}), _result({}, watchlist_id="empty")], LINE)
    assert beside.probability == alone.probability


def test_a_longer_list_asks_for_more_evidence() -> None:
    """The same likelihood ratio says less among a thousand actors than among two."""
    few = assess([_result({"a": 8.0, "b": -5.0})], LINE)
    many = assess([_result({"a": 8.0, "b": -5.0}, unscored=998)], LINE)
    assert few.probability is not None
    assert many.probability is not None
    assert many.probability < few.probability


def test_only_the_list_that_speaks_is_flagged() -> None:
    """A second list whose best candidate is no match raises no flag."""
    risk = assess([_result({"a": 10.0}), _result({"z": -6.0}, watchlist_id="other")], LINE)
    assert [flag.watchlist_id for flag in risk.flags] == ["agents"]


@given(st.lists(st.floats(-12, 12), min_size=1, max_size=20))
def test_probabilities_are_consistent(llrs: list[float]) -> None:
    """Each candidate is at most as probable as the list, and stronger evidence is never less probable."""
    risk = assess([_result({f"a{n}": llr for n, llr in enumerate(llrs)})], LINE)
    best = risk.watchlists[0].best
    assert best is not None
    assert risk.probability is not None
    assert 0.0 <= best.probability <= risk.probability <= 1.0
    assert best.llr == max(llrs)
