"""Scripts and the texts that use them, between a client's values and the wire."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC
from typing import Final

import grpc

from shengdun.service.contract import scripts as values
from shengdun.service.contract.errors import ClientError
from shengdun.service.convert.client_enums import from_wire
from shengdun.v1 import screening_pb2, script_pb2

_MOST_BYTES: Final = 4_000_000
"""A server takes no larger message, and answers one that is with less than this says."""


def add_script_request(new: values.NewScript, idempotency_key: str) -> script_pb2.AddScriptRequest:
    """Asks for a new script. Raises ``ClientError`` if its text can't be sent."""
    wire = script_pb2.ScriptInfo(
        script_id=new.script_id,
        title=_sendable("title", new.title),
        kind=script_pb2.ScriptKind.Value(f"SCRIPT_KIND_{_kind_name(new.kind)}"),
        network_id=_sendable("network", new.network_id),
        campaign=_sendable("campaign", new.campaign),
        purpose=_sendable("purpose", new.purpose),
        source=_sendable("source", new.source),
        case_reference=_sendable("case reference", new.case_reference),
        legal_basis=_sendable("legal basis", new.legal_basis),
    )
    if new.expires_at is not None:
        wire.expire_time.FromDatetime(new.expires_at)
    return script_pb2.AddScriptRequest(
        script=wire, text=_sendable("text", new.text), idempotency_key=idempotency_key
    )


def get_script_request(script_id: str) -> script_pb2.GetScriptRequest:
    """Asks for a script."""
    return script_pb2.GetScriptRequest(script_id=script_id)


def list_scripts_request(
    *, network_id: str, campaign: str, page_size: int, page_token: str
) -> script_pb2.ListScriptsRequest:
    """Asks for a page of scripts."""
    return script_pb2.ListScriptsRequest(
        network_id=network_id, campaign=campaign, page_size=page_size, page_token=page_token
    )


def erase_script_request(script_id: str, reason: str) -> script_pb2.EraseScriptRequest:
    """Asks for the erasure of a script."""
    return script_pb2.EraseScriptRequest(script_id=script_id, reason=reason)


def match_text_request(text: str, limit: int) -> script_pb2.MatchTextRequest:
    """Asks which scripts a text uses. Raises ``ClientError`` if it can't be sent."""
    return script_pb2.MatchTextRequest(text=_sendable("text", text), limit=limit)


def screen_text_request(
    text: str, *, line: str, customer_reference: str
) -> screening_pb2.ScreenTextRequest:
    """Asks for a text to be screened. Raises ``ClientError`` if it can't be sent."""
    return screening_pb2.ScreenTextRequest(
        text=_sendable("text", text), line=line, customer_reference=customer_reference
    )


def script_from_wire(wire: script_pb2.ScriptInfo, text: str | None = None) -> values.Script:
    """A script."""
    return values.Script(
        script_id=wire.script_id,
        title=wire.title,
        kind=from_wire(values.ScriptKind, script_pb2.ScriptKind.Name, "SCRIPT_KIND_", wire.kind),
        network_id=wire.network_id,
        campaign=wire.campaign,
        purpose=wire.purpose,
        source=wire.source,
        case_reference=wire.case_reference,
        legal_basis=wire.legal_basis,
        expires_at=wire.expire_time.ToDatetime(UTC) if wire.HasField("expire_time") else None,
        created_at=wire.create_time.ToDatetime(UTC),
        registered_by=wire.registered_by,
        text_length=wire.text_length,
        searched=wire.searched,
        text=text,
    )


def added_from_wire(wire: script_pb2.AddScriptResponse) -> values.Script:
    """A script that was just registered, with those that are nearly the same."""
    near = tuple(
        values.NearDuplicate(
            script_id=each.script_id,
            title=each.title,
            network_id=each.network_id,
            campaign=each.campaign,
            share=each.share,
            share_of_new=each.share_of_new,
        )
        for each in wire.near_duplicates
    )
    return replace(script_from_wire(wire.script), near_duplicates=near)


def matched_from_wire(wire: script_pb2.MatchTextResponse) -> values.MatchedText:
    """The scripts that a text may use."""
    return values.MatchedText(
        matches=tuple(match_from_wire(match) for match in wire.matches),
        scripts_searched=wire.scripts_searched,
        similar=similar_from_wire(wire.similar_scripts),
    )


def similar_from_wire(
    wire: Iterable[script_pb2.SimilarScript],
) -> tuple[values.SimilarScript, ...]:
    """Scripts that a text is like in meaning."""
    return tuple(
        values.SimilarScript(script_id=each.script_id, title=each.title, similarity=each.similarity)
        for each in wire
    )


def match_from_wire(wire: script_pb2.ScriptMatch) -> values.ScriptMatch:
    """A script that a text may use."""
    return values.ScriptMatch(
        script_id=wire.script_id,
        title=wire.title,
        network_id=wire.network_id,
        campaign=wire.campaign,
        llr=wire.llr,
        script_share=wire.script_share,
        text_share=wire.text_share,
        passages=tuple(_passage(passage) for passage in wire.passages),
    )


def _passage(wire: script_pb2.Passage) -> values.Passage:
    return values.Passage(
        text_start=wire.text_start,
        text_end=wire.text_end,
        script_start=wire.script_start,
        script_end=wire.script_end,
        view=from_wire(values.PassageView, script_pb2.PassageView.Name, "PASSAGE_VIEW_", wire.view),
        text_excerpt=wire.text_excerpt,
        script_excerpt=wire.script_excerpt,
    )


def _kind_name(kind: values.ScriptKind) -> str:
    return "UNSPECIFIED" if kind is values.ScriptKind.UNKNOWN else kind.name


def _sendable(what: str, text: str) -> str:
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise ClientError(
            status=grpc.StatusCode.INVALID_ARGUMENT,
            reason="INVALID_TEXT",
            message=f"the {what} has half of a character (U+{ord(text[error.start]):04X}) at {error.start}; "
            "read it again in its own encoding",
        ) from None
    if len(encoded) > _MOST_BYTES:
        raise ClientError(
            status=grpc.StatusCode.INVALID_ARGUMENT,
            reason="TEXT_TOO_LONG",
            message=f"the {what} has {len(text):,} characters, far more than a server takes; send a part",
        )
    return text
