"""What callers ask about unknown voices: from messages to checked values."""

from dataclasses import dataclass
from datetime import UTC
from typing import Final

from shengdun.index.identifiers import check_record_id
from shengdun.index.watchlists import NewActor, Provenance
from shengdun.service.convert.watchlist_requests import DEFAULT_PAGE, LARGEST_PAGE
from shengdun.service.errors import InvalidRequest
from shengdun.v1 import voice_pb2 as pb

_LEAST_CUSTOMERS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceQuery:
    """Which voices are asked for.

    Attributes:
        least_customers: of so many customers or more.
        limit: how many at most.
    """

    least_customers: int
    limit: int


def voice_query(request: pb.ListVoicesRequest) -> VoiceQuery:
    """Which voices are asked for."""
    return VoiceQuery(
        least_customers=request.least_customers or _LEAST_CUSTOMERS,
        limit=min(request.limit or DEFAULT_PAGE, LARGEST_PAGE),
    )


def voice_id(stated: str) -> str:
    """Return the id, or raise ``InvalidRecord`` if it is not well-formed."""
    return check_record_id("voice_id", stated)


def promoted_actor(
    request: pb.PromoteVoiceRequest, actor_id: str, promoted: str, *, registered_by: str
) -> NewActor:
    """The actor to be made of a voice.

    Args:
        request: the message.
        actor_id: of the actor.
        promoted: id of the voice.
        registered_by: who asks for it.

    Raises:
        InvalidRequest: there is no name or no watchlist.
        InvalidRecord: a field is not well-formed.
    """
    if not request.display_name or not request.watchlist_ids:
        raise InvalidRequest("display_name and at least one of watchlist_ids are needed")
    expires = request.expire_time.ToDatetime(UTC) if request.HasField("expire_time") else None
    return NewActor(
        actor_id=actor_id,
        display_name=request.display_name,
        watchlist_ids=frozenset(request.watchlist_ids),
        network_id=request.network_id or None,
        provenance=Provenance(
            source=f"voice {promoted}",
            case_reference=request.case_reference,
            legal_basis=request.legal_basis,
            registered_by=registered_by,
        ),
        expires_at=expires,
    )
