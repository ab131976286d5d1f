"""Calls grouped into voices as they come, by the evidence of all calls of a group together.

A call joins the group that it most probably belongs to, if that is likelier than not by ``join_llr``; otherwise it
founds one. What a group holds is the sum over its calls (``Gathered``), so joining and leaving are exact and take O(d).
A group that has grown is compared with its neighbours once and takes them in where the evidence says so. Groups are
proposed by their direction (one matrix product over all groups) and judged by the likelihood ratio; a call with less
net speech than ``least_s`` is matched with a group, but never founds or moves one.

Cost of a call: O(groups x d) multiplications for the proposal, O(``_PROPOSED`` x d) for the judgement.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from shengdun.index.voices.spread import Gathered, Spread

Number = TypeVar("Number", bound=np.floating)

_PROPOSED: Final = 32
_FIRST_ROOM: Final = 256
NOBODY: Final = -1
"""The group of a call that is too short to found one and is like none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupingPolicy:
    """When calls are taken for one voice.

    Attributes:
        join_llr: LLR from which a call joins a group, and two groups become one.
        least_s: net speech below which a call never founds or moves a group, in seconds.
    """

    join_llr: float
    least_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a call went.

    Attributes:
        group: its group; ``NOBODY`` for a short call that is like none.
        llr: of its belonging there; 0 where it founded the group.
        merged: groups that became part of this one by this call.
    """

    group: int
    llr: float = 0.0
    merged: tuple[int, ...] = ()


class VoiceGroups:
    """Groups of calls; not safe to share between threads.

    Args:
        spread: of voices and calls.
        policy: when calls are taken for one voice.
    """

    def __init__(self, spread: Spread, policy: GroupingPolicy) -> None:
        self._spread = spread
        self._policy = policy
        dimension = len(spread.centre)
        self._used = 0
        self._sums = np.zeros((_FIRST_ROOM, dimension))
        self._precisions = np.zeros(_FIRST_ROOM)
        self._directions = np.zeros((_FIRST_ROOM, dimension), np.float32)
        self._members: dict[int, set[int]] = {}
        self._group_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._members)

    def members(self, group: int) -> frozenset[int]:
        """The calls of a group; none if there is no such group."""
        return frozenset(self._members.get(group, ()))

    def group_of(self, call: int) -> int:
        """The group that a call founded, joined or was matched with; ``NOBODY`` if none."""
        return self._group_of.get(call, NOBODY)

    def take(self, call: int, gathered: Gathered, *, net_speech_s: float) -> Placed:
        """Put a call where it belongs.

        Args:
            call: the caller's number for it, not in use.
            gathered: the call alone, as ``Spread.gather`` gives it.
            net_speech_s: behind it.
        """
        group, llr = self._nearest(gathered, besides=NOBODY)
        joins = llr >= self._policy.join_llr
        if net_speech_s < self._policy.least_s:
            return self._match(call, group if joins else NOBODY, llr)
        if not joins:
            group, llr = self._found(), 0.0
        self._group_of[call] = group
        self._members[group].add(call)
        self._put(group, self._sums[group] + gathered.sums[0], gathered.precisions[0])
        return Placed(group=group, llr=llr, merged=self._merge(group) if joins else ())

    def remove(self, call: int, gathered: Gathered) -> None:
        """Take a call out, as if it had never moved its group; one that isn't there is no matter."""
        group = self._group_of.pop(call, NOBODY)
        members = self._members.get(group)
        if members is None or call not in members:
            return
        members.discard(call)
        if members:
            self._put(group, self._sums[group] - gathered.sums[0], -gathered.precisions[0])
        else:
            self._drop(group)

    def _match(self, call: int, group: int, llr: float) -> Placed:
        self._group_of[call] = group
        return Placed(group=group, llr=llr if group != NOBODY else 0.0)

    def _nearest(self, gathered: Gathered, *, besides: int) -> tuple[int, float]:
        """The likeliest group of some calls but one, with its LLR."""
        if not self._used:
            return NOBODY, -np.inf
        likeness = self._directions[: self._used] @ gathered.sums[0].astype(np.float32)
        likeness[self._precisions[: self._used] == 0.0] = -np.inf
        if besides != NOBODY:
            likeness[besides] = -np.inf
        count = min(_PROPOSED, self._used)
        proposed = np.argpartition(-likeness, count - 1)[:count]
        proposed = proposed[np.isfinite(likeness[proposed])]
        if not len(proposed):
            return NOBODY, -np.inf
        groups = Gathered(sums=self._sums[proposed], precisions=self._precisions[proposed])
        llrs = self._spread.llr(gathered, groups)
        best = int(np.argmax(llrs))
        return int(proposed[best]), float(llrs[best])

    def _merge(self, group: int) -> tuple[int, ...]:
        merged: list[int] = []
        while True:
            own = Gathered(
                sums=self._sums[group : group + 1], precisions=self._precisions[group : group + 1]
            )
            other, llr = self._nearest(own, besides=group)
            if llr < self._policy.join_llr:
                return tuple(merged)
            merged.append(other)
            for call in self._members[other]:
                self._group_of[call] = group
            self._members[group] |= self._members[other]
            self._put(group, own.sums[0] + self._sums[other], self._precisions[other])
            self._drop(other)

    def _found(self) -> int:
        if self._used == len(self._precisions):
            self._sums = _doubled(self._sums)
            self._precisions = _doubled(self._precisions)
            self._directions = _doubled(self._directions)
        group = self._used
        self._used += 1
        self._members[group] = set()
        return group

    def _put(self, group: int, sums: NDArray[np.float64], precision: float) -> None:
        self._sums[group] = sums
        self._precisions[group] += precision
        between = self._spread.between
        # The mean of what is known of the voice, weighted as the LLR weighs it.
        place = sums * between / (1.0 + between * self._precisions[group])
        length = max(float(np.linalg.norm(place)), float(np.finfo(np.float32).tiny))
        self._directions[group] = place / length

    def _drop(self, group: int) -> None:
        del self._members[group]
        self._sums[group] = 0.0
        self._precisions[group] = 0.0
        self._directions[group] = 0.0


def _doubled(array: NDArray[Number]) -> NDArray[Number]:
    return np.concatenate([array, np.zeros_like(array)])
