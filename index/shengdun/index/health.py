"""How fresh the index is, for readiness checks and for the note that every decision carries."""

import time
from dataclasses import dataclass
from typing import Final

from shengdun.index.errors import IndexRoomError

STALE_AFTER_S: Final = 2.0
"""A follower hears from the store at least twice a second, so this long without is not chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexHealth:
    """How fresh the index is.

    Attributes:
        store_answers: whether the store answered last time.
        journal_sequence: the last entry that is in the snapshot.
        journal_lag: entries known to be in the store and not yet in the snapshot.
        snapshot_age_s: seconds since the snapshot was last known to be current.
        stale: screening goes on, but from an old snapshot.
        problem: what is wrong and what to do; empty when all is well.
        distrusted: the store was found altered after the start; nothing is to be answered from it any more.
    """

    store_answers: bool
    journal_sequence: int
    journal_lag: int
    snapshot_age_s: float
    stale: bool
    problem: str
    distrusted: bool = False


class HealthRecord:
    """Notes contacts with the store as they happen."""

    def __init__(self) -> None:
        self._current_at = time.monotonic()
        self._lag = 0
        self._error: IndexRoomError | None = None
        self._found: IndexRoomError | None = None

    def current(self) -> None:
        """The store answered, and the snapshot has all that it has."""
        self._current_at, self._lag, self._error = time.monotonic(), 0, None

    def behind(self, entries: int) -> None:
        """The store answered, with so many entries that are not in the snapshot yet."""
        self._lag, self._error = entries, None

    def failed(self, error: IndexRoomError) -> None:
        """The store did not answer, or what it holds can't be trusted."""
        self._error = error

    def distrust(self, found: IndexRoomError) -> None:
        """What was loaded rests on a store that was altered; that doesn't pass."""
        self._found = found

    @property
    def found(self) -> IndexRoomError | None:
        """What speaks against the store; None while nothing does."""
        return self._found

    def report(self, journal_sequence: int) -> IndexHealth:
        """As of now."""
        age_s = time.monotonic() - self._current_at
        error = self._found or self._error
        return IndexHealth(
            store_answers=error is None,
            journal_sequence=journal_sequence,
            journal_lag=self._lag,
            snapshot_age_s=age_s,
            stale=error is not None or age_s > STALE_AFTER_S,
            problem=error.message if error else "",
            distrusted=self._found is not None,
        )
