"""Hashes of every run of codes, and the same sample of them wherever they occur."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_SEED: Final = np.uint64(0x9E3779B97F4A7C15)
_STEP: Final = np.uint64(0xD6E8FEB86659FD93)
_LAST: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_HALF: Final = np.uint64(32)
_THIRD: Final = np.uint64(29)


def shingles(codes: NDArray[np.unsignedinteger], length: int) -> Hashes:
    """Hashes every run of neighbouring codes.

    Args:
        codes: (n,) codes of any unsigned type; equal values hash alike whatever their type.
        length: how many codes make a run, 1 or more. It is part of the hash.

    Returns:
        (max(n - length + 1, 0),) uint64, evenly spread over all 64 bits. Fixed: the same codes hash alike on every
        machine and in every version.

    Raises:
        ValueError: the length is below 1.
    """
    if length < 1:
        raise ValueError("A run of codes must have one code at least.")
    count = max(len(codes) - length + 1, 0)
    wide = codes.astype(np.uint64)
    hashes = np.full(count, _SEED + np.uint64(length), np.uint64)
    for offset in range(length):
        hashes ^= wide[offset : offset + count]
        hashes *= _STEP
        hashes ^= hashes >> _HALF
    hashes *= _LAST
    hashes ^= hashes >> _THIRD
    return hashes


def sampled(hashes: Hashes, one_in: int) -> NDArray[np.bool_]:
    """Which hashes belong to the sample that keeps one in so many (hash modulo, Manber 1994).

    Whether a hash is kept depends on nothing but itself, so two texts keep the same of what they share.

    Args:
        hashes: (n,) well-mixed hashes.
        one_in: how many hashes there are to each that is kept, 1 or more.

    Returns:
        (n,) bool.

    Raises:
        ValueError: ``one_in`` is below 1.
    """
    if one_in < 1:
        raise ValueError("A sample keeps one in one at most.")
    kept: NDArray[np.bool_] = hashes % np.uint64(one_in) == 0
    return kept
