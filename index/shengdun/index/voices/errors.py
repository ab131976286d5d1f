"""What can be wrong with a question about unknown voices."""

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
