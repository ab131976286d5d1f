"""What callers state about scripts and texts: from messages to checked values."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shengdun.index.identifiers import check_record_id
from shengdun.index.scripts.script import NewScript, ScriptKind
from shengdun.index.watchlists import Provenance
from shengdun.service.convert.watchlist_requests import (
    DEFAULT_PAGE,
    LARGEST_PAGE,
    LONGEST_REASON,
    LONGEST_TOKEN,
    idempotency_key,
)
from shengdun.service.errors import InvalidRequest
from shengdun.v1 import screening_pb2, script_pb2

DEFAULT_MATCHES: Final = 10
MOST_MATCHES: Final = 20
_LONGEST_CUSTOMER_REFERENCE: Final = 256
_KINDS: Final = {
    script_pb2.SCRIPT_KIND_LETTER: ScriptKind.LETTER,
    script_pb2.SCRIPT_KIND_CHAT: ScriptKind.CHAT,
    script_pb2.SCRIPT_KIND_TRANSCRIPT: ScriptKind.TRANSCRIPT,
    script_pb2.SCRIPT_KIND_TEMPLATE: ScriptKind.TEMPLATE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptsPage:
    """A page of scripts, as asked for; the fields are the arguments of ``ScriptKeeping.list``."""

    network_id: str
    campaign: str
    page_size: int
    page_token: str


def new_script(
    request: script_pb2.AddScriptRequest, *, registered_by: str
) -> tuple[NewScript, str | None]:
    """A script to be registered, and its idempotency key.

    Args:
        request: the message.
        registered_by: who asks for it.

    Raises:
        InvalidRequest: a field is wrong; the message names it.
        InvalidRecord: the id is not well-formed.
        InvalidText: its text is none.
        TextTooLong: its text is too long.
    """
    if not request.HasField("script"):
        raise InvalidRequest("script is missing; state its title and kind")
    stated = request.script
    kind = _KINDS.get(stated.kind)
    if kind is None:
        offered = ", ".join(script_pb2.ScriptKind.Name(value) for value in _KINDS)
        raise InvalidRequest(f"script.kind must be one of {offered}")
    new = NewScript(
        title=stated.title,
        kind=kind,
        text=request.text,
        network_id=stated.network_id or None,
        campaign=stated.campaign,
        purpose=stated.purpose,
        provenance=Provenance(
            source=stated.source,
            case_reference=stated.case_reference,
            legal_basis=stated.legal_basis,
            registered_by=registered_by,
        ),
        expires_at=_expiry(stated),
        script_id=script_id(stated.script_id) if stated.script_id else None,
    )
    return new, idempotency_key(request.idempotency_key)


def script_id(stated: str) -> str:
    """Return the id, or raise ``InvalidRecord`` if it is not well-formed."""
    return check_record_id("script_id", stated)


def scripts_page(request: script_pb2.ListScriptsRequest) -> ScriptsPage:
    """The page that is asked for.

    Raises:
        InvalidRequest: the token is none of ours.
    """
    if len(request.page_token) > LONGEST_TOKEN:
        raise InvalidRequest("page_token is not one that was given; begin again without one")
    return ScriptsPage(
        network_id=request.network_id,
        campaign=request.campaign,
        page_size=min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE),
        page_token=request.page_token,
    )


def script_erasure_reason(request: script_pb2.EraseScriptRequest) -> str:
    """Why a script is to be erased. Raises ``InvalidRequest`` if it is too long."""
    if len(request.reason) > LONGEST_REASON:
        raise InvalidRequest(f"reason may have at most {LONGEST_REASON} characters")
    return request.reason


def match_limit(request: script_pb2.MatchTextRequest) -> int:
    """How many matches are asked for."""
    return min(request.limit or DEFAULT_MATCHES, MOST_MATCHES)


def check_customer(request: screening_pb2.ScreenTextRequest) -> None:
    """Raise ``InvalidRequest`` if the customer reference is too long."""
    if len(request.customer_reference) > _LONGEST_CUSTOMER_REFERENCE:
        raise InvalidRequest(
            f"customer_reference may have at most {_LONGEST_CUSTOMER_REFERENCE} characters; send a hash"
        )


def _expiry(stated: script_pb2.ScriptInfo) -> datetime | None:
    if not stated.HasField("expire_time"):
        return None
    try:
        return stated.expire_time.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest("script.expire_time is no time between the years 1 and 9999") from None
