"""Records: the stored, sealed form of watchlists, actors, voiceprints, scripts and the allow-list.

=================================  ==============================================================================
``watchlist/<id>``                 sealed with the master key
``actor/<id>``                     the actor's wrapped data key, then the actor sealed with the data key
``voiceprint/<actor>/<id>``        header and rotated vector, sealed with the actor's data key
``script/<id>``                    the script's wrapped data key, then the script sealed with the data key
``allow/<id>``                     the entry's wrapped data key, then the entry sealed with the data key
=================================  ==============================================================================

The name of a record is bound to its ciphertext, so that records can't be swapped. With ``actor/<id>`` goes the store's
only copy of the data key, and with it the means to read the actor's voiceprints wherever the store still has their
bytes. A backup of the whole store has that record too: there an actor is erased when the backup is. So it is with a
script and ``script/<id>``, and with an entry of the allow-list and ``allow/<id>``.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.errors import ShengdunError
from shengdun.index.errors import KeyWrong, StoreTampered
from shengdun.index.keys import DataKey, KeyRing
from shengdun.index.rotation import rotate, unrotate
from shengdun.index.scripts.script import Script, ScriptKind
from shengdun.index.watchlists import Actor, Provenance, Template, VoiceprintInfo, Watchlist

WATCHLIST: Final = "watchlist"
ACTOR: Final = "actor"
VOICEPRINT: Final = "voiceprint"
SCRIPT: Final = "script"
ALLOW: Final = "allow"
_LENGTH_BYTES: Final = 4
_NOTHING: Final = np.empty(0, dtype=np.float32)


def watchlist_record(watchlist_id: str) -> str:
    """The name of a watchlist's record."""
    return f"{WATCHLIST}/{watchlist_id}"


def actor_record(actor_id: str) -> str:
    """The name of an actor's record."""
    return f"{ACTOR}/{actor_id}"


def voiceprint_record(actor_id: str, voiceprint_id: str) -> str:
    """The name of a voiceprint's record."""
    return f"{VOICEPRINT}/{actor_id}/{voiceprint_id}"


def script_record(script_id: str) -> str:
    """The name of a script's record."""
    return f"{SCRIPT}/{script_id}"


def allow_record(entry_id: str) -> str:
    """The name of the record of an allow-list entry."""
    return f"{ALLOW}/{entry_id}"


def actor_of(name: str) -> str | None:
    """The id of the actor whose record it is, or the record of one of whose voiceprints; None for any other record."""
    kind, _, rest = name.partition("/")
    return rest.partition("/")[0] if kind in (ACTOR, VOICEPRINT) else None


