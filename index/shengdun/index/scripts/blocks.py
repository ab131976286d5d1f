"""Postings of scripts, sorted, and where to look in them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]

ROW_MASK: Final = np.uint64(0xFFFF_FFFF)
"""The bits of a posting that are a row; those above are of a hash."""
_HASH_BITS: Final = np.uint64(32)
_FENCED: Final = 2**18
"""Postings from which on a block is more than the processor's caches hold."""
_BETWEEN_FENCES: Final = 32
"""Postings on average."""
_LONG: Final = 64
"""Postings of one hash that are found without a search."""
_AT_ONCE: Final = 2**22


class Block:
    """Some postings, sorted. Immutable.

    A search by halves meets memory that no cache holds at every step, one after the other. So a large block knows where
    its long runs of one hash are, and where each range of hashes begins; the searches that are left take their steps
    together, which the processor then overlaps.

    Args:
        postings: (n,) ascending, each once.
    """

    def __init__(self, postings: NDArray[np.uint64]) -> None:
        self.postings = postings
        self._fences = np.zeros(0, np.int64)
        if len(postings) >= _FENCED:
            bits = (len(postings) // _BETWEEN_FENCES).bit_length() - 1
            self._shift = np.uint64(64 - bits)
            edges = np.arange(2**bits, dtype=np.uint64) << self._shift
            self._fences = np.append(np.searchsorted(postings, edges), len(postings))
            self._long_first, self._long_last = _long_runs(postings)
            self._long = postings[self._long_first] & ~ROW_MASK

    def __len__(self) -> int:
        return len(self.postings)

    @property
    def nbytes(self) -> int:
        """Memory, in bytes."""
        looked_up = 3 * self._long.nbytes if len(self._fences) else 0
        return self.postings.nbytes + self._fences.nbytes + looked_up

    def run(self, low: Hashes) -> tuple[Rows, Rows]:
        """Where the postings of some shingles begin and end.

        Args:
            low: (n,) hashes without the bits of rows.
        """
        if not len(self._fences):
            first = self.postings.searchsorted(low)
            return first, self.postings.searchsorted(low | ROW_MASK, side="right")
        first, last = np.zeros((2, len(low)), np.int64)
        is_long = np.zeros(len(low), np.bool_)
        if len(self._long):
            at = np.minimum(self._long.searchsorted(low), len(self._long) - 1)
            is_long = self._long[at] == low
            first[is_long], last[is_long] = (
                self._long_first[at[is_long]],
                self._long_last[at[is_long]],
            )
        some = (~is_long).nonzero()[0]
        first[some], last[some] = self._searched(low[some])
        return first, last

    def rows(self, places: Rows) -> Rows:
        """(n,) the rows of the postings at some places."""
        rows: Rows = (self.postings[places] & ROW_MASK).view(np.int64)
        return rows

    def kept(self, alive: NDArray[np.bool_]) -> NDArray[np.uint64]:
        """The postings of living rows, (rows,) a flag for each row."""
        kept: NDArray[np.uint64] = self.postings[alive[(self.postings & ROW_MASK).view(np.int64)]]
        return kept

    def _searched(self, low: Hashes) -> tuple[Rows, Rows]:
        between = (low >> self._shift).astype(np.int64)
        fence = self._fences[between + 1]
        first = self._search(low, self._fences[between], fence)
        # Most are no postings at all, or there are few of them.
        ahead = np.minimum(first, len(self) - 1)
        some = ((first < fence) & (self.postings[ahead] <= low | ROW_MASK)).nonzero()[0]
        last = first.copy()
        # No script has the last row that there could be.
        most = np.minimum(fence[some], first[some] + _LONG)
        last[some] = self._search(low[some] | ROW_MASK, first[some], most)
        return first, last

    def _search(self, wanted: Hashes, first: Rows, last: Rows) -> Rows:
        """Where each would stand, between two places."""
        found = first.copy()
        left = (first < last).nonzero()[0]
        low, high, value = first[left], last[left], wanted[left]
        while len(left):
            middle = (low + high) >> 1
            before = self.postings[middle] < value
            low, high = np.where(before, middle + 1, low), np.where(before, high, middle)
            found[left] = low
            on = (low < high).nonzero()[0]
            if len(on) < len(left):
                left, low, high, value = left[on], low[on], high[on], value[on]
        return found


def _long_runs(postings: NDArray[np.uint64]) -> tuple[Rows, Rows]:
    """Where runs of ``_LONG`` postings and more of one hash begin and end; some at a time, to spare memory."""
    firsts, lasts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for begin in range(0, len(postings), _AT_ONCE):
        # With as many on either side as tell a long run from others.
        start, stop = max(begin - _LONG, 0), min(begin + _AT_ONCE + _LONG, len(postings))
        hashes = postings[start:stop] >> _HASH_BITS
        other = np.concatenate([[start == 0], hashes[1:] != hashes[:-1], [stop == len(postings)]])
        within = len(hashes) - _LONG + 1
        same = hashes[:within] == hashes[_LONG - 1 :]
        first = (same & other[:within]).nonzero()[0] + start
        last = (same & other[_LONG:]).nonzero()[0] + start + _LONG
        firsts.append(first[(first >= begin) & (first < begin + _AT_ONCE)])
        lasts.append(last[(last > begin) & (last <= begin + _AT_ONCE)])
    return np.concatenate(firsts), np.concatenate(lasts)
