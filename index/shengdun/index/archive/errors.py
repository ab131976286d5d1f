"""The errors of the call archive, leaves of the index room's tree."""

from pathlib import Path
from typing import ClassVar

from shengdun.fingerprint.errors import Status
from shengdun.index.errors import IndexRoomError


class CallNotArchived(IndexRoomError):
    """No such call is in the archive: it never was, its retention is over, or it was erased."""

    status: ClassVar[Status] = Status.NOT_FOUND
    reason: ClassVar[str] = "CALL_NOT_ARCHIVED"

    @classmethod
    def of(cls, call_id: str) -> "CallNotArchived":
        """The error for one call id."""
        return cls(
            f"There is no call '{call_id[:80]}' in the archive: it was never archived, its retention is over, or it "
            f"was erased."
        )


class PartitionDamaged(IndexRoomError):
    """A partition of the archive can't be read; the others can.

    Attributes:
        partition: its day and its id.
    """

    status: ClassVar[Status] = Status.DATA_LOSS
    reason: ClassVar[str] = "PARTITION_DAMAGED"

    def __init__(self, message: str, *, partition: str) -> None:
        super().__init__(message)
        self.partition = partition

    @classmethod
    def of(cls, partition: str, problem: str) -> "PartitionDamaged":
        """The error naming the partition and what is wrong with it."""
        return cls(
            f"Partition {partition} of the call archive {problem}; its calls are left out. Restore the file from a "
            f"backup, or erase the calls of that day.",
            partition=partition,
        )


class NoArchive(IndexRoomError):
    """This machine has no call archive."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "NO_ARCHIVE"

    @classmethod
    def at(cls, directory: Path) -> "NoArchive":
        """The error for the directory in which it would be."""
        return cls(
            f"There is no call archive in {directory.parent}: give the settings of a server that keeps finished calls "
            f"({directory.name}.enabled), on its machine and as its user."
        )


class ArchiveDiskFull(IndexRoomError):
    """Partitions can't be written for lack of space; what was archived stays in the store."""

    status: ClassVar[Status] = Status.RESOURCE_EXHAUSTED
    reason: ClassVar[str] = "ARCHIVE_DISK_FULL"


class ClockJumped(IndexRoomError):
    """The clock shows a time that can't be right, so that nothing is deleted by it."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "CLOCK_JUMPED"