class RecordCodec:
    """Seals and opens records; whatever can't be opened is reported as ``StoreTampered`` by its name."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def new_data_key(self, owner: str) -> DataKey:
        """A data key for a new actor, given by its id, or for what else is new, given by the name of its record."""
        return self._keys.new_data_key(_key_aad(owner))

    @staticmethod
    def key_id_of(stored: bytes) -> bytes:
        """The id of the master key that the data key of an actor's or a script's record is wrapped by."""
        return KeyRing.key_id_of(_unframed(stored)[0])

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

    def open_actor(self, name: str, stored: bytes) -> "OpenedActor":
        """Open an actor as far as a search needs it."""
        try:
            wrapped, sealed = _unframed(stored)
            data_key = self._keys.unwrap(wrapped, _key_aad(name.partition("/")[2]))
            fields = _parsed(data_key.unseal(sealed, name.encode()))
            expires_at = fields["expires_at"]
            return OpenedActor(
                data_key=data_key,
                fields=fields,
                watchlist_ids=frozenset(fields["watchlist_ids"]),
                expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
            )
        except (ShengdunError, ValueError, TypeError, KeyError) as error:
            raise _damaged(name, error) from error

    def decode_actor(
        self, name: str, stored: bytes, voiceprints: tuple[VoiceprintInfo, ...] = ()
    ) -> tuple[Actor, DataKey]:
        """Open an actor and put in what is known about its voiceprints, which are records of their own."""
        opened = self.open_actor(name, stored)
        try:
            fields = _load_times(opened.fields)
            fields["watchlist_ids"] = opened.watchlist_ids
            fields["aliases"] = tuple(fields["aliases"])
            fields["provenance"] = Provenance(**fields["provenance"])
            return Actor(**fields, voiceprints=voiceprints), opened.data_key
        except (ShengdunError, ValueError, TypeError, KeyError) as error:
            raise _damaged(name, error) from error

    def encode_script(self, script: Script, data_key: DataKey) -> bytes:
        """Seal a script."""
        fields = asdict(script) | {"kind": script.kind.value}
        return self.seal_content(script_record(script.script_id), _dump(fields), data_key)

    def decode_script(self, name: str, stored: bytes) -> tuple[Script, DataKey]:
        """Open a script."""
        content, data_key = self.open_content(name, stored)
        try:
            fields = _load_times(_parsed(content))
            fields["kind"] = ScriptKind(fields["kind"])
            fields["provenance"] = Provenance(**fields["provenance"])
            return Script(**fields), data_key
        except (ShengdunError, ValueError, TypeError, KeyError) as error:
            raise _damaged(name, error) from error

    @staticmethod
    def seal_content(name: str, content: bytes, data_key: DataKey) -> bytes:
        """A record that has its own data key with it."""
        return _framed(data_key.wrapped) + data_key.seal(content, name.encode())

    def open_content(self, name: str, stored: bytes) -> tuple[bytes, DataKey]:
        """Undo ``seal_content``."""
        try:
            wrapped, sealed = _unframed(stored)
            data_key = self._keys.unwrap(wrapped, _key_aad(name))
            return data_key.unseal(sealed, name.encode()), data_key
        except (ShengdunError, ValueError) as error:
            raise _damaged(name, error) from error

    def rotated(self, vector: NDArray[np.float32], data_key: DataKey) -> bytes:
        """A (d,) voiceprint as it is stored: rotated by the matrix of the master key that wraps a data key."""
        matrix = self._keys.rotation(data_key.key_id, len(vector))
        return rotate(vector, matrix).astype("<f4").tobytes()

    def unrotated(self, stored: bytes, data_key: DataKey) -> NDArray[np.float32]:
        """Undo ``rotated``."""
        vector = np.frombuffer(stored, dtype="<f4")
        return unrotate(vector, self._keys.rotation(data_key.key_id, len(vector)))

    def encode_voiceprint(self, actor_id: str, template: Template, data_key: DataKey) -> bytes:
        """Rotate and seal a voiceprint."""
        rotated = self.rotated(template.vector, data_key)
        name = voiceprint_record(actor_id, template.info.voiceprint_id)
        return data_key.seal(_framed(_dump(asdict(template.info))) + rotated, name.encode())

    def open_voiceprint(self, name: str, sealed: bytes, data_key: DataKey) -> "OpenedVoiceprint":
        """Open a voiceprint as far as a search needs it; ``vectors`` undoes the rotation of many at once."""
        try:
            header, rotated = _unframed(data_key.unseal(sealed, name.encode()))
            fields = _parsed(header)
            return OpenedVoiceprint(
                voiceprint_id=fields["voiceprint_id"],
                model_id=sys.intern(fields["model_id"]),
                net_speech_s=fields["net_speech_s"],
                snr_db=fields["snr_db"],
                header=header,
                rotated=rotated,
                key_id=data_key.key_id,
            )
        except (ShengdunError, ValueError, TypeError, KeyError) as error:
            raise _damaged(name, error) from error

    def decode_voiceprint(self, name: str, sealed: bytes, data_key: DataKey) -> Template:
        """Open a voiceprint and undo the rotation."""
        opened = self.open_voiceprint(name, sealed, data_key)
        try:
            info = VoiceprintInfo(**_load_times(json.loads(opened.header)))
            return Template(info=info, vector=self.vectors([opened])[0])
        except (ShengdunError, ValueError, TypeError, KeyError) as error:
            raise _damaged(name, error) from error

    def vectors(self, opened: Sequence["OpenedVoiceprint"]) -> list[NDArray[np.float32]]:
        """The vectors of some voiceprints, (d,) float32 each, the rotation undone; none depends on the others."""
        vectors: list[NDArray[np.float32]] = [_NOTHING] * len(opened)
        alike: dict[tuple[bytes, int], list[int]] = {}
        for row, one in enumerate(opened):
            alike.setdefault((one.key_id, len(one.rotated)), []).append(row)
        for (key_id, _), rows in alike.items():
            joined = np.frombuffer(b"".join(opened[row].rotated for row in rows), dtype="<f4")
            rotated = joined.reshape(len(rows), -1)
            matrix = self._keys.rotation(key_id, rotated.shape[1])
            for row, vector in zip(rows, unrotate(rotated, matrix), strict=True):
                vectors[row] = vector
        return vectors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedActor:
    """An actor's record, its seal verified.

    Attributes:
        data_key: of its voiceprints.
        fields: as they are stored.
        watchlist_ids: the lists that it is on.
        expires_at: in UTC; None for never.
    """

    data_key: DataKey
    fields: dict[str, Any] = field(repr=False)
    watchlist_ids: frozenset[str]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedVoiceprint:
    """A voiceprint's record, its seal verified, the vector still rotated.

    Attributes:
        voiceprint_id: its id.
        model_id: the voice model that computed it.
        net_speech_s: seconds of speech behind it.
        snr_db: speech over noise in dB, band by band (those of before: of the whole band); None where it was not
            measured.
        header: its ``VoiceprintInfo``, as it is stored.
        rotated: d little-endian float32.
        key_id: the master key whose matrix it is rotated by.
    """

    voiceprint_id: str
    model_id: str
    net_speech_s: float
    snr_db: float | None
    header: bytes = field(repr=False)
    rotated: bytes = field(repr=False)
    key_id: bytes


class KeyedHolding(Protocol):
    """A holding whose record names its master key."""

    @property
    def key_id(self) -> bytes:
        """The id of that key."""


def sealed_otherwise(holdings: Mapping[str, KeyedHolding], active: bytes) -> list[str]:
    """The ids of those that another master key protects than the active one, given by its id; sorted."""
    return sorted(name for name, held in holdings.items() if held.key_id != active)


def _damaged(name: str, error: Exception) -> ShengdunError:
    if isinstance(error, KeyWrong):
        return error
    return StoreTampered.of(f"key {name}", "can't be opened")


def _key_aad(owner: str) -> bytes:
    # An actor's id has no slash in it, and the name of a script's record has one.
    return f"data-key/{owner}".encode()


def _dump(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, default=_time, ensure_ascii=False, separators=(",", ":")).encode()


def _parsed(text: bytes) -> dict[str, Any]:
    # Given bytes, json would look for other encodings first, which takes as long as the parsing.
    fields: dict[str, Any] = json.loads(text.decode())
    return fields


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
