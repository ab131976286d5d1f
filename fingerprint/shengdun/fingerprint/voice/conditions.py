"""Telephone conditions: what the network does to a voice before a bank hears it.

A closed set of named conditions. Each turns a recording at 16 kHz into the samples that the voice path would make of
the call. Codecs are the real ones: GSM by libsndfile, since builds of libav seldom have its encoder, the others by
libav. Mobile and internet calls come out of their gateway as G.711 mu-law, as banks get them. What this build of libav
can't encode is named by ``unavailable`` and never replaced by another.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Final, TypeAlias

import numpy as np
import soundfile
import soxr
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from numpy.typing import NDArray

from shengdun.fingerprint.voice import g711
from shengdun.fingerprint.voice.acoustics import Acoustics, add_noise, add_room
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, StreamDecoder, encode
from shengdun.fingerprint.voice.errors import ConditionUnavailable
from shengdun.fingerprint.voice.g711 import Linear
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples

_NARROW_HZ: Final = 8_000
_FULL_SCALE: Final = 32_768.0
_PACKET: Final = 160
"""Samples of a packet of 20 ms at 8 kHz."""
_LOSS: Final = 0.03
_PITCH_LAGS: Final = (40, 120)
"""Periods of a voice in samples at 8 kHz: 200 to 67 Hz, as ITU-T G.711 Appendix I looks for them."""
_FADE_PER_PACKET: Final = 0.5


class Condition(Enum):
    """A telephone condition by its name."""

    WIDEBAND = "wideband"
    """16 kHz linear, brought into the telephone band by the voice path itself; so are recordings at enrolment."""
    PCMU = "pcmu"
    """G.711 mu-law."""
    PCMA = "pcma"
    """G.711 A-law."""
    GSM_FR = "gsm-fr"
    """GSM 06.10 full rate, 13 kb/s."""
    AMR_NB_4_75 = "amr-nb-4.75"
    """AMR narrow band at its lowest rate, 4.75 kb/s."""
    AMR_NB_12_2 = "amr-nb-12.2"
    """AMR narrow band at its highest rate, 12.2 kb/s (GSM EFR)."""
    OPUS_8K_6 = "opus-8k-6"
    """Opus at 8 kHz and 6 kb/s."""
    PACKET_LOSS_3 = "packet-loss-3"
    """G.711 mu-law of which 3 % of the packets of 20 ms are lost and concealed."""
    NOISE_0_DB = "noise-0"
    """Noise as loud as the voice, then G.711 mu-law."""
    NOISE_5_DB = "noise-5"
    """Noise 5 dB below the voice."""
    NOISE_10_DB = "noise-10"
    """Noise 10 dB below the voice."""
    NOISE_20_DB = "noise-20"
    """Noise 20 dB below the voice."""
    REVERBERATION = "reverberation"
    """A room, as with a loudspeaker telephone, then G.711 mu-law."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _LavCodec:
    encoder: str
    decoder: str
    bit_rate: int
    rate_hz: int
    options: tuple[tuple[str, str], ...] = ()


_CODECS: Final = {
    Condition.AMR_NB_4_75: _LavCodec(
        encoder="libopencore_amrnb", decoder="amrnb", bit_rate=4_750, rate_hz=8_000
    ),
    Condition.AMR_NB_12_2: _LavCodec(
        encoder="libopencore_amrnb", decoder="amrnb", bit_rate=12_200, rate_hz=8_000
    ),
    Condition.OPUS_8K_6: _LavCodec(
        encoder="libopus",
        decoder="libopus",
        bit_rate=6_000,
        rate_hz=48_000,
        options=(("application", "voip"), ("frame_duration", "20"), ("vbr", "off")),
    ),
}
_SNR_DB: Final = {
    Condition.NOISE_0_DB: 0.0,
    Condition.NOISE_5_DB: 5.0,
    Condition.NOISE_10_DB: 10.0,
    Condition.NOISE_20_DB: 20.0,
}


