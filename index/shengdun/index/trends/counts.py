"""How many texts, of how many customers, have each phrase; in bounded memory.

What is rarest is dropped when there is no room (lossy counting: Manku and Motwani, VLDB 2002), so a count may be too
low by no more than ``missed``. Customers are counted by which of 64 boxes they fall into (linear counting: Whang,
Vander-Zanden and Taylor, ACM TODS 15, 1990), which is close where it matters: whether there are few.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.trends.phrases import LONGEST, Phrases, phrases_of

_BOXES: Final = 64
_BYTES_PER_PHRASE: Final = 8 + 2 * LONGEST + 4 + 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhraseCounts:
    """The phrases of some texts.

    Attributes:
        phrases: n phrases.
        documents: (n,) uint32, how many of the texts have each.
        boxes: (n,) uint64, the boxes that customers with each fall into, one bit a box.
        texts: how many texts there are.
        missed: so many texts at most are missing from a count, or have a phrase that isn't here at all.
    """

    phrases: Phrases
    documents: NDArray[np.uint32]
    boxes: NDArray[np.uint64]
    texts: int
    missed: int

    @property
    def customers(self) -> NDArray[np.float64]:
        """(n,) about how many customers have each; of more than some 150 no more than that there are many."""
        empty = np.maximum(_BOXES - np.bitwise_count(self.boxes).astype(np.int64), 1)
        estimate: NDArray[np.float64] = np.minimum(
            _BOXES * np.log(_BOXES / empty), self.documents.astype(np.float64)
        )
        return np.where(empty == 1, self.documents, estimate)

    @property
    def nbytes(self) -> int:
        """Memory, in bytes."""
        return _BYTES_PER_PHRASE * len(self.documents)

    def kept(self, which: NDArray[np.bool_], *, missed: int = 0) -> "PhraseCounts":
        """Some of the phrases; ``missed`` is how many texts had each of the others at most."""
        phrases = Phrases(hashes=self.phrases.hashes[which], letters=self.phrases.letters[which])
        return PhraseCounts(
            phrases=phrases,
            documents=self.documents[which],
            boxes=self.boxes[which],
            texts=self.texts,
            missed=self.missed + missed,
        )

    def within(self, room: int) -> "PhraseCounts":
        """The most frequent, no more than there is room for; of equals all or none."""
        if len(self.documents) <= room:
            return self
        rarest = int(np.partition(self.documents, -room - 1)[-room - 1])
        return self.kept(self.documents > rarest, missed=rarest)

    def of(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """(m,) how many texts have each of these phrases."""
        if not len(self.documents):
            return np.zeros(len(hashes), np.int64)
        own = self.phrases.hashes
        at = np.minimum(np.searchsorted(own, hashes), len(own) - 1)
        return np.where(own[at] == hashes, self.documents[at], 0).astype(np.int64)


NO_COUNTS: Final = PhraseCounts(
    phrases=Phrases(hashes=np.zeros(0, np.uint64), letters=np.zeros((0, LONGEST), np.uint16)),
    documents=np.zeros(0, np.uint32),
    boxes=np.zeros(0, np.uint64),
    texts=0,
    missed=0,
)


def together(parts: Sequence[PhraseCounts]) -> PhraseCounts:
    """The counts of several sets of texts that have none in common."""
    texts, missed = sum(part.texts for part in parts), sum(part.missed for part in parts)
    hashes = np.concatenate([NO_COUNTS.phrases.hashes, *(part.phrases.hashes for part in parts)])
    if not len(hashes):
        return replace(NO_COUNTS, texts=texts, missed=missed)
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    first = np.concatenate([[0], np.flatnonzero(hashes[1:] != hashes[:-1]) + 1])
    letters = np.concatenate([NO_COUNTS.phrases.letters, *(part.phrases.letters for part in parts)])
    documents = np.concatenate([NO_COUNTS.documents, *(part.documents for part in parts)])
    boxes = np.concatenate([NO_COUNTS.boxes, *(part.boxes for part in parts)])
    return PhraseCounts(
        phrases=Phrases(hashes=hashes[first], letters=letters[order[first]]),
        documents=np.add.reduceat(documents[order], first),
        boxes=np.bitwise_or.reduceat(boxes[order], first),
        texts=texts,
        missed=missed,
    )


def counts_of(text: str, customer: str) -> PhraseCounts:
    """The counts of one text.

    Args:
        text: as it was written, said or masked.
        customer: pseudonym of the customer whom it is about.
    """
    phrases = phrases_of(text)
    box = blake2b(customer.encode(errors="surrogatepass"), digest_size=8).digest()[0] % _BOXES
    n = len(phrases.hashes)
    return PhraseCounts(
        phrases=phrases,
        documents=np.ones(n, np.uint32),
        boxes=np.full(n, np.uint64(1) << np.uint64(box)),
        texts=1,
        missed=0,
    )


class Counting:
    """Counts the phrases of texts as they come. One thread at a time.

    Args:
        room: how many phrases are kept; twice as many for a moment. 36 bytes each.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._counted = NO_COUNTS
        self._waiting: list[PhraseCounts] = []
        self._phrases_waiting = 0

    def add(self, counts: PhraseCounts) -> None:
        """Count texts."""
        self._waiting.append(counts)
        self._phrases_waiting += len(counts.documents)
        if self._phrases_waiting > self._room:
            self._settle()

    @property
    def counts(self) -> PhraseCounts:
        """What was counted so far."""
        self._settle()
        return self._counted

    def _settle(self) -> None:
        if self._waiting:
            self._counted = together([self._counted, *self._waiting]).within(self._room)
            self._waiting, self._phrases_waiting = [], 0
