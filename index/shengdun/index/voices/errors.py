"""What can be wrong with a question about unknown voices, or with an entry of the allow-list."""

from typing import ClassVar

from shengdun.fingerprint.errors import Status
from shengdun.index.errors import IndexRoomError


class ClusterNotFound(IndexRoomError):
    """There is no cluster of this id: there never was, or its calls have gone."""

    status: ClassVar[Status] = Status.NOT_FOUND
    reason: ClassVar[str] = "CLUSTER_NOT_FOUND"

    @classmethod
    def of(cls, cluster_id: str) -> "ClusterNotFound":
        """The error for one id."""
        return cls(
            f"There is no cluster '{cluster_id[:128]}': its calls have left the window or were erased, or it never was."
        )


class AllowEntryNotFound(IndexRoomError):
    """There is no allow-list entry of this id: there never was, or it was removed."""

    status: ClassVar[Status] = Status.NOT_FOUND
    reason: ClassVar[str] = "ALLOW_ENTRY_NOT_FOUND"

    @classmethod
    def of(cls, entry_id: str) -> "AllowEntryNotFound":
        """The error for one id."""
        return cls(
            f"The allow-list has no entry '{entry_id[:128]}': it was removed, or it never was. List the entries to "
            f"see which there are."
        )


class AllowEntryExists(IndexRoomError):
    """There is an entry of this id already, or one that says the same."""

    status: ClassVar[Status] = Status.ALREADY_EXISTS
    reason: ClassVar[str] = "ALLOW_ENTRY_EXISTS"


class AllowListFull(IndexRoomError):
    """The allow-list has as many entries, or names as many customers, as it may."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "ALLOW_LIST_FULL"


class OwnVoiceTooShort(IndexRoomError):
    """There is too little speech behind what is to be known as a voice of the institution's own."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "OWN_VOICE_TOO_SHORT"