@cache
def unavailable() -> dict[Condition, str]:
    """The conditions that this build of libav can't make, with what it lacks."""
    lacking = {}
    for condition, codec in _CODECS.items():
        missing = [
            f"{kind} {name!r}"
            for kind, name, mode in (
                ("encoder", codec.encoder, "w"),
                ("decoder", codec.decoder, "r"),
            )
            if not _has(name, mode)
        ]
        if missing:
            lacking[condition] = f"this build of PyAV has no {' and no '.join(missing)}"
    return lacking


def carry(samples: Samples, condition: Condition, *, acoustics: Acoustics, seed: int) -> Samples:
    """A recording as the voice path hears it when it is a call in this condition.

    Args:
        samples: mono at 16 kHz in [-1, 1].
        condition: the condition.
        acoustics: noises and rooms for the conditions that have them.
        seed: of what is lost and of which noise or room it is; the same seed gives the same samples.

    Returns:
        Samples at 16 kHz in the telephone band, for voice activity detection and windows.

    Raises:
        ConditionUnavailable: this build of libav lacks its codec.
    """
    if condition in unavailable():
        raise ConditionUnavailable(
            f"Condition {condition.value} can't be made: {unavailable()[condition]}. "
            "Leave it out, or install a build of PyAV that has it."
        )
    rng = np.random.default_rng(seed)
    return _CARRIERS[condition](samples, acoustics, rng)


_Carrier: TypeAlias = Callable[[Samples, Acoustics, np.random.Generator], Samples]


def _as_sent(encoding: Encoding, rate_hz: int) -> _Carrier:
    audio_format = AudioFormat(encoding=encoding, sample_rate_hz=rate_hz)
    return lambda samples, _acoustics, _rng: _heard(encode(samples, audio_format), audio_format)


def _through(codec: _LavCodec) -> _Carrier:
    return lambda samples, _acoustics, _rng: _from_gateway(_coded(_narrow(samples), codec))


def _through_gsm(samples: Samples, _acoustics: Acoustics, _rng: np.random.Generator) -> Samples:
    linear, file = _narrow(samples), io.BytesIO()
    soundfile.write(file, linear, _NARROW_HZ, format="WAV", subtype="GSM610")
    file.seek(0)
    decoded: Linear = soundfile.read(file, dtype="int16")[0]
    return _from_gateway(decoded[: len(linear)])


def _with_noise(snr_db: float) -> _Carrier:
    return lambda samples, acoustics, rng: _from_gateway(
        _narrow(add_noise(samples, acoustics, snr_db=snr_db, rng=rng))
    )


def _in_room(samples: Samples, acoustics: Acoustics, rng: np.random.Generator) -> Samples:
    return _from_gateway(_narrow(add_room(samples, acoustics, rng=rng)))


def _with_loss(samples: Samples, _acoustics: Acoustics, rng: np.random.Generator) -> Samples:
    sent = g711.expand_mu_law(g711.compress_mu_law(_narrow(samples)))
    lost = rng.random(-(-len(sent) // _PACKET)) < _LOSS
    return _from_gateway(conceal(sent, lost))


_CARRIERS: Final[dict[Condition, _Carrier]] = {
    Condition.WIDEBAND: _as_sent(Encoding.L16, MODEL_RATE_HZ),
    Condition.PCMU: _as_sent(Encoding.PCMU, _NARROW_HZ),
    Condition.PCMA: _as_sent(Encoding.PCMA, _NARROW_HZ),
    Condition.GSM_FR: _through_gsm,
    **{condition: _through(codec) for condition, codec in _CODECS.items()},
    Condition.PACKET_LOSS_3: _with_loss,
    **{condition: _with_noise(snr_db) for condition, snr_db in _SNR_DB.items()},
    Condition.REVERBERATION: _in_room,
}


def conceal(linear: Linear, lost: NDArray[np.bool_]) -> Linear:
    """What a decoder plays when packets are lost: the last period of the voice again, fading.

    The period is looked for as in ITU-T G.711 Appendix I; each further lost packet is half as loud.

    Args:
        linear: (n,) int16 at 8 kHz.
        lost: whether each packet of 20 ms is lost.
    """
    played = linear.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]])))
    for first, end in edges.reshape(-1, 2).tolist():
        gap = slice(first * _PACKET, min(end * _PACKET, len(linear)))
        length = gap.stop - gap.start
        period = _last_period(played[: gap.start])
        fading = np.repeat(_FADE_PER_PACKET ** np.arange(end - first), _PACKET)[:length]
        played[gap] = np.rint(np.resize(period, length) * fading)
    return played


