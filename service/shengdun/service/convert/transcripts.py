"""Words of a call: from messages to checked segments, and what came of them to messages."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.duration_pb2 import Duration

from shengdun.service.errors import InvalidRequest, MessageTooLarge
from shengdun.service.transcript import Segment, Speaker, TranscriptIssue
from shengdun.v1 import transcript_pb2

LONGEST_SEGMENT: Final = 20_000
"""Code points."""
_LONGEST_ID: Final = 128
_SPEAKERS: Final = {
    transcript_pb2.SPEAKER_CALLER: Speaker.CALLER,
    transcript_pb2.SPEAKER_AGENT: Speaker.AGENT,
}
_ISSUES: Final = {
    TranscriptIssue.OUT_OF_ORDER: transcript_pb2.TRANSCRIPT_ISSUE_OUT_OF_ORDER,
    TranscriptIssue.OVERLAPPING: transcript_pb2.TRANSCRIPT_ISSUE_OVERLAPPING,
    TranscriptIssue.REPEATED: transcript_pb2.TRANSCRIPT_ISSUE_REPEATED,
    TranscriptIssue.PARTIAL_AFTER_FINAL: transcript_pb2.TRANSCRIPT_ISSUE_PARTIAL_AFTER_FINAL,
    TranscriptIssue.NO_CLOCK: transcript_pb2.TRANSCRIPT_ISSUE_NO_CLOCK,
    TranscriptIssue.TOO_LONG: transcript_pb2.TRANSCRIPT_ISSUE_TOO_LONG,
}


def segment_of(message: transcript_pb2.TranscriptSegment) -> Segment:
    """Check a segment. Its words are never repeated in a message: they are somebody's.

    Raises:
        InvalidRequest: its id is too long, or it ends before it begins or the call does.
        MessageTooLarge: it has more words than a segment may have.
    """
    text = message.text
    if len(text) > LONGEST_SEGMENT:
        raise MessageTooLarge(
            f"a segment may have at most {LONGEST_SEGMENT:,} characters, not {len(text):,}; send utterances"
        )
    if len(message.segment_id) > _LONGEST_ID:
        raise InvalidRequest(f"segment_id may have at most {_LONGEST_ID} characters")
    start_s = _seconds(message.start) if message.HasField("start") else None
    end_s = _seconds(message.end) if message.HasField("end") else None
    if start_s is not None and start_s < 0:
        raise InvalidRequest(
            "start of a segment must not be before the call; send seconds of its audio"
        )
    if start_s is not None and end_s is not None and end_s < start_s:
        raise InvalidRequest(
            "end of a segment must not be before its start; send both by the audio's clock"
        )
    return Segment(
        segment_id=message.segment_id,
        text=text,
        speaker=_SPEAKERS.get(message.speaker, Speaker.UNKNOWN),
        is_final=message.is_final,
        start_s=start_s,
        end_s=end_s,
    )


def notice_messages(
    issues: Mapping[TranscriptIssue, int],
) -> list[transcript_pb2.TranscriptNotice]:
    """What is unusual about a transcript, in the order of the contract."""
    return [
        transcript_pb2.TranscriptNotice(issue=_ISSUES[issue], count=issues[issue])
        for issue in TranscriptIssue
        if issue in issues
    ]


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9
