"""Skeleton: see the signatures; the body follows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexHealth:
    """How fresh the index is.

    Attributes:
        store_answers: whether the store answered last time.
        journal_sequence: the last entry that is in the snapshot.
        journal_lag: entries known to be in the store and not yet in the snapshot.
        snapshot_age_s: seconds since the snapshot was last known to be current.
        stale: the snapshot is older than it should be: screening goes on from the last snapshot.
        problem: what is wrong, for an operator; empty when all is well.
    """

    store_answers: bool
    journal_sequence: int
    journal_lag: int
    snapshot_age_s: float
    stale: bool
    problem: str