def _last_period(before: Linear) -> NDArray[np.float64]:
    shortest, longest = _PITCH_LAGS
    if len(before) < 3 * longest:
        return np.zeros(longest)
    recent = before[-3 * longest :].astype(np.float64)
    now = recent[-longest:]
    lags = np.arange(shortest, longest + 1)
    past = np.stack([recent[-longest - lag : len(recent) - lag] for lag in lags])
    likeness = past @ now / np.sqrt((past**2).sum(axis=1) + 1.0)
    period: NDArray[np.float64] = recent[-int(lags[np.argmax(likeness)]) :]
    return period


def _coded(linear: Linear, codec: _LavCodec) -> Linear:
    """Through an encoder and its decoder, 8 kHz on either side."""
    encoder = AudioCodecContext.create(codec.encoder, "w")
    decoder = AudioCodecContext.create(codec.decoder, "r")
    assert isinstance(encoder, AudioCodecContext)
    assert isinstance(decoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = _NARROW_HZ, "mono", "s16"
    encoder.bit_rate = codec.bit_rate
    encoder.options = dict(codec.options)
    encoder.open()
    decoder.sample_rate, decoder.layout = codec.rate_hz, "mono"
    decoder.extradata = encoder.extradata
    packets = [
        packet for frame in _frames(linear, encoder.frame_size) for packet in encoder.encode(frame)
    ]
    packets += encoder.encode(None)
    decoded = [_samples(frame) for packet in packets for frame in decoder.decode(packet)]
    heard = soxr.resample(np.concatenate(decoded), codec.rate_hz, _NARROW_HZ, "HQ")
    return _quantised(heard[: len(linear)])


def _frames(linear: Linear, size: int) -> list[AudioFrame]:
    padded = np.pad(linear, (0, -len(linear) % size)).astype(np.int16)
    frames = []
    for start in range(0, len(padded), size):
        frame = AudioFrame.from_ndarray(
            padded[np.newaxis, start : start + size], format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = _NARROW_HZ, start
        frames.append(frame)
    return frames


def _samples(frame: AudioFrame) -> NDArray[np.float32]:
    rows = frame.to_ndarray()
    scale = _FULL_SCALE if np.issubdtype(rows.dtype, np.integer) else 1.0
    flat: NDArray[np.float32] = (rows.reshape(-1) / scale).astype(np.float32)
    return flat


def _narrow(samples: Samples) -> Linear:
    return _quantised(soxr.resample(samples, MODEL_RATE_HZ, _NARROW_HZ, "HQ"))


def _quantised(samples: NDArray[np.floating]) -> Linear:
    linear: Linear = np.clip(np.rint(samples * _FULL_SCALE), -32_767, 32_767).astype(np.int16)
    return linear


def _from_gateway(linear: Linear) -> Samples:
    audio_format = AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=_NARROW_HZ)
    return _heard(g711.compress_mu_law(linear).tobytes(), audio_format)


def _heard(data: bytes, audio_format: AudioFormat) -> Samples:
    decoder = StreamDecoder(audio_format)
    return np.concatenate([decoder.decode(data), decoder.finish()])


def _has(name: str, mode: str) -> bool:
    try:
        Codec(name, mode)  # type: ignore[arg-type]
    except UnknownCodecError:
        return False
    return True
