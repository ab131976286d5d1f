"""Small files that must survive a crash: written whole or not at all, and on the disk before the call returns.

A file is written beside its place first, as ``.<name>.<random>``, and locked until it is there, so that what a process
left that was killed meanwhile can be told from what another is writing (``remove_left_aside``).
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

ASIDE: Final = ".*.????????"
"""The names of files that are written, or were left, beside their places."""


def create_file(path: Path, content: bytes) -> None:
    """Create a file (mode 0600) with this content, unless there is one already, which then stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _written_aside(path, [content]) as aside, suppress(FileExistsError):
        # A hard link, unlike a rename, never replaces what another process has put there meanwhile.
        os.link(aside, path)
    _flush_directory(path.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Put a file (mode 0600) with this content in the place of the one that is there, if any."""
    replace_with_parts(path, [content])


def replace_with_parts(path: Path, parts: Iterable[bytes]) -> None:
    """As ``replace_file``, with a content that need not be in memory whole.

    A process that is killed meanwhile leaves a file ``.<name>.<random>`` behind, as ``left_aside`` finds it.
    """
    with _written_aside(path, parts) as aside:
        aside.replace(path)
    _flush_directory(path.parent)


def left_aside(path: Path) -> tuple[Path, ...]:
    """What processes that were killed while they wrote this file left; also what others are writing right now."""
    return tuple(path.parent.glob(f".{path.name}.????????"))


def remove_left_aside(directory: Path) -> int:
    """Remove what processes that were killed left in a directory while they wrote; gives how many files that were."""
    removed = 0
    for aside in directory.glob(ASIDE):
        with suppress(FileNotFoundError), aside.open("rb") as file:
            if _lock(file.fileno()):
                aside.unlink()
                removed += 1
    return removed


@contextmanager
def _written_aside(path: Path, parts: Iterable[bytes]) -> Iterator[Path]:
    aside, descriptor = _open_aside(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
            yield aside
    finally:
        aside.unlink(missing_ok=True)


def _open_aside(path: Path) -> tuple[Path, int]:
    while True:
        aside = path.with_name(f".{path.name}.{token_hex(4)}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        # Whoever removes what was left may have come between the two steps; then it takes another name.
        if _lock(descriptor) and os.fstat(descriptor).st_nlink:
            return aside, descriptor
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
