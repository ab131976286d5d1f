"""What callers of ScreeningService state: from messages to checked values."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding
from shengdun.index.identifiers import check_watchlist_id
from shengdun.service.errors import InvalidRequest, MessageTooLarge, ProtocolViolation
from shengdun.v1 import audio_pb2, screening_pb2, transcript_pb2

MAX_CHUNK_BYTES = 1 << 20
_CALL_ID = re.compile(r"[\x21-\x7e]{1,128}")
_MAX_CUSTOMER_REFERENCE = 256
_MAX_CALLING_NUMBER = 64
_MAX_WATCHLISTS = 32
_MAX_CHANNEL = 32
_BUDGET = (timedelta(milliseconds=10), timedelta(seconds=60))
_ENCODINGS = {
    audio_pb2.AUDIO_ENCODING_PCMU: Encoding.PCMU,
    audio_pb2.AUDIO_ENCODING_PCMA: Encoding.PCMA,
    audio_pb2.AUDIO_ENCODING_L16: Encoding.L16,
    audio_pb2.AUDIO_ENCODING_L16_BE: Encoding.L16_BE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """What a caller of ScreenCall or ScreenRecording states, checked.

    Attributes:
        call_id: the telephony system's id; empty only for a recording.
        line: name of the line; empty is the default line.
        watchlist_ids: watchlists to screen; none means the line's own.
        audio_format: the format of the call's audio; None for a recording, and for a call of words alone.
        awaits_words: whether words were announced.
        customer_reference: whom the call is about; may be empty.
        budget: time to a decision; None means the line's own.
        calling_number: empty if none was given.
        started_at: when a call of the past started, in UTC; None for a live one, and for a file that isn't a call.
        channel: of a recording, which is the caller's, from 1; 0 for all of them.
        even_if_erased: whether a call of the past is to be archived though it was erased.
        is_recording: whether all of it is there already, so that nobody waits on the line.
    """

    call_id: str
    line: str
    watchlist_ids: tuple[str, ...]
    audio_format: AudioFormat | None = None
    budget: timedelta | None = None
    awaits_words: bool = False
    customer_reference: str = field(default="", repr=False)
    calling_number: str = field(default="", repr=False)
    started_at: datetime | None = None
    channel: int = 0
    even_if_erased: bool = False
    is_recording: bool = False

    @property
    def is_past(self) -> bool:
        """Whether it is a call of the past, so that it counts for nothing that tells of live ones."""
        return self.started_at is not None


def call_request(config: screening_pb2.CallConfig) -> CallRequest:
    """Check the configuration of a call.

    Raises:
        InvalidRequest: a field is missing or wrong; the message names it.
        UnsupportedFormat: the audio format is not offered.
        InvalidRecord: a watchlist id is not well-formed.
    """
    _check_identity(config)
    return CallRequest(
        call_id=check_call_id(config.call_id),
        line=config.line,
        watchlist_ids=_watchlist_ids(config),
        audio_format=_audio_format_of(config),
        budget=_budget(config),
        awaits_words=config.transcript_use != transcript_pb2.TRANSCRIPT_USE_UNSPECIFIED,
        customer_reference=config.customer_reference,
        calling_number=config.calling_number,
    )


def recording_request(config: screening_pb2.RecordingConfig) -> CallRequest:
    """Check the configuration of a recording.

    Raises:
        InvalidRequest: a field is wrong; the message names it.
        InvalidRecord: a watchlist id is not well-formed.
    """
    _check_identity(config)
    call_id = check_call_id(config.call_id) if config.call_id else ""
    return CallRequest(
        call_id=call_id,
        line=config.line,
        watchlist_ids=_watchlist_ids(config),
        customer_reference=config.customer_reference,
        calling_number=config.calling_number,
        started_at=_started_at(config, call_id),
        channel=_channel(config),
        even_if_erased=config.even_if_erased,
        is_recording=True,
    )


def chunk_audio(message: screening_pb2.ScreenCallRequest, *, has_audio: bool = True) -> bytes:
    """The audio in a message after the configuration, bytes in the call's format.

    Args:
        message: one without words.
        has_audio: whether the call was to have any.

    Raises:
        ProtocolViolation: there is none in it, or there was to be none.
        MessageTooLarge: there is more than a chunk may have.
    """
    kind = message.WhichOneof("message")
    if kind == "config":
        raise ProtocolViolation(
            "a second configuration came; a stream carries one call, open another for the next"
        )
    if kind != "audio":
        raise ProtocolViolation(
            "a message without audio or words came; after the configuration every message carries one of them"
        )
    if not has_audio:
        raise ProtocolViolation(
            "audio came in a call that has words instead of it; announce TRANSCRIPT_USE_BESIDE_AUDIO and its format"
        )
    # Each time that it is read it is copied.
    audio = message.audio
    if len(audio) > MAX_CHUNK_BYTES:
        raise MessageTooLarge(
            f"a chunk may have at most {MAX_CHUNK_BYTES >> 10} KiB; send smaller ones"
        )
    return audio


def check_call_id(call_id: str) -> str:
    """Return the call id, or raise ``InvalidRequest`` if it is not one."""
    if not _CALL_ID.fullmatch(call_id):
        raise InvalidRequest(
            "call_id must be 1 to 128 visible ASCII characters without spaces; send the telephony system's own id"
        )
    return call_id


def _check_identity(config: screening_pb2.CallConfig | screening_pb2.RecordingConfig) -> None:
    # The values are not repeated: they identify a person, and messages are logged by callers.
    if len(config.customer_reference) > _MAX_CUSTOMER_REFERENCE:
        raise InvalidRequest(
            f"customer_reference may have at most {_MAX_CUSTOMER_REFERENCE} characters; send a hash"
        )
    if len(config.calling_number) > _MAX_CALLING_NUMBER:
        raise InvalidRequest(f"calling_number may have at most {_MAX_CALLING_NUMBER} characters")


def _started_at(config: screening_pb2.RecordingConfig, call_id: str) -> datetime | None:
    if not config.HasField("start_time"):
        return None
    if not call_id:
        raise InvalidRequest(
            "a call of the past needs its call_id, by which it is known when it comes again"
        )
    try:
        return config.start_time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest("start_time is no time; give it in UTC") from None


def _channel(config: screening_pb2.RecordingConfig) -> int:
    if config.channel > _MAX_CHANNEL:
        raise InvalidRequest(f"channel must be between 0 and {_MAX_CHANNEL}")
    return config.channel


def _watchlist_ids(
    config: screening_pb2.CallConfig | screening_pb2.RecordingConfig,
) -> tuple[str, ...]:
    ids = tuple(
        dict.fromkeys(check_watchlist_id(watchlist_id) for watchlist_id in config.watchlist_ids)
    )
    if len(ids) > _MAX_WATCHLISTS:
        raise InvalidRequest(
            f"watchlist_ids may name at most {_MAX_WATCHLISTS} watchlists, not {len(ids)}"
        )
    return ids


def _audio_format_of(config: screening_pb2.CallConfig) -> AudioFormat | None:
    if config.transcript_use != transcript_pb2.TRANSCRIPT_USE_INSTEAD_OF_AUDIO:
        return _audio_format(config.audio_format)
    if config.HasField("audio_format"):
        raise InvalidRequest(
            "audio_format must be left out of a call with words instead of audio; where both come say "
            "TRANSCRIPT_USE_BESIDE_AUDIO"
        )
    return None


def _audio_format(message: audio_pb2.AudioFormat) -> AudioFormat:
    encoding = _ENCODINGS.get(message.encoding)
    if encoding is None:
        offered = ", ".join(audio_pb2.AudioEncoding.Name(value) for value in _ENCODINGS)
        raise InvalidRequest(f"audio_format.encoding must be one of {offered}")
    return AudioFormat(encoding=encoding, sample_rate_hz=message.sample_rate_hz)


def _budget(config: screening_pb2.CallConfig) -> timedelta | None:
    if not config.HasField("budget"):
        return None
    least, most = _BUDGET
    # Compared as numbers first: a Duration can be too large for a timedelta.
    seconds = config.budget.seconds + config.budget.nanos / 1e9
    if not least.total_seconds() <= seconds <= most.total_seconds():
        raise InvalidRequest(
            f"budget must be between {least.total_seconds()} s and {most.total_seconds():g} s"
        )
    return timedelta(seconds=seconds)
