import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from shengdun.fingerprint.voice import g711

ALL_CODES = np.arange(256, dtype=np.uint8)
LINEAR = stn.arrays(np.int16, st.integers(1, 200), elements=st.integers(-32_768, 32_767))


def test_known_values() -> None:
    """Decodes the codes whose values G.711 states: the peaks, silence, the smallest steps."""
    mu = g711.expand_mu_law(np.array([0x80, 0x00, 0xFF, 0x7F, 0xFE], np.uint8))
    a = g711.expand_a_law(np.array([0xAA, 0x2A, 0xD5, 0x55], np.uint8))
    assert mu.tolist() == [32_124, -32_124, 0, 0, 8]
    assert a.tolist() == [32_256, -32_256, 8, -8]


def test_codes_round_trip() -> None:
    """Every code comes back from its value, but for mu-law's negative zero."""
    mu = g711.compress_mu_law(g711.expand_mu_law(ALL_CODES))
    a = g711.compress_a_law(g711.expand_a_law(ALL_CODES))
    assert np.flatnonzero(mu != ALL_CODES).tolist() == [0x7F]
    assert np.array_equal(a, ALL_CODES)


@given(LINEAR)
def test_mu_law_error_is_half_a_step(samples: g711.Linear) -> None:
    """What mu-law gives back is within half a quantisation step, up to its peak."""
    back = g711.expand_mu_law(g711.compress_mu_law(samples)).astype(int)
    loudness = np.minimum(np.abs(samples.astype(int)), 32_635)
    half_step = 2.0 ** np.floor(np.log2(loudness + 132)) / 32
    assert (np.abs(np.abs(back) - loudness) <= half_step).all()


@given(LINEAR)
def test_a_law_error_is_half_a_step(samples: g711.Linear) -> None:
    """What A-law gives back is within half a quantisation step and has the same sign."""
    back = g711.expand_a_law(g711.compress_a_law(samples)).astype(int)
    loudness = np.maximum(np.abs(samples.astype(int)), 256)
    assert (np.abs(back - samples) <= 2.0 ** np.floor(np.log2(loudness)) / 32).all()
    assert ((back < 0) == (samples < 0)).all()
