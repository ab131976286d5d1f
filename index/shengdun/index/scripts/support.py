"""How much speaks for each script, before any passage is looked at."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scripts.postings import Found, Rows

_COMMON: Final = 256
"""Wording of so many scripts counts half as much as wording of one."""
_LEAST_FEWNESS: Final = 0.1
_UNITS: Final = 2**20
"""Weights are kept in whole fractions, so that the order in which they are added up changes nothing."""
_LEADING: Final = 32
"""So many scripts are kept in order."""
_WEIGHT_BITS: Final = 24
"""Of a wording's weight, which is 2 at most; rows have 32 bits."""
_ROW_BITS: Final = 32
_ROW_MASK: Final = 2**_ROW_BITS - 1
_WEIGHT_MASK: Final = 2**_WEIGHT_BITS - 1


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    """Weights of some rows.

    Attributes:
        rows: (n,) of scripts, each once.
        weights: (n,) int64, in fractions of 1 / ``_UNITS``.
    """

    rows: Rows
    weights: Rows

    @classmethod
    def of_each(cls, rows: Rows, weights: Rows) -> Self:
        """Sums by row, ascending, of some weights of one wording each."""
        # Row and weight in one number: numbers are sorted many times faster than places by their rows.
        packed = np.sort((rows << _WEIGHT_BITS) | weights)
        rows = packed >> _WEIGHT_BITS
        first = np.concatenate([[0], (rows[1:] != rows[:-1]).nonzero()[0] + 1])
        return cls(rows[first], np.add.reduceat(packed & _WEIGHT_MASK, first))

    def of(self, rows: Rows) -> Rows:
        """(m,) the weights of some rows, 0 for those that have none; its own are ascending, and at least one."""
        at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[at] == rows, self.weights[at], 0)

    def first(self, count: int) -> "_Weights":
        """The heaviest, in order; of equals the older."""
        some = self
        if len(some.rows) > count:
            lightest = np.partition(some.weights, -count)[-count]
            some = some.chosen(some.weights >= lightest)
        order = np.lexsort((some.rows, -some.weights))[:count]
        return _Weights(some.rows[order], some.weights[order])

    def chosen(self, some: NDArray[np.bool_]) -> "_Weights":
        """Those with a flag."""
        return _Weights(self.rows[some], self.weights[some])

    def beside(self, other: "_Weights") -> "_Weights":
        """These and others, of other rows."""
        return _Weights(
            np.concatenate([self.rows, other.rows]), np.concatenate([self.weights, other.weights])
        )

    def summed(self) -> "_Weights":
        """Each row once, ascending."""
        order = np.argsort(self.rows)
        rows = self.rows[order]
        first = np.diff(rows, prepend=-1).nonzero()[0]
        return _Weights(rows[first], np.add.reduceat(self.weights[order], first))


_NOTHING: Final = _Weights(np.zeros(0, np.int64), np.zeros(0, np.int64))


class Support:
    """How much speaks for each script; immutable.

    More of it is a block of its own beside the older ones, merged with those of like size, and those in the lead are
    kept beside them. So what is added costs by its own size, and what was before stays as it was.
    """

    def __init__(self) -> None:
        self._blocks: tuple[_Weights, ...] = ()
        self._leading = _NOTHING

    def with_more(self, found: Found, weights: NDArray[np.float64]) -> "Support":
        """This and more; a wording counts for more the fewer scripts have it.

        Args:
            found: the scripts that hold some wording.
            weights: (n,) what each wording says.
        """
        if not len(found.rows):
            return self
        return self._with(_Weights.of_each(found.rows, _counted(found, weights)[found.places]))

    def most(self, count: int, *, least: float) -> Rows:
        """The rows that most speaks for, at least so much; of equals the older."""
        leading = self._leading if count <= _LEADING else self._all().first(count)
        enough = leading.weights[:count] >= least * _UNITS
        return leading.rows[:count][enough]

    def _with(self, more: _Weights) -> "Support":
        totals = more.weights.copy()
        for block in self._blocks:
            totals += block.of(more.rows)
        other = Support()
        other._leading = self._leading_with(_Weights(more.rows, totals))
        blocks = [*self._blocks, more]
        while len(blocks) > 1 and len(blocks[-2].rows) < 2 * len(blocks[-1].rows):
            last = blocks.pop()
            blocks[-1] = blocks[-1].beside(last).summed()
        other._blocks = tuple(blocks)
        return other

    def _leading_with(self, totals: _Weights) -> _Weights:
        """Those in the lead, when some rows weigh more than before: none of the others can have come to the lead."""
        before = self._leading
        if len(before.rows) >= _LEADING:
            totals = totals.chosen(totals.weights >= before.weights[-1])
        if not len(totals.rows):
            return before
        # Weights are above 0 where there are any.
        return before.chosen(totals.of(before.rows) == 0).beside(totals).first(_LEADING)

    def _all(self) -> _Weights:
        every = _NOTHING
        for block in self._blocks:
            every = every.beside(block)
        return every.summed()


def leading(
    found: Found, weights: NDArray[np.float64], texts: Rows, *, count: int, least: float
) -> tuple[list[int], list[int]]:
    """What ``Support`` says of several texts at once: the texts, ascending, and for each the rows that most speaks for.

    Args:
        found: the scripts that hold some wording.
        weights: (n,) what each wording says.
        texts: (n,) the number of the text that each wording is of, 0 to 127.
        count: how many rows of each text at most.
        least: what must speak for them at least.
    """
    if not len(found.rows):
        return [], []
    counted = _counted(found, weights) | (texts << _ROW_BITS + _WEIGHT_BITS)
    packed = np.sort((found.rows << _WEIGHT_BITS) | counted[found.places])
    keys = packed >> _WEIGHT_BITS
    first = np.concatenate([[0], (keys[1:] != keys[:-1]).nonzero()[0] + 1])
    sums = np.add.reduceat(packed & _WEIGHT_MASK, first)
    enough = (sums >= least * _UNITS).nonzero()[0]
    keys, sums = keys[first[enough]], sums[enough]
    text, row = keys >> _ROW_BITS, keys & _ROW_MASK
    order = np.lexsort((row, -sums, text))
    text, row = text[order], row[order]
    rank = np.arange(len(text)) - text.searchsorted(text)
    return text[rank < count].tolist(), row[rank < count].tolist()


def _counted(found: Found, weights: NDArray[np.float64]) -> Rows:
    """(n,) what each wording counts for, in fractions of 1 / ``_UNITS``: the more, the fewer scripts have it."""
    common = np.log(np.maximum(found.counts, 1)) / np.log(_COMMON)
    fewness = np.maximum(2.0 - common, _LEAST_FEWNESS)
    counted: Rows = np.rint(weights * fewness * _UNITS).astype(np.int64)
    return counted
