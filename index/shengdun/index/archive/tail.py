"""What the store holds of a call until partitions have it: its fields, rotated voiceprints and its signature."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np

from shengdun.index.archive.rows import ArchivedCall, ArchivedDecision, ArchivedFlag, CallWindows
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
    rotation, dimension, voiceprints, net_speech_s = b"", 0, b"", []
    if call.voiceprint is not None:
        rotation, dimension = keys.active_key_id, len(call.voiceprint)
        rows = [call.voiceprint[None]]
        if call.windows is not None:
            rows.append(call.windows.voiceprints)
            net_speech_s = call.windows.net_speech_s.tolist()
        voiceprints = stored(np.concatenate(rows), keys.rotation(rotation, dimension)).tobytes()
    fields = {name: getattr(call, name) for name in _PLAIN} | {
        "started_at": call.started_at.isoformat(),
        "ended_at": call.ended_at.isoformat(),
        "decision": _decision(call.decision),
        "rotation": rotation.hex(),
        "dimension": dimension,
        "window_speech": net_speech_s,
    }
    header = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    framed = len(header).to_bytes(_LENGTH_BYTES, "big") + header
    return framed + voiceprints + call.signature.astype("<u8").tobytes()


def decode_call(content: bytes, keys: KeyRing) -> ArchivedCall:
    """Undo ``encode_call``; the voiceprints are as partitions give them."""
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "big")
    fields: dict[str, Any] = json.loads(content[_LENGTH_BYTES:end])
    rotation, dimension = bytes.fromhex(fields.pop("rotation")), fields.pop("dimension")
    net_speech_s = np.array(fields.pop("window_speech", ()), np.float64)
    voiceprint, windows = None, None
    values = dimension * (1 + len(net_speech_s))
    if dimension:
        rows = np.frombuffer(content, "<i2", values, offset=end).reshape(-1, dimension)
        matrix = keys.rotation(rotation, dimension)
        voiceprint = restored(rows[:1], matrix)[0]
        if len(net_speech_s):
            windows = CallWindows(voiceprints=restored(rows[1:], matrix), net_speech_s=net_speech_s)
    decision = fields.pop("decision")
    flags = tuple(ArchivedFlag(**flag) for flag in decision.pop("flags"))
    return ArchivedCall(
        **fields
        | {
            "started_at": datetime.fromisoformat(fields["started_at"]),
            "ended_at": datetime.fromisoformat(fields["ended_at"]),
        },
        voiceprint=voiceprint,
        windows=windows,
        signature=np.frombuffer(content, "<u8", offset=end + 2 * values),
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
