"""Scoring: projection, score normalisation and calibrated likelihood ratios, on constructed voices."""

import dataclasses
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shengdun.index.calibration import CalibrationProfile, LlrCoefficients
from shengdun.index.scoring import QueryStatistics, Scorer, TemplateStatistics, aggregate, unit_rows

DIMENSION = 32


def _voices(count: int, seed: int) -> NDArray[np.float32]:
    return unit_rows(np.random.default_rng(seed).normal(size=(count, DIMENSION)))


def _profile(*, cohort: bool = True, whitening: bool = True) -> CalibrationProfile:
    rng = np.random.default_rng(11)
    return CalibrationProfile(
        name="toy",
        model_id="toy@0123456789ab",
        created_at="2026-01-02T03:04:05Z",
        provenance="random vectors",
        mean=(0.05 * rng.normal(size=DIMENSION)).astype(np.float32),
        whitening=rng.normal(size=(DIMENSION, DIMENSION)).astype(np.float32) if whitening else None,
        cohort=_voices(100, 12).astype(np.float16) if cohort else None,
        cohort_nearest=40 if cohort else 0,
        coefficients=LlrCoefficients(
            offset=-4.0,
            offset_brevity=0.5,
            slope=1.5,
            slope_brevity=-0.6,
            shortest_net_speech_s=1.0,
            longest_net_speech_s=20.0,
            floor=-6.0,
            cap=9.0,
        ),
    )


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(_profile())


def _one(mean: float = 0.3, deviation: float = 0.1) -> TemplateStatistics:
    return TemplateStatistics(
        mean=np.array([mean], dtype=np.float32), deviation=np.array([deviation], dtype=np.float32)
    )


_PLACES = """
import numpy as np
from shengdun.index.row_products import row_product

matrix = np.random.default_rng(1).normal(size=(192, 192))
one = np.random.default_rng(2).normal(size=192).astype(np.float32)
rows = np.random.default_rng(3).normal(size=(200, 192)).astype(np.float32)
products = []
for place in range(len(rows)):
    among = rows.copy()
    among[place] = one
    products.append(row_product(among, matrix)[place])
alone = row_product(one[np.newaxis], matrix)[0]
assert all(np.array_equal(product, alone) for product in products)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these kernels are for x86-64")
@pytest.mark.parametrize("kernels", ["Haswell", "Zen"])
def test_kernels_for_older_processors_round_a_row_alike_in_every_place(kernels: str) -> None:
    """OpenBLAS takes them for processors that it doesn't know, too."""
    environment = os.environ | {"OPENBLAS_CORETYPE": kernels, "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", _PLACES], env=environment, check=True)


def test_a_projected_voiceprint_does_not_depend_on_its_company(scorer: Scorer) -> None:
    """Projection and statistics are the same bits alone, in a batch, and at any place in it."""
    voices = _voices(150, 1)
    together = scorer.project(voices)
    statistics = scorer.template_statistics(together)
    for row in (0, 63, 64, 149):
        alone = scorer.project(voices[row : row + 1])
        np.testing.assert_array_equal(alone[0], together[row])
        query = scorer.query_statistics(alone[0])
        assert query.mean == statistics.mean[row]
        assert query.deviation == statistics.deviation[row]


