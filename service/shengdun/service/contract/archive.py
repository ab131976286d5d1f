"""What a client learns of finished calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from shengdun.index.archive.receipts import ArchiveReceipt
from shengdun.service.contract.decisions import FlagType, RiskLevel, WatchlistResult

__all__ = [
    "ArchiveReceipt",
    "CallFlag",
    "CallPage",
    "CallSelection",
    "FinishedCall",
    "ScoreDifference",
    "ScoredCall",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSelection:
    """Which calls are meant; what is left out doesn't narrow it.

    Attributes:
        since: started then or later.
        until: started before.
        line: of this line of business.
        customer_reference: of this customer, as it was given to the calls.
        calling_number: from this number.
        level: decided with this level.
        flag: with a flag of this type.
        subject_id: with a flag whose subject has this id: an actor, a script, a campaign, a voice.
    """

    since: datetime | None = None
    until: datetime | None = None
    line: str = ""
    customer_reference: str = field(default="", repr=False)
    calling_number: str = field(default="", repr=False)
    level: RiskLevel | None = None
    flag: FlagType | None = None
    subject_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFlag:
    """One flag of a call's last decision.

    Attributes:
        type: its type.
        llr: natural-log likelihood ratio.
        subject_id: the id of what was recognised; empty where there is none.
    """

    type: FlagType
    llr: float
    subject_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedCall:
    """A finished call. Neither its audio nor its words were kept.

    Attributes:
        call_id: the telephony system's id.
        started_at: in UTC.
        ended_at: in UTC.
        line: the line of business.
        customer: keyed pseudonym; empty if no reference was given.
        number: keyed pseudonym; empty if none was given.
        level: of its last decision; None without enough speech or words.
        probability: that the caller is a known agent, by the voice, 0 to 1.
        flags: its flags.
        versions: of everything that produced the decision, by name.
        model_id: the voice model of its voiceprint; empty without one.
        net_speech_s: net speech that the voiceprint rests on, in seconds.
        snr_db: speech over noise; None where it isn't known.
        codec: the audio encoding on the wire; empty for a call of words alone.
        characters: canonical characters of the caller's words.
    """

    call_id: str
    started_at: datetime
    ended_at: datetime
    line: str
    customer: str
    number: str
    level: RiskLevel | None
    probability: float
    flags: tuple[CallFlag, ...]
    versions: Mapping[str, str]
    model_id: str
    net_speech_s: float
    snr_db: float | None
    codec: str
    characters: int


class ScoreDifference(Enum):
    """Why a call may be scored otherwise now than it was decided."""

    PROFILE = "profile"
    WATCHLIST_CHANGED = "watchlist_changed"
    WATCHLIST_DELETED = "watchlist_deleted"
    POLICY_CHANGED = "policy_changed"
    OTHER_EVIDENCE = "other_evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredCall:
    """A finished call, and what its voice scores.

    Attributes:
        call: as it was decided.
        calibration_profile_id: the profile that it was scored with now.
        level: by the voice; None where it says nothing.
        probability: that the caller is on one of the watchlists, by the voice, 0 to 1.
        watchlists: the outcome of every watchlist that was screened then and is there.
        flags: actors who would be flagged.
        differences: why this may be otherwise than it was; empty if nothing has changed.
        agrees: whether the numbers are those of then, but for the rounding of archived voiceprints.
    """

    call: FinishedCall
    calibration_profile_id: str
    level: RiskLevel | None
    probability: float
    watchlists: tuple[WatchlistResult, ...]
    flags: tuple[CallFlag, ...]
    differences: tuple[ScoreDifference, ...]
    agrees: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPage:
    """A page of finished calls.

    Attributes:
        calls: the latest first.
        next_page_token: gives the next page; empty on the last one.
        found: how many calls match, on all pages.
        problems: what couldn't be looked through, in words.
    """

    calls: tuple[FinishedCall, ...]
    next_page_token: str
    found: int
    problems: tuple[str, ...]
