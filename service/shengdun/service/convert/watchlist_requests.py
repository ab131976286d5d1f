"""What callers of WatchlistService ask for: from messages to checked values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from shengdun.enrollment.requests import AdditionRequest, DuplicatePolicy, EnrollmentRequest
from shengdun.index.identifiers import check_record_id, check_watchlist_id
from shengdun.index.watchlists import (
    KEEP,
    Actor,
    ActorChanges,
    Keep,
    NewActor,
    NewWatchlist,
    Provenance,
    WatchlistChanges,
)
from shengdun.service.errors import InvalidRequest
from shengdun.v1 import watchlist_pb2

DEFAULT_PAGE: Final = 100
LARGEST_PAGE: Final = 1000

_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")
_LONGEST_NAME: Final = 256
LONGEST_REASON: Final = 500
LONGEST_TOKEN: Final = 1024
_WATCHLIST_FIELDS: Final = ("name", "purpose", "owner", "legal_basis")
_PROVENANCE_FIELDS: Final = ("source", "case_reference", "legal_basis")
_ACTOR_FIELDS: Final = (
    "display_name",
    "aliases",
    "network_id",
    "watchlist_ids",
    *_PROVENANCE_FIELDS,
    "notes",
    "expire_time",
)
_POLICIES: Final[Mapping[int, DuplicatePolicy]] = {
    watchlist_pb2.DUPLICATE_POLICY_UNSPECIFIED: DuplicatePolicy.REFUSE,
    watchlist_pb2.DUPLICATE_POLICY_SKIP: DuplicatePolicy.SKIP,
    watchlist_pb2.DUPLICATE_POLICY_MERGE: DuplicatePolicy.MERGE,
    watchlist_pb2.DUPLICATE_POLICY_REGISTER: DuplicatePolicy.REGISTER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistUpdate:
    """A change of a watchlist, as asked for.

    Attributes:
        watchlist_id: which.
        changes: what to change.
        expected_revision: the revision that it must have; None means whichever it has.
    """

    watchlist_id: str
    changes: WatchlistChanges
    expected_revision: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorUpdate:
    """A change of an actor, as asked for.

    Attributes:
        actor_id: who.
        message: the new values.
        fields: which of them to change.
        expected_revision: the revision that it must have; None means whichever it has.
    """

    actor_id: str
    message: watchlist_pb2.Actor
    fields: frozenset[str]
    expected_revision: int | None

    @property
    def rests_on_current(self) -> bool:
        """Whether only a part of the provenance is to change, so that the rest must be known."""
        named = self.fields & set(_PROVENANCE_FIELDS)
        return bool(named)

    def changes(self, current: Actor | None) -> ActorChanges:
        """What to change.

        Args:
            current: the actor as it stands; needed where the change ``rests_on_current``.

        Raises:
            InvalidRequest: a value is wrong; the message names its field.
        """
        message = self.message
        return ActorChanges(
            display_name=message.display_name if "display_name" in self.fields else KEEP,
            aliases=tuple(message.aliases) if "aliases" in self.fields else KEEP,
            network_id=(message.network_id or None) if "network_id" in self.fields else KEEP,
            watchlist_ids=_watchlist_ids(message) if "watchlist_ids" in self.fields else KEEP,
            provenance=self._provenance(current),
            notes=message.notes if "notes" in self.fields else KEEP,
            expires_at=_expiry(message) if "expire_time" in self.fields else KEEP,
        )

    def _provenance(self, current: Actor | None) -> Provenance | Keep:
        if not self.rests_on_current or current is None:
            return KEEP
        known = current.provenance
        stated = self.message
        return Provenance(
            source=stated.source if "source" in self.fields else known.source,
            case_reference=(
                stated.case_reference if "case_reference" in self.fields else known.case_reference
            ),
            legal_basis=stated.legal_basis if "legal_basis" in self.fields else known.legal_basis,
            registered_by=known.registered_by,
        )


def new_watchlist(
    request: watchlist_pb2.CreateWatchlistRequest, *, model_id: str
) -> tuple[NewWatchlist, str | None]:
    """A watchlist to be made, and its idempotency key.

    Args:
        request: the message.
        model_id: the server's voice model, which the watchlist is for.

    Raises:
        InvalidRequest: a field is wrong; the message names it.
        InvalidRecord: the id is not well-formed.
    """
    if not request.HasField("watchlist"):
        raise InvalidRequest("watchlist is missing; state its watchlist_id, name and purpose")
    stated = request.watchlist
    new = NewWatchlist(
        watchlist_id=check_watchlist_id(stated.watchlist_id),
        name=stated.name or stated.watchlist_id,
        model_id=model_id,
        purpose=stated.purpose,
        owner=stated.owner,
        legal_basis=stated.legal_basis,
    )
    return new, idempotency_key(request.idempotency_key)


def watchlist_update(request: watchlist_pb2.UpdateWatchlistRequest) -> WatchlistUpdate:
    """A change of a watchlist.

    Raises:
        InvalidRequest: a field is wrong; the message names it.
        InvalidRecord: the id is not well-formed.
    """
    stated = request.watchlist
    named = _masked(request.update_mask, _WATCHLIST_FIELDS)
    return WatchlistUpdate(
        watchlist_id=check_watchlist_id(stated.watchlist_id),
        changes=WatchlistChanges(
            name=stated.name if "name" in named else KEEP,
            purpose=stated.purpose if "purpose" in named else KEEP,
            owner=stated.owner if "owner" in named else KEEP,
            legal_basis=stated.legal_basis if "legal_basis" in named else KEEP,
        ),
        expected_revision=stated.revision or None,
    )


def enrollment_request(
    config: watchlist_pb2.EnrollmentConfig, *, registered_by: str
) -> EnrollmentRequest:
    """An enrolment.

    Args:
        config: the message.
        registered_by: who asks for it.

    Raises:
        InvalidRequest: a field is wrong; the message names it.
        InvalidRecord: an id or a text is not well-formed.
    """
    if not config.HasField("actor"):
        raise InvalidRequest("config.actor is missing; state its display_name and watchlist_ids")
    policy = _POLICIES.get(config.duplicate_policy)
    if policy is None:
        offered = ", ".join(watchlist_pb2.DuplicatePolicy.Name(value) for value in _POLICIES)  # type: ignore[arg-type]
        raise InvalidRequest(f"config.duplicate_policy must be one of {offered}")
    return EnrollmentRequest(
        actor=_new_actor(config.actor, registered_by),
        duplicate_policy=policy,
        idempotency_key=idempotency_key(config.idempotency_key),
    )


def addition_request(config: watchlist_pb2.VoiceprintsConfig) -> AdditionRequest:
    """An addition of voiceprints.

    Raises:
        InvalidRequest: a field is wrong; the message names it.
        InvalidRecord: the id is not well-formed.
    """
    return AdditionRequest(
        actor_id=actor_id(config.actor_id),
        accept_other_voice=config.accept_other_voice,
        idempotency_key=idempotency_key(config.idempotency_key),
    )


def actor_update(request: watchlist_pb2.UpdateActorRequest) -> ActorUpdate:
    """A change of an actor.

    Raises:
        InvalidRequest: a field is wrong; the message names it.
        InvalidRecord: the id is not well-formed.
    """
    return ActorUpdate(
        actor_id=actor_id(request.actor.actor_id),
        message=request.actor,
        fields=_masked(request.update_mask, _ACTOR_FIELDS),
        expected_revision=request.actor.revision or None,
    )


def page_of(request: watchlist_pb2.ListActorsRequest) -> tuple[int, str]:
    """Size and token of the page that is asked for.

    Raises:
        InvalidRequest: the token is none of ours.
    """
    if len(request.page_token) > LONGEST_TOKEN:
        raise InvalidRequest("page_token is not one that was given; begin again without one")
    return min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE), request.page_token


def erasure_reason(request: watchlist_pb2.EraseActorRequest) -> str:
    """Why an actor is to be erased.

    Raises:
        InvalidRequest: it is too long.
    """
    if len(request.reason) > LONGEST_REASON:
        raise InvalidRequest(f"reason may have at most {LONGEST_REASON} characters")
    return request.reason


def actor_id(stated: str) -> str:
    """Return the id, or raise ``InvalidRecord`` if it is not well-formed."""
    return check_record_id("actor_id", stated)


def voiceprint_id(stated: str) -> str:
    """Return the id, or raise ``InvalidRecord`` if it is not well-formed."""
    return check_record_id("voiceprint_id", stated)


def recording_name(start: watchlist_pb2.RecordingStart) -> str:
    """The name of a recording.

    Raises:
        InvalidRequest: it is too long or has characters that can't be shown.
    """
    if len(start.name) > _LONGEST_NAME:
        raise InvalidRequest(f"recording.name may have at most {_LONGEST_NAME} characters")
    if not start.name.isprintable():
        raise InvalidRequest("recording.name has characters that can't be shown; remove them")
    return start.name


def idempotency_key(stated: str) -> str | None:
    """The key, or None where none was stated.

    Raises:
        InvalidRequest: it is malformed.
    """
    if stated and not _KEY.fullmatch(stated):
        raise InvalidRequest(
            "idempotency_key must be 1 to 128 visible ASCII characters; use a random UUID for each request"
        )
    return stated or None


def _new_actor(stated: watchlist_pb2.Actor, registered_by: str) -> NewActor:
    if not stated.display_name:
        raise InvalidRequest("config.actor.display_name is missing; state a name for people")
    return NewActor(
        display_name=stated.display_name,
        watchlist_ids=_watchlist_ids(stated),
        aliases=tuple(stated.aliases),
        network_id=stated.network_id or None,
        provenance=Provenance(
            source=stated.source,
            case_reference=stated.case_reference,
            legal_basis=stated.legal_basis,
            registered_by=registered_by,
        ),
        notes=stated.notes,
        expires_at=_expiry(stated),
        actor_id=actor_id(stated.actor_id) if stated.actor_id else None,
    )


def _watchlist_ids(stated: watchlist_pb2.Actor) -> frozenset[str]:
    if not stated.watchlist_ids:
        raise InvalidRequest("actor.watchlist_ids is empty; an actor is on one watchlist at least")
    return frozenset(check_watchlist_id(watchlist_id) for watchlist_id in stated.watchlist_ids)


def _expiry(stated: watchlist_pb2.Actor) -> datetime | None:
    if not stated.HasField("expire_time"):
        return None
    return _moment("actor.expire_time", stated.expire_time)


def _moment(field: str, stated: Timestamp) -> datetime:
    try:
        return stated.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"{field} is no time between the years 1 and 9999") from None


def _masked(mask: FieldMask, allowed: tuple[str, ...]) -> frozenset[str]:
    named = frozenset(mask.paths)
    if not named:
        raise InvalidRequest(f"update_mask is empty; name any of {', '.join(allowed)}")
    unknown = sorted(named - set(allowed))
    if unknown:
        raise InvalidRequest(
            f"update_mask names {', '.join(repr(path[:80]) for path in unknown)}, which can't be changed; "
            f"name any of {', '.join(allowed)}"
        )
    return named
