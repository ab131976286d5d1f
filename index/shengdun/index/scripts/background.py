"""How common wording is: what everybody says tells nothing about a script.

The table holds, for runs of ``SEED`` syllables that are common in ordinary Chinese speech, in how many documents of a
background they occur (document frequency, Spärck Jones 1972). ``benchmarks/text/background.py`` makes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.normalise import normalise
from shengdun.fingerprint.text.pinyin import syllables
from shengdun.fingerprint.text.shingles import shingles
from shengdun.index.scripts.alignment import SEED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Background:
    """Document frequencies of common wording.

    Attributes:
        hashes: (n,) uint64, ascending, of runs of ``SEED`` syllables.
        documents: (n,) uint32, in how many documents each occurs, 1 or more.
        total: how many documents there are, 1 or more.
    """

    hashes: NDArray[np.uint64]
    documents: NDArray[np.uint32]
    total: int

    def __post_init__(self) -> None:
        if len(self.hashes) != len(self.documents) or self.total < 1:
            raise ValueError("a background needs a count for each hash, and a document")

    def rarity(self, seeds: NDArray[np.uint64]) -> NDArray[np.float64]:
        """(n + SEED - 1,) how rare the wording around each character is, 0 (everybody says it) to 1.

        Args:
            seeds: (n,) hashes of all runs of ``SEED`` syllables of a text, n >= 1.
        """
        return around(self.of_seeds(seeds))

    def of_seeds(self, seeds: NDArray[np.uint64]) -> NDArray[np.float64]:
        """(n,) how rare each run of ``SEED`` syllables is, 0 (everybody says it) to 1."""
        rarity: NDArray[np.float64] = 1.0 - np.log1p(self.counts(seeds)) / np.log1p(self.total)
        return rarity

    def counts(self, seeds: NDArray[np.uint64]) -> NDArray[np.int64]:
        """(n,) how many documents have each run of ``SEED`` syllables; 0 for those that aren't common."""
        if not len(self.hashes):
            return np.zeros(len(seeds), np.int64)
        at = np.minimum(np.searchsorted(self.hashes, seeds), len(self.hashes) - 1)
        return np.where(self.hashes[at] == seeds, self.documents[at], 0).astype(np.int64)


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
    runs = [np.unique(shingles(syllables(normalise(text).text), SEED)) for text in texts]
    hashes, documents = np.unique(np.concatenate(runs), return_counts=True)
    common = documents >= least_documents
    return Background(
        hashes=hashes[common], documents=documents[common].astype(np.uint32), total=len(texts)
    )


@cache
def default_background() -> Background:
    """The background that ships with this package."""
    entry = resources.files("shengdun.index.scripts") / "background.npz"
    with resources.as_file(entry) as path, np.load(path, allow_pickle=False) as stored:
        return Background(
            hashes=stored["hashes"],
            documents=stored["documents"].astype(np.uint32),
            total=int(stored["total"]),
        )
