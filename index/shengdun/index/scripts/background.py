"""How common wording is: what everybody says tells nothing about a script.

The table holds, for runs of ``SEED`` and of ``PHRASE`` syllables that are common in ordinary Chinese speech, in how many
documents of a background they occur (document frequency, Spärck Jones 1972). ``benchmarks/text/background.py`` makes it.

Runs by themselves make too much of a phrase that is long and that everybody says: each of its runs is somewhat rare, but
who has said its beginning says the rest as well. So a character of such a phrase is worth what it adds to the ``SEED``
before it, as in a language model of runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.normalise import normalise
from shengdun.fingerprint.text.pinyin import syllables
from shengdun.fingerprint.text.shingles import shingles
from shengdun.index.scripts.alignment import SEED

PHRASE: Final = SEED + 1
"""Syllables of the longer runs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Background:
    """Document frequencies of common wording.

    Attributes:
        hashes: (n,) uint64, ascending, of runs of ``SEED`` syllables.
        documents: (n,) uint32, in how many documents each occurs, 1 or more.
        phrases: (p,) uint64, ascending, of runs of ``PHRASE`` syllables.
        phrase_documents: (p,) uint32, in how many documents each of these occurs, 1 or more.
        total: how many documents there are, 1 or more.
    """

    hashes: NDArray[np.uint64]
    documents: NDArray[np.uint32]
    phrases: NDArray[np.uint64]
    phrase_documents: NDArray[np.uint32]
    total: int

    def __post_init__(self) -> None:
        lengths = len(self.documents), len(self.phrase_documents)
        if (len(self.hashes), len(self.phrases)) != lengths or self.total < 1:
            raise ValueError("a background needs a count for each hash, and a document")

    def rarity(self, seeds: NDArray[np.uint64]) -> NDArray[np.float64]:
        """(n + SEED - 1,) how rare the wording around each character is, 0 (everybody says it) to 1.

        Args:
            seeds: (n,) hashes of all runs of ``SEED`` syllables of a text, n >= 1.
        """
        return around(self.of_seeds(seeds))

    def of_seeds(self, seeds: NDArray[np.uint64]) -> NDArray[np.float64]:
        """(n,) how rare each run of ``SEED`` syllables is, 0 (everybody says it) to 1."""
        return self._rarity_of(self.counts(seeds))

    def counts(self, seeds: NDArray[np.uint64]) -> NDArray[np.int64]:
        """(n,) how many documents have each run of ``SEED`` syllables; 0 for those that aren't common."""
        return _counted(self.hashes, self.documents, seeds)

    def of_phrases(
        self, phrases: NDArray[np.uint64], seeds: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(n,) what the last syllable of each run of ``PHRASE`` adds to those before it; 1 where the run isn't common.

        Args:
            phrases: (n,) hashes of runs of ``PHRASE`` syllables.
            seeds: (n,) how rare the run of ``SEED`` is that each begins with.
        """
        counts = _counted(self.phrases, self.phrase_documents, phrases)
        return np.where(counts > 0, np.maximum(self._rarity_of(counts) - seeds, 0.0), 1.0)

    def _rarity_of(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        rarity: NDArray[np.float64] = 1.0 - np.log1p(counts) / np.log1p(self.total)
        return rarity


def worths(
    of_seeds: NDArray[np.float64], of_phrases: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n + SEED - 1,) what each character of a text is worth, 0 (everybody says it, or goes on so) to 1.

    Args:
        of_seeds: (n,) how rare each run of ``SEED`` syllables is, n >= 1.
        of_phrases: (n - 1,) what the last syllable of each run of ``PHRASE`` adds.
    """
    worth = around(of_seeds)
    worth[PHRASE - 1 :] = np.minimum(worth[PHRASE - 1 :], of_phrases)
    return worth


def around(of_seeds: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n + SEED - 1,) how rare the wording around each character is, from the (n,) rarity of the runs, n >= 1."""
    sums = np.zeros(len(of_seeds) + SEED - 1)
    counts = np.zeros(len(sums))
    for shift in range(SEED):
        sums[shift : shift + len(of_seeds)] += of_seeds
        counts[shift : shift + len(of_seeds)] += 1.0
    rarity: NDArray[np.float64] = sums / counts
    return rarity


def learn(texts: Sequence[str], *, least_documents: int) -> Background:
    """The background that these documents make; wording in fewer than ``least_documents`` counts as rare."""
    codes = [syllables(normalise(text).text) for text in texts]
    hashes, documents = _common(codes, SEED, least_documents)
    phrases, phrase_documents = _common(codes, PHRASE, least_documents)
    return Background(
        hashes=hashes,
        documents=documents,
        phrases=phrases,
        phrase_documents=phrase_documents,
        total=len(texts),
    )


def _common(
    texts: Sequence[NDArray[np.uint16]], length: int, least_documents: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Hashes of the runs of so many syllables that so many texts have, ascending, and how many have each."""
    runs = np.concatenate([np.unique(shingles(codes, length)) for codes in texts])
    hashes, documents = np.unique(runs, return_counts=True)
    common = documents >= least_documents
    return hashes[common], documents[common].astype(np.uint32)


def _counted(
    hashes: NDArray[np.uint64], documents: NDArray[np.uint32], wanted: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """(n,) the count of each hash that is wanted, 0 where there is none."""
    if not len(hashes):
        return np.zeros(len(wanted), np.int64)
    at = np.minimum(np.searchsorted(hashes, wanted), len(hashes) - 1)
    return np.where(hashes[at] == wanted, documents[at], 0).astype(np.int64)


@cache
def default_background() -> Background:
    """The background that ships with this package."""
    entry = resources.files("shengdun.index.scripts") / "background.npz"
    with resources.as_file(entry) as path, np.load(path, allow_pickle=False) as stored:
        return Background(
            hashes=stored["hashes"],
            documents=stored["documents"].astype(np.uint32),
            phrases=stored["phrases"],
            phrase_documents=stored["phrase_documents"].astype(np.uint32),
            total=int(stored["total"]),
        )
