"""Systems that tell which calls are by one voice, behind one adapter, and what they say.

A system gets the calls of a world in order of time and says, call after call, which calls it groups (``Grouping``) and
whom it accuses (``Alert``). An alert names every call that an investigator would be shown as the agent's: whoever is
behind one of them is accused.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.rows import ArchivedCall

Told = NDArray[np.int64]
"""(m, 3) rows ``step, call, group``, by step: after call ``step`` had come, ``call`` was in ``group``."""
LEAST_CUSTOMERS: Final = 3
"""Customers for whom one voice must have called before anybody is accused."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alert:
    """One voice is said to call for many customers.

    Attributes:
        step: the call that had come last.
        calls: rows of the calls that are said to be its.
    """

    step: int
    calls: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Watched:
    """What a system said of a world.

    Attributes:
        alerts: in order of time.
        groups: (n,) group of each call after the last.
        seconds: that it took.
    """

    alerts: Iterable[Alert] = field(repr=False)
    groups: NDArray[np.int64] = field(repr=False)
    seconds: float


class System(Protocol):
    """A system with its settings."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    @property
    def version(self) -> str:
        """Of what does the work."""
        ...

    @property
    def settings(self) -> str:
        """How it is set, for people."""
        ...

    def watch(self, calls: Sequence[ArchivedCall]) -> Watched:
        """The calls of a world, in order of time."""
        ...


def groups_at_end(told: Told, calls: int) -> NDArray[np.int64]:
    """(n,) group of each call after the last; of those that were never told a negative one each."""
    groups = -1 - np.arange(calls)
    # The last row of a call is the one that counts.
    last = {call: group for _, call, group in told.tolist()}
    groups[list(last)] = list(last.values())
    return groups


def alerts_of(
    told: Told, calls: Sequence[ArchivedCall], *, customers_from: int = LEAST_CUSTOMERS
) -> Iterator[Alert]:
    """An alert whenever a group with calls for so many customers or more has become larger."""
    members: dict[int, set[int]] = defaultdict(set)
    customers: dict[int, Counter[str]] = defaultdict(Counter)
    group_of: dict[int, int] = {}
    for step, rows in _by_step(told):
        larger = set()
        for call, group in rows:
            before = group_of.get(call)
            if before is not None:
                members[before].discard(call)
                customers[before] -= Counter([calls[call].customer])
            group_of[call] = group
            members[group].add(call)
            customers[group][calls[call].customer] += 1
            larger.add(group)
        for group in sorted(larger):
            if len(customers[group]) >= customers_from:
                yield Alert(step=step, calls=np.array(sorted(members[group]), np.int64))


def _by_step(told: Told) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    edges = np.flatnonzero(np.diff(told[:, 0])) + 1
    for part in np.split(told, edges):
        if len(part):
            yield int(part[0, 0]), [(call, group) for _, call, group in part.tolist()]
