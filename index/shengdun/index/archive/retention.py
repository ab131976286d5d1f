"""Retention: how many days calls of each line are kept, and which partitions that leaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from shengdun.index.archive.errors import ClockJumped
from shengdun.index.archive.keeping import Change, PartitionKeeper
from shengdun.index.archive.manifest import Manifest
from shengdun.index.archive.partitions import PartitionReader
from shengdun.index.archive.tables import microseconds, time_of, words
from shengdun.index.errors import InvalidRecord

_JUMP: Final = timedelta(days=31)
_PROOF: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how many days calls are kept.

    Attributes:
        days: of lines that aren't named.
        days_by_line: of lines that are.
    """

    days: int
    days_by_line: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line, days in (("", self.days), *self.days_by_line.items()):
            if days < 1:
                of = f" of line '{line}'" if line else ""
                raise InvalidRecord(f"Calls{of} must be kept for at least one day, not for {days}.")

    def is_over(self, line: str, day: str, now: datetime) -> bool:
        """Whether calls of a line that started on a day are to be kept no more."""
        first = now.astimezone(UTC).date() - timedelta(days=self.days_by_line.get(line, self.days))
        return day < first.isoformat()

    @property
    def longest(self) -> int:
        """The days after which no call is left."""
        return max([self.days, *self.days_by_line.values()])


def checked(manifest: Manifest, now: datetime) -> tuple[Manifest, ClockJumped | None]:
    """The manifest with the clock of this run, and why it must not be trusted, if so.

    A clock that was a month off would take all calls with it. After a jump, or a month's standstill, nothing is deleted
    until it has gone on from there for a day.
    """
    now_us = microseconds(now)
    last, found = manifest.retained_us, manifest.resumes_us
    went_on = bool(found) and _PROOF <= now - time_of(found) <= _JUMP
    if not last or timedelta() <= now - time_of(last) <= _JUMP or went_on:
        return _with_clock(manifest, retained_us=now_us, resumes_us=0), None
    problem = ClockJumped(
        f"The clock shows {now:%Y-%m-%d}, and retention ran last on {time_of(last):%Y-%m-%d}: nothing is deleted until "
        f"the clock has gone on for a day. If it is wrong, set it right."
    )
    # Counted from where it was first found, unless it has jumped again.
    stays = bool(found) and timedelta() <= now - time_of(found) <= _JUMP
    return _with_clock(manifest, retained_us=last, resumes_us=found if stays else now_us), problem


def _with_clock(manifest: Manifest, *, retained_us: int, resumes_us: int) -> Manifest:
    return replace(manifest, retained_us=retained_us, resumes_us=resumes_us)


def past(keeper: PartitionKeeper, retention: Retention, now: datetime) -> list[PartitionReader]:
    """The partitions that have calls to be kept no more."""
    return [
        reader
        for reader in keeper.partitions.readers.values()
        if any(
            retention.is_over(line, reader.partition.day, now) for line in reader.partition.lines
        )
    ]


def leave_out(
    keeper: PartitionKeeper,
    change: Change,
    reader: PartitionReader,
    retention: Retention,
    now: datetime,
) -> int:
    """Replace a partition by one without the calls that are to be kept no more; blocks.

    Returns:
        How many those were.

    Raises:
        PartitionDamaged: it can't be read, and not all of its calls are past.
        OSError: the new one can't be written.
    """
    partition = reader.partition
    over = {line for line in partition.lines if retention.is_over(line, partition.day, now)}
    if over == set(partition.lines):
        keeper.replace(change, reader, None)
        return partition.calls
    lines = words(reader.open(), "line")
    gone = np.isin(lines.codes, [code for code, line in enumerate(lines.values) if line in over])
    keeper.replace(change, reader, np.flatnonzero(~gone))
    return int(gone.sum())
