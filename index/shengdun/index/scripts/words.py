"""The canonical characters of a text that grows."""

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.normalise import REACH, normalise, normalise_all
from shengdun.fingerprint.text.pinyin import syllables
from shengdun.fingerprint.text.shingles import shingles
from shengdun.index.scripts.alignment import SEED
from shengdun.index.scripts.background import PHRASE, Background, worths


class Words:
    """The canonical characters of a text so far, with where they stand in it.

    Attributes:
        heard: code points of the text.
        settled: canonical characters from the beginning that no later word changes.
        characters: n canonical characters.
        syllables: (n,) their syllables.
        starts: (n,) where in the text the stretch of each begins, in code points.
        ends: (n,) where it ends.
        seeds: (max(n - SEED + 1, 0),) hashes of the runs of ``SEED`` syllables.
    """

    def __init__(self) -> None:
        self.heard = 0
        self.settled = 0
        self.characters = ""
        self.syllables = np.zeros(0, np.uint16)
        self.starts = np.zeros(0, np.int64)
        self.ends = np.zeros(0, np.int64)
        self.seeds = np.zeros(0, np.uint64)
        self._tail = ""
        self._tail_at = 0
        self._rarity_sums = np.zeros(1)
        self._rated = 0

    def hear(self, text: str) -> None:
        """Read the end anew, with these words behind it."""
        self._tail += text
        self.heard += len(text)
        read = normalise(self._tail)
        kept = self.settled
        boundary = int(self.ends[kept - 1]) - self._tail_at if kept else 0
        fresh = int(np.searchsorted(read.starts, boundary, side="left"))
        before = self.syllables
        self.characters = self.characters[:kept] + read.text[fresh:]
        self.syllables = np.concatenate([self.syllables[:kept], syllables(read.text[fresh:])])
        self.starts = np.concatenate([self.starts[:kept], read.starts[fresh:] + self._tail_at])
        self.ends = np.concatenate([self.ends[:kept], read.ends[fresh:] + self._tail_at])
        same = max(agreement(before, self.syllables, kept) - SEED + 1, 0)
        self.seeds = np.concatenate([self.seeds[:same], shingles(self.syllables[same:], SEED)])
        self._rated = min(self._rated, same)
        self._settle()

    @classmethod
    def of_each(cls, texts: Sequence[str]) -> list[Self]:
        """What each of some texts says when it was heard in one piece; nothing can be heard behind it."""
        read = normalise_all(texts)
        codes = syllables("".join(each.text for each in read))
        seeds = shingles(codes, SEED)
        words, begin = [], 0
        for text, each in zip(texts, read, strict=True):
            end = begin + len(each.text)
            own = cls()
            own.heard, own.settled = len(text), len(each.text)
            own.characters, own.syllables = each.text, codes[begin:end]
            own.starts, own.ends = each.starts, each.ends
            own.seeds = seeds[begin : max(end - SEED + 1, begin)]
            words.append(own)
            begin = end
        return words

    def with_more(self, text: str) -> "Words":
        """The same with these words behind it, for what may be withdrawn; this one stays as it is."""
        other = copy.copy(self)
        other.hear(text)
        return other

    def _settle(self) -> None:
        """Keep what no later word can change."""
        self.settled = int(np.searchsorted(self.ends, self.heard - REACH, side="right"))
        boundary = int(self.ends[self.settled - 1]) if self.settled else 0
        begin = max(boundary - REACH, 0)
        self._tail = self._tail[begin - self._tail_at :]
        self._tail_at = begin

    def rarity_sums(self, background: Background) -> NDArray[np.float64]:
        """(n + 1,) what the characters are worth, summed up to each place."""
        rated = self._rated
        if rated < len(self.syllables):
            # A character's worth is that of the runs that it is in, so the runs before it count too.
            begin = max(rated - PHRASE + 1, 0)
            rarity = self._worths(begin, background)
            sums = self._rarity_sums[: rated + 1]
            more = np.cumsum(np.concatenate([sums[-1:], rarity[rated - begin :]]))
            self._rarity_sums = np.concatenate([sums, more[1:]])
            self._rated = len(self.syllables)
        return self._rarity_sums[: self._rated + 1]

    def _worths(self, begin: int, background: Background) -> NDArray[np.float64]:
        """What the characters from a place on are worth, as far as these characters tell."""
        if begin == len(self.seeds):
            return np.zeros(len(self.syllables) - begin)
        of_seeds = background.of_seeds(self.seeds[begin:])
        phrases = shingles(self.syllables[begin:], PHRASE)
        return worths(of_seeds, background.of_phrases(phrases, of_seeds[: len(phrases)]))


def agreement(before: NDArray[np.uint16], now: NDArray[np.uint16], start: int) -> int:
    """How many syllables from the beginning two texts have in common, if they have so many as ``start`` says."""
    length = min(len(before), len(now))
    differs = np.flatnonzero(before[start:length] != now[start:length])
    return start + int(differs[0]) if len(differs) else max(length, start)
