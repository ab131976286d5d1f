"""Running over the archive: one thread opens blocks while others score them, in a bounded amount of memory."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from shengdun.index.archive.blocks import CallBlock
from shengdun.index.hunts.matching import Matcher, Matches

COLUMNS: Final = ("net_speech_s", "snr_db")
"""What every call is scored by besides its voiceprint; the rest is read of partitions that have hits."""
_WAITING: Final = 4
"""Blocks that are read and not yet scored: 3 MB each."""


def matches_of(
    blocks: Iterable[CallBlock], matcher: Matcher, *, workers: int
) -> Iterator[tuple[CallBlock, Matches]]:
    """Score blocks on several threads; they come out in the order in which they went in.

    Args:
        blocks: read on the thread that asks for the results.
        matcher: scores them.
        workers: threads that score, 1 or more.

    Raises:
        IndexRoomError: as the blocks and the matcher do.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="hunt") as pool:
        waiting: deque[tuple[CallBlock, Future[Matches]]] = deque()
        try:
            for block in blocks:
                waiting.append((block, pool.submit(matcher.match, block)))
                if len(waiting) >= _WAITING:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()
