"""The errors of hunts, leaves of the index room's tree."""

from typing import ClassVar

from shengdun.fingerprint.errors import Status
from shengdun.index.errors import IndexRoomError


class HuntNotFound(IndexRoomError):
    """There is no hunt of this id on this machine: it never was, or whom it was after was erased."""

    status: ClassVar[Status] = Status.NOT_FOUND
    reason: ClassVar[str] = "HUNT_NOT_FOUND"

    @classmethod
    def of(cls, hunt_id: str) -> "HuntNotFound":
        """The error for one hunt id."""
        return cls(
            f"There is no hunt '{hunt_id[:80]}' on this machine: list the hunts; that of an erased agent or script "
            f"is gone with it."
        )


class HuntRunning(IndexRoomError):
    """The hunt is running already."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "HUNT_RUNNING"

    @classmethod
    def of(cls, hunt_id: str) -> "HuntRunning":
        """The error for one hunt id."""
        return cls(f"Hunt '{hunt_id}' is running; wait for its end, or cancel it first.")


class HuntEnded(IndexRoomError):
    """The hunt has gone through everything, so that there is nothing to cancel or resume."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "HUNT_ENDED"

    @classmethod
    def of(cls, hunt_id: str) -> "HuntEnded":
        """The error for one hunt id."""
        return cls(f"Hunt '{hunt_id}' isn't running any more; start another for calls since then.")


class NothingToHunt(IndexRoomError):
    """No archived call is in the time and of the line that were asked for."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "NOTHING_TO_HUNT"


class TooManyHunts(IndexRoomError):
    """As many hunts are running on this machine as may."""

    status: ClassVar[Status] = Status.RESOURCE_EXHAUSTED
    reason: ClassVar[str] = "TOO_MANY_HUNTS"
