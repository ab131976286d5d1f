"""What a system's alerts and groups are worth, against who really called.

An agent is *found* by the first alert of which at least half of the calls are theirs. A customer is *accused* when any
alert names a call of theirs. B-cubed precision and recall (Bagga and Baldwin, 1998) are means over calls: of a call's
group, the share that is the caller's; of the caller's calls, the share that is in its group.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from benchmarks.unknown.systems import Alert, Watched
from benchmarks.unknown.worlds import Identity, Kind, Origin, World
from numpy.typing import NDArray

NEVER = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What became of the callers of a world.

    Attributes:
        identities: all callers.
        accused_at: (i,) the step at which each was first named; ``NEVER`` if never.
        found_after: (i,) how many calls of each there had been when an alert first was mostly theirs; ``NEVER``.
        precision: (i,) B-cubed precision, summed over each caller's calls.
        recall: (i,) B-cubed recall, summed over each caller's calls.
        calls: (i,) calls of each.
        seconds: that the system took.
    """

    identities: tuple[Identity, ...] = field(repr=False)
    accused_at: NDArray[np.int64]
    found_after: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    calls: NDArray[np.int64]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure with its interval at 95 %; NaN where there is nothing to measure it on."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures of one system over several worlds.

    Attributes:
        found: share of agents found, by the bucket of their customers; and of all with five or more.
        agents: how many agents there are in each.
        until_found: calls of an agent until found, median over those with five customers or more that were found.
        early: share of the agents with five customers or more who were found on their ``EARLY``th call or before.
        accused: ordinary customers accused, of 10,000.
        ordinary: how many ordinary customers there are.
        ordinary_accused: how many of them were accused.
        adults: ordinary customers accused, of 10,000 who aren't known to be children.
        children: how many of the ordinary customers are known to be children.
        children_accused: how many of these were accused.
        accused_speakers: and whose voices these were, with how often.
        family: family members accused, of 10,000.
        families: how many there are.
        families_accused: how many of them were accused.
        precision: B-cubed.
        recall: B-cubed.
        f: harmonic mean of both.
        seconds: for a thousand calls, median over the worlds.
    """

    found: dict[str, Interval]
    agents: dict[str, int]
    until_found: Interval
    early: Interval
    accused: Interval
    ordinary: int
    ordinary_accused: int
    adults: Interval
    children: int
    children_accused: int
    accused_speakers: dict[str, int]
    family: Interval
    families: int
    families_accused: int
    precision: Interval
    recall: Interval
    f: Interval
    seconds: float


FIVE_OR_MORE = "5-40"
_BUCKETS = {"3-4": (3, 4), "5-9": (5, 9), "10-40": (10, 40), FIVE_OR_MORE: (5, 40)}
EARLY = 4
_PER = 10_000.0
_RESAMPLED = 1000


def judge(world: World, watched: Watched) -> Outcome:
    """Who was found and who was accused."""
    count = len(world.identities)
    accused, found = _named(world.callers, watched.alerts, count)
    so_far = np.array(
        [
            NEVER if step == NEVER else np.count_nonzero(world.callers[: step + 1] == row)
            for row, step in enumerate(found.tolist())
        ],
        np.int64,
    )
    precision, recall = b_cubed(world.callers, watched.groups)
    return Outcome(
        identities=world.identities,
        accused_at=accused,
        found_after=so_far,
        precision=np.bincount(world.callers, precision, count).astype(np.float64),
        recall=np.bincount(world.callers, recall, count).astype(np.float64),
        calls=np.bincount(world.callers, minlength=count),
        seconds=watched.seconds,
    )


def _named(
    callers: NDArray[np.int64], alerts: Iterable[Alert], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    accused = np.full(count, NEVER)
    found = np.full(count, NEVER)
    for alert in alerts:
        named, calls = np.unique(callers[alert.calls], return_counts=True)
        accused[named[accused[named] == NEVER]] = alert.step
        most = int(np.argmax(calls))
        if 2 * calls[most] >= len(alert.calls) and found[named[most]] == NEVER:
            found[named[most]] = alert.step
    return accused, found


def b_cubed(
    callers: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall of each of n calls, (n,) each."""
    _, group = np.unique(groups, return_inverse=True)
    together = callers.astype(np.int64) * (int(group.max(initial=0)) + 1) + group
    _, both, sizes = np.unique(together, return_inverse=True, return_counts=True)
    common = sizes[both]
    return common / np.bincount(group)[group], common / np.bincount(callers)[callers]


