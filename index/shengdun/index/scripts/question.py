"""A script that a text may be following, and where the two agree."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.folding import code_points
from shengdun.fingerprint.text.normalise import Normalised, normalise
from shengdun.index.scripts.alignment import (
    CLOSED_AFTER,
    NOWHERE,
    SEED,
    Aligned,
    Clump,
    Places,
    Seeds,
    clumps,
    passages_of,
)
from shengdun.index.scripts.background import Background
from shengdun.index.scripts.matches import Passage, View
from shengdun.index.scripts.words import Words, agreement

_CHARACTERS_AGREE: Final = 0.8


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


class HeldScript:
    """A script, and what comparing texts with it needs; made when it's first needed.

    Args:
        script: which.
    """

    def __init__(self, script: Script) -> None:
        self.script = script

    @cached_property
    def seeds(self) -> Seeds:
        """Where it has its seeds."""
        return Seeds(self.script.syllables)

    @cached_property
    def canonical(self) -> Normalised:
        """Its canonical characters, and where they stand in its text. Only what is told needs it."""
        return normalise(self.script.text)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Common:
    """What a text and a script have in common.

    Attributes:
        held: the script.
        places: (s,) where the text has seeds of the script, ascending, and (s,) where the script has them.
    """

    held: HeldScript
    places: tuple[Places, Places]

    def passage(self, aligned: Aligned, words: Words) -> Passage:
        """A passage in the strings as they were given."""
        script = self.held.canonical
        return Passage(
            text_start=int(words.starts[aligned.text_start]),
            text_end=int(words.ends[aligned.text_end - 1]),
            script_start=int(script.starts[aligned.script_start]),
            script_end=int(script.ends[aligned.script_end - 1]),
            view=self._view(aligned, words),
        )

    def _view(self, aligned: Aligned, words: Words) -> View:
        text, script = self.places
        first, last = np.searchsorted(text, (aligned.text_start, aligned.text_end))
        text, script = text[first:last], script[first:last]
        inside = (script >= aligned.script_start) & (script < aligned.script_end)
        text, script = text[inside] - aligned.text_start, script[inside] - aligned.script_start
        said = code_points(words.characters[aligned.text_start : aligned.text_end])
        written = code_points(self.held.canonical.text[aligned.script_start : aligned.script_end])
        # A seed that ends outside is no part of the passage's chain.
        whole = (text + SEED <= len(said)) & (script + SEED <= len(written))
        text, script = text[whole], script[whole]
        agree = np.ones(len(text), np.bool_)
        for offset in range(SEED):
            agree &= said[text + offset] == written[script + offset]
        share = agree.mean() if len(agree) else 0.0
        return View.CHARACTERS if share >= _CHARACTERS_AGREE else View.PINYIN


class Agreed:
    """How far words are as they were. Scripts in question mostly read the same words before, which is then asked once.

    Args:
        words: those so far.
    """

    def __init__(self, words: Words) -> None:
        self._now = words.syllables
        self._before: NDArray[np.uint16] | None = None
        self._same = 0

    def with_earlier(self, before: NDArray[np.uint16], settled: int) -> int:
        """How many syllables from the beginning are as before, if so many as were settled then are."""
        if self._before is not before:
            self._before, self._same = before, agreement(before, self._now, settled)
        return self._same


class InQuestion:
    """A script that may be followed, and where the text has its seeds.

    What was found in words that stay as they were is kept; the rest is looked for anew.

    Args:
        held: which.
    """

    def __init__(self, held: HeldScript) -> None:
        self._held = held
        self._places = NOWHERE, NOWHERE
        self._read = 0
        self._seen = np.zeros(0, np.uint16)
        self._settled = 0
        self._closed: tuple[Clump, ...] = ()
        self._in_closed = 0

    @property
    def script(self) -> Script:
        """Which it is."""
        return self._held.script

    def read(self, words: Words, agreed: "Agreed") -> None:
        """Find the seeds of what was heard since, and of what is now another.

        Args:
            words: those so far.
            agreed: how far they are as they were.
        """
        same = agreed.with_earlier(self._seen, self._settled)
        begin = min(self._read, max(same - SEED + 1, 0))
        text, script = self._held.seeds.found_in(words.seeds[begin:], offset=begin)
        kept = int(self._places[0].searchsorted(begin))
        if len(text) or kept < len(self._places[0]):
            text_before, script_before = self._places
            self._places = (
                np.concatenate([text_before[:kept], text]),
                np.concatenate([script_before[:kept], script]),
            )
        self._read = len(words.seeds)
        self._seen, self._settled = words.syllables, words.settled
        self._reopen(same)

    def aligned(self, words: Words, background: Background, *, least: float) -> list[Aligned]:
        """The passages, by places in the canonical characters; none where they can't be worth so much together."""
        text, script = self._places
        if not len(text):
            return []
        at = self._in_closed
        found = clumps(text[at:], script[at:], words.rarity_sums(background))
        closed = [each for each in found if each.last + CLOSED_AFTER <= len(words.syllables)]
        every = (*self._closed, *found)
        if closed:
            self._closed += tuple(closed)
            self._in_closed += sum(each.seeds for each in closed)
        return passages_of(every, least=least)

    @property
    def common(self) -> "Common":
        """The script, and where the two agree."""
        return Common(held=self._held, places=self._places)

    def _reopen(self, same: int) -> None:
        """Of the clumps, keep those that only words decided that are the same."""
        closed = self._closed
        while closed and closed[-1].last + CLOSED_AFTER > same:
            self._in_closed -= closed[-1].seeds
            closed = closed[:-1]
        self._closed = closed
