"""The anchor: the newest journal entry that was acknowledged, on this machine's own disk.

The store alone can't prove that it has not been put back to an older copy of itself: an older journal verifies just as
well. The anchor is written before a change is acknowledged, and at start the journal must contain it.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shengdun.index.durable_files import replace_file
from shengdun.index.errors import StoreTampered, StoreUnavailable
from shengdun.index.journal import Head


class Anchor:
    """The anchor file in a data directory; several processes of one machine may share it.

    Attributes:
        path: the file.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = directory / "journal.anchor"
        self._lock_path = directory / "journal.anchor.lock"

    def read(self) -> Head | None:
        """The anchored entry; None if there is no anchor yet.

        Raises:
            StoreTampered: the file is malformed.
            StoreUnavailable: it can't be read now.
        """
        try:
            content = json.loads(self.path.read_bytes())
            return Head(int(content["sequence"]), bytes.fromhex(content["hash"]))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise StoreTampered.of(f"file {self.path.name}", "is malformed") from error

    def advance(self, head: Head) -> None:
        """Anchor an entry, unless a later one is anchored already; on disk when this returns.

        Raises:
            StoreTampered: the file is malformed.
            StoreUnavailable: it can't be written now, because the disk is full for example.
        """
        try:
            with self._locked():
                known = self.read()
                if known is None or known.sequence < head.sequence:
                    content = {"sequence": head.sequence, "hash": head.hash.hex()}
                    replace_file(self.path, json.dumps(content).encode() + b"\n")
        except OSError as error:
            raise self._unusable(error) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _unusable(self, error: OSError) -> StoreUnavailable:
        return StoreUnavailable(
            f"The file {self.path.name} in the data directory can't be used: {error.strerror}. The change may or "
            f"may not have been kept: mend that and repeat."
        )
