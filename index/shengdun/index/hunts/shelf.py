"""Where hunts are kept: a sealed file each, in a directory that the processes of a machine share.

Not in the store: what a file held is gone when it is replaced, and a store's append-only file would keep it a while.
Whoever runs a hunt holds a lock on a file beside it, which the system lets go of when the process dies, so that a hunt
whose process was killed is known to be interrupted.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from shengdun.index.durable_files import ASIDE, remove_left_aside, replace_file
from shengdun.index.errors import KeyRingError
from shengdun.index.hunts.errors import HuntNotFound, HuntRunning
from shengdun.index.hunts.hunt import Hunt, HuntState, decode_hunt, encode_hunt
from shengdun.index.identifiers import check_record_id
from shengdun.index.keys import KeyRing

_HUNT: Final = ".hunt"
_LOCK: Final = ".lock"
_STOP: Final = ".stop"


class HuntShelf:
    """The hunts of a machine. Its methods block for the time of a small file.

    Args:
        directory: for hunts alone; made when it is missing.
        keys: seal them.

    Attributes:
        guard: held while a hunt is read, altered and put back, so that what was taken out of it isn't put back as well.
    """

    def __init__(self, directory: Path, keys: KeyRing) -> None:
        self._directory = directory
        self._keys = keys
        self.guard = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.remove_left_aside()

    def remove_left_aside(self) -> None:
        """Remove what processes that were killed left while they wrote."""
        remove_left_aside(self._directory)

    def put(self, hunt: Hunt) -> None:
        """Keep a hunt, in place of what was kept of it. Raises ``OSError``."""
        sealed = self._keys.seal(encode_hunt(hunt), _aad(hunt.hunt_id))
        replace_file(self._path(hunt.hunt_id, _HUNT), sealed)

    def get(self, hunt_id: str) -> Hunt:
        """A hunt; one whose process died is interrupted.

        Raises:
            HuntNotFound: there is none of this id.
            InvalidRecord: the id is malformed.
            KeyRingError: it can't be opened.
        """
        try:
            sealed = self._path(hunt_id, _HUNT).read_bytes()
        except FileNotFoundError:
            raise HuntNotFound.of(hunt_id) from None
        hunt = decode_hunt(self._keys.unseal(sealed, _aad(hunt_id)))
        if hunt.state is HuntState.RUNNING and not self.is_running(hunt_id):
            return replace(hunt, state=HuntState.INTERRUPTED)
        return hunt

    def all(self) -> tuple[Hunt, ...]:
        """All hunts that can be opened, the latest first."""
        hunts = []
        for path in sorted(self._directory.glob(f"*{_HUNT}"), reverse=True):
            with suppress(HuntNotFound, KeyRingError, ValueError):
                hunts.append(self.get(path.stem))
        return tuple(hunts)

    def files(self) -> Iterator[tuple[str, Hunt | None]]:
        """The id of every hunt that there is a file of, also one left half-way; None where it can't be opened."""
        for pattern in (f"*{_HUNT}", ASIDE):
            for path in sorted(self._directory.glob(pattern)):
                hunt_id = path.name.removeprefix(".").partition(_HUNT)[0]
                try:
                    yield hunt_id, decode_hunt(self._keys.unseal(path.read_bytes(), _aad(hunt_id)))
                except FileNotFoundError:
                    continue
                except (KeyRingError, OSError, ValueError, LookupError, TypeError):
                    yield hunt_id, None

    def remove(self, hunt_id: str) -> None:
        """Forget a hunt; one that is running ends."""
        self.ask_to_stop(hunt_id)
        self._path(hunt_id, _HUNT).unlink(missing_ok=True)

    def has(self, hunt_id: str) -> bool:
        """Whether there is a hunt of this id."""
        return self._path(hunt_id, _HUNT).exists()

    @contextmanager
    def running(self, hunt_id: str) -> Iterator[None]:
        """Be the one who runs a hunt.

        Raises:
            HuntRunning: somebody else is.
        """
        path = self._path(hunt_id, _LOCK)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _locked(descriptor):
                raise HuntRunning.of(hunt_id)
            try:
                yield
            finally:
                for suffix in (_LOCK, _STOP):
                    self._path(hunt_id, suffix).unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def is_running(self, hunt_id: str) -> bool:
        """Whether a process of this machine runs a hunt."""
        try:
            descriptor = os.open(self._path(hunt_id, _LOCK), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not _locked(descriptor)
        finally:
            os.close(descriptor)

    def ask_to_stop(self, hunt_id: str) -> None:
        """Have whoever runs a hunt end it."""
        if self.is_running(hunt_id):
            self._path(hunt_id, _STOP).touch(mode=0o600)

    def is_to_stop(self, hunt_id: str) -> bool:
        """Whether a hunt is to end, or is gone."""
        return self._path(hunt_id, _STOP).exists() or not self.has(hunt_id)

    def _path(self, hunt_id: str, suffix: str) -> Path:
        return self._directory / f"{check_record_id('hunt_id', hunt_id)}{suffix}"


def _aad(hunt_id: str) -> bytes:
    return f"hunt/{hunt_id}".encode()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
