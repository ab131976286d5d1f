"""Fitting the map from a score to a likelihood ratio."""

import dataclasses

import numpy as np
import pytest

from shengdun.index.accuracy import measures
from shengdun.index.fitting.coefficients import (
    ScoredTrials,
    fit_coefficients,
    refit_coefficients,
)
from shengdun.index.llr import Sides


def drawn(count: int, *, apart: float = 0.6, seed: int = 0) -> ScoredTrials:
    """Scores of strangers around 0, of one voice around ``apart``; both spread the wider the shorter and noisier."""
    rng = np.random.default_rng(seed)
    same = rng.random(count) < 0.3
    net_s = rng.uniform(2.0, 20.0, count)
    snr_db = rng.uniform(0.0, 30.0, count)
    spread = 0.08 * np.sqrt(1.0 + 6.0 / net_s + np.clip(25.0 - snr_db, 0.0, None) / 10.0)
    return ScoredTrials(
        scores=apart * same + rng.standard_normal(count) * spread,
        sides=Sides(net_a_s=net_s, net_b_s=20.0, snr_a_db=snr_db, snr_b_db=30.0),
        is_target=same,
        weights=np.ones(count),
    )


def cost(trials: ScoredTrials, llrs: np.ndarray) -> tuple[float, float]:
    """Cllr and min Cllr."""
    targets, others = llrs[trials.is_target], llrs[~trials.is_target]
    return measures.cllr(targets, others), measures.min_cllr(targets, others)


def test_a_fit_is_calibrated_on_others_trials() -> None:
    """Fitted on some trials, the LLRs of others cost hardly more than the best monotone map of them would."""
    fitted = fit_coefficients(drawn(20_000))
    trials = drawn(20_000, apart=0.6, seed=1)
    found, least = cost(trials, fitted.llr(trials.scores, trials.sides))
    assert found - least < 0.02
    strangers = fitted.llr(trials.scores, trials.sides)[~trials.is_target]
    assert measures.exaggeration(strangers, 3.0) < 1.5


def test_scores_that_say_nothing_are_refused() -> None:
    """Where one voice scores no higher than two, there is no map."""
    with pytest.raises(ArithmeticError, match="not higher"):
        fit_coefficients(drawn(5_000, apart=-0.5))


def test_a_refit_stays_near_what_is_known_until_there_is_much_to_say() -> None:
    """Few labels leave the map nearly where it was; many carry it to where a new fit would be."""
    known = dataclasses.replace(fit_coefficients(drawn(20_000)), offset=-2.0)
    trials = drawn(4_000, seed=2)
    before, least = cost(trials, known.llr(trials.scores, trials.sides))
    near = refit_coefficients(known, trials, strength=100.0)
    free = refit_coefficients(known, trials, strength=1e-4)
    after, _ = cost(trials, free.llr(trials.scores, trials.sides))
    assert abs(near.offset - known.offset) < 0.2 * abs(free.offset - known.offset)
    assert after < before
    assert after - least < 0.02
