"""Tones and keys in frames of audio. DTMF frequencies are those of ITU-T Q.23."""

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.activity import FRAME_SAMPLES
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples

HANN = np.hanning(FRAME_SAMPLES + 1)[:-1].astype(np.float32)
"""The window that a frame's spectrum is taken with; (512,) float32."""

_LOW_HZ = np.array([697.0, 770.0, 852.0, 941.0])
_HIGH_HZ = np.array([1209.0, 1336.0, 1477.0, 1633.0])
# Hann spreads a tone over four bins at most, with 99.9 % of its power.
_TONE_REACH = np.arange(-2, 3)
_TONE_SHARE = 0.97
_KEY_SHARE = 0.8
_KEY_LEAST_SHARE_OF_EACH = 0.1
# Far enough below for what rounding does.
_LIKELY_KEY_SHARE = np.float32(0.79)
# So that nothing is a share of nothing.
_SOUNDING = 1e-20


def is_tone(spectrum: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Frames whose power is in one or two narrow peaks; (n, 257) power spectra to (n,) flags."""
    rest = spectrum.copy()
    total = spectrum.sum(axis=1)
    rows = np.arange(len(rest))[:, None]
    for _ in range(2):
        around = rest.argmax(axis=1)[:, None] + _TONE_REACH
        rest[rows, np.minimum(np.maximum(around, 0), rest.shape[1] - 1)] = 0.0
    tone: NDArray[np.bool_] = rest.sum(axis=1) < (1.0 - _TONE_SHARE) * total
    return tone


def is_dtmf(frames: NDArray[np.float32], spectrum: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Frames whose power is in one frequency of the low and one of the high group.

    Args:
        frames: (n, 512) samples.
        spectrum: (n, 257) their power, taken with ``HANN``.
    """
    sounding = spectrum.sum(axis=1) + np.float32(_SOUNDING)
    powers = _powers(frames @ _PROBES.T)
    low = powers[:, : len(_LOW_HZ)].max(axis=1)
    high = powers[:, len(_LOW_HZ) :].max(axis=1)
    least = np.minimum(low, high) >= _KEY_LEAST_SHARE_OF_EACH * sounding
    key: NDArray[np.bool_] = (low + high >= _KEY_SHARE * sounding) & least
    return key


def may_be_keys(frames: NDArray[np.float32]) -> list[bool]:
    """Which frames ``is_dtmf`` and ``is_key`` should be asked about; for the others both say no.

    What they say themselves depends in the last bit on how many frames are judged at once. This is asked for many.

    Args:
        frames: (n, 512) samples.
    """
    windowed = frames * HANN
    # By Parseval's theorem no more than the sum of the one-sided power spectrum.
    sounding = np.vecdot(windowed, windowed) * np.float32(FRAME_SAMPLES / 2) + np.float32(_SOUNDING)
    powers = _powers(frames @ _PROBES.T).T
    share = powers[: len(_LOW_HZ)].max(axis=0) + powers[len(_LOW_HZ) :].max(axis=0)
    likely: list[bool] = (share >= _LIKELY_KEY_SHARE * sounding).tolist()
    return likely


def is_key(frame: Samples) -> bool:
    """Whether a key is pressed in a single frame; for those that ``may_be_keys`` finds.

    Args:
        frame: 512 samples.
    """
    windowed = frame * HANN
    # By Parseval's theorem this is the sum of the one-sided power spectrum.
    total = float(windowed @ windowed) * (FRAME_SAMPLES / 2)
    powers = _powers(_PROBES @ frame)
    low, high = max(powers[: len(_LOW_HZ)].tolist()), max(powers[len(_LOW_HZ) :].tolist())
    sounding = total + _SOUNDING
    least = min(low, high) >= _KEY_LEAST_SHARE_OF_EACH * sounding
    return bool(least and low + high >= _KEY_SHARE * sounding)


def _probes(frequencies_hz: NDArray[np.float64]) -> NDArray[np.float32]:
    """The windowed cosine of each frequency, then the sine of each: real products, where complex ones cost thrice."""
    angles = 2 * np.pi * np.arange(FRAME_SAMPLES) / MODEL_RATE_HZ * frequencies_hz[:, None]
    waves = np.concatenate([np.cos(angles), np.sin(angles)])
    probes: NDArray[np.float32] = (waves * HANN).astype(np.float32)
    return probes


_PROBES = _probes(np.concatenate([_LOW_HZ, _HIGH_HZ]))
# A tone's power summed over the one-sided spectrum, over its power at its own frequency.
_TONE_GAIN = np.float32(np.square(HANN).sum() * FRAME_SAMPLES / np.square(HANN.sum()))


def _powers(products: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power at each frequency, the low ones first; products with the probes along the last axis."""
    squares = np.square(products)
    half = squares.shape[-1] // 2
    powers: NDArray[np.float32] = (squares[..., :half] + squares[..., half:]) * _TONE_GAIN
    return powers
