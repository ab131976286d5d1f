"""Tests of the spread of voices: its likelihood ratios against those worked out from densities, and its fit."""

from dataclasses import fields as fields_of

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.index.fitting.spread import KnownCalls, fit_scale, fit_spread
from shengdun.index.voices.spread import Gathered, Spread

DIMENSION = 6


def _spread(*, scale: float = 1.0) -> Spread:
    rng = np.random.default_rng(1)
    axes, _ = np.linalg.qr(rng.standard_normal((DIMENSION, DIMENSION)))
    return Spread(
        centre=rng.standard_normal(DIMENSION) / 10,
        axes=axes,
        between=np.linspace(0.1, 0.6, DIMENSION),
        stray=0.05,
        stray_brevity=0.3,
        stray_noise=0.02,
        scale=scale,
    )


def _calls(spread: Spread, count: int, *, seed: int = 2) -> tuple[np.ndarray, Gathered]:
    rng = np.random.default_rng(seed)
    projected = rng.standard_normal((count, DIMENSION)).astype(np.float32)
    net_s = rng.uniform(2.0, 15.0, count)
    gathered = spread.gather(
        spread.places(projected), net_speech_s=net_s, snr_db=np.full(count, 18.0)
    )
    return projected, gathered


def _log_density(spread: Spread, projected: np.ndarray, gathered: Gathered) -> float:
    """Of all calls as one voice, from the covariance of everything together."""
    places = (projected.astype(np.float64) - spread.centre) @ spread.axes
    total = 0.0
    for axis in range(DIMENSION):
        covariance = spread.between[axis] + np.diag(1.0 / gathered.precisions)
        _, log_determinant = np.linalg.slogdet(covariance)
        x = places[:, axis]
        total -= 0.5 * float(log_determinant + x @ np.linalg.solve(covariance, x))
    return total


@pytest.mark.parametrize("count", [2, 3, 7])
def test_joint_evidence_is_that_of_the_densities(count: int) -> None:
    """All calls one voice, against as many voices as calls."""
    spread = _spread()
    projected, gathered = _calls(spread, count)
    rows = [np.array([row]) for row in range(count)]
    apart = sum(_log_density(spread, projected[row], gathered.take(row)) for row in rows)
    together = _log_density(spread, projected, gathered)
    assert spread.joint_llr(gathered) == pytest.approx(together - apart)


def test_joint_evidence_adds_up_call_by_call() -> None:
    """What each call says on joining those before sums to what all say."""
    spread = _spread(scale=0.3)
    _, gathered = _calls(spread, 5)
    joining = sum(
        float(spread.llr(gathered.take(np.array([n])), gathered.take(np.arange(n)).joined())[0])
        for n in range(1, 5)
    )
    assert joining == pytest.approx(spread.joint_llr(gathered))


@given(seed=st.integers(0, 2**16), left=st.integers(0, 5))
def test_a_call_that_leaves_was_never_there(seed: int, left: int) -> None:
    """To the last bits."""
    spread = _spread()
    _, gathered = _calls(spread, 6, seed=seed)
    others = np.delete(np.arange(6), left)
    without = gathered.joined().without(gathered.take(np.array([left])))
    assert without.sums == pytest.approx(gathered.take(others).joined().sums)
    assert without.precisions == pytest.approx(gathered.take(others).joined().precisions)
    llr = spread.llr(gathered.take(np.array([left])), gathered.take(others).joined())
    assert spread.others_llr(gathered)[left] == pytest.approx(float(llr[0]))


def test_less_speech_and_more_noise_say_less() -> None:
    """A call strays further the shorter and the noisier it is; an unknown ratio is that of an ordinary call."""
    variances = _spread().variances(np.array([3.0, 12.0, 12.0]), np.array([25.0, 25.0, 5.0]))
    assert variances[0] > variances[1] < variances[2]
    unknown = _spread().variances(np.array([5.0]), np.array([np.nan]))
    assert unknown == pytest.approx(_spread().variances(np.array([5.0]), np.array([15.0])))


@pytest.mark.parametrize(
    "wrong",
    [{"between": np.zeros(DIMENSION)}, {"stray": 0.0}, {"stray_noise": -0.1}, {"scale": 1.5}],
)
def test_impossible_spreads_are_refused(wrong: dict[str, object]) -> None:
    """A bad value can't exist."""
    good = _spread()
    fields = {each.name: getattr(good, each.name) for each in fields_of(Spread) if each.init}
    with pytest.raises(ValueError, match=r"must|can't"):
        Spread(**(fields | wrong))


@given(seed=st.integers(0, 2**16))
def test_another_centre_is_as_if_everything_had_moved(seed: int) -> None:
    """What is gathered of calls doesn't depend on the centre, and LLRs depend on where calls lie from it alone."""
    spread = _spread()
    moved = np.random.default_rng(seed).standard_normal(DIMENSION)
    projected, _ = _calls(spread, 5, seed=seed)
    net_s = np.random.default_rng(seed).uniform(2.0, 15.0, 5)
    quiet = np.full(5, 18.0)
    here = spread.gather(spread.places(projected), net_speech_s=net_s, snr_db=quiet)
    elsewhere = (projected + moved).astype(np.float32)
    there = spread.gather(spread.places(elsewhere), net_speech_s=net_s, snr_db=quiet)
    around = spread.around(spread.centre + moved)
    assert around.joint_llr(there) == pytest.approx(spread.joint_llr(here), abs=1e-3)
    assert around.others_llr(there) == pytest.approx(spread.others_llr(here), abs=1e-3)
    same = around.gather(around.places(projected), net_speech_s=net_s, snr_db=quiet)
    np.testing.assert_array_equal(same.sums, here.sums)


def test_a_fit_finds_what_calls_were_drawn_from() -> None:
    """Within a fifth, from two hundred voices of ten calls; and LLRs that are right need no scale."""
    rng = np.random.default_rng(3)
    voices = np.repeat(np.arange(200), 10)
    centres = rng.standard_normal((200, DIMENSION)) * np.sqrt(np.linspace(0.2, 0.7, DIMENSION))
    net_s = rng.uniform(2.0, 15.0, 2000)
    strayed = rng.standard_normal((2000, DIMENSION)) * np.sqrt(0.05 + 0.3 / net_s)[:, np.newaxis]
    calls = KnownCalls(
        projected=(centres[voices] + strayed).astype(np.float32),
        net_speech_s=net_s,
        snr_db=np.full(2000, 30.0),
        voices=voices.astype(np.int64),
    )
    spread = fit_spread(calls)
    assert spread.stray + spread.stray_brevity / 5.0 == pytest.approx(0.11, rel=0.2)
    gathered = spread.gather(
        spread.places(calls.projected), net_speech_s=net_s, snr_db=calls.snr_db
    )
    left, right = rng.integers(2000, size=(2, 40_000))
    left, right = left[left != right], right[left != right]
    llrs = spread.llr(gathered.take(left), gathered.take(right))
    assert fit_scale(llrs, voices[left] == voices[right]) > 0.6


def test_a_fit_needs_voices_that_call_often() -> None:
    """One call each says nothing about how calls stray."""
    calls = KnownCalls(
        projected=np.eye(DIMENSION, dtype=np.float32),
        net_speech_s=np.full(DIMENSION, 5.0),
        snr_db=np.full(DIMENSION, 20.0),
        voices=np.arange(DIMENSION, dtype=np.int64),
    )
    with pytest.raises(ValueError, match="4 calls"):
        fit_spread(calls)
