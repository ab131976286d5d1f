"""Telephone audio in and out: G.711 and linear PCM at 8 or 16 kHz to samples at 16 kHz.

G.711 is ITU-T G.711 (11/88). ``L16_BE`` is RFC 3551 section 4.5.11; ``L16`` is the same in the
byte order of WAV files. Resampling is filtered and keeps its state from chunk to chunk.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

import numpy as np
import soxr

from shengdun.fingerprint.voice import g711
from shengdun.fingerprint.voice.errors import OddByteCount, UnsupportedFormat
from shengdun.fingerprint.voice.g711 import Linear
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds
from shengdun.fingerprint.voice.source import SourceMeter, SourceStatistics

_TELEPHONE_RATE_HZ = 8_000
_LINEAR_PEAK = 32_767
_FULL_SCALE = np.float32(32_768)
_BLOCK_S: Seconds = 0.02
_BLOCK_SAMPLES = int(_BLOCK_S * MODEL_RATE_HZ)

# The sharpest separation on 288 recordings of speech and 89 of noise: the right law or byte order
# was never taken for a wrong one; a wrong law was noticed in 99 %, a wrong byte order in 97 %.
_WRONG_LAW = (0.05, 1.25)
_WRONG_ORDER = (0.3, 1.25)


class Encoding(Enum):
    """How samples are written as bytes."""

    PCMU = "PCMU"
    """G.711 mu-law, one byte a sample."""
    PCMA = "PCMA"
    """G.711 A-law, one byte a sample."""
    L16 = "L16"
    """Signed 16 bit, little-endian, as in WAV files."""
    L16_BE = "L16_BE"
    """Signed 16 bit, big-endian, as L16 travels in RTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Law:
    sample_bytes: int
    rates_hz: tuple[int, ...]
    peak: int
    expand: Callable[[bytes], Linear]
    compress: Callable[[Linear], bytes]
    reread: Callable[[Linear], Linear]
    signs: tuple[float, float]


