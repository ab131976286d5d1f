"""The values of the registry: watchlists, actors, voiceprints and what is asked to change about them.

A value that exists is well-formed: lengths, characters, times and vectors are checked at construction, and
``InvalidRecord`` says which field is wrong.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

from shengdun.index.errors import InvalidRecord
from shengdun.index.identifiers import check_record_id, check_text, check_watchlist_id, make_id

MAX_ALIASES: Final = 32
MAX_WATCHLISTS: Final = 64
MAX_VOICEPRINTS: Final = 64
NAME_CHARACTERS: Final = 200
NOTES_CHARACTERS: Final = 4000
UNIT_TOLERANCE: Final = 1e-3


class Keep(Enum):
    """Marks a field of a change that is to stay as it is (``None`` is a value for some fields)."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


def _check_time(what: str, moment: datetime | None) -> None:
    if moment is not None and moment.utcoffset() != UTC.utcoffset(None):
        raise InvalidRecord(f"The {what} must be a time in UTC with its time zone.")


def _check_revision(revision: int) -> None:
    if revision < 1:
        raise InvalidRecord("A revision counts from 1.")


def _check_watchlist_ids(watchlist_ids: Iterable[str]) -> None:
    ids = tuple(watchlist_ids)
    if not 1 <= len(ids) <= MAX_WATCHLISTS:
        raise InvalidRecord(
            f"An actor belongs to 1 to {MAX_WATCHLISTS} watchlists, not to {len(ids)}."
        )
    for watchlist_id in ids:
        check_watchlist_id(watchlist_id)


