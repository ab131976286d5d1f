"""Kaldi's filterbank features, as the CAM++ recipe of 3D-Speaker computes them.

Povey, Ghoshal et al., "The Kaldi speech recognition toolkit", ASRU 2011; options as in Kaldi's
``compute-fbank-feats``: 25 ms frames every 10 ms, no dither, DC offset removed, pre-emphasis 0.97,
Povey window, 512-point power spectrum, 80 triangular mel filters from 20 Hz to 8 kHz. Samples are
in [-1, 1], not in 16-bit steps: 3D-Speaker passes them so, and it moves the floor of the logarithm.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples

MEL_BINS = 80
FRAME_LENGTH = 400
FRAME_SHIFT = 160
SPECTRUM_BINS = 257
LOG_FLOOR = float(np.finfo(np.float32).eps)
"""Smallest filter output that the logarithm is taken of."""

PowerSpectra: TypeAlias = NDArray[np.float32]
"""Power of each frame's 257 frequencies, shape ``(frames, 257)``."""

_FFT_LENGTH = 512
_PREEMPHASIS = np.float32(0.97)
_LOWEST_HZ = 20.0
_POVEY_EXPONENT = 0.85


def power_spectra(samples: Samples) -> PowerSpectra:
    """Computes the windowed power spectrum of each whole frame.

    Args:
        samples: at 16 kHz in [-1, 1], one frame (400 samples) at least.

    Returns:
        Power spectra, shape ``(1 + (n - 400) // 160, 257)``.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_LENGTH)[::FRAME_SHIFT]
    centred = frames - frames.mean(axis=1, keepdims=True)
    # As long as the transform is: to lengthen each frame for it takes NumPy a third of the transform's time.
    padded = np.zeros((len(frames), _FFT_LENGTH), np.float32)
    emphasised = padded[:, :FRAME_LENGTH]
    np.subtract(centred[:, 1:], _PREEMPHASIS * centred[:, :-1], out=emphasised[:, 1:])
    np.multiply(centred[:, 0], 1 - _PREEMPHASIS, out=emphasised[:, 0])
    emphasised *= _POVEY_WINDOW
    parts = np.fft.rfft(padded).view(np.float32).reshape(len(frames), SPECTRUM_BINS, 2)
    np.square(parts, out=parts)
    power: PowerSpectra = parts[..., 0] + parts[..., 1]
    return power


def mel_filters() -> NDArray[np.float32]:
    """Gives the weights of each frequency in each mel filter, shape ``(257, 80)``."""
    edges = np.linspace(_mel(_LOWEST_HZ), _mel(MODEL_RATE_HZ / 2), MEL_BINS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    frequencies = _mel(np.arange(SPECTRUM_BINS) * MODEL_RATE_HZ / _FFT_LENGTH)[:, None]
    rising = (frequencies - left) / (centre - left)
    falling = (right - frequencies) / (right - centre)
    weights = np.maximum(np.minimum(rising, falling), 0.0)
    # Kaldi leaves the Nyquist frequency out of every filter.
    weights[-1] = 0.0
    return weights.astype(np.float32)


def _mel(frequency_hz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log1p(np.asarray(frequency_hz) / 700.0))


_POVEY_WINDOW = (np.hanning(FRAME_LENGTH) ** _POVEY_EXPONENT).astype(np.float32)
