"""Records: the stored, sealed form of watchlists, actors and voiceprints.

=================================  ==============================================================================
``watchlist/<id>``                 sealed with the master key
``actor/<id>``                     the actor's wrapped data key, then the actor sealed with the data key
``voiceprint/<actor>/<id>``        header and rotated vector, sealed with the actor's data key
=================================  ==============================================================================

The name of a record is bound to its ciphertext, so that records can't be swapped. With ``actor/<id>`` goes the store's
only copy of the data key, and with it the means to read the actor's voiceprints wherever the store still has their
bytes. A backup of the whole store has that record too: there an actor is erased when the backup is.
"""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import numpy as np

from shengdun.fingerprint.errors import ShengdunError
from shengdun.index.errors import KeyWrong, StoreTampered
from shengdun.index.keys import DataKey, KeyRing
from shengdun.index.rotation import rotate, unrotate
from shengdun.index.watchlists import Actor, Provenance, Template, VoiceprintInfo, Watchlist

WATCHLIST: Final = "watchlist"
ACTOR: Final = "actor"
VOICEPRINT: Final = "voiceprint"
_LENGTH_BYTES: Final = 4


def watchlist_record(watchlist_id: str) -> str:
    """The name of a watchlist's record."""
    return f"{WATCHLIST}/{watchlist_id}"


def actor_record(actor_id: str) -> str:
    """The name of an actor's record."""
    return f"{ACTOR}/{actor_id}"


def voiceprint_record(actor_id: str, voiceprint_id: str) -> str:
    """The name of a voiceprint's record."""
    return f"{VOICEPRINT}/{actor_id}/{voiceprint_id}"


class RecordCodec:
    """Seals and opens records; whatever can't be opened is reported as ``StoreTampered`` by its name."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def new_data_key(self, actor_id: str) -> DataKey:
        """A data key for a new actor."""
        return self._keys.new_data_key(_key_aad(actor_id))

    def encode_watchlist(self, watchlist: Watchlist) -> bytes:
        """Seal a watchlist."""
        name = watchlist_record(watchlist.watchlist_id)
        return self._keys.seal(_dump(asdict(watchlist)), name.encode())

    def decode_watchlist(self, name: str, sealed: bytes) -> Watchlist:
        """Open a watchlist."""
        try:
            fields = _load_times(json.loads(self._keys.unseal(sealed, name.encode())))
            return Watchlist(**fields)
        except (ShengdunError, ValueError, TypeError, KeyError) as error:
            raise _damaged(name, error) from error

    def encode_actor(self, actor: Actor, data_key: DataKey) -> bytes:
        """Seal an actor without its voiceprints, which are records of their own."""
        fields = asdict(actor)
        del fields["voiceprints"]
        fields["watchlist_ids"] = sorted(actor.watchlist_ids)
        sealed = data_key.seal(_dump(fields), actor_record(actor.actor_id).encode())
        return _framed(data_key.wrapped) + sealed

    def decode_actor(self, name: str, stored: bytes) -> tuple[Actor, DataKey]:
        """Open an actor; its voiceprints are still to be put in."""
        try:
            wrapped, sealed = _unframed(stored)
            data_key = self._keys.unwrap(wrapped, _key_aad(name.partition("/")[2]))
            fields = _load_times(json.loads(data_key.unseal(sealed, name.encode())))
            fields["watchlist_ids"] = frozenset(fields["watchlist_ids"])
            fields["aliases"] = tuple(fields["aliases"])
            fields["provenance"] = Provenance(**fields["provenance"])
            return Actor(**fields), data_key
        except (ShengdunError, ValueError, TypeError, KeyError) as error:
            raise _damaged(name, error) from error

    def encode_voiceprint(self, actor_id: str, template: Template, data_key: DataKey) -> bytes:
        """Rotate and seal a voiceprint."""
        matrix = self._keys.rotation(data_key.key_id, len(template.vector))
        rotated = rotate(template.vector, matrix).astype("<f4").tobytes()
        name = voiceprint_record(actor_id, template.info.voiceprint_id)
        return data_key.seal(_framed(_dump(asdict(template.info))) + rotated, name.encode())

    def decode_voiceprint(self, name: str, sealed: bytes, data_key: DataKey) -> Template:
        """Open a voiceprint and undo the rotation."""
        try:
            header, rotated = _unframed(data_key.unseal(sealed, name.encode()))
            vector = np.frombuffer(rotated, dtype="<f4")
            matrix = self._keys.rotation(data_key.key_id, len(vector))
            info = VoiceprintInfo(**_load_times(json.loads(header)))
            return Template(info=info, vector=unrotate(vector, matrix))
        except (ShengdunError, ValueError, TypeError, KeyError) as error:
            raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> ShengdunError:
    if isinstance(error, KeyWrong):
        return error
    return StoreTampered.of(f"key {name}", "can't be opened")


def _key_aad(actor_id: str) -> bytes:
    return f"data-key/{actor_id}".encode()


def _dump(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, default=_time, ensure_ascii=False, separators=(",", ":")).encode()


def _time(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    raise TypeError(f"{type(value).__name__} has no stored form")


def _load_times(fields: dict[str, Any]) -> dict[str, Any]:
    for name in ("created_at", "updated_at", "expires_at"):
        if fields.get(name) is not None:
            fields[name] = datetime.fromisoformat(fields[name])
    return fields


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(_LENGTH_BYTES, "big") + part


def _unframed(stored: bytes) -> tuple[bytes, bytes]:
    end = _LENGTH_BYTES + int.from_bytes(stored[:_LENGTH_BYTES], "big")
    return stored[_LENGTH_BYTES:end], stored[end:]
