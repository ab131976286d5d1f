"""Which scripts hold a run of syllables: the cheap first look.

A posting is one 64-bit number, 32 bits of the shingle's hash above 32 bits of the script's row, and postings lie sorted
in a few immutable blocks. A lookup is two binary searches a block; a new script is a block of its own, and blocks of
like size are merged, as in a log-structured merge tree (O'Neil et al., 1996). Readers hold a tuple of blocks and never
wait. Two shingles may share 32 bits: what is found here is looked at again, so that costs time and no error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scripts.blocks import ROW_MASK, Block, Hashes, Rows

__all__ = ["Found", "Hashes", "Postings", "Rows"]

OLDEST_ROWS: Final = 96
NEWEST_ROWS: Final = 32
"""Of a wording that more scripts share, so many are proposed: it tells little about which one it is."""
_LARGEST_MERGED: Final = 4_000_000
"""Larger blocks stay as they are: merging them would keep whoever registers a script waiting."""
_MANY: Final = 1_000_000
_LARGEST_MERGED_WITH_MANY: Final = 64_000_000
"""Whoever adds so many postings waits for seconds anyway, and every block is looked through for every shingle."""
_NONE: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """The scripts that hold some shingles.

    Attributes:
        places: (r,) place of a shingle among those that were asked for.
        rows: (r,) a living script that holds it; of many, the oldest ``OLDEST_ROWS`` and the newest
            ``NEWEST_ROWS``.
        counts: (n,) how many scripts hold each shingle, those included that were removed lately.
    """

    places: Rows
    rows: Rows
    counts: Rows

    @classmethod
    def joined(cls, parts: Sequence[Self], asked: int) -> Self:
        """What was found of the same shingles, so many, in several places."""
        return cls(
            places=np.concatenate([_NONE, *(part.places for part in parts)]),
            rows=np.concatenate([_NONE, *(part.rows for part in parts)]),
            counts=np.sum([np.zeros(asked, np.int64), *(part.counts for part in parts)], axis=0),
        )


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
        last = np.unique((hashes & ~ROW_MASK) | rows.astype(np.uint64))
        blocks = list(self._blocks)
        most = _LARGEST_MERGED if len(last) < _MANY else _LARGEST_MERGED_WITH_MANY
        while blocks and _is_worth_merging(len(blocks[-1]), len(last), most):
            last = _sorted(np.concatenate([blocks.pop().postings, last]))
        self._blocks = (*blocks, Block(last))

    def drop(self, alive: NDArray[np.bool_]) -> None:
        """Forget the postings of rows that are not alive, (rows,) a flag for each row."""
        kept = (block.kept(alive) for block in self._blocks)
        self._blocks = tuple(Block(postings) for postings in kept if len(postings))

    def find(self, hashes: Hashes, alive: NDArray[np.bool_]) -> Found:
        """The living scripts that hold each shingle.

        Args:
            hashes: (n,) of shingles.
            alive: (rows,) a flag for each row.
        """
        # Neighbours in order are neighbours in memory.
        order = np.argsort(hashes)
        low = hashes[order] & ~ROW_MASK
        blocks = self._blocks
        runs = [block.run(low) for block in blocks]
        held = np.array([last - first for first, last in runs]).reshape(len(runs), len(hashes))
        oldest = _quota(held, OLDEST_ROWS)
        newest = np.minimum(_quota(held[::-1], NEWEST_ROWS)[::-1], held - oldest)
        places, rows = [_NONE], [_NONE]
        for block, (first, last), old, new in zip(blocks, runs, oldest, newest, strict=True):
            asked = (old + new).nonzero()[0]
            if len(asked):
                begins = np.concatenate([first[asked], (last - new)[asked]])
                taken = np.concatenate([old[asked], new[asked]])
                places.append(np.repeat(np.concatenate([order[asked], order[asked]]), taken))
                rows.append(block.rows(_runs(begins, taken)))
        counts = np.zeros(len(hashes), np.int64)
        counts[order] = held.sum(axis=0)
        return _living(np.concatenate(places), np.concatenate(rows), counts, alive)


def _living(places: Rows, rows: Rows, counts: Rows, alive: NDArray[np.bool_]) -> Found:
    kept = alive[rows]
    if not kept.all():
        places, rows = places[kept], rows[kept]
    return Found(places=places, rows=rows, counts=counts)


def _quota(held: Rows, most: int) -> Rows:
    """(blocks, n) how many postings to take of each block, in order, until there are so many of a shingle."""
    before = np.cumsum(held, axis=0) - held
    quota: Rows = np.clip(most - before, 0, held)
    return quota


def _runs(first: Rows, counts: Rows) -> Rows:
    """``first, first + 1, ...``, so many of each, one after the other."""
    before = np.cumsum(counts) - counts
    runs: Rows = np.arange(counts.sum()) + np.repeat(first - before, counts)
    return runs


def _sorted(postings: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # A stable sort finds the runs that are sorted already, and merges them.
    result: NDArray[np.uint64] = np.sort(postings, kind="stable")
    return result


def _is_worth_merging(larger: int, smaller: int, most: int) -> bool:
    return larger < 2 * smaller and larger + smaller <= most
