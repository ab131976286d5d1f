"""How much speaks for each script, before any passage is looked at."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scripts.postings import Found, Rows

_COMMON: Final = 256
"""Wording of so many scripts counts half as much as wording of one."""
_LEAST_FEWNESS: Final = 0.1


class Support:
    """How much speaks for each script; immutable.

    Args:
        rows: (n,) of scripts, ascending.
        weights: (n,) what speaks for each.
    """

    def __init__(
        self, rows: Rows | None = None, weights: NDArray[np.float64] | None = None
    ) -> None:
        self._rows = np.zeros(0, np.int64) if rows is None else rows
        self._weights = np.zeros(0) if weights is None else weights

    def with_more(self, found: Found, weights: NDArray[np.float64]) -> "Support":
        """This and more; a wording counts for more the fewer scripts have it.

        Args:
            found: the scripts that hold some wording.
            weights: (n,) what each wording says.
        """
        if not len(found.rows):
            return self
        common = np.log(np.maximum(found.counts, 1)) / np.log(_COMMON)
        each = weights * np.maximum(2.0 - common, _LEAST_FEWNESS)
        rows = np.concatenate([self._rows, found.rows])
        every = np.concatenate([self._weights, each[found.places]])
        order = np.argsort(rows, kind="stable")
        rows, every = rows[order], every[order]
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        return Support(rows[first], np.add.reduceat(every, first))

    def most(self, count: int, *, least: float) -> Rows:
        """The rows that most speaks for, at least so much; of equals the older."""
        enough = np.flatnonzero(self._weights >= least)
        order = np.lexsort((self._rows[enough], -self._weights[enough]))[:count]
        return self._rows[enough[order]]
