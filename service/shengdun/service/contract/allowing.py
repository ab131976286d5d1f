"""What a client says and learns of the allow-list: who may call for many, and the institution's own voices."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Relation(Enum):
    """What a representative is to the customers."""

    RELATIVE = "relative"
    GUARDIAN = "guardian"
    LAWYER = "lawyer"
    CONSUMER_BODY = "consumer-body"
    UNKNOWN = "unknown"
    """Something that this client is too old to know."""


class OwnVoiceKind(Enum):
    """What a voice of the institution's own is."""

    COLLECTOR = "collector"
    PROMPT = "prompt"
    UNKNOWN = "unknown"
    """Something that this client is too old to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAllowed:
    """What is to be added: a representative (``relation``) or a voice of the institution's own (``own``), not both.

    Attributes:
        reason: why, in words.
        entry_id: an id of one's own; empty for a new one.
        expires_at: from then on it doesn't count; None for never.
        relation: what a representative is to the customers.
        customer_references: for whom a representative acts, as calls give them; the server makes pseudonyms of them.
        calling_numbers: numbers from which a representative calls; likewise.
        own: what a voice of the institution's own is; it comes from a recording or a finished call.
        recording_name: the name of the recording, for people.
        call_id: the finished call in which it was heard.
    """

    reason: str
    entry_id: str = ""
    expires_at: datetime | None = None
    relation: Relation | None = None
    customer_references: tuple[str, ...] = ()
    calling_numbers: tuple[str, ...] = ()
    own: OwnVoiceKind | None = None
    recording_name: str = ""
    call_id: str = ""

    def __post_init__(self) -> None:
        if (self.relation is None) == (self.own is None):
            raise ValueError(
                "an entry is for a representative, or for a voice of the institution's own"
            )
        if self.own is not None and bool(self.recording_name) == bool(self.call_id):
            raise ValueError("an own voice comes from a recording, or from a finished call")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise ValueError("expires_at needs a time zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedEntry:
    """An entry of the allow-list.

    Attributes:
        entry_id: its id.
        reason: why it was made.
        granted_by: who made it.
        granted_at: when.
        expires_at: from then on it doesn't count; None for never.
        expired: whether that has come.
        relation: what a representative is to the customers; None for an own voice.
        customers: for how many customers a representative acts.
        numbers: from how many numbers a representative calls.
        customer_pseudonyms: of the customers; only where one entry was asked for.
        number_pseudonyms: of the numbers; likewise.
        own: what an own voice is; None for a representative.
        model_id: the voice model of an own voice; empty for a representative.
        net_speech_s: net speech behind an own voice, in seconds; 0 for a representative.
    """

    entry_id: str
    reason: str
    granted_by: str
    granted_at: datetime
    expires_at: datetime | None
    expired: bool
    relation: Relation | None = None
    customers: int = 0
    numbers: int = 0
    customer_pseudonyms: tuple[str, ...] = ()
    number_pseudonyms: tuple[str, ...] = ()
    own: OwnVoiceKind | None = None
    model_id: str = ""
    net_speech_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedPage:
    """A page of the allow-list.

    Attributes:
        entries: in the order of their ids.
        next_page_token: gives the next page; empty on the last one.
        total: how many entries there are on all pages.
    """

    entries: tuple[AllowedEntry, ...]
    next_page_token: str
    total: int
