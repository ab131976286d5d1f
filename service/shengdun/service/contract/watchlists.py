"""What a client says about watchlists and actors, and what it learns: the values of enrolment."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Final

from shengdun.service.contract.decisions import AudioQuality


class Keep(Enum):
    """Marks what a change leaves as it is; ``None`` is a value for some fields."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWatchlist:
    """A watchlist to be made.

    Attributes:
        watchlist_id: a slug: lower-case letters, digits and hyphens, 1 to 63 characters.
        name: a name for people; empty means the id.
        purpose: why the list exists; required by law for biometric data.
        owner: who answers for it.
        legal_basis: the legal basis of keeping it.
    """

    watchlist_id: str
    name: str = ""
    purpose: str = ""
    owner: str = ""
    legal_basis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchlist:
    """A named set of actors as the server has it.

    Attributes:
        watchlist_id: the slug.
        name: a name for people.
        purpose: why the list exists.
        owner: who answers for it.
        legal_basis: the legal basis of keeping it.
        model_id: the voice model that it was made with; its actors may have voiceprints of others too.
        created_at: when it was made.
        updated_at: when it was last changed.
        revision: counts its changes.
        actor_count: how many actors are on it, expired ones included.
        needs_reenrollment: whether actors in force have no voiceprint of the server's model, and can't be found.
        actors_without_voiceprint: how many those are.
    """

    watchlist_id: str
    name: str
    purpose: str
    owner: str
    legal_basis: str
    model_id: str
    created_at: datetime
    updated_at: datetime
    revision: int
    actor_count: int
    needs_reenrollment: bool
    actors_without_voiceprint: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistChanges:
    """The fields of a watchlist to change; what is ``KEEP`` stays."""

    name: str | Keep = KEEP
    purpose: str | Keep = KEEP
    owner: str | Keep = KEEP
    legal_basis: str | Keep = KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class NewActor:
    """An actor to be registered.

    Attributes:
        display_name: a name for people.
        watchlist_ids: the watchlists it is to be on; at least one.
        aliases: other names it goes by.
        network_id: the network (gang) it belongs to; may be empty.
        source: where the knowledge comes from.
        case_reference: the case it was found in.
        legal_basis: the legal basis of keeping its voiceprints.
        notes: free text.
        expires_at: after this instant it is no longer screened; has a time zone; None means never.
        actor_id: chosen by its creator; empty means that the server chooses.
    """

    display_name: str
    watchlist_ids: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    network_id: str = ""
    source: str = ""
    case_reference: str = ""
    legal_basis: str = ""
    notes: str = ""
    expires_at: datetime | None = None
    actor_id: str = ""

    def __post_init__(self) -> None:
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise ValueError("expires_at needs a time zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorChanges:
    """The fields of an actor to change; what is ``KEEP`` stays."""

    display_name: str | Keep = KEEP
    aliases: tuple[str, ...] | Keep = KEEP
    network_id: str | Keep = KEEP
    watchlist_ids: tuple[str, ...] | Keep = KEEP
    source: str | Keep = KEEP
    case_reference: str | Keep = KEEP
    legal_basis: str | Keep = KEEP
    notes: str | Keep = KEEP
    expires_at: datetime | Keep | None = KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Voiceprint:
    """A stored voiceprint, without the biometric itself.

    Attributes:
        voiceprint_id: set by the server.
        model_id: the voice model that made it.
        net_speech: speech that it was made from.
        snr_db: speech over noise; None where it could not be measured.
        clipped_share: share of samples at full scale, 0 to 1.
        codec: the codec of the recording.
        recording_name: the recording's name as it was given.
        created_at: when it was made.
    """

    voiceprint_id: str
    model_id: str
    net_speech: timedelta
    snr_db: float | None
    clipped_share: float
    codec: str
    recording_name: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A known agent as the server has it. The fields that ``NewActor`` has mean the same here."""

    actor_id: str
    display_name: str
    aliases: tuple[str, ...]
    network_id: str
    watchlist_ids: tuple[str, ...]
    source: str
    case_reference: str
    legal_basis: str
    notes: str
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    revision: int
    voiceprints: tuple[Voiceprint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording to be sent: a file, or bytes with a name for reports."""

    content: Path | bytes
    name: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            name = self.content.name if isinstance(self.content, Path) else "recording"
            object.__setattr__(self, "name", name)


class DuplicatePolicy(Enum):
    """What to do when the voice is already known under another actor."""

    REFUSE = "refuse"
    """Fail with ALREADY_EXISTS and report the likely duplicates."""
    SKIP = "skip"
    """Change nothing and report the actor that is there."""
    MERGE = "merge"
    """Add the voiceprints and watchlists to the actor that is there."""
    REGISTER = "register"
    """Register a new actor all the same."""


class EnrollmentOutcome(Enum):
    """What an enrolment did."""

    REGISTERED = "registered"
    MERGED = "merged"
    SKIPPED = "skipped"
    ASSESSED = "assessed"
    UNKNOWN = "unknown"


class UnfitReason(Enum):
    """Why a recording was not used."""

    UNREADABLE = "unreadable"
    TOO_LONG = "too_long"
    NO_SPEECH = "no_speech"
    TOO_LITTLE_SPEECH = "too_little_speech"
    CLIPPED = "clipped"
    NOISY = "noisy"
    SEVERAL_VOICES = "several_voices"
    OTHER_VOICE = "other_voice"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReport:
    """What was found in one recording.

    Attributes:
        name: as it was given.
        accepted: whether it was used.
        unfit_reason: why it was not; None if it was.
        unfit_message: the same for people, with what to do.
        duration: its length.
        net_speech: speech in it.
        audio_quality: quality of its audio.
        codec: the codec found.
        sample_rate_hz: the sampling rate found.
        other_voice_share: share of the speech that is not the main voice's, 0 to 1.
        agreement_llr: how far it agrees with the other recordings; None when there are none.
    """

    name: str
    accepted: bool
    unfit_reason: UnfitReason | None
    unfit_message: str
    duration: timedelta
    net_speech: timedelta
    audio_quality: AudioQuality
    codec: str
    sample_rate_hz: int
    other_voice_share: float
    agreement_llr: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelyDuplicate:
    """An actor whose voice is likely the same; ``llr`` is that of "the same voice"."""

    actor_id: str
    display_name: str
    watchlist_ids: tuple[str, ...]
    llr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentReport:
    """What an enrolment found; also the detail of the error when it is refused.

    Attributes:
        recordings: one for every recording, in their order.
        likely_duplicates: likeliest first.
        net_speech: of the accepted recordings together.
    """

    recordings: tuple[RecordingReport, ...]
    likely_duplicates: tuple[LikelyDuplicate, ...]
    net_speech: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment:
    """What an enrolment did and found; ``actor`` is None after an assessment."""

    outcome: EnrollmentOutcome
    actor: Actor | None
    report: EnrollmentReport


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedVoiceprints:
    """The actor after an addition, and what was found in the recordings."""

    actor: Actor
    report: EnrollmentReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """States that an actor and its voiceprints, or a script, are gone.

    Attributes:
        receipt_id: the receipt's own id.
        actor_id: the actor that was erased; empty for a script.
        erased_at: when.
        voiceprints_erased: how many.
        journal_sequence: the entry of the journal that records it.
        journal_hash: the hash of that entry, hexadecimal.
        reason: why, as the request said.
        principal: who asked for it: the name of the access token, or "local".
        signature: the server's signature over everything else here, hexadecimal.
        script_id: the script that was erased; empty for an actor.
    """

    receipt_id: str
    actor_id: str
    erased_at: datetime
    voiceprints_erased: int
    journal_sequence: int
    journal_hash: str
    reason: str
    principal: str
    signature: str
    script_id: str = ""
