"""Wording that must not count although few would use it by chance: disclosures, names of statutes, set phrases.

A stretch of a text counts for nothing where its runs of ``RUN`` syllables are runs of an excluded text. Runs are longer
than seeds, so that a long list of disclosures doesn't use up the ordinary words of banking; a few syllables between two
such stretches count for nothing either, for a speech recogniser mishears some.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.normalise import normalise
from shengdun.fingerprint.text.pinyin import syllables
from shengdun.fingerprint.text.shingles import shingles
from shengdun.index.scripts.alignment import SEED
from shengdun.index.scripts.background import Background

RUN: Final = 5
"""Syllables of a run. An excluded text of fewer excludes nothing."""
_LARGEST_GAP: Final = 6
"""Syllables between two excluded stretches that are excluded with them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exclusions:
    """The runs of excluded texts.

    Attributes:
        hashes: (n,) uint64, ascending, of runs of ``RUN`` syllables.
    """

    hashes: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """What these texts exclude, each by itself."""
        runs = [shingles(syllables(normalise(text).text), RUN) for text in texts]
        return cls(hashes=np.unique(np.concatenate([np.zeros(0, np.uint64), *runs])))

    def with_more(self, others: Self) -> Self:
        """These and others."""
        return type(self)(hashes=np.union1d(self.hashes, others.hashes))

    def covered(self, codes: NDArray[np.uint16]) -> NDArray[np.bool_]:
        """(n,) which syllables of a text are excluded.

        Args:
            codes: (n,) its syllables.
        """
        covered = np.zeros(len(codes), np.bool_)
        runs = shingles(codes, RUN)
        if not len(runs) or not len(self.hashes):
            return covered
        at = np.minimum(np.searchsorted(self.hashes, runs), len(self.hashes) - 1)
        found = np.flatnonzero(self.hashes[at] == runs)
        change = np.zeros(len(codes) + 1, np.int64)
        np.add.at(change, found, 1)
        np.add.at(change, found + RUN, -1)
        covered = np.cumsum(change[:-1]) > 0
        between = np.diff(found)
        for place in np.flatnonzero((between > RUN) & (between <= RUN + _LARGEST_GAP)).tolist():
            covered[found[place] : found[place + 1]] = True
        return covered


@cache
def default_exclusions() -> Exclusions:
    """The exclusions that ship with this package: statutes, offices, how calls and letters begin and end."""
    text = (resources.files("shengdun.index.campaigns") / "common_wording.txt").read_text("utf-8")
    lines = (line.strip() for line in text.splitlines())
    return Exclusions.of(line for line in lines if line and not line.startswith("#"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CommonWording:
    """What everybody says, learnt from a background and listed.

    Attributes:
        backgrounds: how common runs of syllables are, in general and for example on the institution's own lines; one
            or more. Wording counts as rare as where it is commonest.
        exclusions: what counts for nothing in any case.
    """

    backgrounds: tuple[Background, ...]
    exclusions: Exclusions

    def __post_init__(self) -> None:
        if not self.backgrounds:
            raise ValueError("what is common needs a background at least")

    def rarity(self, codes: NDArray[np.uint16]) -> NDArray[np.float64]:
        """(n,) how rare the wording around each syllable is, 0 (everybody says it, or excluded) to 1."""
        seeds = shingles(codes, SEED)
        if not len(seeds):
            return np.zeros(len(codes))
        of_each = [background.rarity(seeds) for background in self.backgrounds]
        rarity: NDArray[np.float64] = np.min(of_each, axis=0)
        rarity[self.exclusions.covered(codes)] = 0.0
        return rarity
