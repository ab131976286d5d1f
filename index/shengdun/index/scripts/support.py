"""How much speaks for each script, before any passage is looked at."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scripts.postings import Held, Rows

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

    def with_more(self, found: Sequence[Held], weights: NDArray[np.float64]) -> "Support":
        """This and more; a wording counts for more the fewer scripts have it."""
        told = np.array([len(each.rows) for each in found], np.int64)
        if not told.any():
            return self
        counts = np.maximum([each.count for each in found], 1)
        fewness = np.maximum(2.0 - np.log(counts) / np.log(_COMMON), _LEAST_FEWNESS)
        rows = np.concatenate([self._rows, *(each.rows for each in found)])
        every = np.concatenate([self._weights, np.repeat(weights * fewness, told)])
        order = np.argsort(rows, kind="stable")
        rows, every = rows[order], every[order]
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        return Support(rows[first], np.add.reduceat(every, first))

    def most(self, count: int, *, least: float) -> Rows:
        """The rows that most speaks for, at least so much; of equals the older."""
        enough = np.flatnonzero(self._weights >= least)
        order = np.lexsort((self._rows[enough], -self._weights[enough]))[:count]
        return self._rows[enough[order]]
