"""What is counted while calls are played: by second of the plan, mergeable across processes, and JSON between them."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from shengdun.service.load.histogram import Histogram

HUNG_UP: Final = "HUNG_UP_BY_CLIENT"
"""Status of a call that the client gave up because the run was stopped."""
NOT_ENDED: Final = "NOT_ENDED_BY_SERVER"
"""Status of a call that the server had not ended when the grace after the plan was over."""
GIVEN_UP: Final = {
    HUNG_UP: "the run was stopped while the call was running",
    NOT_ENDED: "what the call said was not answered when the grace after the plan was over (--grace)",
}
"""What each of these means."""
CLIENT_DEFECT: Final = "CLIENT_DEFECT"
"""Status of a call that failed within the client."""
SHED: Final = "RESOURCE_EXHAUSTED"
"""Status by which a server refuses what it can't do in time."""
UNREACHABLE: Final = "UNAVAILABLE"
"""Status of a server that can't be reached."""
NET_SPEECH_STEP_S: Final = 3
"""Decisions are told by net speech in steps of so many seconds."""


@dataclass(slots=True, kw_only=True)
class Slice:
    """What happened in one second of the plan. A call counts in the second it begins, a decision in that of its chunk.

    Attributes:
        begun: calls begun.
        ended: calls that the server ended with OK.
        good: those of them whose every decision came complete and in time.
        failed: calls that ended otherwise, by ``status/reason``.
        complete: from the planned time of the chunk that completed a window to the decision that rests on it.
        decisions: decisions of any kind.
        windows: windows, and ends of calls, that were answered, completely or not.
        in_time: those that were answered completely within the budget.
        unfinished: those that were answered by partial decisions alone.
        first: from that planned time to the first answer, partial ones included.
        opened: from the planned beginning of a call to its first decision.
        refused: from the planned beginning of a call to the refusal that ended it.
        served: the server's own latency of complete decisions.
        partial: decisions that rest on less than they could, by reason.
        sent: chunks sent.
        late: those that were sent later than planned by more than the tolerance.
        held: those of them that were late because the server made the call or the chunks before wait.
        audio_s: seconds of audio in recordings that were screened whole.
        segments: words sent, in segments of a transcript.
        by_words: the server's own latency of decisions that answer words and no audio.
        estimated: decisions whose chunk was inferred, because the server doesn't name it.
    """

    begun: int = 0
    ended: int = 0
    good: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    complete: Histogram = field(default_factory=Histogram)
    decisions: int = 0
    windows: int = 0
    in_time: int = 0
    unfinished: int = 0
    first: Histogram = field(default_factory=Histogram)
    opened: Histogram = field(default_factory=Histogram)
    refused: Histogram = field(default_factory=Histogram)
    served: Histogram = field(default_factory=Histogram)
    partial: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    late: int = 0
    held: int = 0
    segments: int = 0
    by_words: Histogram = field(default_factory=Histogram)
    estimated: int = 0
    audio_s: float = 0.0

    def add(self, other: "Slice") -> None:
        """Count what another slice counted too."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Histogram):
                mine.add(theirs)
            elif isinstance(mine, Counter):
                mine.update(theirs)
            else:
                setattr(self, each.name, mine + theirs)

    @classmethod
    def merged(cls, parts: Iterable["Slice"]) -> Self:
        """Everything that the parts counted."""
        whole = cls()
        for part in parts:
            whole.add(part)
        return whole

    @property
    def shed(self) -> int:
        """Calls that the server refused or ended because it could not do them."""
        return sum(n for kind, n in self.failed.items() if kind.partition("/")[0] == SHED)

    def as_json(self) -> dict[str, Any]:
        """As JSON has it; what is empty is left out."""
        named = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {
            name: value.as_json() if isinstance(value, Histogram) else value
            for name, value in named
            if (value.counts if isinstance(value, Histogram) else value)
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The slice that ``as_json`` wrote."""
        read = cls()
        for name, value in content.items():
            kind = type(getattr(read, name))
            setattr(read, name, Histogram.from_json(value) if kind is Histogram else kind(value))
        return read


