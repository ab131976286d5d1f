"""Recorded files of any usual container and codec to samples at 16 kHz.

Files come from people, so none is trusted: only formats that carry their own audio are opened
(playlists could name other files of this machine), decoding stops at the limit whatever the header
says, and every way that libav can fail becomes an error that says what to do.
"""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

import av
import numpy as np
import soxr
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from shengdun.fingerprint.voice.errors import NoAudio, RecordingTooLong, UnreadableRecording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds
from shengdun.fingerprint.voice.source import SourceMeter, SourceStatistics

DEFAULT_LIMIT_S: Seconds = 1800.0

_FORMATS = (
    "aac", "ac3", "aiff", "amr", "amrnb", "amrwb", "asf", "au", "avi", "caf", "flac", "flv", "gsm",
    "matroska", "mov", "mp3", "mpeg", "mpegts", "ogg", "voc", "w64", "wav",
)  # fmt: skip
_ACCEPTED = "WAV, FLAC, MP3, M4A or MP4, OGG, WebM, AMR, WMA or AIFF"
_OPEN_OPTIONS = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "none"}
_LOWEST_RATE_HZ = 8_000
_MOST_CHANNELS = 32
_LINEAR_PEAK = 32_767
_FULL_SCALE = 32_768
# A file that ends this far before the end that its header announces was cut off.
_LEAST_SHARE_OF_ANNOUNCED = 0.9
_ANNOUNCED_SLACK_S: Seconds = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A decoded recording.

    Attributes:
        samples: mono at 16 kHz in [-1, 1]; several channels are mixed, unless one was asked for.
        codec: the codec's name, as ``pcm_s16le`` or ``mp3``.
        sample_rate_hz: the file's own rate.
        channels: the file's channels.
        source: what was found in the samples at the file's own rate.
    """

    samples: Samples
    codec: str
    sample_rate_hz: int
    channels: int
    source: SourceStatistics

    @property
    def duration_s(self) -> Seconds:
        """Audio in the recording."""
        return len(self.samples) / MODEL_RATE_HZ


def announced_s(source: Path | bytes) -> Seconds:
    """How long a recording says it is; 0 where it doesn't say. Nothing of it is decoded.

    Raises:
        UnreadableRecording: no recording, or a format that is not accepted.
        NoAudio: there is no audio in it.
    """
    name = source.name if isinstance(source, Path) else "The recording"
    with _opened(source, name) as file, _libav_errors(file, name), _container(file) as container:
        _audio_stream(container, name)
        return _announced_s(container)


def decode_recording(
    source: Path | bytes, *, limit_s: Seconds = DEFAULT_LIMIT_S, channel: int = 0
) -> Recording:
    """Decodes a recording.

    Args:
        source: the file, or its content.
        limit_s: longest recording that is accepted. Nothing beyond it is decoded or held.
        channel: which one to take, from 1; 0 mixes all of them.

    Returns:
        The recording at 16 kHz.

    Raises:
        UnreadableRecording: no recording, a damaged one, or a format that is not accepted.
        NoAudio: there is no audio in it, or no such channel.
        RecordingTooLong: it is longer than ``limit_s``.
    """
    name = source.name if isinstance(source, Path) else "The recording"
    with _opened(source, name) as file, _libav_errors(file, name), _container(file) as container:
        return _decode(container, name, limit_s, channel)


def _decode(container: InputContainer, name: str, limit_s: Seconds, channel: int) -> Recording:
    stream = _audio_stream(container, name)
    said_s = _announced_s(container)
    if said_s > limit_s:
        raise _too_long(name, f"{said_s:.0f} s", limit_s)
    context = stream.codec_context
    if channel > context.channels:
        raise NoAudio(
            f"{name} has no channel {channel}: it has {context.channels}. Name another, or none to mix all."
        )
    rate_hz = context.sample_rate
    meter = SourceMeter(peak=_LINEAR_PEAK, reread=None, least_gain=0.0, least_drop=0.0)
    blocks, length = [], 0
    for block in _resampled(container, stream, meter, channel, name):
        blocks.append(block)
        length += len(block)
        if length > limit_s * MODEL_RATE_HZ:
            raise _too_long(name, "more than that", limit_s)
    if not length:
        raise NoAudio(f"{name} has no samples in it. Record it again.")
    if length / MODEL_RATE_HZ < _LEAST_SHARE_OF_ANNOUNCED * said_s - _ANNOUNCED_SLACK_S:
        raise UnreadableRecording(
            f"{name} breaks off after {length / MODEL_RATE_HZ:.1f} of {said_s:.1f} s. "
            "Get the whole file."
        )
    return Recording(
        samples=np.concatenate(blocks),
        codec=context.name,
        sample_rate_hz=rate_hz,
        channels=context.channels,
        source=meter.report(),
    )


def _resampled(
    container: InputContainer, stream: AudioStream, meter: SourceMeter, channel: int, name: str
) -> Iterator[Samples]:
    rate_hz = stream.codec_context.sample_rate
    to_model_rate = soxr.ResampleStream(rate_hz, MODEL_RATE_HZ, 1, "float32", "HQ")
    for mono in _mono(container, stream, channel):
        if not np.isfinite(mono).all():
            raise UnreadableRecording(
                f"{name} holds samples that are no finite numbers. Export it again, as 16-bit WAV."
            )
        meter.update(
            np.clip(np.rint(mono * _FULL_SCALE), -_LINEAR_PEAK, _LINEAR_PEAK).astype(np.int16)
        )
        yield to_model_rate.resample_chunk(mono)
    yield to_model_rate.resample_chunk(np.zeros(0, np.float32), last=True)


def _mono(container: InputContainer, stream: AudioStream, channel: int) -> Iterator[Samples]:
    # libav's own mix of channels as floats is louder than they are, up to clipping.
    planar = AudioResampler(format="fltp", rate=stream.codec_context.sample_rate)
    for frame in chain(container.decode(stream), [None]):
        for part in planar.resample(frame):
            every = part.to_ndarray()
            yield every[channel - 1] if channel else every.mean(axis=0, dtype=np.float32)


def _audio_stream(container: InputContainer, name: str) -> AudioStream:
    if not container.streams.audio:
        raise NoAudio(f"{name} ({container.format.name}) has no audio stream. Send a recording.")
    stream = container.streams.audio[0]
    context = stream.codec_context
    if not context.sample_rate or not context.channels:
        raise NoAudio(f"{name} ({container.format.name}) has no audio in it. Record it again.")
    if context.sample_rate < _LOWEST_RATE_HZ or context.channels > _MOST_CHANNELS:
        raise UnreadableRecording(
            f"{name} has {context.channels} channels at {context.sample_rate} Hz. Send speech at "
            f"{_LOWEST_RATE_HZ} Hz or more, in one channel."
        )
    return stream


def _announced_s(container: InputContainer) -> Seconds:
    return max(container.duration or 0, 0) / av.time_base


@contextmanager
def _container(file: IO[bytes]) -> Iterator[InputContainer]:
    with av.open(file, mode="r", options=_OPEN_OPTIONS) as container:
        yield container


@contextmanager
def _opened(source: Path | bytes, name: str) -> Iterator[IO[bytes]]:
    try:
        file = source.open("rb") if isinstance(source, Path) else io.BytesIO(source)
    except OSError as error:
        raise UnreadableRecording(f"{name} can't be opened: {error.strerror}.") from error
    with file:
        yield file


@contextmanager
def _libav_errors(file: IO[bytes], name: str) -> Iterator[None]:
    """Turns whatever libav raises into an error for the person with the file."""
    try:
        yield
    except (FFmpegError, OSError, ValueError) as error:
        raise UnreadableRecording(
            f"{name} can't be decoded: {_what_it_is(file)}. Accepted are {_ACCEPTED}."
        ) from error


def _too_long(name: str, found: str, limit_s: Seconds) -> RecordingTooLong:
    return RecordingTooLong(
        f"{name} is too long: {limit_s:.0f} s are accepted, and it has {found}. "
        "Cut out the part with the voice."
    )


_SIGNATURES = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive or an office document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x1f\x8b", "a gzip archive"),
)
_HEAD_BYTES = 512


def _what_it_is(file: IO[bytes]) -> str:
    """Names what was sent in place of a recording, as well as its first bytes tell."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if not head:
        return "it is empty"
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return f"it is {kind}"
    if b"\0" not in head and not any(byte < 9 for byte in head) and _is_text(head):
        return "it is text"
    return "it is damaged or no recording"


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
