"""Where the calls of the window's large parts lie, by call and by customer: one lookup however many parts there are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.voices.columns import CallColumns, Hashes, Numbers

ROW_BITS: Final = 16
"""Of a place; the bits above say in which part it is."""
_ROW: Final = np.uint32((1 << ROW_BITS) - 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sorted:
    """Hashes in ascending order, and the place of each."""

    hashes: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    places: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))

    @property
    def nbytes(self) -> int:
        return int(self.hashes.nbytes + self.places.nbytes)

    def moved(self, to: NDArray[np.int64]) -> "_Sorted":
        """With part n called ``to[n]``, and without those of parts that are -1 there."""
        parts = to[self.places >> ROW_BITS]
        left = parts >= 0
        places = (parts << ROW_BITS).astype(np.uint32) | (self.places & _ROW)
        return _Sorted(hashes=self.hashes[left], places=places[left])

    def with_more(self, hashes: Hashes, places: NDArray[np.uint32]) -> "_Sorted":
        order = np.argsort(hashes)
        at = np.searchsorted(self.hashes, hashes[order])
        return _Sorted(
            hashes=np.insert(self.hashes, at, hashes[order]),
            places=np.insert(self.places, at, places[order]),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Places:
    """Places of all calls of some parts, each of at most ``2 ** ROW_BITS``. Immutable.

    Attributes:
        parts: their calls.
    """

    parts: tuple[CallColumns, ...] = ()
    _calls: _Sorted = field(default_factory=_Sorted)
    _customers: _Sorted = field(default_factory=_Sorted)

    @property
    def nbytes(self) -> int:
        """Memory beside that of the calls."""
        return self._calls.nbytes + self._customers.nbytes

    def of(self, parts: Sequence[CallColumns]) -> "Places":
        """Places of other parts; calls of the parts that stay aren't sorted anew."""
        now = {id(part): number for number, part in enumerate(parts)}
        to = np.array([now.pop(id(part), -1) for part in self.parts], np.int64)
        stays = len(to) == 0 or bool((to == np.arange(len(to))).all())
        if stays and not now:
            return self
        calls = self._calls if stays else self._calls.moved(to)
        customers = self._customers if stays else self._customers.moved(to)
        if came := sorted(now.values()):
            places = np.concatenate(
                [(n << ROW_BITS) + np.arange(len(parts[n]), dtype=np.uint32) for n in came]
            )
            calls = calls.with_more(np.concatenate([parts[n].id_hashes for n in came]), places)
            of_calls = np.concatenate([parts[n].customers for n in came])
            named = of_calls != 0
            customers = customers.with_more(of_calls[named], places[named])
        return Places(parts=tuple(parts), _calls=calls, _customers=customers)

    def find(self, keys: Hashes) -> Iterator[tuple[int, Numbers, Numbers]]:
        """Where some calls are: for each part with any of them its number, which of the keys these are, and rows."""
        hashes = self._calls.hashes
        if not len(hashes):
            return iter(())
        at = np.minimum(np.searchsorted(hashes, keys), len(hashes) - 1)
        which = np.flatnonzero(hashes[at] == keys)
        return _by_part(which, self._calls.places[at[which]])

    def of_customer(self, customer: int) -> Iterator[tuple[int, Numbers]]:
        """Where the calls for a customer are, who isn't 0: for each part with any of them its number, and rows."""
        hashes, wanted = self._customers.hashes, np.uint64(customer)
        start, end = np.searchsorted(hashes, wanted), np.searchsorted(hashes, wanted, "right")
        places = self._customers.places[start:end]
        return ((part, rows) for part, _, rows in _by_part(np.arange(len(places)), places))


def _by_part(which: Numbers, places: NDArray[np.uint32]) -> Iterator[tuple[int, Numbers, Numbers]]:
    if not len(places):
        return
    order = np.argsort(places)
    which, parts = which[order], (places[order] >> ROW_BITS).astype(np.int64)
    rows = (places[order] & _ROW).astype(np.int64)
    starts = [0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), len(parts)]
    for start, end in pairwise(starts):
        yield int(parts[start]), which[start:end], rows[start:end]