_LAWS = {
    Encoding.PCMU: _Law(
        sample_bytes=1,
        rates_hz=(_TELEPHONE_RATE_HZ,),
        peak=g711.MU_LAW_PEAK,
        expand=lambda data: g711.expand_mu_law(np.frombuffer(data, np.uint8)),
        compress=lambda samples: g711.compress_mu_law(samples).tobytes(),
        reread=lambda samples: g711.expand_a_law(g711.compress_mu_law(samples)),
        signs=_WRONG_LAW,
    ),
    Encoding.PCMA: _Law(
        sample_bytes=1,
        rates_hz=(_TELEPHONE_RATE_HZ,),
        peak=g711.A_LAW_PEAK,
        expand=lambda data: g711.expand_a_law(np.frombuffer(data, np.uint8)),
        compress=lambda samples: g711.compress_a_law(samples).tobytes(),
        reread=lambda samples: g711.expand_mu_law(g711.compress_a_law(samples)),
        signs=_WRONG_LAW,
    ),
    Encoding.L16: _Law(
        sample_bytes=2,
        rates_hz=(_TELEPHONE_RATE_HZ, MODEL_RATE_HZ),
        peak=_LINEAR_PEAK,
        expand=lambda data: np.frombuffer(data, "<i2").astype(np.int16),
        compress=lambda samples: samples.astype("<i2").tobytes(),
        reread=lambda samples: samples.byteswap(),
        signs=_WRONG_ORDER,
    ),
    Encoding.L16_BE: _Law(
        sample_bytes=2,
        rates_hz=(_TELEPHONE_RATE_HZ, MODEL_RATE_HZ),
        peak=_LINEAR_PEAK,
        expand=lambda data: np.frombuffer(data, ">i2").astype(np.int16),
        compress=lambda samples: samples.astype(">i2").tobytes(),
        reread=lambda samples: samples.byteswap(),
        signs=_WRONG_ORDER,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """How a call's audio is written.

    Attributes:
        encoding: how samples are written as bytes.
        sample_rate_hz: 8000 for G.711; 8000 or 16000 for linear PCM.

    Raises:
        UnsupportedFormat: the pair is not offered.
    """

    encoding: Encoding
    sample_rate_hz: int

    def __post_init__(self) -> None:
        law = _LAWS.get(self.encoding)
        if law is None or self.sample_rate_hz not in law.rates_hz:
            given = getattr(self.encoding, "value", self.encoding)
            raise UnsupportedFormat(
                f"Audio format {given} at {self.sample_rate_hz} Hz is not supported. "
                f"Send one of: {_offered()}."
            )

    @property
    def sample_bytes(self) -> int:
        """Bytes that one sample takes."""
        return _LAWS[self.encoding].sample_bytes

    @property
    def bytes_per_s(self) -> int:
        """Bytes that one second of audio takes."""
        return self.sample_bytes * self.sample_rate_hz


class StreamDecoder:
    """Decodes one call's bytes, chunk by chunk, to samples at 16 kHz in the telephone band.

    The samples of a call are the same bits whatever its chunks were: bytes are worked on in blocks
    of 20 ms. Samples come out 30 ms after their bytes went in at most (45 ms at 16 kHz), shifted by
    less than 0.3 ms. Not safe to share between threads.

    Args:
        audio_format: how the call's audio is written.
    """

    def __init__(self, audio_format: AudioFormat) -> None:
        law = _LAWS[audio_format.encoding]
        least_gain, least_drop = law.signs
        self._format = audio_format
        self._law = law
        self._pending = bytearray()
        self._block = int(_BLOCK_S * audio_format.sample_rate_hz)
        self._block_bytes = self._block * law.sample_bytes
        self._meter = SourceMeter(
            peak=law.peak, reread=law.reread, least_gain=least_gain, least_drop=least_drop
        )
        self._resampler = _resampler(audio_format.sample_rate_hz)
        self._blocks = 0
        self._given = 0
        self._sources = [self._meter.report()]
        self._finished = False

    @property
    def audio_format(self) -> AudioFormat:
        """How the call's audio is written."""
        return self._format

    def decode(self, chunk: bytes) -> Samples:
        """Takes the next bytes and gives the samples that are complete.

        Args:
            chunk: bytes of whole samples, any number of them.

        Returns:
            Samples at 16 kHz in [-1, 1], those of whole blocks of 20 ms; maybe none yet.

        Raises:
            OddByteCount: the chunk ends inside a 16-bit sample. Nothing of it was taken.
            RuntimeError: the stream was finished before.
        """
        if self._finished:
            raise RuntimeError("The stream is finished.")
        if len(chunk) % self._law.sample_bytes:
            raise OddByteCount(
                f"A chunk of {len(chunk)} bytes ends inside a 16-bit sample. Send an even number "
                f"of bytes in each chunk of {self._format.encoding.value}."
            )
        self._pending += chunk
        whole = len(self._pending) // self._block_bytes * self._block_bytes
        ready = bytes(self._pending[:whole])
        del self._pending[:whole]
        return self._decode_blocks(ready) if ready else np.zeros(0, np.float32)

    def finish(self) -> Samples:
        """Gives the last samples; nothing may follow. A second call gives none."""
        if self._finished:
            return np.zeros(0, np.float32)
        self._finished = True
        linear = self._law.expand(bytes(self._pending))
        self._meter.update(linear)
        return self._resampler(_scaled(linear), last=True)

    def source(self) -> SourceStatistics:
        """Gives what was found in the codec's own samples so far."""
        return self._meter.report()

    def source_at(self, position: int) -> SourceStatistics:
        """Gives what was found in the codec's own samples up to the end of a block.

        Args:
            position: of a sample at 16 kHz, from 1; the block is the one with which that sample was complete. At least
                what was asked for before: what lies further back is forgotten.
        """
        # Every block gives as many samples, once the filter is full.
        held_back = self._blocks * _BLOCK_SAMPLES - self._given
        blocks = -(-(position + held_back) // _BLOCK_SAMPLES)
        if blocks > self._blocks:
            return self.source()
        samples = blocks * self._block
        while len(self._sources) > 1 and self._sources[1].samples <= samples:
            del self._sources[0]
        return replace(self._sources[0], samples=samples)

    def _decode_blocks(self, data: bytes) -> Samples:
        linear = self._law.expand(data)
        self._blocks += len(linear) // self._block
        self._sources += self._meter.update_blocks(linear, block=self._block)
        samples = self._resampler(_scaled(linear), last=False)
        self._given += len(samples)
        return samples


class TelephoneBand:
    """What a telephone leaves of audio: 8 kHz, through G.711 mu-law, back at 16 kHz.

    Voices are compared as telephones carry them. A recording of 16 kHz sounds different to a voice model than the same
    voice on a telephone, so enrolments and wide-band calls pass through here too (docs/decisions/0002). The samples
    are the same bits however they are pushed if every push but the last is of a multiple of 20 ms. Not safe to share
    between threads.
    """

    def __init__(self) -> None:
        self._down = soxr.ResampleStream(
            MODEL_RATE_HZ, _TELEPHONE_RATE_HZ, 1, "float32", "HQ", vr=True
        )
        self._up = _upsampler()

    def push(self, samples: Samples, *, last: bool = False) -> Samples:
        """Takes the next samples at 16 kHz and gives those that are complete, 25 ms later at most."""
        narrow = self._down.resample_chunk(samples, last=last)
        heard = g711.expand_mu_law(g711.compress_mu_law(_quantised(narrow)))
        return self._up(_scaled(heard), last=last)


class _Resampler(Protocol):
    def __call__(self, samples: Samples, *, last: bool) -> Samples: ...


def _resampler(rate_hz: int) -> _Resampler:
    if rate_hz == MODEL_RATE_HZ:
        return TelephoneBand().push
    return _upsampler()


def _upsampler() -> _Resampler:
    # The variable-rate filter holds back 10 ms, the fixed-rate one 115 ms, which every decision
    # would wait for; up to 3.4 kHz it is exact to -78 dB.
    stream = soxr.ResampleStream(_TELEPHONE_RATE_HZ, MODEL_RATE_HZ, 1, "float32", "HQ", vr=True)
    return lambda samples, last: stream.resample_chunk(samples, last=last)


def encode(samples: Samples, audio_format: AudioFormat) -> bytes:
    """Writes samples as a telephone would send them.

    Args:
        samples: mono at 16 kHz; what is beyond [-1, 1] is clipped.
        audio_format: the encoding and rate to write.

    Returns:
        The encoded bytes of the whole signal.
    """
    rate_hz = audio_format.sample_rate_hz
    at_rate = soxr.resample(samples, MODEL_RATE_HZ, rate_hz, "HQ")
    return _LAWS[audio_format.encoding].compress(_quantised(at_rate))


def _scaled(linear: Linear) -> Samples:
    # Of a power of two the product with the inverse is the quotient.
    scaled: Samples = linear * (1 / _FULL_SCALE)
    return scaled


def _quantised(samples: Samples) -> Linear:
    linear = np.clip(np.rint(samples * _FULL_SCALE), -_LINEAR_PEAK, _LINEAR_PEAK)
    quantised: Linear = linear.astype(np.int16)
    return quantised


def _offered() -> str:
    formats = []
    for encoding, law in _LAWS.items():
        rates = " or ".join(str(rate) for rate in law.rates_hz)
        formats.append(f"{encoding.value} at {rates} Hz")
    return ", ".join(formats)
