"""A script as a snapshot holds it: sealed as it is stored, and opened when somebody asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shengdun.index.keys import DataKey
from shengdun.index.records import SCRIPT, RecordCodec, script_record
from shengdun.index.scripts.script import Script
from shengdun.index.segments import microseconds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScriptHolding:
    """A script with its data key.

    Attributes:
        script_id: which one.
        expires_us: when it expires, in microseconds since 1970.
        network_id: the network that uses it, empty if none is known.
        campaign: the campaign it belongs to, may be empty.
        record: its record as it is stored.
        codec: opens it.
    """

    script_id: str
    expires_us: int
    network_id: str
    campaign: str
    record: bytes = field(repr=False)
    codec: RecordCodec = field(repr=False)

    @classmethod
    def of(cls, name: str, stored: bytes, codec: RecordCodec) -> "ScriptHolding":
        """The holding of a record. Raises ``StoreTampered`` if it can't be opened."""
        script, _ = codec.decode_script(name, stored)
        return cls(
            script_id=script.script_id,
            expires_us=microseconds(script.expires_at),
            network_id=script.network_id or "",
            campaign=script.campaign,
            record=stored,
            codec=codec,
        )

    @property
    def script(self) -> Script:
        """What is kept of it."""
        return self.codec.decode_script(script_record(self.script_id), self.record)[0]

    @property
    def key_id(self) -> bytes:
        """The id (8 bytes) of the master key that it is protected by, as the record has it: nothing is opened."""
        return self.codec.key_id_of(self.record)

    @property
    def data_key(self) -> DataKey:
        """What it is sealed with."""
        return self.codec.decode_script(script_record(self.script_id), self.record)[1]


def scripts_after(
    before: Mapping[str, ScriptHolding],
    records: Mapping[str, bytes | None],
    codec: RecordCodec,
) -> Mapping[str, ScriptHolding]:
    """The scripts, by id, after some records were written, or deleted (None); the same mapping if none is a script's.

    Raises:
        StoreTampered: a record can't be opened.
    """
    prefix = f"{SCRIPT}/"
    changed = {name: stored for name, stored in records.items() if name.startswith(prefix)}
    if not changed:
        return before
    after = dict(before)
    for name, stored in changed.items():
        script_id = name.removeprefix(prefix)
        if stored is None:
            after.pop(script_id, None)
        else:
            after[script_id] = ScriptHolding.of(name, stored, codec)
    return after
