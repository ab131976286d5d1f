"""The map from a score to a likelihood ratio."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.index.llr import QUIET_SNR_DB, UNKNOWN_SNR_DB, LlrCoefficients, Sides

MAP = LlrCoefficients(
    offset=-7.3,
    offset_brevity=2.7,
    offset_noise=-0.05,
    slope=10.6,
    slope_brevity=-2.0,
    slope_noise=-0.5,
    bend=12.5,
    knot=0.38,
    width=0.06,
    shortest_net_speech_s=1.5,
    longest_net_speech_s=20.0,
    floor=-3.8,
    cap=9.6,
)
LONG_AND_QUIET = Sides(net_a_s=20.0, net_b_s=20.0, snr_a_db=30.0, snr_b_db=30.0)
seconds = st.floats(min_value=0.5, max_value=100.0)
decibels = st.one_of(st.floats(min_value=-20.0, max_value=60.0), st.just(float("nan")))
scores = st.floats(min_value=-1.0, max_value=1.0)


def test_the_map_is_the_documented_sum() -> None:
    """Within the limits an LLR is what the coefficients say, term by term."""
    sides = Sides(net_a_s=4.0, net_b_s=10.0, snr_a_db=15.0, snr_b_db=5.0)
    brevity, noise, score = 0.25 + 0.1, 1.0 + 2.0, 0.45
    bent = 0.06 * np.log1p(np.exp((score - 0.38) / 0.06))
    expected = (
        (-7.3 + 2.7 * brevity - 0.05 * noise)
        + (10.6 - 2.0 * brevity - 0.5 * noise) * score
        + 12.5 * bent
    )
    assert MAP.floor + 1.0 < expected < MAP.cap - 1.0
    np.testing.assert_allclose(MAP.llr(np.array([score]), sides), [expected], rtol=1e-12)


def test_brevity_may_count_by_its_root() -> None:
    """With an exponent of a half, what short speech costs grows like the deviation of a score."""
    rooted = dataclasses.replace(MAP, brevity_exponent=0.5)
    root, score = np.sqrt(1.0 / 2.0 + 1.0 / 8.0), 0.45
    bent = 0.06 * np.log1p(np.exp((score - 0.38) / 0.06))
    expected = (-7.3 + 2.7 * root) + (10.6 - 2.0 * root) * score + 12.5 * bent
    sides = Sides(net_a_s=2.0, net_b_s=8.0, snr_a_db=40.0, snr_b_db=40.0)
    assert MAP.floor + 1.0 < expected < MAP.cap - 1.0
    np.testing.assert_allclose(rooted.llr(np.array([score]), sides), [expected], rtol=1e-12)


@given(low=scores, high=scores, a=seconds, b=seconds, snr_a=decibels, snr_b=decibels)
def test_a_higher_score_is_never_weaker_evidence(
    low: float, high: float, a: float, b: float, snr_a: float, snr_b: float
) -> None:
    """The map rises with the score at every amount of speech and noise, and stays between its limits."""
    sides = Sides(net_a_s=a, net_b_s=b, snr_a_db=snr_a, snr_b_db=snr_b)
    first, second = MAP.llr(np.array(sorted([low, high])), sides)
    assert MAP.floor <= first <= second <= MAP.cap


def test_scores_beyond_the_cap_keep_their_order() -> None:
    """Two voices that are both surer than the data can vouch for are not equal."""
    llrs = MAP.llr(np.array([0.95, 0.97, 0.99, 1.0]), LONG_AND_QUIET)
    assert (np.diff(llrs) > 0.0).all()
    assert llrs[0] > MAP.cap - 1.0
    assert llrs[-1] < MAP.cap


@given(a=seconds, b=seconds, snr_a=decibels, snr_b=decibels, score=scores)
def test_neither_side_matters_more(
    a: float, b: float, snr_a: float, snr_b: float, score: float
) -> None:
    """An LLR is the same whichever side is the enrolled one."""
    one = Sides(net_a_s=a, net_b_s=b, snr_a_db=snr_a, snr_b_db=snr_b)
    other = Sides(net_a_s=b, net_b_s=a, snr_a_db=snr_b, snr_b_db=snr_a)
    np.testing.assert_array_equal(
        MAP.llr(np.array([score]), one), MAP.llr(np.array([score]), other)
    )


def test_noise_weakens_a_match() -> None:
    """What resembles a voice through noise says less than what resembles it as much without."""
    quiet = MAP.llr(np.array([0.5]), LONG_AND_QUIET)
    noisy = MAP.llr(np.array([0.5]), Sides(net_a_s=20.0, net_b_s=20.0, snr_a_db=0.0, snr_b_db=30.0))
    assert noisy < quiet


def test_unknown_noise_is_that_of_an_ordinary_line() -> None:
    """No figure of the noise counts as a usual one, and noise that can't be heard as none."""
    score = np.array([0.4])

    def at(snr_db: float) -> np.ndarray:
        return MAP.llr(score, Sides(net_a_s=9.0, net_b_s=9.0, snr_a_db=snr_db, snr_b_db=snr_db))

    np.testing.assert_array_equal(at(float("nan")), at(UNKNOWN_SNR_DB))
    np.testing.assert_array_equal(at(QUIET_SNR_DB), at(60.0))


def test_noise_louder_than_the_voice_counts_as_far_as_a_map_was_fitted() -> None:
    """Maps of before know no difference below 0 dB, those of now go on to the range that they state."""
    score = np.array([0.4])

    def at(snr_db: float, noisiest_snr_db: float) -> np.ndarray:
        coefficients = dataclasses.replace(MAP, noisiest_snr_db=noisiest_snr_db)
        return coefficients.llr(score, Sides(net_a_s=9.0, net_b_s=9.0, snr_b_db=snr_db))

    np.testing.assert_array_equal(at(-10.0, 0.0), at(0.0, 0.0))
    assert at(-10.0, -10.0) < at(0.0, -10.0)
    np.testing.assert_array_equal(at(0.0, -10.0), at(0.0, 0.0))
    np.testing.assert_array_equal(at(-15.0, -10.0), at(-10.0, -10.0))


@pytest.mark.parametrize(
    "change",
    [
        {"slope": 1.0, "slope_noise": -0.5},
        {"slope": 1.0, "slope_brevity": -2.0},
        {"bend": -1.0},
        {"width": 0.0},
        {"brevity_exponent": 0.0},
        {"noisiest_snr_db": 25.0},
        {"cap": 0.5},
        {"floor": -0.5},
        {"offset": float("nan")},
        {"shortest_net_speech_s": 30.0},
    ],
)
def test_a_map_that_could_fall_is_refused(change: dict[str, float]) -> None:
    """Coefficients that would turn more likeness into less evidence somewhere, or no number, are no map."""
    with pytest.raises(ValueError, match=r"slope|bend|cap|floor|finite|range|exponent"):
        dataclasses.replace(MAP, **change)
