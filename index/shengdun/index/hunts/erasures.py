"""What is erased while hunts go on, so that none of them shows it: neither what it had found before, nor what it finds.

Usually the ids are told. A process that was too far behind to hear of them knows only that it missed some; the archive
then has to be asked which hits are still there.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.rows import CallQuery
from shengdun.index.hunts.hits import Hit
from shengdun.index.hunts.hunt import Hunt


def no_longer_archived(archive: CallArchive, hits: Iterable[Hit]) -> frozenset[str]:
    """The ids of calls that were hit and are gone, erased or past their retention; blocks for a look at their days."""
    wanted = {hit.call_id: hit.started_us for hit in hits}
    left = set(wanted)
    for day in sorted({datetime.fromtimestamp(us / 1e6, UTC).date() for us in wanted.values()}):
        since = datetime(day.year, day.month, day.day, tzinfo=UTC)
        query = CallQuery(since=since, until=since + timedelta(days=1))
        for block in archive.scan(query, voiceprints=False, columns=("call_id",)):
            left.difference_update(block.call_ids)
    return frozenset(left)


class Erasures:
    """What was erased since hunts began that are still going on; asked from any thread, told on one.

    Args:
        archive: is asked what is left when something was missed.
    """

    def __init__(self, archive: CallArchive) -> None:
        self._archive = archive
        self._ids: frozenset[str] = frozenset()
        self._missed = 0

    def add(self, call_ids: Iterable[str]) -> None:
        """These were erased."""
        self._ids |= frozenset(call_ids)

    def miss(self) -> None:
        """Some were, and nobody knows which."""
        self._missed += 1

    def forget(self) -> None:
        """Let go of what was told, as no hunt is going on."""
        self._ids = frozenset()

    def begin(self) -> "HuntErasures":
        """What is erased from now on, for one hunt."""
        return HuntErasures(self)

    @property
    def missed(self) -> int:
        """How often some were missed."""
        return self._missed

    def told(self, hunt: Hunt) -> Hunt:
        """The hunt without hits on what was told."""
        return hunt.without(self._ids)

    def gone(self, hits: Iterable[Hit]) -> frozenset[str]:
        """Which hits are archived no more; blocks."""
        return no_longer_archived(self._archive, hits)


class HuntErasures:
    """What was erased since one hunt began; used by one thread at a time.

    Args:
        every: of all hunts.
    """

    def __init__(self, every: Erasures) -> None:
        self._every = every
        self._missed = every.missed
        self._gone: frozenset[str] = frozenset()

    def left_of(self, hunt: Hunt, *earlier: Hunt) -> Hunt:
        """The hunt without hits on what was erased; blocks where it isn't known what was.

        Args:
            hunt: as it stands.
            earlier: how it stood, where that may be gone back to.
        """
        missed = self._every.missed
        if missed != self._missed:
            self._gone |= self._every.gone(hit for one in (hunt, *earlier) for hit in one.hits.best)
            self._missed = missed
        return self._every.told(hunt).without(self._gone)
