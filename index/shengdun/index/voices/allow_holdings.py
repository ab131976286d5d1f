"""The allow-list as a snapshot holds it: entries by id, each with the record that it was read from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from shengdun.fingerprint.errors import ShengdunError
from shengdun.index.errors import StoreTampered
from shengdun.index.keys import DataKey
from shengdun.index.records import ALLOW, RecordCodec, allow_record
from shengdun.index.voices.allowed import (
    AllowList,
    Entry,
    Granted,
    OwnKind,
    OwnVoice,
    Relation,
    Representative,
)
from shengdun.index.voices.errors import AllowEntryNotFound

_HEAD_BYTES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AllowHolding:
    """An entry with its record.

    Attributes:
        entry: the entry.
        record: its record as it is stored.
        key_id: the master key that protects it.
    """

    entry: Entry
    record: bytes = field(repr=False)
    key_id: bytes


class Allowed:
    """All entries at one journal entry; immutable.

    Args:
        holdings: by id.

    Attributes:
        holdings: as given.
        entries: what callers are compared with.
    """

    def __init__(self, holdings: Mapping[str, AllowHolding] | None = None) -> None:
        self.holdings = holdings or {}
        self.entries = AllowList(held.entry for held in self.holdings.values())

    def entry(self, entry_id: str) -> Entry:
        """One entry, ended or not. Raises ``AllowEntryNotFound``."""
        try:
            return self.holdings[entry_id].entry
        except KeyError:
            raise AllowEntryNotFound.of(entry_id) from None

    def of_customer(self, pseudonym: str) -> tuple[Representative, ...]:
        """Who represents a customer, in the order of their ids; also entries that have ended."""
        return tuple(
            entry
            for _, entry in sorted((e.entry_id, e) for e in self.entries)
            if isinstance(entry, Representative) and pseudonym in entry.customers
        )

    def ended(self, before: datetime) -> tuple[str, ...]:
        """The ids of the entries that had ended before then, sorted."""
        return tuple(
            sorted(
                entry.entry_id
                for entry in self.entries
                if entry.granted.until is not None and entry.granted.until < before
            )
        )


def allowed_after(
    before: Allowed, records: Mapping[str, bytes | None], codec: RecordCodec
) -> Allowed:
    """The allow-list after some records were written, or deleted (None); the same object if none is an entry's.

    Raises:
        StoreTampered: a record can't be opened.
    """
    prefix = f"{ALLOW}/"
    changed = {name: stored for name, stored in records.items() if name.startswith(prefix)}
    if not changed:
        return before
    after = dict(before.holdings)
    for name, stored in changed.items():
        entry_id = name.removeprefix(prefix)
        if stored is None:
            after.pop(entry_id, None)
        else:
            after[entry_id] = _opened(name, stored, codec)
    return Allowed(after)


def encode_entry(entry: Entry, data_key: DataKey, codec: RecordCodec) -> bytes:
    """Seal an entry under its own data key; the voiceprint of an own voice is rotated as those of actors are."""
    granted = entry.granted
    fields: dict[str, Any] = {
        "reason": granted.reason,
        "principal": granted.principal,
        "at": granted.at.isoformat(),
        "until": None if granted.until is None else granted.until.isoformat(),
    }
    voiceprint = b""
    if isinstance(entry, Representative):
        fields |= {
            "relation": entry.relation.value,
            "customers": sorted(entry.customers),
            "numbers": sorted(entry.numbers),
        }
    else:
        fields |= {
            "own": entry.kind.value,
            "model_id": entry.model_id,
            "net_speech_s": entry.net_speech_s,
        }
        voiceprint = codec.rotated(entry.voiceprint, data_key)
    head = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    content = len(head).to_bytes(_HEAD_BYTES, "big") + head + voiceprint
    return codec.seal_content(allow_record(entry.entry_id), content, data_key)


def _opened(name: str, stored: bytes, codec: RecordCodec) -> AllowHolding:
    content, data_key = codec.open_content(name, stored)
    end = _HEAD_BYTES + int.from_bytes(content[:_HEAD_BYTES], "big")
    try:
        fields = json.loads(content[_HEAD_BYTES:end])
        entry = _entry(name.partition("/")[2], fields, content[end:], data_key, codec)
    except (ShengdunError, ValueError, TypeError, KeyError) as error:
        raise StoreTampered.of(f"key {name}", "can't be opened") from error
    return AllowHolding(entry=entry, record=stored, key_id=data_key.key_id)


def _entry(
    entry_id: str,
    fields: dict[str, Any],
    voiceprint: bytes,
    data_key: DataKey,
    codec: RecordCodec,
) -> Entry:
    until = fields["until"]
    granted = Granted(
        reason=fields["reason"],
        principal=fields["principal"],
        at=datetime.fromisoformat(fields["at"]),
        until=None if until is None else datetime.fromisoformat(until),
    )
    if "relation" in fields:
        return Representative(
            entry_id=entry_id,
            relation=Relation(fields["relation"]),
            customers=frozenset(fields["customers"]),
            numbers=frozenset(fields["numbers"]),
            granted=granted,
        )
    return OwnVoice(
        entry_id=entry_id,
        kind=OwnKind(fields["own"]),
        model_id=fields["model_id"],
        voiceprint=codec.unrotated(voiceprint, data_key),
        net_speech_s=fields["net_speech_s"],
        granted=granted,
    )
