"""What the store holds of a call until partitions have it: its fields, its rotated voiceprint, its signature."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np

from shengdun.index.archive.rows import ArchivedCall, ArchivedDecision, ArchivedFlag
from shengdun.index.archive.voiceprints import restored, stored
from shengdun.index.keys import KeyRing

_LENGTH_BYTES: Final = 4
_PLAIN: Final = (
    "call_id",
    "line",
    "customer",
    "number",
    "model_id",
    "net_speech_s",
    "snr_db",
    "codec",
    "characters",
)


def encode_call(call: ArchivedCall, keys: KeyRing) -> bytes:
    """A call as it is sealed."""
    rotation, voiceprint = b"", b""
    if call.voiceprint is not None:
        rotation = keys.active_key_id
        matrix = keys.rotation(rotation, len(call.voiceprint))
        voiceprint = stored(call.voiceprint[None], matrix).tobytes()
    fields = {name: getattr(call, name) for name in _PLAIN} | {
        "started_at": call.started_at.isoformat(),
        "ended_at": call.ended_at.isoformat(),
        "decision": _decision(call.decision),
        "rotation": rotation.hex(),
        "dimension": len(voiceprint) // 2,
    }
    header = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    framed = len(header).to_bytes(_LENGTH_BYTES, "big") + header
    return framed + voiceprint + call.signature.astype("<u8").tobytes()


def decode_call(content: bytes, keys: KeyRing) -> ArchivedCall:
    """Undo ``encode_call``; the voiceprint is as partitions give it."""
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "big")
    fields: dict[str, Any] = json.loads(content[_LENGTH_BYTES:end])
    rotation, dimension = bytes.fromhex(fields.pop("rotation")), fields.pop("dimension")
    voiceprint = None
    if dimension:
        vector = np.frombuffer(content, "<i2", dimension, offset=end)
        voiceprint = restored(vector[None], keys.rotation(rotation, dimension))[0]
    decision = fields.pop("decision")
    flags = tuple(ArchivedFlag(**flag) for flag in decision.pop("flags"))
    return ArchivedCall(
        **fields
        | {
            "started_at": datetime.fromisoformat(fields["started_at"]),
            "ended_at": datetime.fromisoformat(fields["ended_at"]),
        },
        voiceprint=voiceprint,
        signature=np.frombuffer(content, "<u8", offset=end + 2 * dimension),
        decision=ArchivedDecision(**decision, flags=flags),
    )


def encode_erasure(call_ids: Sequence[str]) -> bytes:
    """Which calls are erased, as it is sealed."""
    return json.dumps(list(call_ids), ensure_ascii=False).encode()


def decode_erasure(content: bytes) -> tuple[str, ...]:
    """Undo ``encode_erasure``."""
    return tuple(json.loads(content)) if content else ()


def _decision(decision: ArchivedDecision) -> dict[str, Any]:
    return {
        "level": decision.level,
        "probability": decision.probability,
        "versions": dict(decision.versions),
        "flags": [
            {"kind": flag.kind, "llr": flag.llr, "subject": flag.subject} for flag in decision.flags
        ],
    }
