"""Any number of scripts, put together by chance from sentences of the families and of innocent texts."""

import re
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Final

from benchmarks.text.corpora import Unit, drawn_length
from benchmarks.text.families import Family, Half, filled, half_of

SHORTEST: Final = 150
LONGEST: Final = 600
"""Characters of a script."""
FAMILY_SHARE: Final = 0.3
"""Sentences of a script that are of a family; the others are of innocent texts."""

_FILLINGS: Final = 20
_SENTENCE: Final = re.compile(r"[^。！？]{6,80}[。！？]")


class Recombined:
    """Scripts put together by chance, the same for the same seed.

    Args:
        families: whose sentences are taken, with their blanks filled in twenty ways.
        units: innocent texts; the other sentences are of one half of them.
        seed: of everything that is drawn.
        half: which; if it is left out the fitting half, which no figure comes from.
    """

    def __init__(
        self,
        families: Sequence[Family],
        units: Iterable[Unit],
        seed: int,
        *,
        half: Half = Half.FIT,
    ) -> None:
        rng = Random(f"fillings/{seed}")
        self._of_families = [
            _SENTENCE.findall(filled(family.text, rng))
            for family in families
            for _ in range(_FILLINGS)
        ]
        self._innocent = [
            sentence
            for unit in units
            if half_of(unit.unit_id) is half
            for sentence in _SENTENCE.findall(unit.text)
        ]
        self._seed = seed

    @property
    def innocent_sentences(self) -> int:
        """How many innocent sentences there are to take."""
        return len(self._innocent)

    def script(self, number: int) -> tuple[str, str]:
        """The id and the text of one script: sentences of one family among others."""
        rng = Random(self._seed * 1_000_003 + number)
        wanted = drawn_length(rng, SHORTEST, LONGEST)
        own = rng.choice(self._of_families)
        text = ""
        while len(text) < wanted:
            text += rng.choice(own if rng.random() < FAMILY_SHARE else self._innocent)
        return f"script-{number}", text

    def scripts(self, count: int) -> Iterator[tuple[str, str]]:
        """The first so many scripts."""
        return (self.script(number) for number in range(count))
