"""An embedded store as the other processes of its service see it: one process runs it, several use it."""

import math
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from shengdun.index.errors import IndexRoomError, StoreFull
from shengdun.index.valkey_files import ValkeyFiles, disk_full

RESERVE_BYTES: Final = 64 * 1024 * 1024
"""Free space of the disk below which writes are refused, so that erasures and compaction still work."""
_FULL_S: Final = 5.0


class AttachedStore:
    """A ``StoreGuard`` for a process that doesn't run the store itself: what the store's files tell about it.

    Args:
        directory: the one that the ``EmbeddedStore`` was given.
        reserve_bytes: writes are refused when less disk is free.

    Attributes:
        files: where its files are.
    """

    def __init__(self, directory: Path, *, reserve_bytes: int = RESERVE_BYTES) -> None:
        self.files = ValkeyFiles(directory.absolute())
        self._reserve_bytes = reserve_bytes
        self._full_at_s = -math.inf

    @property
    def url(self) -> str:
        """For ``StoreSettings``."""
        return url_of(self.files)

    def failure(self) -> IndexRoomError | None:
        """That the disk is nearly full; None when the store can be written to, as far as its files tell."""
        return nearly_full(self.files.directory, self._reserve_bytes)

    def explanation(self) -> IndexRoomError | None:
        """Why a connection may just have broken, if that was a full disk."""
        if self.files.logged_full_disk():
            # A server that is started again begins a new log, and those it left in the dark still ask for a while.
            self._full_at_s = time.monotonic()
        return disk_full() if time.monotonic() - self._full_at_s < _FULL_S else None


def url_of(files: ValkeyFiles) -> str:
    """The URL of the embedded store that has these files."""
    return f"unix://{quote(str(files.socket))}"


def nearly_full(directory: Path, reserve_bytes: int) -> StoreFull | None:
    """What a change gets when less than this is free where the store lies; None when there is more."""
    with suppress(OSError):
        if shutil.disk_usage(directory).free < reserve_bytes:
            return StoreFull(
                "The store's disk is nearly full; nothing was changed. Free space and repeat."
            )
    return None