def test_projection_gives_unit_vectors_from_any_scale(scorer: Scorer) -> None:
    """The length of what the voice model gave doesn't matter."""
    voices = _voices(5, 2)
    projected = scorer.project(voices)
    assert projected.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(projected, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(scorer.project(3.0 * voices), projected, atol=1e-6)


def test_voiceprints_of_another_size_are_refused(scorer: Scorer) -> None:
    """A voiceprint of another model's dimension isn't broadcast into nonsense."""
    with pytest.raises(ValueError, match=r"\(n, 32\)"):
        scorer.project(np.zeros((2, 31), dtype=np.float32))


@given(low=st.floats(-1.0, 1.0), high=st.floats(-1.0, 1.0), net=st.floats(0.1, 100.0))
def test_evidence_grows_with_the_cosine(low: float, high: float, net: float) -> None:
    """All else equal, a nearer voice never gets a smaller LLR, and the trust limits hold."""
    scorer = Scorer(_profile())
    low, high = sorted((low, high))
    pair = TemplateStatistics.concatenate([_one(), _one()])
    llrs = scorer.llr(
        np.array([low, high]),
        pair,
        QueryStatistics(mean=0.2, deviation=0.15),
        net_speech_s=net,
        template_net_speech_s=np.full(2, 8.0),
    )
    assert llrs.dtype == np.float64
    assert -6.0 <= llrs[0] <= llrs[1] <= 9.0


def test_the_same_score_from_less_speech_says_less(scorer: Scorer) -> None:
    """The slope depends on the net speech of either side, clamped to what the fit saw."""

    def spread(net_speech_s: float, template_net_speech_s: float) -> float:
        llrs = scorer.llr(
            np.array([0.5, 0.6]),
            TemplateStatistics.concatenate([_one(), _one()]),
            QueryStatistics(mean=0.3, deviation=0.1),
            net_speech_s=net_speech_s,
            template_net_speech_s=np.full(2, template_net_speech_s),
        )
        return float(llrs[1] - llrs[0])

    assert spread(3.0, 20.0) < spread(10.0, 20.0)
    assert spread(10.0, 3.0) == pytest.approx(spread(3.0, 10.0))
    assert spread(20.0, 20.0) == spread(500.0, 20.0)


def test_a_template_that_resembles_everybody_has_to_resemble_the_caller_more(
    scorer: Scorer,
) -> None:
    """A high cosine to strangers on either side takes evidence away."""
    templates = TemplateStatistics.concatenate([_one(mean=0.2), _one(mean=0.5)])
    llrs = scorer.llr(
        np.array([0.6, 0.6]),
        templates,
        QueryStatistics(mean=0.3, deviation=0.1),
        net_speech_s=10.0,
        template_net_speech_s=np.full(2, 10.0),
    )
    assert llrs[0] > llrs[1]


def test_without_a_cohort_the_cosine_itself_is_calibrated() -> None:
    """A profile may do without score normalisation."""
    scorer = Scorer(_profile(cohort=False))
    projected = scorer.project(_voices(3, 3))
    llrs = scorer.llr(
        np.array([0.0, 0.5, 1.0]),
        scorer.template_statistics(projected),
        scorer.query_statistics(projected[0]),
        net_speech_s=20.0,
        template_net_speech_s=np.full(3, 20.0),
    )
    brevity = 0.1
    expected = (-4.0 + 0.5 * brevity) + (1.5 - 0.6 * brevity) * np.array([0.0, 0.5, 1.0])
    np.testing.assert_allclose(llrs, expected)


def test_lengths_that_differ_are_refused(scorer: Scorer) -> None:
    """Evidence for one template is never paired with the statistics of another."""
    with pytest.raises(ValueError, match="same length"):
        scorer.llr(
            np.zeros(2),
            _one(),
            QueryStatistics(mean=0.0, deviation=1.0),
            net_speech_s=3.0,
            template_net_speech_s=np.ones(2),
        )


def test_statistics_can_be_taken_apart_and_put_together(scorer: Scorer) -> None:
    """Snapshots select and join statistics without computing them again."""
    statistics = scorer.template_statistics(scorer.project(_voices(10, 4)))
    parts = [statistics.take(np.arange(0, 4)), statistics.take(np.arange(4, 10))]
    joined = TemplateStatistics.concatenate(parts)
    np.testing.assert_array_equal(joined.mean, statistics.mean)
    np.testing.assert_array_equal(joined.deviation, statistics.deviation)
    assert len(TemplateStatistics.concatenate([])) == 0


def test_pairwise_evidence_is_symmetric_and_tells_one_voice_from_two(scorer: Scorer) -> None:
    """The order of two recordings doesn't matter, and the same voice scores above another."""
    a, b = _voices(2, 5)
    near = unit_rows((a + 0.05 * b)[np.newaxis, :])[0]
    same = scorer.pairwise_llr(a, near, net_a_s=5.0, net_b_s=9.0)
    other = scorer.pairwise_llr(a, b, net_a_s=5.0, net_b_s=9.0)
    assert same > other
    assert same == pytest.approx(scorer.pairwise_llr(near, a, net_a_s=9.0, net_b_s=5.0))


def test_a_running_voiceprint_weighs_its_windows_by_their_speech() -> None:
    """A window with more net speech counts for more; order and scale don't matter."""
    first, second = _voices(2, 8)
    windows = np.stack([first, second])
    even = aggregate(windows, np.array([3.0, 3.0]))
    uneven = aggregate(windows, np.array([3.0, 1.0]))
    assert np.linalg.norm(even) == pytest.approx(1.0)
    assert uneven @ first > even @ first
    np.testing.assert_allclose(aggregate(windows[::-1], np.array([1.0, 3.0])), uneven, atol=1e-6)
    with pytest.raises(ValueError, match="at least one window"):
        aggregate(np.empty((0, DIMENSION), dtype=np.float32), np.empty(0))


def test_an_actor_without_templates_has_no_evidence(scorer: Scorer) -> None:
    """Nothing is known about it, which is LLR 0 and not minus infinity."""
    llrs = scorer.actor_llr(np.array([2.0, -3.0]), np.array([2, 0]), 3)
    assert llrs[1] == 0.0
    assert llrs[2] > llrs[1] > llrs[0]


@given(st.lists(st.floats(-6.0, 9.0), min_size=1, max_size=8), st.floats(0.0, 3.0))
def test_an_actor_is_never_less_likely_when_one_of_its_voiceprints_is_nearer(
    llrs: list[float], more: float
) -> None:
    """The aggregate grows with each template and stays between the least and the greatest of them."""
    scorer = Scorer(_profile())
    rows = np.zeros(len(llrs), dtype=np.int64)
    before = np.array(llrs)
    after = before.copy()
    after[0] += more
    assert scorer.actor_llr(after, rows, 1)[0] >= scorer.actor_llr(before, rows, 1)[0] - 1e-12
    assert before.min() - 1e-12 <= scorer.actor_llr(before, rows, 1)[0] <= before.max() + 1e-12


def test_a_scorer_names_its_profile_and_model() -> None:
    """Decisions echo both ids."""
    profile = _profile()
    scorer = Scorer(dataclasses.replace(profile, name="site"))
    assert scorer.profile_id.startswith("site@")
    assert scorer.model_id == "toy@0123456789ab"
