"""What a client learns of voices that nobody has enrolled."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatCall:
    """An earlier call of a voice for another customer.

    Attributes:
        call_id: the telephony system's id of the call.
        started_at: when it started.
        llr: natural-log likelihood ratio of "it is by the caller's voice".
        probability: that it is by the voice of the other calls, 0 to 1.
    """

    call_id: str
    started_at: datetime
    llr: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatVoice:
    """The evidence that a voice calls for several customers.

    Attributes:
        probability: that it has called for so many others as its line asks for, 0 to 1.
        other_customers: whose calls are named.
        calls: that are surely its own, in order of time; of more than 100 the last.
        voice_id: the voice; empty if it is none yet.
    """

    probability: float
    other_customers: int
    calls: tuple[RepeatCall, ...]
    voice_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceCall:
    """A call of a voice.

    Attributes:
        call_id: the telephony system's id of the call.
        started_at: when it started.
        customer_pseudonym: keyed pseudonym of the customer; empty if none was given.
        number_pseudonym: keyed pseudonym of the calling number; empty if none was given.
        line: the line of business.
        probability: that it is by the voice of the other calls, 0 to 1.
    """

    call_id: str
    started_at: datetime
    customer_pseudonym: str
    number_pseudonym: str
    line: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownVoice:
    """A voice that nobody has enrolled.

    Attributes:
        voice_id: its id; it stays while most of its calls do.
        model_id: the voice model of its calls.
        calls: how many it has.
        customers: for how many.
        numbers: from how many.
        lines: that it called.
        first_at: when the first of its calls started.
        last_at: when the last of them did.
        probability: that it calls for more customers than are let pass, 0 to 1.
        suspicion: by which voices are put in order.
        members: its calls, where one voice was asked for.
    """

    voice_id: str
    model_id: str
    calls: int
    customers: int
    numbers: int
    lines: tuple[str, ...]
    first_at: datetime
    last_at: datetime
    probability: float
    suspicion: float
    members: tuple[VoiceCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownVoices:
    """Voices of the last weeks.

    Attributes:
        voices: the most suspicious first.
        found: how many there are.
        calls_compared: among how many calls.
        caught_up: whether the calls of before the last start are among them.
    """

    voices: tuple[UnknownVoice, ...]
    found: int
    calls_compared: int
    caught_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotedVoice:
    """How a voice is to become an actor.

    Attributes:
        display_name: what investigators call the actor.
        watchlist_ids: at least one.
        network_id: the network (gang); may be empty.
        case_reference: may be empty.
        legal_basis: of keeping it; may be empty.
        expires_at: from then on it is not found any more; None for never.
    """

    display_name: str
    watchlist_ids: tuple[str, ...]
    network_id: str = ""
    case_reference: str = ""
    legal_basis: str = ""
    expires_at: datetime | None = field(default=None)
