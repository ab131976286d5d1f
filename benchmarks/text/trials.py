"""Transcripts with passages of scripts planted in them, and the truth about each.

The same numbers give the same script, surroundings and place in every cell of one share, so that cells differ in what
was done to the text and in nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from benchmarks.text.corpora import LONGEST, SHORTEST, Innocent, drawn_length
from benchmarks.text.corruption import Corruption, clause_starts, corrupted
from benchmarks.text.families import Family, filled, registered
from benchmarks.text.homophones import Homophones

SHARES: Final = (0.05, 0.1, 0.2, 0.4, 0.6)
RATES: Final = (0.0, 0.05, 0.1, 0.2, 0.3)
SHORTEST_PASSAGE: Final = 40
"""Characters. Two clauses; less is a turn of phrase, and nobody's script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of the tables."""

    corruption: Corruption
    rate: float
    share: float
    """Of the transcript that is scripted, before anything is done to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A transcript, and which stretch of it comes from which script."""

    text: str
    script_id: str
    start: int
    end: int
    """The planted passage is ``text[start:end]``."""


def cells(shares: Sequence[float] = SHARES, rates: Sequence[float] = RATES) -> list[Cell]:
    """Every cell: two kinds of errors at each rate, and every other kind once, at each share."""
    return [
        Cell(corruption=corruption, rate=rate, share=share)
        for corruption in Corruption
        for rate in (rates if corruption.takes_rate else (0.0,))
        for share in shares
    ]


class Planting:
    """Plants passages of families in innocent surroundings.

    Args:
        families: those whose scripts are planted.
        hosts: what surrounds them.
        homophones: which characters are mistaken for which.
        seed: of everything that is drawn.
    """

    def __init__(
        self,
        families: Sequence[Family],
        hosts: Sequence[Innocent],
        homophones: Homophones,
        seed: int,
    ) -> None:
        self._families = sorted(families, key=lambda family: family.family_id)
        self._registered = registered(tuple(families))
        self._hosts = hosts
        self._homophones = homophones
        self._seed = seed

    def trials(self, cell: Cell, count: int) -> list[Trial]:
        """So many transcripts of one cell, every family in turn; none where no family has a paraphrase."""
        families = self._families
        if cell.corruption is Corruption.PARAPHRASE:
            families = [family for family in families if family.paraphrase]
        if not families:
            return []
        return [
            self._trial(cell, number, families[number % len(families)]) for number in range(count)
        ]

    def _trial(self, cell: Cell, number: int, family: Family) -> Trial:
        layout = Random(f"layout/{self._seed}/{cell.share}/{number}")
        drawn = Random(f"errors/{self._seed}/{cell}/{number}")
        script = self._said(cell.corruption, family, drawn)
        length, passage_length = _lengths(cell.share, len(script), layout)
        passage = _passage(script, passage_length, layout)
        before, after = _split(self._surroundings(length - passage_length, layout), layout)
        parts = [
            corrupted(part, cell.corruption, cell.rate, drawn, self._homophones)
            for part in (before, passage, after)
        ]
        start = len(parts[0])
        return Trial(
            text="".join(parts),
            script_id=family.family_id,
            start=start,
            end=start + len(parts[1]),
        )

    def _said(self, corruption: Corruption, family: Family, rng: Random) -> str:
        if corruption is Corruption.PARAPHRASE:
            return filled(family.paraphrase or "", rng)
        if corruption in {Corruption.BLANKS, Corruption.COMBINED}:
            return filled(family.text, rng)
        return self._registered[family.family_id]

    def _surroundings(self, length: int, rng: Random) -> str:
        # Of one kind: nobody's call turns into a review of a hotel.
        kind = rng.choice(self._hosts).kind
        text = ""
        while len(text) < length:
            host = rng.choice(self._hosts)
            text += host.text if host.kind is kind else ""
        return text[:length]


def _lengths(share: float, script_length: int, rng: Random) -> tuple[int, int]:
    """Characters of a transcript and of the passage in it, such that the passage has its share and is long enough."""
    longest = min(LONGEST, script_length / share)
    shortest = min(max(SHORTEST, SHORTEST_PASSAGE / share), longest)
    length = drawn_length(rng, shortest, longest)
    return length, min(round(share * length), script_length)


def _passage(script: str, length: int, rng: Random) -> str:
    starts = [start for start in clause_starts(script) if start + length <= len(script)]
    start = rng.choice([*starts, len(script) - length])
    return script[start : start + length]


def _split(text: str, rng: Random) -> tuple[str, str]:
    place = rng.choice([*clause_starts(text), len(text)])
    return text[:place], text[place:]
