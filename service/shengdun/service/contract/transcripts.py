"""What a client says of the words of a call, and what it learns of them."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum


class TranscriptUse(Enum):
    """Whether a speech recogniser sends the words of a call too."""

    UNSPECIFIED = "unspecified"
    """Not announced; segments are taken as long as the decision is not final."""
    BESIDE_AUDIO = "beside_audio"
    """What is said late counts too: the decision is final at the end of the call only."""
    INSTEAD_OF_AUDIO = "instead_of_audio"
    """Words come and no audio does."""


class Speaker(Enum):
    """Who speaks."""

    CALLER = "caller"
    AGENT = "agent"
    """The institution's own, whose words are never compared with scripts."""
    UNKNOWN = "unknown"
    """Not told apart; compared as the caller's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptSegment:
    """Words that a speech recogniser heard. Final segments count in the order in which they are sent.

    Attributes:
        text: what was heard, at most 20,000 characters.
        speaker: who said it.
        is_final: whether the recogniser is done with it; a partial one counts until another takes its place.
        segment_id: the recogniser's id of the utterance; a segment takes the place of the partial one of its id. May be
            empty where there is one utterance at a time for each speaker.
        start: where it begins in the call's audio; None when the recogniser has no clock.
        end: where it ends there.
    """

    text: str = field(repr=False)
    speaker: Speaker = Speaker.CALLER
    is_final: bool = True
    segment_id: str = ""
    start: timedelta | None = None
    end: timedelta | None = None


class TranscriptIssue(Enum):
    """What is unusual about a transcript. None of it ends the call."""

    OUT_OF_ORDER = "out_of_order"
    """A final segment began before one that had come already; its words count where they came."""
    OVERLAPPING = "overlapping"
    """A final segment began before the one before it ended; the words of both count."""
    REPEATED = "repeated"
    """A final segment came again; the first one counts."""
    PARTIAL_AFTER_FINAL = "partial_after_final"
    """A partial segment came after the final one of its id; it does not count."""
    NO_CLOCK = "no_clock"
    """A final segment had no times, so nobody can tell where in the audio its words are, or in what order."""
    TOO_LONG = "too_long"
    """The words became more than those of any call; what came then does not count."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptNotice:
    """How many segments were unusual, and in what way."""

    issue: TranscriptIssue
    count: int
