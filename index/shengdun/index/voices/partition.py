"""Which calls are together, under which id, and what became of ids: the bookkeeping of clusters.

An id comes of the first call with which a group was founded, so that replicas which saw the same calls agree on it.
When groups are put together or fall apart, an id goes with most of its calls.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

_KEPT_EVENTS: Final = 10_000

Keys = tuple[int, ...]


class Change(StrEnum):
    """What happened to a cluster."""

    FOUNDED = "founded"
    GREW = "grew"
    MERGED = "merged"
    SPLIT = "split"
    SHRANK = "shrank"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterEvent:
    """One change of a cluster. Calls are counted and not named, so that no erased call is named either.

    Attributes:
        at: when.
        change: what happened.
        cluster_id: to which cluster.
        other_id: the cluster that went into it, or came out of it; empty for other changes.
        calls: how many it has afterwards.
        reason: why, in words.
    """

    at: datetime
    change: Change
    cluster_id: str
    other_id: str = ""
    calls: int
    reason: str


class Groups:
    """Groups of at least two calls by their keys, and their ids; for one thread at a time."""

    def __init__(self) -> None:
        self._keys: dict[str, Keys] = {}
        self._of: dict[int, str] = {}
        self._heirs: dict[str, str] = {}
        self._events: list[ClusterEvent] = []

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._keys))

    @property
    def events(self) -> tuple[ClusterEvent, ...]:
        """The latest changes, oldest first."""
        return tuple(self._events)

    def of(self, key: int) -> str | None:
        """The group of a call; None if it is alone."""
        return self._of.get(key)

    def keys(self, group_id: str) -> Keys:
        """The calls of a group, first one first; none if there is no such group."""
        return self._keys.get(group_id, ())

    def heir(self, group_id: str) -> str:
        """The group into which one was put, or itself."""
        seen = {group_id}
        while group_id not in self._keys and group_id in self._heirs:
            group_id = self._heirs[group_id]
            if group_id in seen:
                break
            seen.add(group_id)
        return group_id

    def put(self, parts: Sequence[Keys], *, at: datetime, reason: str) -> set[str]:
        """Have these calls, and the others of their groups alone, together as these parts say.

        Args:
            parts: calls of each group, first one first; parts of one call are alone. All calls of any group that is
                touched.
            at: when.
            reason: why, for the record.

        Returns:
            The ids of groups that changed and still are.
        """
        touched = {self._of[key] for part in parts for key in part if key in self._of}
        before = {group_id: self._keys[group_id] for group_id in touched}
        parts = [part for part in parts if len(part) > 1]
        same = {part for part in parts if part in before.values()}
        ids = self._named(parts, before)
        self._record(ids, before, at, reason)
        for group_id, keys in before.items():
            del self._keys[group_id]
            for key in keys:
                del self._of[key]
        for group_id, keys in ids.items():
            self._keys[group_id] = keys
            self._of.update(dict.fromkeys(keys, group_id))
        return {group_id for group_id, keys in ids.items() if keys not in same}

    def restore(self, groups: Iterable[tuple[str, Keys]]) -> None:
        """Take groups as they were before."""
        for group_id, keys in groups:
            self._keys[group_id] = keys
            self._of.update(dict.fromkeys(keys, group_id))

    def _named(self, parts: Sequence[Keys], before: dict[str, Keys]) -> dict[str, Keys]:
        """Ids of parts: the one that most of a part had, if the part has most of that id's calls, or a new one."""
        shares = [
            (-calls, group_id, place)
            for place, part in enumerate(parts)
            for group_id, calls in Counter(filter(None, map(self._of.get, part))).items()
        ]
        ids: dict[int, str] = {}
        taken: set[str] = set()
        for _, group_id, place in sorted(shares, key=lambda s: (s[0], before[s[1]], s[2])):
            if place not in ids and group_id not in taken:
                ids[place] = group_id
                taken.add(group_id)
        return {ids.get(place) or self._new(part): part for place, part in enumerate(parts)}

    def _new(self, part: Keys) -> str:
        candidates = (_id_of(key, number) for number in range(1 << 16) for key in part)
        return next(i for i in candidates if i not in self._keys and i not in self._heirs)

    def _record(
        self, after: dict[str, Keys], before: dict[str, Keys], at: datetime, reason: str
    ) -> None:
        for group_id, keys in after.items():
            had = {self._of[key] for key in keys if key in self._of}
            for other in sorted(had - {group_id}):
                if other not in after:
                    self._heirs[other] = group_id
                    self._note(Change.MERGED, group_id, keys, at, reason, other)
                elif group_id not in before:
                    self._note(Change.SPLIT, group_id, keys, at, reason, other)
            if group_id not in before:
                if not had:
                    self._note(Change.FOUNDED, group_id, keys, at, reason)
            elif len(keys) != len(before[group_id]):
                change = Change.GREW if len(keys) > len(before[group_id]) else Change.SHRANK
                self._note(change, group_id, keys, at, reason)
        for gone in sorted(before.keys() - after.keys()):
            if self._heirs.get(gone) not in after:
                self._note(Change.ENDED, gone, (), at, reason)

    def _note(
        self,
        change: Change,
        group_id: str,
        keys: Keys,
        at: datetime,
        reason: str,
        other_id: str = "",
    ) -> None:
        self._events.append(
            ClusterEvent(
                at=at,
                change=change,
                cluster_id=group_id,
                other_id=other_id,
                calls=len(keys),
                reason=reason,
            )
        )
        del self._events[:-_KEPT_EVENTS]


def _id_of(key: int, number: int) -> str:
    digest = hashlib.blake2b(key.to_bytes(8) + number.to_bytes(2), digest_size=10, person=b"voice")
    return f"vce_{digest.hexdigest()}"
