"""G.711 companding between 8-bit codes and 16-bit linear samples, by table.

ITU-T G.711 (11/88), tables 1a and 1b (A-law) and 2a and 2b (mu-law). The standard's 13-bit and
14-bit values are scaled to 16 bits. Decoding and encoding again gives the same code, but for the
mu-law's negative zero, which becomes its positive zero.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Codes: TypeAlias = NDArray[np.uint8]
"""Companded samples, one byte each, any shape."""

Linear: TypeAlias = NDArray[np.int16]
"""Linear 16-bit samples, any shape."""

_MU_BIAS = 0x84
_MU_LARGEST = 32_635
_A_INVERTED_BITS = 0x55


def _mu_law_values() -> Linear:
    codes = ~np.arange(256, dtype=np.uint8)
    segment = (codes >> 4).astype(np.int32) & 7
    step = codes.astype(np.int32) & 15
    magnitude = (((step << 3) + _MU_BIAS) << segment) - _MU_BIAS
    return np.where(codes & 0x80, -magnitude, magnitude).astype(np.int16)


def _a_law_values() -> Linear:
    codes = np.arange(256, dtype=np.uint8) ^ _A_INVERTED_BITS
    segment = (codes >> 4).astype(np.int32) & 7
    step = codes.astype(np.int32) & 15
    linear_part = (step << 4) + 8
    magnitude = np.where(
        segment == 0, linear_part, (linear_part + 256) << np.maximum(segment - 1, 0)
    )
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.int16)


def _mu_law_codes() -> Codes:
    values = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(values), _MU_LARGEST) + _MU_BIAS
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    step = (magnitude >> (segment + 3)) & 15
    sign = np.where(values < 0, 0x80, 0)
    codes: Codes = (~(sign | (segment << 4) | step)).astype(np.uint8)
    return codes


def _a_law_codes() -> Codes:
    values = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.where(values < 0, ~values, values) >> 4
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 3, 0)
    step = (magnitude >> np.maximum(segment - 1, 0)) & 15
    sign = np.where(values < 0, 0, 0x80)
    codes: Codes = ((sign | (segment << 4) | step) ^ _A_INVERTED_BITS).astype(np.uint8)
    return codes


_MU_LAW_VALUES, _A_LAW_VALUES = _mu_law_values(), _a_law_values()
_MU_LAW_CODES, _A_LAW_CODES = _mu_law_codes(), _a_law_codes()

MU_LAW_PEAK = int(_MU_LAW_VALUES.max())
"""The largest linear value that a mu-law code stands for."""

A_LAW_PEAK = int(_A_LAW_VALUES.max())
"""The largest linear value that an A-law code stands for."""


def expand_mu_law(codes: Codes) -> Linear:
    """Gives the linear samples that mu-law codes stand for."""
    return _MU_LAW_VALUES.take(codes)


def expand_a_law(codes: Codes) -> Linear:
    """Gives the linear samples that A-law codes stand for."""
    return _A_LAW_VALUES.take(codes)


def compress_mu_law(samples: Linear) -> Codes:
    """Gives the mu-law codes of linear samples; what is louder than the law's peak is clipped."""
    return _MU_LAW_CODES.take(samples.view(np.uint16))


def compress_a_law(samples: Linear) -> Codes:
    """Gives the A-law codes of linear samples."""
    return _A_LAW_CODES.take(samples.view(np.uint16))
