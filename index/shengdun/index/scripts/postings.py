"""Which scripts hold a run of syllables: the cheap first look.

A posting is one 64-bit number, 32 bits of the shingle's hash above 32 bits of the script's row, and postings lie sorted
in a few immutable blocks. A lookup is two binary searches a block; a new script is a block of its own, and blocks of
like size are merged, as in a log-structured merge tree (O'Neil et al., 1996). Readers hold a tuple of blocks and never
wait. Two shingles may share 32 bits: what is found here is looked at again, so that costs time and no error.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Block = NDArray[np.uint64]
Rows = NDArray[np.int64]

ROWS_PER_SHINGLE: Final = 256
"""Of a wording that more scripts share, the oldest so many are proposed: it tells little about which one it is."""
_LARGEST_MERGED: Final = 4_000_000
"""Larger blocks stay as they are: merging them would keep whoever registers a script waiting."""
_DEAD_ALLOWED: Final = 4
_ROW_MASK: Final = np.uint64(0xFFFF_FFFF)
_NONE: Final = np.zeros(0, np.int64)


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

    def find(self, hashes: Hashes, alive: NDArray[np.bool_]) -> list[Rows]:
        """The rows of living scripts that hold each shingle, ascending, at most ``ROWS_PER_SHINGLE``.

        Args:
            hashes: (n,) of shingles.
            alive: (rows,) a flag for each row.
        """
        low = hashes & ~_ROW_MASK
        found = [_found(block, low, alive) for block in self._blocks]
        counts = np.array([[0] * len(hashes), *(each[1] for each in found)]).sum(axis=0)
        if not counts.any():
            return [_NONE] * len(hashes)
        # Blocks hold rows of their own, the later ones the higher: in order of blocks nothing is twice or out of order.
        places = np.concatenate([np.repeat(np.arange(len(hashes)), each[1]) for each in found])
        rows = np.concatenate([each[0] for each in found])[np.argsort(places, kind="stable")]
        ends = np.cumsum(counts)
        starts = ends - counts
        ends = np.minimum(ends, starts + ROWS_PER_SHINGLE)
        bounds = zip(starts.tolist(), ends.tolist(), strict=True)
        return [rows[start:end] for start, end in bounds]


def _found(block: Block, low: Hashes, alive: NDArray[np.bool_]) -> tuple[Rows, NDArray[np.int64]]:
    """The living rows that a block has for each shingle, one after the other, and how many each has."""
    first = np.searchsorted(block, low, side="left")
    last = np.searchsorted(block, low | _ROW_MASK, side="right")
    counts = np.minimum(last - first, _DEAD_ALLOWED * ROWS_PER_SHINGLE)
    before = np.cumsum(counts) - counts
    at = np.arange(counts.sum()) + np.repeat(first - before, counts)
    rows = _rows_of(block[at])
    living = alive[rows]
    lived = np.concatenate([[0], np.cumsum(living)])
    return rows[living], lived[before + counts] - lived[before]


def _rows_of(block: Block) -> Rows:
    return (block & _ROW_MASK).astype(np.int64)


def _sorted(block: Block) -> Block:
    # A stable sort finds the runs that are sorted already, and merges them.
    result: Block = np.sort(block, kind="stable")
    return result


def _is_worth_merging(larger: Block, smaller: Block) -> bool:
    merged = len(larger) + len(smaller)
    return len(larger) < 2 * len(smaller) and merged <= _LARGEST_MERGED
