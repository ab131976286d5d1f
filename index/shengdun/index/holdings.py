"""An actor as a snapshot holds it: sealed as it is stored, and opened when somebody asks.

Opened, an actor with three voiceprints takes some 6 KB of objects, and making them takes most of the time of a start;
sealed, it takes 4 KB, and what a search needs is in the segments already. Opening one takes a tenth of a millisecond.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from shengdun.index.keys import DataKey
from shengdun.index.members import Member
from shengdun.index.records import (
    OpenedVoiceprint,
    RecordCodec,
    actor_record,
    voiceprint_record,
)
from shengdun.index.segments import Row
from shengdun.index.watchlists import Actor, Template


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holding:
    """An actor with its voiceprints and its data key.

    Attributes:
        actor_id: who.
        code: a number that stands for the actor in this process.
        expires_us: when the actor expires, in microseconds since 1970.
        watchlist_ids: the lists that it is on.
        names: the ids of its voiceprints, sorted.
        models: the voice model of each of them.
        record: its record as it is stored.
        sealed: the records of its voiceprints, as they are stored.
        codec: opens them.
    """

    actor_id: str
    code: int
    expires_us: int
    watchlist_ids: frozenset[str]
    names: tuple[str, ...]
    models: tuple[str, ...]
    record: bytes = field(repr=False)
    sealed: tuple[bytes, ...] = field(repr=False)
    codec: RecordCodec = field(repr=False)

    @property
    def model_ids(self) -> frozenset[str]:
        """The voice models that the actor has voiceprints of."""
        return frozenset(self.models)

    @property
    def key_id(self) -> bytes:
        """The id (8 bytes) of the master key that it is protected by, as the record has it: nothing is opened."""
        return self.codec.key_id_of(self.record)

    @property
    def record_names(self) -> tuple[str, ...]:
        """The names of its records."""
        return (actor_record(self.actor_id), *map(self._record_of, self.names))

    @property
    def data_key(self) -> DataKey:
        """What its voiceprints are sealed with."""
        return self.codec.open_actor(actor_record(self.actor_id), self.record).data_key

    @property
    def actor(self) -> Actor:
        """Who it is, with what is known about its voiceprints."""
        infos = tuple(template.info for template in self.templates.values())
        actor, _ = self.codec.decode_actor(actor_record(self.actor_id), self.record, infos)
        return actor

    @property
    def templates(self) -> Mapping[str, Template]:
        """Its voiceprints by id, in the order of the ids."""
        data_key = self.data_key
        return {
            name: self.codec.decode_voiceprint(self._record_of(name), sealed, data_key)
            for name, sealed in zip(self.names, self.sealed, strict=True)
        }

    @property
    def member(self) -> Member:
        """The actor as a member of its watchlists."""
        return Member(expires_us=self.expires_us, model_ids=self.model_ids)

    def template(self, voiceprint_id: str) -> Template | None:
        """One of its voiceprints."""
        for name, sealed in zip(self.names, self.sealed, strict=True):
            if name == voiceprint_id:
                return self.codec.decode_voiceprint(self._record_of(name), sealed, self.data_key)
        return None

    def opened(self, names: Collection[str]) -> Iterator[OpenedVoiceprint]:
        """Some of its voiceprints, given by id, as far as a search needs them."""
        data_key = self.data_key
        for name, sealed in zip(self.names, self.sealed, strict=True):
            if name in names:
                yield self.codec.open_voiceprint(self._record_of(name), sealed, data_key)

    def rows(self, model_id: str) -> dict[str, Row]:
        """The rows of this actor for the scorers of one voice model, by voiceprint id."""
        found = [(self, one) for one in self.opened(self.names) if one.model_id == model_id]
        return {row.voiceprint_id: row for row in rows_of(found)}

    def _record_of(self, voiceprint_id: str) -> str:
        return voiceprint_record(self.actor_id, voiceprint_id)


def rows_of(found: Sequence[tuple[Holding, OpenedVoiceprint]]) -> list[Row]:
    """Rows for segments from opened voiceprints."""
    vectors = found[0][0].codec.vectors([one for _, one in found]) if found else []
    return [
        Row(
            voiceprint_id=one.voiceprint_id,
            actor_id=holding.actor_id,
            actor_code=holding.code,
            expires_us=holding.expires_us,
            net_speech_s=one.net_speech_s,
            snr_db=math.nan if one.snr_db is None else one.snr_db,
            vector=vector,
        )
        for (holding, one), vector in zip(found, vectors, strict=True)
    ]
