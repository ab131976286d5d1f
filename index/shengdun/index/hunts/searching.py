"""Running over the archive: threads read, open and score a block each, in a bounded amount of memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from shengdun.index.archive.blocks import BLOCK_ROWS, CallBlock
from shengdun.index.archive.errors import PartitionDamaged
from shengdun.index.hunts.matching import Matcher, Matches
from shengdun.index.priority import step_back

COLUMNS: Final = ("net_speech_s", "snr_db")
"""What every call is scored by besides its voiceprint; the rest is read of partitions that have hits."""
ROWS_AT_ONCE: Final = 4 * BLOCK_ROWS
"""Calls that are scored together, so that what each step costs by itself weighs little: 13 MB a thread."""
_WAITING: Final = 4
"""Blocks for each thread that the system is fetching, or that wait to be handed over: none of them takes memory."""


def matches_of(
    blocks: Iterable[CallBlock],
    matcher: Matcher,
    *,
    workers: int,
    damaged: Callable[[PartitionDamaged], None],
) -> Iterator[tuple[CallBlock, Matches]]:
    """Score blocks on several threads; they come out in the order in which they went in.

    Args:
        blocks: made on the thread that asks for the results; what is read of them by the matcher, on its own.
        matcher: scores them.
        workers: threads that score, 1 or more.
        damaged: told of blocks that can't be read, which are left out.

    Raises:
        IndexRoomError: as the blocks and the matcher do.
    """
    with ThreadPoolExecutor(workers, "hunt", initializer=step_back) as pool:
        waiting: deque[tuple[CallBlock, Future[Matches]]] = deque()

        def first() -> Iterator[tuple[CallBlock, Matches]]:
            block, future = waiting.popleft()
            try:
                yield block, future.result()
            except PartitionDamaged as error:
                damaged(error)

        try:
            for block in blocks:
                waiting.append((block, pool.submit(matcher.match, block)))
                if len(waiting) >= _WAITING * workers:
                    yield from first()
            while waiting:
                yield from first()
        finally:
            for _, future in waiting:
                future.cancel()
