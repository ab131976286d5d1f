import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.fingerprint.text.shingles import sampled, shingles

Codes = st.lists(st.integers(0, 0xFFFF), max_size=40)


@given(Codes, st.integers(1, 12))
def test_every_run_is_hashed_on_its_own(codes: list[int], length: int) -> None:
    """A run's hash depends on its codes alone: not on what surrounds it, nor on the type of the codes."""
    hashes = shingles(np.array(codes, np.uint16), length)
    runs = [codes[at : at + length] for at in range(len(codes) - length + 1)]
    alone = [shingles(np.array(run, np.uint32), length)[0] for run in runs]
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == alone


def test_hashes_are_fixed() -> None:
    """Stored hashes stay comparable."""
    assert shingles(np.array([1, 2, 3], np.uint16), 3).tolist() == [7_480_285_752_384_664_098]


def test_order_length_and_every_code_count() -> None:
    """Runs that differ anywhere hash apart."""
    runs = [[1, 2, 3], [3, 2, 1], [1, 2], [1, 2, 0], [0, 1, 2], [0, 0, 0], [0, 0]]
    hashes = {int(shingles(np.array(run, np.uint16), len(run))[0]) for run in runs}
    assert len(hashes) == len(runs)


def test_hashes_of_similar_runs_spread_over_all_bits() -> None:
    """Neighbouring codes give hashes of which every bit is set in about half."""
    hashes = shingles(np.arange(20_000, dtype=np.uint16), 5)
    bits = np.unpackbits(hashes.view(np.uint8)).reshape(len(hashes), 64).mean(axis=0)
    assert len(np.unique(hashes)) == len(hashes)
    assert bits.min() > 0.48
    assert bits.max() < 0.52


def test_a_sample_keeps_its_share_and_always_the_same() -> None:
    """One in four of many; the same whatever else is there."""
    hashes = shingles(np.arange(20_000, dtype=np.uint16), 5)
    kept = sampled(hashes, 4)
    assert 0.23 < kept.mean() < 0.27
    assert np.array_equal(sampled(hashes[5_000:], 4), kept[5_000:])
    assert sampled(hashes, 1).all()


def test_impossible_lengths_and_samples_are_refused() -> None:
    codes = np.array([1, 2], np.uint16)
    with pytest.raises(ValueError, match="one code"):
        shingles(codes, 0)
    with pytest.raises(ValueError, match="one in one"):
        sampled(shingles(codes, 1), 0)
