"""A script that a text may be following, and where the two agree."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.normalise import Normalised, normalise
from shengdun.fingerprint.text.shingles import shingles
from shengdun.index.scripts.alignment import SEED, Aligned, Places, Seeds, align
from shengdun.index.scripts.background import Background
from shengdun.index.scripts.matches import Passage, View
from shengdun.index.scripts.words import Words

_CHARACTERS_AGREE: Final = 0.8
_NOWHERE: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Script:
    """A script as it is held.

    Attributes:
        script_id: which.
        text: as it was given.
        syllables: (k,) of its canonical characters.
    """

    script_id: str
    text: str
    syllables: NDArray[np.uint16]


class InQuestion:
    """A script that may be followed, and where the text has its seeds.

    Attributes:
        script: which.
        places: (s,) places in the text and (s,) in the script where they agree.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.places = _NOWHERE, _NOWHERE
        self._seeds = Seeds(script.syllables)
        self._kept = _NOWHERE, _NOWHERE
        self._read = 0
        self._aligned: tuple[Places, Places, list[Aligned]] | None = None
        self._normalised: Normalised | None = None

    def read(self, words: Words) -> None:
        """Find the seeds of what was heard since; of what may still change, every time."""
        fresh = shingles(words.syllables[self._read :], SEED)
        text, script = self._seeds.found_in(fresh, offset=self._read)
        self.places = np.concatenate([self._kept[0], text]), np.concatenate([self._kept[1], script])
        last = max(words.settled - SEED + 1, 0)
        if last > self._read:
            keep = self.places[0] < last
            self._kept = self.places[0][keep], self.places[1][keep]
            self._read = last

    def aligned(self, words: Words, background: Background) -> list[Aligned]:
        """The passages, by places in the canonical characters."""
        text, script = self.places
        if self._aligned is not None:
            text_before, script_before, passages = self._aligned
            if np.array_equal(text, text_before) and np.array_equal(script, script_before):
                return passages
        passages = align(text, script, words.rarity_sums(background))
        # Rarity is that of the runs a character is in, so it stays once these have been settled.
        is_settled = not len(text) or int(text.max()) + 2 * SEED - 1 <= words.settled
        self._aligned = (text, script, passages) if is_settled else None
        return passages

    def passage(self, aligned: Aligned, words: Words) -> Passage:
        """The passage in the strings as they were given."""
        script = self._canonical
        return Passage(
            text_start=int(words.starts[aligned.text_start]),
            text_end=int(words.ends[aligned.text_end - 1]),
            script_start=int(script.starts[aligned.script_start]),
            script_end=int(script.ends[aligned.script_end - 1]),
            view=self._view(aligned, words),
        )

    def _view(self, aligned: Aligned, words: Words) -> View:
        text, script = self.places
        inside = (text >= aligned.text_start) & (text < aligned.text_end)
        inside &= (script >= aligned.script_start) & (script < aligned.script_end)
        agree = [
            words.characters[at : at + SEED] == self._canonical.text[there : there + SEED]
            for at, there in zip(text[inside].tolist(), script[inside].tolist(), strict=True)
        ]
        return View.CHARACTERS if sum(agree) >= _CHARACTERS_AGREE * len(agree) else View.PINYIN

    @property
    def _canonical(self) -> Normalised:
        # Only what is told needs it; it takes longer than everything else about a script.
        if self._normalised is None:
            self._normalised = normalise(self.script.text)
        return self._normalised
