"""Idempotency keys: a request that is sent again is answered again, and not done again."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from shengdun.index.errors import IdempotencyConflict
from shengdun.index.identifiers import check_text
from shengdun.index.journal import Idempotency, Seen
from shengdun.index.keys import KeyRing
from shengdun.index.watchlists import Template

REMEMBERED: Final = timedelta(hours=24)


def remember(
    keys: KeyRing, *, principal: str, idempotency_key: str | None, request: object, subject: str
) -> Idempotency | None:
    """What to store with a change so that the request is known when it comes again.

    Args:
        keys: key the digests; the request may hold names.
        principal: keys of different principals do not meet.
        idempotency_key: chosen by the caller; None for a request that is not to be remembered.
        request: a value whose ``repr`` says all about the request.
        subject: the id that the request makes or changes.
    """
    if idempotency_key is None:
        return None
    check_text("idempotency key", idempotency_key, longest=200, empty=False)
    place = keys.receipt_mac(json.dumps(["idempotency", principal, idempotency_key]).encode())
    digest = keys.receipt_mac(b"request/" + repr(request).encode())
    value = json.dumps({"digest": digest.hex(), "subject": subject}).encode()
    return Idempotency(
        key=f"idempotency/{place.hex()}",
        value=value,
        ttl_ms=int(REMEMBERED.total_seconds() * 1000),
    )


def recall(seen: Seen, asked: Idempotency) -> str:
    """The subject of the request that was remembered.

    Raises:
        IdempotencyConflict: it was another request.
    """
    known, now = json.loads(seen.value), json.loads(asked.value)
    if known["digest"] != now["digest"]:
        raise IdempotencyConflict(
            "This idempotency key was used for another request: use a new key for each request."
        )
    subject: str = known["subject"]
    return subject


def describe(templates: Sequence[Template]) -> list[dict[str, Any]]:
    """Templates without what differs when the same request is made again: ids and times."""
    described = []
    for template in templates:
        info = asdict(template.info)
        del info["voiceprint_id"], info["created_at"]
        described.append(info | {"vector": sha256(template.vector.tobytes()).hexdigest()})
    return described