@dataclass(slots=True, kw_only=True)
class Tally:
    """Everything that was counted.

    Attributes:
        slices: by second of the plan.
        by_net_speech: latency of complete decisions by net speech, in steps of ``NET_SPEECH_STEP_S``.
        states: last decisions of calls by their state.
        examples: a message for each kind of failure.
        lost: decisions missing from the numbering of a call.
        unconcluded: calls that the server ended with OK before it had answered all their audio.
        worst_late_s: the latest that a chunk was sent, in seconds after its time.
        live: calls running in the process, when the tally was given.
        cpu_s: processor time that the process used.
    """

    slices: defaultdict[int, Slice] = field(default_factory=lambda: defaultdict(Slice))
    by_net_speech: defaultdict[int, Histogram] = field(
        default_factory=lambda: defaultdict(Histogram)
    )
    states: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    lost: int = 0
    unconcluded: int = 0
    worst_late_s: float = 0.0
    live: int = 0
    cpu_s: float = 0.0

    def add(self, other: "Tally") -> None:
        """Count what another tally counted too; ``live`` is not a count and is left to the reader."""
        for second, part in other.slices.items():
            self.slices[second].add(part)
        for step, histogram in other.by_net_speech.items():
            self.by_net_speech[step].add(histogram)
        self.states.update(other.states)
        self.examples = other.examples | self.examples
        self.lost += other.lost
        self.unconcluded += other.unconcluded
        self.worst_late_s = max(self.worst_late_s, other.worst_late_s)
        self.cpu_s += other.cpu_s

    def take(self) -> Self:
        """Give everything that was counted so far, and begin anew; ``live`` and ``cpu_s`` are the worker's to set."""
        taken = type(self)()
        for each in fields(self):
            mine, empty = getattr(self, each.name), getattr(taken, each.name)
            setattr(taken, each.name, mine)
            setattr(self, each.name, empty)
        return taken

    def between(self, from_s: float, until_s: float) -> Slice:
        """Everything that was planned from one second up to, and without, another."""
        return Slice.merged(
            part for second, part in self.slices.items() if from_s <= second < until_s
        )

    @property
    def failures(self) -> int:
        """Calls that failed, of all seconds."""
        return sum(part.failed.total() for part in self.slices.values())

    def fail(self, second: int, status: str, reason: str, message: str) -> None:
        """Count a call that failed."""
        kind = f"{status}/{reason}" if reason else status
        self.slices[second].failed[kind] += 1
        self.examples.setdefault(kind, message)

    def to_line(self) -> bytes:
        """As one line of JSON; ``from_line`` reads it."""
        return json.dumps(self.as_json()).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """The tally that ``to_line`` wrote."""
        return cls.from_json(json.loads(line))

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "slices": {str(second): part.as_json() for second, part in self.slices.items()},
            "by_net_speech": {str(at): h.as_json() for at, h in self.by_net_speech.items()},
            "states": self.states,
            "examples": self.examples,
            "lost": self.lost,
            "unconcluded": self.unconcluded,
            "worst_late_s": self.worst_late_s,
            "live": self.live,
            "cpu_s": self.cpu_s,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The tally that ``as_json`` wrote."""
        read = cls(
            states=Counter(content["states"]),
            examples=content["examples"],
            lost=content["lost"],
            unconcluded=content["unconcluded"],
            worst_late_s=content["worst_late_s"],
            live=content["live"],
            cpu_s=content["cpu_s"],
        )
        for second, part in content["slices"].items():
            read.slices[int(second)] = Slice.from_json(part)
        for at, histogram in content["by_net_speech"].items():
            read.by_net_speech[int(at)] = Histogram.from_json(histogram)
        return read
