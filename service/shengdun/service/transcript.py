"""The transcript of one call: which of its segments count, and in which order.

Final segments count in the order in which they come, partial ones until another takes their place. What is unusual is
counted and told, and never ends the call.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

LONGEST_TRANSCRIPT: Final = 200_000
"""Code points of the caller's words in one call: what is said in some ten hours."""
_OPEN_AT_MOST: Final = 16
"""Utterances that may be partial at once; of more the oldest is taken as it is, for its final segment was lost."""
_ROUNDING_S: Final = 0.1
"""Segments overlap by less because their times are rounded."""


class Speaker(Enum):
    """Who speaks."""

    CALLER = "caller"
    AGENT = "agent"
    """The institution's own."""
    UNKNOWN = "unknown"


class TranscriptIssue(Enum):
    """What is unusual about a segment; the contract says what becomes of it."""

    OUT_OF_ORDER = "out_of_order"
    OVERLAPPING = "overlapping"
    REPEATED = "repeated"
    PARTIAL_AFTER_FINAL = "partial_after_final"
    NO_CLOCK = "no_clock"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Words that a recogniser heard, checked.

    Attributes:
        segment_id: of the utterance; may be empty.
        text: what was heard.
        speaker: who said it.
        is_final: whether no other takes its place.
        start_s: where it begins in the call's audio, in seconds; None without a clock.
        end_s: where it ends there.
    """

    segment_id: str = ""
    text: str = field(repr=False)
    speaker: Speaker = Speaker.UNKNOWN
    is_final: bool = True
    start_s: float | None = None
    end_s: float | None = None

    def __post_init__(self) -> None:
        if self.start_s is not None and self.end_s is not None and self.end_s < self.start_s:
            raise ValueError("a segment can't end before it begins")


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptCounts:
    """The segments that came.

    Attributes:
        compared: final ones of the caller.
        of_agent: final ones of the institution's own agent.
        replaced: partial ones whose place others took.
        issues: how many were unusual, by what.
    """

    compared: int = 0
    of_agent: int = 0
    replaced: int = 0
    issues: Mapping[TranscriptIssue, int] = field(default_factory=dict)

    def with_issue(self, issue: TranscriptIssue) -> "TranscriptCounts":
        """The same with one unusual segment more."""
        return replace(self, issues=Counter(self.issues) + Counter([issue]))


class Transcript:
    """Takes the segments of one call, and says which words are to be heard."""

    def __init__(self) -> None:
        self.counts = TranscriptCounts()
        self._kept: list[str] = []
        self._given_out = 0
        self._open: dict[object, str] = {}
        self._news = False
        self._length = 0
        self._ended: set[object] = set()
        self._begun_s = self._ended_s = 0.0

    @property
    def has_news(self) -> bool:
        """Whether there are words that were not given out, or others in the place of some that were."""
        return self._news

    @property
    def has_final(self) -> bool:
        """Whether final ones are among them."""
        return len(self._kept) > self._given_out

    @property
    def length(self) -> int:
        """Code points of all final words so far."""
        return self._length

    @property
    def words(self) -> str:
        """All final words so far."""
        return "".join(self._kept)

    def take(self, segment: Segment) -> None:
        """Take the next segment."""
        if segment.speaker is Speaker.AGENT:
            self.counts = replace(self.counts, of_agent=self.counts.of_agent + segment.is_final)
        elif segment.is_final:
            self._take_final(segment)
        else:
            self._take_partial(segment)

    def next(self) -> tuple[str, str]:
        """The final words that were not given out yet, and all partial ones as they are now."""
        final = "".join(self._kept[self._given_out :])
        self._given_out = len(self._kept)
        self._news = False
        return final, "".join(self._open.values())

    def end(self) -> None:
        """The call is over: partial words that nothing took the place of were said all the same."""
        while self._open:
            self._close_oldest()

    def _take_final(self, segment: Segment) -> None:
        key, ended = _utterance(segment), _identity(segment)
        if ended in self._ended:
            self._note(TranscriptIssue.REPEATED)
            return
        if ended is not None:
            self._ended.add(ended)
        self._note_times(segment)
        if self._open.pop(key, None) is not None:
            self.counts = replace(self.counts, replaced=self.counts.replaced + 1)
        self.counts = replace(self.counts, compared=self.counts.compared + 1)
        self._keep(segment.text)

    def _take_partial(self, segment: Segment) -> None:
        key = _utterance(segment)
        if segment.segment_id and segment.segment_id in self._ended:
            self._note(TranscriptIssue.PARTIAL_AFTER_FINAL)
            return
        if key in self._open:
            self.counts = replace(self.counts, replaced=self.counts.replaced + 1)
        room = LONGEST_TRANSCRIPT - self._length - sum(map(len, self._open.values()))
        self._open[key] = segment.text[: max(room, 0)]
        self._news = True
        if len(self._open) > _OPEN_AT_MOST:
            self._close_oldest()

    def _close_oldest(self) -> None:
        key = next(iter(self._open))
        self._ended.add(key)
        self._keep(self._open.pop(key))

    def _keep(self, text: str) -> None:
        room = LONGEST_TRANSCRIPT - self._length
        if len(text) > room:
            self._note(TranscriptIssue.TOO_LONG)
        self._kept.append(text[:room])
        self._length += len(self._kept[-1])
        self._news = True

    def _note_times(self, segment: Segment) -> None:
        if segment.start_s is None or segment.end_s is None:
            self._note(TranscriptIssue.NO_CLOCK)
            return
        if segment.start_s < self._begun_s:
            self._note(TranscriptIssue.OUT_OF_ORDER)
        elif segment.start_s < self._ended_s - _ROUNDING_S:
            self._note(TranscriptIssue.OVERLAPPING)
        self._begun_s = max(self._begun_s, segment.start_s)
        self._ended_s = max(self._ended_s, segment.end_s)

    def _note(self, issue: TranscriptIssue) -> None:
        self.counts = self.counts.with_issue(issue)
        self._news = True


def _utterance(segment: Segment) -> object:
    """What a partial segment has in common with what takes its place."""
    return segment.segment_id or segment.speaker


def _identity(segment: Segment) -> object | None:
    """What a segment has that comes twice; None if that can't be told."""
    if segment.segment_id:
        return segment.segment_id
    if segment.start_s is None or segment.end_s is None:
        return None
    return segment.start_s, segment.end_s, segment.text
