"""Which scripts hold a run of syllables: the cheap first look.

A posting is one 64-bit number, 32 bits of the shingle's hash above 32 bits of the script's row, and postings lie sorted
in a few immutable blocks. A lookup is two binary searches a block; a new script is a block of its own, and blocks of
like size are merged, as in a log-structured merge tree (O'Neil et al., 1996). Readers hold a tuple of blocks and never
wait. Two shingles may share 32 bits: what is found here is looked at again, so that costs time and no error.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Block = NDArray[np.uint64]
Rows = NDArray[np.int64]

OLDEST_ROWS: Final = 192
NEWEST_ROWS: Final = 64
"""Of a wording that more scripts share, so many are proposed: it tells little about which one it is."""
_LARGEST_MERGED: Final = 4_000_000
"""Larger blocks stay as they are: merging them would keep whoever registers a script waiting."""
_DEAD_ALLOWED: Final = 4
"""So many times as many postings are looked at, for scripts that were removed leave theirs behind for a while."""
_ROW_MASK: Final = np.uint64(0xFFFF_FFFF)
_NONE: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """The scripts that hold a shingle.

    Attributes:
        rows: (n,) of the living ones, ascending; of many the oldest ``OLDEST_ROWS`` and the newest ``NEWEST_ROWS``.
        count: how many there are in all, those included that were removed lately.
    """

    rows: Rows
    count: int


class Postings:
    """The rows of scripts by shingle. One writer at a time; any number of readers beside it."""

    def __init__(self) -> None:
        self._blocks: tuple[Block, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    @property
    def nbytes(self) -> int:
        """Memory of all postings, in bytes."""
        return sum(block.nbytes for block in self._blocks)

    def add(self, hashes: Hashes, rows: NDArray[np.uint32]) -> None:
        """Add postings; found by the next lookup.

        Args:
            hashes: (n,) of shingles.
            rows: (n,) of the scripts that hold them; above all rows that were added before.
        """
        if not len(hashes):
            return
        block = np.unique((hashes & ~_ROW_MASK) | rows.astype(np.uint64))
        blocks = [*self._blocks, block]
        while len(blocks) > 1 and _is_worth_merging(blocks[-2], blocks[-1]):
            last = blocks.pop()
            blocks[-1] = _sorted(np.concatenate([blocks[-1], last]))
        self._blocks = tuple(blocks)

    def drop(self, alive: NDArray[np.bool_]) -> None:
        """Forget the postings of rows that are not alive, (rows,) a flag for each row."""
        kept = (block[alive[_rows_of(block)]] for block in self._blocks)
        self._blocks = tuple(block for block in kept if len(block))

    def find(self, hashes: Hashes, alive: NDArray[np.bool_]) -> list[Held]:
        """The living scripts that hold each shingle.

        Args:
            hashes: (n,) of shingles.
            alive: (rows,) a flag for each row.
        """
        low = hashes & ~_ROW_MASK
        high = low | _ROW_MASK
        parts: list[list[Rows]] = [[] for _ in range(len(hashes))]
        counts = np.zeros(len(hashes), np.int64)
        for block in self._blocks:
            first = np.searchsorted(block, low, side="left")
            last = np.searchsorted(block, high, side="right")
            counts += last - first
            for place in np.flatnonzero(last > first).tolist():
                rows = _rows_of(_ends(block[first[place] : last[place]]))
                parts[place].append(rows[alive[rows]])
        return [
            Held(rows=_joined(own), count=count)
            for own, count in zip(parts, counts.tolist(), strict=True)
        ]


def _rows_of(block: Block) -> Rows:
    return (block & _ROW_MASK).astype(np.int64)


def _ends(run: Block) -> Block:
    oldest, newest = _DEAD_ALLOWED * OLDEST_ROWS, _DEAD_ALLOWED * NEWEST_ROWS
    return run if len(run) <= oldest + newest else np.concatenate([run[:oldest], run[-newest:]])


def _joined(parts: list[Rows]) -> Rows:
    # Blocks hold rows of their own, the later ones the higher: nothing is twice, and all is in order.
    rows = parts[0] if len(parts) == 1 else np.concatenate([_NONE, *parts])
    if len(rows) <= OLDEST_ROWS + NEWEST_ROWS:
        return rows
    return np.concatenate([rows[:OLDEST_ROWS], rows[-NEWEST_ROWS:]])


def _sorted(block: Block) -> Block:
    # A stable sort finds the runs that are sorted already, and merges them.
    result: Block = np.sort(block, kind="stable")
    return result


def _is_worth_merging(larger: Block, smaller: Block) -> bool:
    merged = len(larger) + len(smaller)
    return len(larger) < 2 * len(smaller) and merged <= _LARGEST_MERGED