def summed_up(
    outcomes: Sequence[Outcome], *, origin: Origin, seed: int = 1, resampled: int = _RESAMPLED
) -> Figures:
    """The figures over several worlds, of callers whose voices are of one origin.

    Intervals are of a bootstrap over speakers: worlds share them, so identities aren't independent. Where nobody was
    accused that is silent, and the upper bound is that of so many independent customers (Clopper and Pearson).
    """
    table = _Table.of(outcomes, origin)
    weights = table.resampled(resampled, seed)
    by_bucket = {name: table.agents_of(*bounds) for name, bounds in _BUCKETS.items()}
    ordinary, family = table.of_kind(Kind.ORDINARY), table.of_kind(Kind.FAMILY)
    children = ordinary & table.children
    was_accused, was_found = table.accused, table.found_after > 0
    was_early = was_found & (table.found_after <= EARLY)
    precision, recall, f = table.clusters(weights)
    return Figures(
        found={name: _share(was_found, rows, weights) for name, rows in by_bucket.items()},
        agents={name: int(rows.sum()) for name, rows in by_bucket.items()},
        until_found=table.until_found(by_bucket[FIVE_OR_MORE] & was_found, weights),
        early=_share(was_early, by_bucket[FIVE_OR_MORE], weights),
        accused=_per_10_000(was_accused, ordinary, weights),
        ordinary=int(ordinary.sum()),
        ordinary_accused=int((was_accused & ordinary).sum()),
        adults=_per_10_000(was_accused, ordinary & ~children, weights),
        children=int(children.sum()),
        children_accused=int((was_accused & children).sum()),
        accused_speakers=table.speakers_of(was_accused & ordinary),
        family=_per_10_000(was_accused, family, weights),
        families=int(family.sum()),
        families_accused=int((was_accused & family).sum()),
        precision=precision,
        recall=recall,
        f=f,
        seconds=float(np.median([1000 * one.seconds / one.calls.sum() for one in outcomes])),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Table:
    """Identities of all worlds, one row each; columns (r,)."""

    identities: list[Identity]
    speakers: NDArray[np.int64]
    accused: NDArray[np.bool_]
    found_after: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    calls: NDArray[np.int64]

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], origin: Origin) -> "_Table":
        kept = [np.array([i.origin is origin for i in one.identities]) for one in outcomes]
        identities = [i for one in outcomes for i in one.identities if i.origin is origin]
        names = [identity.speaker for identity in identities]

        def joined(name: str) -> NDArray[np.float64]:
            columns = zip(outcomes, kept, strict=True)
            return np.concatenate([getattr(one, name)[rows] for one, rows in columns])

        return cls(
            identities=identities,
            speakers=np.unique(names, return_inverse=True)[1].astype(np.int64),
            accused=joined("accused_at") != NEVER,
            found_after=joined("found_after").astype(np.int64),
            precision=joined("precision"),
            recall=joined("recall"),
            calls=joined("calls").astype(np.int64),
        )

    def resampled(self, times: int, seed: int) -> NDArray[np.float64]:
        """(times, r) how often each row counts when speakers are drawn anew."""
        people = int(self.speakers.max(initial=-1)) + 1
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(people, np.full(people, 1.0 / people), times)
        return drawn[:, self.speakers].astype(np.float64)

    def of_kind(self, kind: Kind) -> NDArray[np.bool_]:
        return np.array([identity.kind is kind for identity in self.identities], np.bool_)

    @property
    def children(self) -> NDArray[np.bool_]:
        return np.array([identity.is_child for identity in self.identities], np.bool_)

    def agents_of(self, least: int, most: int) -> NDArray[np.bool_]:
        enough = [least <= identity.customers <= most for identity in self.identities]
        return self.of_kind(Kind.AGENT) & np.array(enough, np.bool_)

    def speakers_of(self, rows: NDArray[np.bool_]) -> dict[str, int]:
        counts = Counter(self.identities[row].speaker for row in np.flatnonzero(rows).tolist())
        return dict(counts.most_common())

    def clusters(self, weights: NDArray[np.float64]) -> tuple[Interval, Interval, Interval]:
        rows = np.concatenate([np.ones((1, weights.shape[1])), weights])
        calls = np.maximum(rows @ self.calls, 1.0)
        precision, recall = rows @ self.precision / calls, rows @ self.recall / calls
        both = np.maximum(precision + recall, np.finfo(float).tiny)
        return _interval(precision), _interval(recall), _interval(2 * precision * recall / both)

    def until_found(self, rows: NDArray[np.bool_], weights: NDArray[np.float64]) -> Interval:
        if not rows.any():
            return Interval(value=np.nan, low=np.nan, high=np.nan)
        order = np.argsort(self.found_after[rows], kind="stable")
        values = self.found_after[rows][order]
        counts = np.concatenate([np.ones((1, len(order))), weights[:, rows][:, order]])
        half = counts.sum(axis=1, keepdims=True) / 2
        return _interval(values[np.argmax(counts.cumsum(axis=1) >= half, axis=1)].astype(float))


def _share(
    hits: NDArray[np.bool_], rows: NDArray[np.bool_], weights: NDArray[np.float64]
) -> Interval:
    if not rows.any():
        return Interval(value=np.nan, low=np.nan, high=np.nan)
    counts = np.concatenate([np.ones((1, int(rows.sum()))), weights[:, rows]])
    return _interval(counts @ hits[rows] / np.maximum(counts.sum(axis=1), 1.0))


def _per_10_000(
    hits: NDArray[np.bool_], rows: NDArray[np.bool_], weights: NDArray[np.float64]
) -> Interval:
    share = _share(hits, rows, weights)
    count = int(rows.sum())
    # With none of n seen, the exact bound at 97.5 % is 1 - 0.025 ** (1 / n).
    least = 1.0 - 0.025 ** (1.0 / count) if count else np.nan
    return Interval(
        value=_PER * share.value, low=_PER * share.low, high=_PER * max(share.high, least)
    )


def _interval(values: NDArray[np.float64]) -> Interval:
    """The first is the figure, the others are what it is when drawn anew."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return Interval(value=float(values[0]), low=float(low), high=float(high))
