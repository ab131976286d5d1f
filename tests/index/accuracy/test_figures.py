"""Figures of trials and searches whose outcome is known."""

import numpy as np
import pytest

from shengdun.index.accuracy.identification import LinePolicy, Searches, identify
from shengdun.index.accuracy.verification import Trials, verify

SPEAKERS = 40
POLICY = LinePolicy(name="test", prior=0.01, medium=0.5, high=0.9)


def trials(*, shift: float = 4.0, failed: int = 0, seed: int = 1) -> Trials:
    """Trials of normal LLRs: one of each speaker's own voice ten times, and strangers."""
    rng = np.random.default_rng(seed)
    own = np.repeat(np.arange(SPEAKERS), 10)
    others = rng.integers(SPEAKERS, size=(4000, 2))
    others = others[others[:, 0] != others[:, 1]]
    count = len(own) + len(others)
    is_target = np.arange(count) < len(own)
    lost = is_target & (np.arange(count) < failed)
    llrs = rng.standard_normal(count) * 2 + np.where(is_target, shift / 2, -shift / 2)
    return Trials(
        llrs=np.where(lost, 0.0, llrs),
        is_target=is_target,
        failed=lost,
        enrolled=np.concatenate([own, others[:, 0]]),
        calling=np.concatenate([own, others[:, 1]]),
    )


def test_figures_of_normal_scores_are_those_of_theory() -> None:
    """Two normal distributions two deviations apart have an equal error rate of 15.9 %."""
    found = verify(trials(), speakers=SPEAKERS, replicates=100, seed=1).figures
    assert found["eer"].value == pytest.approx(0.159, abs=0.02)
    assert found["eer"].low < found["eer"].value < found["eer"].high
    assert found["min_cllr"].value <= found["cllr"].value


def test_what_can_not_be_heard_is_an_error() -> None:
    """A tenth of the trials failed: every measure gets worse, by at least what they cost."""
    heard = verify(trials(), speakers=SPEAKERS, replicates=20, seed=1).figures
    lost = verify(trials(failed=40), speakers=SPEAKERS, replicates=20, seed=1)
    assert lost.failed == 40
    assert lost.figures["eer"].value > heard["eer"].value
    assert lost.figures["min_cllr"].value > heard["min_cllr"].value
    perfect = verify(trials(shift=100.0, failed=40), speakers=SPEAKERS, replicates=20, seed=1)
    assert perfect.figures["eer"].value > 0.0
    assert perfect.figures["min_cllr"].value == pytest.approx(0.05, abs=0.01)


def test_intervals_are_the_same_for_the_same_seed() -> None:
    """A report can be made again."""
    once = verify(trials(), speakers=SPEAKERS, replicates=30, seed=5)
    again = verify(trials(), speakers=SPEAKERS, replicates=30, seed=5)
    other = verify(trials(), speakers=SPEAKERS, replicates=30, seed=6)
    assert once.figures == again.figures
    assert once.figures["eer"] != other.figures["eer"]


def test_few_speakers_have_no_figures() -> None:
    """Four speakers say more about themselves than about the system."""
    few = trials().among(np.arange(SPEAKERS) < 4)
    found = verify(few, speakers=SPEAKERS, replicates=10, seed=1)
    assert found.speakers == 4
    assert found.figures == {}
    assert found.det is None


def searches(stranger: np.ndarray, listed: np.ndarray, found: np.ndarray | None = None) -> Searches:
    return Searches(
        callers=np.arange(len(listed)) % SPEAKERS,
        stranger=stranger,
        listed=listed,
        found=np.ones(len(listed), dtype=bool) if found is None else found,
        own_share=1.0,
        other_share=0.0,
        made_share=0.0,
    )


def test_rates_of_a_list_are_counted_at_each_level() -> None:
    """Of 200 calls: what reaches a level is flagged, what doesn't is missed, and so is a wrong name."""
    stranger = np.where(np.arange(200) < 20, 0.7, 0.0)
    listed = np.where(np.arange(200) < 50, 0.7, 0.95)
    wrong = np.arange(200) >= 190
    found = identify(
        searches(stranger, listed, ~wrong), POLICY, speakers=SPEAKERS, replicates=20, seed=1
    ).figures
    assert found["fpir_medium"].value == pytest.approx(0.1)
    assert found["fpir_high"].value == 0.0
    assert found["fnir_medium"].value == pytest.approx(0.05)
    assert found["fnir_high"].value == pytest.approx(0.3)
    # One percent of strangers may be flagged, so the level lies at 0.7, which isn't enough any more.
    assert found["fnir_at_fpir"].value == pytest.approx(0.3)


def test_a_call_in_which_nothing_is_heard_finds_nobody() -> None:
    """It counts as missed, and not as a stranger who was let pass."""
    stranger = np.concatenate([np.zeros(100), np.full(25, np.nan)])
    listed = np.concatenate([np.full(100, 0.99), np.zeros(25)])
    found = identify(searches(stranger, listed), POLICY, speakers=SPEAKERS, replicates=20, seed=1)
    assert found.strangers == 100
    assert found.figures["fnir_medium"].value == pytest.approx(0.2)


def test_one_percent_is_not_claimed_of_fewer_than_a_hundred() -> None:
    """Misses where 1 % of strangers are flagged can't be seen on 60 calls."""
    found = identify(
        searches(np.zeros(60), np.ones(60)), POLICY, speakers=SPEAKERS, replicates=5, seed=1
    )
    assert "fnir_at_fpir" not in found.figures
    assert "fnir_high" in found.figures