def _check_aliases(aliases: tuple[str, ...]) -> None:
    if len(aliases) > MAX_ALIASES:
        raise InvalidRecord(f"An actor has at most {MAX_ALIASES} aliases, not {len(aliases)}.")
    for alias in aliases:
        check_text("alias", alias, longest=NAME_CHARACTERS, empty=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchlist:
    """A named set of actors, with a purpose and an owner; all its voiceprints are of one voice model.

    Attributes:
        watchlist_id: a slug chosen by whoever made it.
        name: what people call it.
        purpose: what the voiceprints are processed for (PIPL art. 6).
        owner: the department that answers for it.
        legal_basis: why processing is lawful (PIPL art. 13 and 28).
        model_id: the voice model of its voiceprints; never changes.
        created_at: in UTC.
        updated_at: in UTC.
        revision: counts the changes of this record, from 1.
    """

    watchlist_id: str
    name: str
    purpose: str
    owner: str
    legal_basis: str
    model_id: str
    created_at: datetime
    updated_at: datetime
    revision: int = 1

    def __post_init__(self) -> None:
        check_watchlist_id(self.watchlist_id)
        check_text("watchlist's name", self.name, longest=NAME_CHARACTERS, empty=False)
        check_text("purpose", self.purpose, longest=NOTES_CHARACTERS)
        check_text("owner", self.owner, longest=NAME_CHARACTERS)
        check_text("legal basis", self.legal_basis, longest=NOTES_CHARACTERS)
        check_text("model id", self.model_id, longest=NAME_CHARACTERS, empty=False)
        _check_time("creation time", self.created_at)
        _check_time("update time", self.updated_at)
        _check_revision(self.revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWatchlist:
    """What a caller gives to create a watchlist. The fields are those of ``Watchlist``."""

    watchlist_id: str
    name: str
    model_id: str
    purpose: str = ""
    owner: str = ""
    legal_basis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistChanges:
    """The fields of a watchlist to change; what is ``KEEP`` stays."""

    name: str | Keep = KEEP
    purpose: str | Keep = KEEP
    owner: str | Keep = KEEP
    legal_basis: str | Keep = KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the knowledge about an actor comes from.

    Attributes:
        source: what led to the registration, e.g. a complaint system or a police notice.
        case_reference: the case in the bank's own system.
        legal_basis: why this actor's voiceprints may be kept.
        registered_by: the person or system that registered the actor.
    """

    source: str = ""
    case_reference: str = ""
    legal_basis: str = ""
    registered_by: str = ""

    def __post_init__(self) -> None:
        check_text("provenance's source", self.source, longest=NAME_CHARACTERS)
        check_text("case reference", self.case_reference, longest=NAME_CHARACTERS)
        check_text("provenance's legal basis", self.legal_basis, longest=NOTES_CHARACTERS)
        check_text("registering person", self.registered_by, longest=NAME_CHARACTERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceprintInfo:
    """All about a voiceprint but the voiceprint.

    Attributes:
        voiceprint_id: made by the server.
        model_id: the voice model that computed it.
        net_speech_s: seconds of speech behind it, > 0.
        snr_db: signal-to-noise ratio of the recording in dB, or None where it was not measured.
        clipped_share: share of clipped samples, 0 to 1.
        codec: what the recording was coded with, e.g. ``pcm_mulaw``.
        source: where the recording came from, e.g. a file name's digest or a call id.
        created_at: in UTC.
    """

    voiceprint_id: str
    model_id: str
    net_speech_s: float
    snr_db: float | None = None
    clipped_share: float = 0.0
    codec: str = ""
    source: str = ""
    created_at: datetime

    def __post_init__(self) -> None:
        check_record_id("Voiceprint id", self.voiceprint_id)
        check_text("model id", self.model_id, longest=NAME_CHARACTERS, empty=False)
        check_text("codec", self.codec, longest=NAME_CHARACTERS)
        check_text("voiceprint's source", self.source, longest=NAME_CHARACTERS)
        _check_time("creation time", self.created_at)
        if not (math.isfinite(self.net_speech_s) and self.net_speech_s > 0):
            raise InvalidRecord("A voiceprint's net speech is a positive number of seconds.")
        if self.snr_db is not None and not math.isfinite(self.snr_db):
            raise InvalidRecord("A signal-to-noise ratio is a finite number of dB, or not given.")
        if not 0 <= self.clipped_share <= 1:
            raise InvalidRecord("The share of clipped samples lies between 0 and 1.")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Template:
    """A voiceprint with its vector: unit length, float32, shape (d,), not writable."""

    info: VoiceprintInfo
    vector: npt.NDArray[np.float32] = field(repr=False)

    def __post_init__(self) -> None:
        vector = np.array(self.vector, dtype=np.float32, order="C")
        if vector.ndim != 1 or vector.size == 0 or not np.isfinite(vector).all():
            raise InvalidRecord("A voiceprint is one vector of finite numbers.")
        if abs(float(np.linalg.norm(vector.astype(np.float64))) - 1) > UNIT_TOLERANCE:
            raise InvalidRecord(
                "A voiceprint has unit length; normalise it before it is registered."
            )
        vector.flags.writeable = False
        object.__setattr__(self, "vector", vector)

    @classmethod
    def new(
        cls,
        vector: npt.NDArray[np.float32],
        *,
        model_id: str,
        net_speech_s: float,
        snr_db: float | None = None,
        clipped_share: float = 0.0,
        codec: str = "",
        source: str = "",
    ) -> "Template":
        """A template with a new voiceprint id, made now. The arguments are those of ``VoiceprintInfo``."""
        info = VoiceprintInfo(
            voiceprint_id=make_id("vp"),
            model_id=model_id,
            net_speech_s=net_speech_s,
            snr_db=snr_db,
            clipped_share=clipped_share,
            codec=codec,
            source=source,
            created_at=datetime.now(UTC),
        )
        return cls(info=info, vector=vector)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A known agent.

    Attributes:
        actor_id: made by the server, or given by the caller.
        display_name: what investigators call the actor.
        aliases: other names.
        network_id: the gang, if one is known.
        watchlist_ids: one or several.
        provenance: where the knowledge comes from.
        notes: free text for investigators.
        expires_at: from then on the actor is not found any more; None for never.
        created_at: in UTC.
        updated_at: in UTC.
        revision: counts the changes of this record and of its voiceprints, from 1.
        voiceprints: what is known about each voiceprint, oldest first.
    """

    actor_id: str
    display_name: str
    aliases: tuple[str, ...] = ()
    network_id: str | None = None
    watchlist_ids: frozenset[str]
    provenance: Provenance = field(default_factory=Provenance)
    notes: str = ""
    expires_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    revision: int = 1
    voiceprints: tuple[VoiceprintInfo, ...] = ()

    def __post_init__(self) -> None:
        check_record_id("Actor id", self.actor_id)
        check_text("display name", self.display_name, longest=NAME_CHARACTERS, empty=False)
        check_text("notes", self.notes, longest=NOTES_CHARACTERS)
        if self.network_id is not None:
            check_text("network id", self.network_id, longest=NAME_CHARACTERS, empty=False)
        _check_aliases(self.aliases)
        _check_watchlist_ids(self.watchlist_ids)
        _check_revision(self.revision)
        for what, moment in (("expiry", self.expires_at), ("creation time", self.created_at)):
            _check_time(what, moment)
        _check_time("update time", self.updated_at)
        if len(self.voiceprints) > MAX_VOICEPRINTS:
            raise InvalidRecord(
                f"An actor has at most {MAX_VOICEPRINTS} voiceprints; remove some first."
            )

    def expired(self, at: datetime) -> bool:
        """Whether the actor is no longer to be found at this time."""
        return self.expires_at is not None and self.expires_at <= at


@dataclass(frozen=True, slots=True, kw_only=True)
class NewActor:
    """What a caller gives to register an actor. The fields are those of ``Actor``; no id means a new one."""

    display_name: str
    watchlist_ids: frozenset[str]
    aliases: tuple[str, ...] = ()
    network_id: str | None = None
    provenance: Provenance = field(default_factory=Provenance)
    notes: str = ""
    expires_at: datetime | None = None
    actor_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorChanges:
    """The fields of an actor to change; what is ``KEEP`` stays."""

    display_name: str | Keep = KEEP
    aliases: tuple[str, ...] | Keep = KEEP
    network_id: str | Keep | None = KEEP
    watchlist_ids: frozenset[str] | Keep = KEEP
    provenance: Provenance | Keep = KEEP
    notes: str | Keep = KEEP
    expires_at: datetime | Keep | None = KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorPage:
    """A page of actors in the order of their ids.

    Attributes:
        actors: the page.
        next_page_token: gives the next page; empty on the last one.
        total: how many actors there are over all pages.
    """

    actors: tuple[Actor, ...]
    next_page_token: str
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """Proof that an actor's biometrics, or a script, were erased: signed with the installation's own key.

    Attributes:
        receipt_id: made by the server.
        actor_id: who was erased; empty for a script.
        reason: as the caller gave it; the journal keeps a keyed digest of it only.
        principal: who asked for it.
        erased_at: in UTC.
        voiceprints_erased: how many.
        journal_sequence: the journal entry of the erasure.
        journal_hash: that entry's hash, hex.
        signature: HMAC-SHA-256 over the other fields, hex.
        script_id: the script that was erased; empty for an actor.
    """

    receipt_id: str
    actor_id: str
    reason: str
    principal: str
    erased_at: datetime
    voiceprints_erased: int
    journal_sequence: int
    journal_hash: str
    signature: str
    script_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One journal entry as an auditor reads it: who did what to which record, when. No names, no biometrics.

    Attributes:
        sequence: counts from 1 without gaps.
        at: in UTC.
        kind: what happened, e.g. ``actor.registered`` or ``actor.looked_at``.
        principal: who did it.
        subjects: the ids of the watchlists, actors and voiceprints concerned, as ``actor/<id>``.
        hash: the entry's hash, hex; each covers the one before.
    """

    sequence: int
    at: datetime
    kind: str
    principal: str
    subjects: tuple[str, ...]
    hash: str
