"""The members of one watchlist, in columns, so that counting them takes microseconds."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_FEW: Final = 64
"""Up to so many changed members are put in one by one; more of them by sorting all anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One actor as a member of a watchlist.

    Attributes:
        expires_us: when it expires, in microseconds since 1970.
        model_ids: the voice models that it has voiceprints of.
    """

    expires_us: int
    model_ids: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Members:
    """The n members of a watchlist; immutable.

    Attributes:
        ids: their actor ids, sorted.
        expires_us: (n,) int64, when each expires.
        voiced: by voice model, (n,) bool, whether each has a voiceprint of it.
        earliest_us: when the first of them expires.
        voiceless: by voice model, how many have no voiceprint of it, expired or not.
    """

    ids: tuple[str, ...]
    expires_us: NDArray[np.int64]
    voiced: Mapping[str, NDArray[np.bool_]]
    earliest_us: int = field(init=False)
    voiceless: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        # Every search asks; until somebody expires nothing has to be counted for it.
        earliest_us = int(self.expires_us.min(initial=np.iinfo(np.int64).max))
        object.__setattr__(self, "earliest_us", earliest_us)
        voiceless = {name: int(np.count_nonzero(~has)) for name, has in self.voiced.items()}
        object.__setattr__(self, "voiceless", voiceless)

    @classmethod
    def nobody(cls, model_ids: Iterable[str]) -> "Members":
        """No members yet, with these voice models to keep account of."""
        nothing = np.empty(0, dtype=np.bool_)
        return cls(
            ids=(),
            expires_us=np.empty(0, dtype=np.int64),
            voiced=dict.fromkeys(sorted(model_ids), nothing),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def size(self, at_us: int) -> int:
        """How many have not expired."""
        if at_us < self.earliest_us:
            return len(self)
        return int(np.count_nonzero(self.expires_us > at_us))

    def expires_between(self, after_us: int, until_us: int) -> bool:
        """Whether anybody expires after one instant and at another at the latest."""
        if until_us < self.earliest_us:
            return False
        return bool(((self.expires_us > after_us) & (self.expires_us <= until_us)).any())

    def without_voiceprint(self, model_id: str, at_us: int) -> int:
        """How many have not expired and have no voiceprint of a model; 0 for one that no account is kept of."""
        voiced = self.voiced.get(model_id)
        if voiced is None:
            return 0
        if at_us < self.earliest_us:
            return self.voiceless[model_id]
        return int(np.count_nonzero((self.expires_us > at_us) & ~voiced))

    def ids_without_voiceprint(self, model_id: str, at_us: int) -> tuple[str, ...]:
        """Who they are; an account must be kept of the model."""
        rows = np.flatnonzero((self.expires_us > at_us) & ~self.voiced[model_id])
        return tuple(self.ids[row] for row in rows.tolist())

    def changed(self, gone: Iterable[str], present: Mapping[str, Member]) -> "Members":
        """Without some actors, and with others as they are now."""
        return self._sorted_anew(gone, present) if len(present) > _FEW else self._put(gone, present)

    def accounting(self, model_ids: Iterable[str], models_of: "ModelsOf") -> "Members":
        """With an account of these voice models and no others.

        Args:
            model_ids: the models.
            models_of: gives the models that a member has voiceprints of.
        """
        wanted = sorted(model_ids)
        new = [model_id for model_id in wanted if model_id not in self.voiced]
        has = [models_of(actor_id) for actor_id in self.ids] if new else []
        fresh = {each: np.array([each in one for one in has], dtype=np.bool_) for each in new}
        voiced = {each: fresh[each] if each in fresh else self.voiced[each] for each in wanted}
        return Members(ids=self.ids, expires_us=self.expires_us, voiced=voiced)

    def _columns(self) -> list[NDArray[Any]]:
        return [self.expires_us, *self.voiced.values()]

    def _values(self, member: Member) -> list[int]:
        return [member.expires_us, *(model_id in member.model_ids for model_id in self.voiced)]

    def _of(self, ids: Iterable[str], columns: list[NDArray[Any]]) -> "Members":
        return Members(
            ids=tuple(ids),
            expires_us=columns[0],
            voiced=dict(zip(self.voiced, columns[1:], strict=True)),
        )

    def _put(self, gone: Iterable[str], present: Mapping[str, Member]) -> "Members":
        ids, columns = list(self.ids), [column.copy() for column in self._columns()]
        for actor_id in gone:
            row = bisect_left(ids, actor_id)
            if ids[row : row + 1] == [actor_id]:
                del ids[row]
                columns = [np.delete(column, row) for column in columns]
        for actor_id, member in present.items():
            row = bisect_left(ids, actor_id)
            values = zip(columns, self._values(member), strict=True)
            if ids[row : row + 1] == [actor_id]:
                for column, value in values:
                    column[row] = value
            else:
                ids.insert(row, actor_id)
                columns = [np.insert(column, row, value) for column, value in values]
        return self._of(ids, columns)

    def _sorted_anew(self, gone: Iterable[str], present: Mapping[str, Member]) -> "Members":
        replaced = {*gone, *present}
        kept = [row for row, actor_id in enumerate(self.ids) if actor_id not in replaced]
        ids = [*(self.ids[row] for row in kept), *present]
        order = sorted(range(len(ids)), key=ids.__getitem__)
        values = zip(*(self._values(member) for member in present.values()), strict=True)
        columns = [
            np.concatenate([column[kept], np.array(new, dtype=column.dtype)])[order]
            for column, new in zip(self._columns(), values, strict=True)
        ]
        return self._of((ids[row] for row in order), columns)


ModelsOf = Callable[[str], frozenset[str]]
"""Gives the voice models that an actor has voiceprints of."""
