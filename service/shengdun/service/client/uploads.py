"""Files and bytes as the parts of an upload, read piece by piece off the event loop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from shengdun.service.contract.watchlists import Recording

PIECE_BYTES: Final = 256 * 1024
"""Bytes of one message of an upload."""

Source: TypeAlias = Path | bytes
"""A file or its content."""


async def pieces(source: Source) -> AsyncIterator[bytes]:
    """The content in pieces.

    Raises:
        OSError: the file can't be read.
    """
    if isinstance(source, bytes):
        for start in range(0, len(source), PIECE_BYTES):
            yield source[start : start + PIECE_BYTES]
        return
    with await asyncio.to_thread(source.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece


async def parts(recordings: Sequence[Recording]) -> AsyncIterator[str | bytes]:
    """For every recording its name, then its content in pieces.

    Raises:
        OSError: a file can't be read.
    """
    for recording in recordings:
        yield recording.name
        async for piece in pieces(recording.content):
            yield piece


def as_recordings(given: Sequence[Recording | Path]) -> tuple[Recording, ...]:
    """Recordings from recordings or bare paths."""
    return tuple(
        Recording(content=recording) if isinstance(recording, Path) else recording
        for recording in given
    )


def check_readable(recordings: Sequence[Recording]) -> None:
    """Raise ``OSError`` now rather than in the middle of an upload when a file can't be read."""
    for recording in recordings:
        if isinstance(recording.content, Path):
            with recording.content.open("rb"):
                pass
