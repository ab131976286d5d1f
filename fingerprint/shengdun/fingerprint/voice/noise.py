"""How far speech stands above the noise, band by band.

One ratio over the whole band calls a hum and a hiss of the same power the same; a voice keeps what lies outside the hum
and loses everything in the hiss. The mean over bands of the mel scale, each held to a range, tells them apart.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.activity import FRAME_SAMPLES
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ

BANDS: Final = 16
LOWEST_HZ: Final = 200.0
HIGHEST_HZ: Final = 3500.0
LEAST_DB: Final = -15.0
"""Below it a band is lost, however much louder the noise is."""
LARGEST_DB: Final = 25.0
"""Above it a band is clean, however much quieter the noise is."""

_FLOOR_DB: Final = -140.0
_LEVELS: Final = round(-_FLOOR_DB) + 1


class BandNoise:
    """Gathers speech over noise in ``BANDS`` bands of the mel scale from ``LOWEST_HZ`` to ``HIGHEST_HZ``.

    Of a band it is the mean power of speech over the median power of pauses, to a decibel. Not safe to share between
    threads.
    """

    def __init__(self) -> None:
        self._speech = np.zeros(BANDS)
        self._speech_frames = 0
        self._pauses = np.zeros((BANDS, _LEVELS), np.int32)
        self._pause_frames = 0

    def add(
        self,
        spectrum: NDArray[np.float32],
        *,
        speech: NDArray[np.bool_],
        pauses: NDArray[np.bool_],
    ) -> None:
        """Takes the next frames in.

        Args:
            spectrum: (n, 257) power spectra of frames of full scale 1, taken with ``tones.HANN``.
            speech: (n,) which of the frames are speech.
            pauses: (n,) which are none.
        """
        powers = spectrum @ _WEIGHTS
        self._speech += powers[speech].sum(axis=0, dtype=np.float64)
        self._speech_frames += int(speech.sum())
        self._pause_frames += int(pauses.sum())
        quiet = 10.0 * np.log10(np.maximum(powers[pauses], _power_of(_FLOOR_DB)))
        levels = np.clip(np.rint(quiet - _FLOOR_DB), 0, _LEVELS - 1).astype(np.int64)
        np.add.at(self._pauses, (np.arange(BANDS), levels), 1)

    @property
    def snr_db(self) -> float | None:
        """The mean over the bands, each held to ``LEAST_DB`` .. ``LARGEST_DB``; None before speech and pauses."""
        if not (self._speech_frames and self._pause_frames):
            return None
        reached = np.cumsum(self._pauses, axis=1) >= (self._pause_frames + 1) // 2
        noise = 10.0 ** ((_FLOOR_DB + reached.argmax(axis=1)) / 10.0)
        ratio = np.maximum(self._speech / self._speech_frames - noise, 0.0) / noise
        decibels = 10.0 * np.log10(np.maximum(ratio, _power_of(LEAST_DB)))
        return float(np.minimum(decibels, LARGEST_DB).mean())


def _power_of(decibels: float) -> float:
    return float(10.0 ** (decibels / 10.0))


def _weights() -> NDArray[np.float32]:
    """(257, BANDS) which bin of a spectrum counts to which band, and how a sum of bins becomes a mean power."""
    lowest, highest = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (LOWEST_HZ, HIGHEST_HZ))
    edges_hz = 700.0 * (10.0 ** (np.linspace(lowest, highest, BANDS + 1) / 2595.0) - 1.0)
    bins_hz = np.fft.rfftfreq(FRAME_SAMPLES, 1.0 / MODEL_RATE_HZ)[:, None]
    inside = (bins_hz >= edges_hz[:-1]) & (bins_hz < edges_hz[1:])
    return (inside / FRAME_SAMPLES**2).astype(np.float32)


_WEIGHTS: Final = _weights()
