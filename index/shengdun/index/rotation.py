"""The keyed orthogonal matrix that stored voiceprints are rotated by.

Rotating all voiceprints by one orthogonal matrix leaves every cosine as it is, while a voiceprint without the matrix
can be compared with nothing. A Gaussian matrix drawn from a ChaCha20 key stream (RFC 8439) is orthogonalised by QR;
with the signs of R's diagonal made positive the result is unique and Haar-distributed (Mezzadri, Notices of the AMS
54(5), 2007, section 5). The stream, unlike a library's random generator, is the same in every version and on every
machine; rounding in QR differs by some 1e-15, which is below half a unit in the last place of a float32 voiceprint.
"""

from typing import Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray

from shengdun.index.row_products import row_product

_UNIFORM_BITS: Final = 53


def rotation_matrix(key: bytes, dimension: int) -> NDArray[np.float64]:
    """The (dimension, dimension) orthogonal float64 matrix of a 32-byte key."""
    gaussian = _gaussian(key, dimension * dimension).reshape(dimension, dimension)
    q, r = np.linalg.qr(gaussian)
    matrix: NDArray[np.float64] = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    matrix.flags.writeable = False
    return matrix


def rotate(vector: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rotate (d,) or (n, d) voiceprints."""
    return np.asarray(vector.astype(np.float64) @ matrix.T, dtype=np.float32)


def unrotate(vector: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Undo ``rotate``; a row doesn't depend on the others."""
    return row_product(np.atleast_2d(vector), matrix).reshape(vector.shape)


def _gaussian(key: bytes, count: int) -> NDArray[np.float64]:
    """Standard normal numbers by the Box-Muller transform of the key stream."""
    pairs = (count + 1) // 2
    stream = Cipher(ChaCha20(key, b"\x00" * 16), mode=None).encryptor().update(bytes(pairs * 16))
    words = np.frombuffer(stream, dtype="<u8") >> np.uint64(64 - _UNIFORM_BITS)
    # Shifted by half a step: a uniform number of 0 has no logarithm.
    uniform = (words.astype(np.float64) + 0.5) / 2.0**_UNIFORM_BITS
    radius = np.sqrt(-2.0 * np.log(uniform[:pairs]))
    angle = 2.0 * np.pi * uniform[pairs:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
