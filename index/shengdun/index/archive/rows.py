"""What is kept of a finished call, and how calls are asked for. No audio and no words are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.errors import InvalidRecord
from shengdun.index.identifiers import check_text

NO_SIGNATURE: Final[NDArray[np.uint64]] = np.zeros(0, np.uint64)
MOST_WINDOWS: Final = 7
"""Of a call: up to 21 s of net speech, by when a decision is final."""
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFlag:
    """One flag of a call's last decision.

    Attributes:
        kind: the flag's type, as ``KNOWN_ACTOR_VOICE``.
        llr: its natural-log likelihood ratio.
        subject: the id of what was recognised: an actor, a script, a campaign, a voice; empty where there is none.
    """

    kind: str
    llr: float
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedDecision:
    """A call's last decision.

    Attributes:
        level: ``low``, ``medium`` or ``high``; empty without enough speech or words.
        probability: that the caller is a known agent, 0 to 1.
        flags: its flags.
        versions: of everything that produced it, by name.
    """

    level: str = ""
    probability: float = 0.0
    flags: tuple[ArchivedFlag, ...] = ()
    versions: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CallWindows:
    """The first windows of a call, from which a site's calibration profile can be made.

    Attributes:
        voiceprints: (w, d) float32 unit rows as the voice model gives them, not rotated; 1 <= w <= ``MOST_WINDOWS``.
        net_speech_s: (w,) net speech in each, in seconds, above 0.
    """

    voiceprints: NDArray[np.float32] = field(repr=False)
    net_speech_s: NDArray[np.float64]

    def __post_init__(self) -> None:
        windows = len(self.net_speech_s)
        if self.voiceprints.ndim != 2 or len(self.voiceprints) != windows:
            raise InvalidRecord("Each window of a call needs its voiceprint and its net speech.")
        if not 1 <= windows <= MOST_WINDOWS:
            raise InvalidRecord(f"Of a call 1 to {MOST_WINDOWS} windows are kept, or none of it.")

    def __len__(self) -> int:
        return len(self.net_speech_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArchivedCall:
    """A finished call.

    Attributes:
        call_id: the telephony system's id of the call; what makes a call one call.
        started_at: in UTC; its day is the call's partition.
        ended_at: in UTC, not before ``started_at``.
        line: the line of business.
        customer: keyed pseudonym of the identity that the caller claimed; empty if none was given.
        number: keyed pseudonym of the calling number; empty if none was given.
        model_id: the voice model that made the voiceprint; empty without one.
        voiceprint: (d,) float32 of unit length as the voice model gives it, not rotated; None without enough speech.
        net_speech_s: net speech that it rests on, in seconds.
        snr_db: speech over noise; None where it isn't known.
        codec: the audio encoding on the wire.
        windows: those behind the voiceprint, of calls that were drawn to calibrate by; None of others.
        signature: (m,) uint64, sorted, of one each: the sampled hashes of the caller's words; empty without words.
        characters: canonical characters of the caller's words.
        decision: its last decision.
    """

    call_id: str
    started_at: datetime
    ended_at: datetime
    line: str
    customer: str = ""
    number: str = ""
    model_id: str = ""
    voiceprint: NDArray[np.float32] | None = field(default=None, repr=False)
    net_speech_s: float = 0.0
    snr_db: float | None = None
    codec: str = ""
    windows: CallWindows | None = field(default=None, repr=False)
    signature: NDArray[np.uint64] = field(default_factory=lambda: NO_SIGNATURE, repr=False)
    characters: int = 0
    decision: ArchivedDecision = field(default_factory=ArchivedDecision)

    def __post_init__(self) -> None:
        check_text("call id", self.call_id, longest=256, empty=False)
        check_text("line", self.line, longest=128, empty=False)
        for name, at in (("started_at", self.started_at), ("ended_at", self.ended_at)):
            if at.utcoffset() is None:
                raise InvalidRecord(f"{name} of a call has no time zone: give it in UTC.")
        if self.ended_at < self.started_at:
            raise InvalidRecord(
                "A call can't end before it starts: check the clock that gave its times."
            )
        if (self.voiceprint is None) != (self.model_id == ""):
            raise InvalidRecord("A voiceprint comes with the id of its voice model, and only then.")
        if self.windows is not None and (
            self.voiceprint is None or self.windows.voiceprints.shape[1] != len(self.voiceprint)
        ):
            raise InvalidRecord("The windows of a call need its voiceprint, of the same dimension.")

    @property
    def day(self) -> str:
        """The day on which it started, in UTC, as ``2026-11-28``."""
        return self.started_at.astimezone(UTC).date().isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQuery:
    """Which calls are asked for; what is left out doesn't narrow it.

    Attributes:
        since: started then or later.
        until: started before.
        line: of this line of business.
        customer: of this keyed pseudonym of a customer.
        number: of this keyed pseudonym of a calling number.
        level: decided with this level.
        flag: with a flag of this type.
        actor: with a flag whose subject is this id.
        model_id: with a voiceprint of this model.
    """

    since: datetime | None = None
    until: datetime | None = None
    line: str = ""
    customer: str = ""
    number: str = ""
    level: str = ""
    flag: str = ""
    actor: str = ""
    model_id: str = ""
