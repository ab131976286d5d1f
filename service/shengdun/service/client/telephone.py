"""Recordings as a telephone would send them: band-limited, encoded, in chunks, at the pace of speech.

Words are sent beside them as a speech recogniser would.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from shengdun.fingerprint.voice.codecs import AudioFormat as CodecFormat
from shengdun.fingerprint.voice.codecs import Encoding, encode
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.service.client.calls import CallStream
from shengdun.service.contract.decisions import AudioFormat, Decision
from shengdun.service.contract.transcripts import TranscriptSegment

CHUNK: Final = timedelta(milliseconds=100)
"""Audio in one message, as media servers usually send it."""
LONGEST: Final = timedelta(hours=4)
"""The longest recording that is played."""


def telephone_audio(
    recording: Path | bytes, audio_format: AudioFormat, *, longest: timedelta | None = None
) -> bytes:
    """The audio of a recording, encoded for a call.

    Args:
        recording: a file in any common container, or its content.
        audio_format: the encoding and rate of the call.
        longest: take only so much from its beginning; None takes all.

    Raises:
        OSError: the file can't be read.
        RecordingError: it is no recording, or longer than ``LONGEST``.
        UnsupportedFormat: the encoding isn't offered at this rate.
    """
    decoded = decode_recording(recording, limit_s=LONGEST.total_seconds())
    samples = decoded.samples
    if longest is not None:
        samples = samples[: round(longest.total_seconds() * MODEL_RATE_HZ)]
    return encode_call(samples, audio_format)


def encode_call(samples: Samples, audio_format: AudioFormat) -> bytes:
    """Samples at 16 kHz in [-1, 1], encoded for a call.

    Raises:
        UnsupportedFormat: the encoding isn't offered at this rate.
    """
    codec = CodecFormat(
        encoding=Encoding[audio_format.encoding.name], sample_rate_hz=audio_format.sample_rate_hz
    )
    return encode(samples, codec)


def chunks(audio: bytes, audio_format: AudioFormat, chunk: timedelta = CHUNK) -> Iterator[bytes]:
    """The audio in chunks of a duration, the last one shorter."""
    size = round(chunk.total_seconds() * audio_format.bytes_per_s)
    for start in range(0, len(audio), size):
        yield audio[start : start + size]


async def play(
    call: CallStream,
    audio: bytes,
    *,
    paced: bool,
    chunk: timedelta = CHUNK,
    words: Sequence[TranscriptSegment] = (),
) -> None:
    """Send audio into a call, and words beside it, and hang up.

    Args:
        call: the call.
        audio: in the call's format.
        paced: send every chunk when it would have been spoken, counted from the first, so that a chunk that is late
            doesn't make those after it late; otherwise as fast as the server takes them.
        chunk: audio in one message.
        words: in order; each is sent once the audio to its end was, one without a clock with what it follows.

    Raises:
        ClientError: the server ended the call.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    unsaid = deque(words)
    for index, piece in enumerate(chunks(audio, call.config.audio_format, chunk), start=1):
        if paced:
            await asyncio.sleep(started + index * chunk.total_seconds() - clock())
        await call.send(piece)
        while unsaid and (unsaid[0].end is None or unsaid[0].end <= index * chunk):
            await call.send_words(unsaid.popleft())
    for segment in unsaid:
        await call.send_words(segment)
    await call.finish()


async def converse(
    call: CallStream,
    audio: bytes,
    *,
    paced: bool,
    chunk: timedelta = CHUNK,
    words: Sequence[TranscriptSegment] = (),
) -> AsyncIterator[Decision]:
    """Send audio and words into a call, hang up, and give the decisions as they come; arguments as of ``play``.

    Raises:
        ClientError: the server ended the call.
    """
    playing = asyncio.create_task(play(call, audio, paced=paced, chunk=chunk, words=words))
    try:
        async for decision in call:
            yield decision
        await playing
    finally:
        playing.cancel()
        # When the server ends the call both sides fail; the reader's error is the one that is raised.
        await asyncio.gather(playing, return_exceptions=True)
