"""The digests of all records as of a journal entry, in little memory: 100,000 voiceprints are 130,000 records.

A dictionary of names and hexadecimal digits would take 40 MB from the start until the journal is verified, at the very
moment when a server needs the most memory. Ids of actors and voiceprints are shared with the snapshot instead, names
are put together when they are asked for, and digests lie in one piece.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import accumulate
from typing import Final

from shengdun.index.records import ACTOR, VOICEPRINT, actor_record, voiceprint_record

DIGEST_BYTES: Final = 32


class RecordDigests:
    """SHA-256 of records, each at a place: those of lists, scripts and the like first, then actors, then voiceprints.

    Args:
        others: digests (hex) of the records of watchlists, scripts and the allow-list, by name.
        actor_ids: the actors.
        voiceprint_ids: of each actor, in the same order.
        of_actors: digests of their records, 32 bytes each, one after the other.
        of_voiceprints: the same of their voiceprints, actor by actor.

    Raises:
        ValueError: there are more or fewer digests than records.
    """

    def __init__(
        self,
        others: Mapping[str, str],
        *,
        actor_ids: Sequence[str],
        voiceprint_ids: Sequence[tuple[str, ...]],
        of_actors: bytes,
        of_voiceprints: bytes,
    ) -> None:
        self._actor_ids = actor_ids
        self._voiceprint_ids = voiceprint_ids
        self._others = {name: place for place, name in enumerate(others)}
        self._actors = {actor_id: code for code, actor_id in enumerate(actor_ids)}
        self._starts = list(accumulate(map(len, voiceprint_ids), initial=0))
        self._digests = b"".join(map(bytes.fromhex, others.values())) + of_actors + of_voiceprints
        if len(self._digests) != DIGEST_BYTES * len(self):
            raise ValueError("there is one digest for each record")

    def __len__(self) -> int:
        return len(self._others) + len(self._actor_ids) + self._starts[-1]

    @property
    def names_of_actors(self) -> list[str]:
        """The names of the actors' records."""
        return [actor_record(actor_id) for actor_id in self._actor_ids]

    @property
    def names_of_voiceprints(self) -> list[str]:
        """The names of the voiceprints' records."""
        return [
            voiceprint_record(actor_id, name)
            for actor_id, names in zip(self._actor_ids, self._voiceprint_ids, strict=True)
            for name in names
        ]

    @property
    def names_of_others(self) -> list[str]:
        """The names of all other records."""
        return list(self._others)

    def place(self, name: str) -> int | None:
        """Where the digest of a record is; None if there is no such record."""
        kind, _, rest = name.partition("/")
        if kind == ACTOR:
            code = self._actors.get(rest)
            return None if code is None else len(self._others) + code
        if kind == VOICEPRINT:
            return self._place_of_voiceprint(*rest.partition("/")[::2])
        return self._others.get(name)

    def at(self, place: int) -> str:
        """The digest at a place, in hexadecimal digits."""
        return self._digests[DIGEST_BYTES * place : DIGEST_BYTES * (place + 1)].hex()

    def are_of(self, start: int, values: Sequence[bytes | None]) -> bool:
        """Whether the records from a place on are these; None, for one that is missing, is no record."""
        if None in values:
            return False
        found = b"".join([sha256(value).digest() for value in values if value is not None])
        return found == self._digests[DIGEST_BYTES * start : DIGEST_BYTES * start + len(found)]

    def _place_of_voiceprint(self, actor_id: str, voiceprint_id: str) -> int | None:
        code = self._actors.get(actor_id)
        if code is None or voiceprint_id not in self._voiceprint_ids[code]:
            return None
        first = len(self._others) + len(self._actor_ids) + self._starts[code]
        return first + self._voiceprint_ids[code].index(voiceprint_id)


NOTHING: Final = RecordDigests(
    {}, actor_ids=(), voiceprint_ids=(), of_actors=b"", of_voiceprints=b""
)
"""Of a store as of before its first entry."""
