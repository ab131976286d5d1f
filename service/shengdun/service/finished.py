"""What is left of a call when it has ended."""

from dataclasses import dataclass, field

from shengdun.service.decision import Decision
from shengdun.service.evidence import HeardSpeech


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FinishedCall:
    """A call that has ended.

    Attributes:
        decision: its last one.
        heard: the caller's speech that the decision rests on, or that of the voice that took over; None without enough.
        words: the caller's words, in the order in which they came; empty without any.
    """

    decision: Decision
    heard: HeardSpeech | None = field(repr=False)
    words: str = field(repr=False)
