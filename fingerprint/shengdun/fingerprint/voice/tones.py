"""Tones and keys in frames of audio. DTMF frequencies are those of ITU-T Q.23."""

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.activity import FRAME_SAMPLES
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples

HANN = np.hanning(FRAME_SAMPLES + 1)[:-1].astype(np.float32)
"""The window that a frame's spectrum is taken with."""

_LOW_HZ = np.array([697.0, 770.0, 852.0, 941.0])
_HIGH_HZ = np.array([1209.0, 1336.0, 1477.0, 1633.0])
# Hann spreads a tone over four bins at most, with 99.9 % of its power.
_TONE_HALF_WIDTH = 2
_TONE_SHARE = 0.97
_KEY_SHARE = 0.8
_KEY_LEAST_SHARE_OF_EACH = 0.1


def is_tone(spectrum: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Frames whose power is in one or two narrow peaks; (n, 257) power spectra to (n,) flags."""
    rest = spectrum.copy()
    total = spectrum.sum(axis=1)
    rows = np.arange(len(rest))[:, None]
    reach = np.arange(-_TONE_HALF_WIDTH, _TONE_HALF_WIDTH + 1)[None, :]
    for _ in range(2):
        around = np.clip(rest.argmax(axis=1)[:, None] + reach, 0, rest.shape[1] - 1)
        rest[rows, around] = 0.0
    tone: NDArray[np.bool_] = rest.sum(axis=1) < (1.0 - _TONE_SHARE) * total
    return tone


def is_dtmf(frames: NDArray[np.float32], spectrum: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Frames whose power is in one frequency of the low and one of the high group.

    Args:
        frames: (n, 512) samples.
        spectrum: (n, 257) their power, taken with ``HANN``.
    """
    return _is_pair(frames, spectrum.sum(axis=1))


def is_key(frame: Samples) -> bool:
    """Whether a key is pressed in a single frame; dearer for many than ``is_dtmf``, cheaper for one.

    Args:
        frame: 512 samples.
    """
    # By Parseval's theorem this is the sum of the one-sided power spectrum.
    total = np.square(frame * HANN).sum(keepdims=True) * np.float32(FRAME_SAMPLES / 2)
    return bool(_is_pair(frame[np.newaxis], total)[0])


def _is_pair(frames: NDArray[np.float32], total: NDArray[np.float32]) -> NDArray[np.bool_]:
    sounding = total + np.float32(1e-20)
    low = (_powers_at(_LOW_PROBE, frames) / sounding[:, None]).max(axis=1)
    high = (_powers_at(_HIGH_PROBE, frames) / sounding[:, None]).max(axis=1)
    both = low + high >= _KEY_SHARE
    key: NDArray[np.bool_] = both & (np.minimum(low, high) >= _KEY_LEAST_SHARE_OF_EACH)
    return key


def _probe(frequencies_hz: NDArray[np.float64]) -> NDArray[np.complex64]:
    time_s = np.arange(FRAME_SAMPLES) / MODEL_RATE_HZ
    waves = np.exp(-2j * np.pi * time_s[:, None] * frequencies_hz[None, :])
    probe: NDArray[np.complex64] = (waves * HANN[:, None]).astype(np.complex64)
    return probe


_LOW_PROBE, _HIGH_PROBE = _probe(_LOW_HZ), _probe(_HIGH_HZ)
# A tone's power summed over the one-sided spectrum, over its power at its own frequency.
_TONE_GAIN = np.float32(np.square(HANN).sum() * FRAME_SAMPLES / np.square(HANN.sum()))


def _powers_at(probe: NDArray[np.complex64], frames: NDArray[np.float32]) -> NDArray[np.float32]:
    powers: NDArray[np.float32] = np.square(np.abs(frames @ probe)) * _TONE_GAIN
    return powers
