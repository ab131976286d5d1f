"""What a client says and learns of hunts: searches of the archived calls for one voice or one script."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class HuntState(Enum):
    """Where a hunt stands."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The server stopped, or the archive could not be read; it can be resumed as a cancelled one can."""
    UNKNOWN = "unknown"
    """Something that this client is too old to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarry:
    """What is hunted; exactly one of actor, recording and script is named.

    Attributes:
        actor_id: an actor, by all of its voiceprints.
        recording_name: the voice of a recording.
        script_id: a known script.
        since: calls that started then or later, with a time zone; None for any.
        until: calls that started before; None for any.
        line: only calls of this line of business; empty for any.
        least_score: of a hit: the natural-log LLR of a voice (None for 3), or the share of a script (None for 0.3).
        limit: how many calls are kept, the best ones; 0 for 1,000.
    """

    actor_id: str = ""
    recording_name: str = ""
    script_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    line: str = ""
    least_score: float | None = None
    limit: int = 0

    def __post_init__(self) -> None:
        if sum(map(bool, (self.actor_id, self.recording_name, self.script_id))) != 1:
            raise ValueError("a hunt is after an actor, a recording's voice, or a script")
        for moment in (self.since, self.until):
            if moment is not None and moment.tzinfo is None:
                raise ValueError("since and until need a time zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntHit:
    """An archived call that a hunt found.

    Attributes:
        call_id: which.
        started_at: when it started.
        line: its line of business.
        customer_pseudonym: keyed pseudonym of the customer that the caller claimed to be; may be empty.
        net_speech_s: net speech behind its voiceprint, in seconds.
        llr: natural-log likelihood ratio of "this is the voice"; None for a script.
        probability: that it is, with the prior of the call's line; None for a script.
        expected_by_chance: how many of the calls looked through reach this LLR by chance, at most, on average.
        script_share: the share of the script that the call's words contain; None for a voice.
    """

    call_id: str
    started_at: datetime
    line: str
    customer_pseudonym: str = ""
    net_speech_s: float = 0.0
    llr: float | None = None
    probability: float | None = None
    expected_by_chance: float | None = None
    script_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """A hunt as it stands.

    Attributes:
        hunt_id: which.
        quarry: what is hunted.
        state: where it stands.
        started_by: who started it.
        started_at: when.
        calls_read: calls that it has looked through.
        calls_total: calls to look through in all, at most.
        day: the day that it is in; empty before the first.
        calls_found: calls that reached the least score, those beyond the limit included.
        expected_by_chance: how many calls by others reach the least LLR by chance, at most, on average; None for a
            script.
        model_id: the voice model whose voiceprints are compared; empty for a script.
        profile_id: the calibration profile of the LLRs; empty for a script.
        problems: what of the archive could not be read, or why it was interrupted.
        hits: the calls found, best first: some while it runs, all that are kept at its end, none in a list of hunts.
    """

    hunt_id: str
    quarry: Quarry
    state: HuntState
    started_by: str
    started_at: datetime
    calls_read: int
    calls_total: int
    day: str
    calls_found: int
    expected_by_chance: float | None = None
    model_id: str = ""
    profile_id: str = ""
    problems: tuple[str, ...] = ()
    hits: tuple[HuntHit, ...] = field(default=(), repr=False)
