"""Hearing words as they arrive: the scripts that a transcript may be following, after each segment.

What is known of a text is a function of the text alone, however it was cut. Its end is read anew with each segment, as
far back as a later word can change how it reads (``REACH``); everything before that is settled, looked up once and
kept. So the work of a segment depends on the segment, and on how many scripts are in question.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.normalise import REACH, Normalised, normalise
from shengdun.fingerprint.text.pinyin import syllables
from shengdun.fingerprint.text.shingles import shingles
from shengdun.index.scripts.alignment import SEED, Aligned, Seeds, align
from shengdun.index.scripts.background import Background
from shengdun.index.scripts.evidence import ScriptCoefficients
from shengdun.index.scripts.matches import Passage, ScriptMatch, View
from shengdun.index.scripts.postings import ROWS_PER_SHINGLE
from shengdun.index.scripts.probes import PROBE, probes_of

CANDIDATES: Final = 8
"""Scripts whose passages are aligned: those that most speaks for."""
_LEAST_SUPPORT: Final = 1.0
_LEAST_RARITY: Final = 0.3
"""Commoner wording proposes nothing."""
_CHARACTERS_AGREE: Final = 0.8

Rows = NDArray[np.int64]


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


class Known(Protocol):
    """The scripts that there are."""

    background: Background
    coefficients: ScriptCoefficients

    def propose(self, probes: NDArray[np.uint64]) -> list[Rows]:
        """The rows of scripts that share each probe."""

    def script(self, row: int) -> Script | None:
        """The script of a row; None if it was removed."""


class ScriptListener:
    """Hears one text. Not safe to share between threads.

    Args:
        known: the scripts.
        limit: how many are told at most.
    """

    def __init__(self, known: Known, *, limit: int = 10) -> None:
        self._known = known
        self._limit = limit
        self._words = _Words()
        self._support = _Support()
        self._probed = 0
        self._asked: dict[int, Rows] = {}
        self._in_question: dict[int, _InQuestion] = {}

    @property
    def text_length(self) -> int:
        """Code points heard so far."""
        return self._words.heard

    def hear(self, text: str) -> list[ScriptMatch]:
        """Take the next words in.

        Args:
            text: as it was recognised or written; follows what was heard before without anything between.

        Returns:
            The scripts that all words so far may have used, the likeliest first; none without a passage in common.
        """
        words = self._words
        words.hear(text)
        support = self._supported()
        found = []
        for row in support.most(CANDIDATES, least=_LEAST_SUPPORT).tolist():
            script = self._known.script(row)
            if script is not None and (scored := self._scored(row, script)) is not None:
                found.append(scored)
        self._let_go()
        found.sort(key=lambda each: (-each[0], each[1].script_id))
        return [match for _, match in found[: self._limit]]

    def _supported(self) -> "_Support":
        """Support by everything heard; what later words may change isn't kept."""
        words = self._words
        fresh = words.syllables[self._probed :]
        places, probes = probes_of(fresh)
        weights = self._weights(fresh, places)
        tells = weights >= _LEAST_RARITY
        places, probes, weights = places[tells], probes[tells], weights[tells]
        proposals = self._proposals(probes)
        settled = int(np.searchsorted(places + self._probed + PROBE, words.settled, side="right"))
        self._support = self._support.with_more(proposals[:settled], weights[:settled])
        self._probed = max(words.settled - PROBE + 1, 0)
        return self._support.with_more(proposals[settled:], weights[settled:])

    def _proposals(self, probes: NDArray[np.uint64]) -> list[Rows]:
        """As ``propose`` says; what may still change was mostly asked for before."""
        asked = self._asked
        named = probes.tolist()
        new = [place for place, probe in enumerate(named) if probe not in asked]
        asked |= zip((named[place] for place in new), self._known.propose(probes[new]), strict=True)
        proposals = [asked[probe] for probe in named]
        self._asked = dict(zip(named, proposals, strict=True))
        return proposals

    def _weights(self, codes: NDArray[np.uint16], places: Rows) -> NDArray[np.float64]:
        """What each probe's wording says, 0 (everybody says it) to 1; it depends on the probe alone."""
        if not len(places):
            return np.zeros(0)
        rarity = self._known.background.of_seeds(shingles(codes, SEED))
        inside: NDArray[np.float64] = np.mean(
            [rarity[places + shift] for shift in range(PROBE - SEED + 1)], axis=0
        )
        return inside

    def _scored(self, row: int, script: Script) -> tuple[float, ScriptMatch] | None:
        question = self._in_question.get(row)
        if question is None or question.script is not script:
            question = self._in_question[row] = _InQuestion(script)
        words = self._words
        question.read(words)
        passages = align(*question.places, words.rarity_sums(self._known.background))
        if not passages:
            return None
        return self._match(question, passages)

    def _match(self, question: "_InQuestion", passages: list[Aligned]) -> tuple[float, ScriptMatch]:
        words, script = self._words, question.script
        length = len(script.syllables)
        coefficients = self._known.coefficients
        unlimited = coefficients.unlimited(
            sum(each.worth for each in passages), len(words.syllables), length
        )
        in_script = sum(each.script_end - each.script_start for each in passages)
        in_text = sum(each.text_end - each.text_start for each in passages)
        match = ScriptMatch(
            script_id=script.script_id,
            llr=coefficients.limited(unlimited),
            script_share=min(in_script / length, 1.0),
            text_share=min(in_text / len(words.syllables), 1.0),
            passages=tuple(_passage(each, words, question) for each in passages),
        )
        return unlimited, match

    def _let_go(self) -> None:
        """Of scripts that hardly anything speaks for any more."""
        kept = set(self._support.most(4 * CANDIDATES, least=0.0).tolist())
        self._in_question = {
            row: question for row, question in self._in_question.items() if row in kept
        }


class _Words:
    """The canonical characters of a text so far, with where they stand in it."""

    def __init__(self) -> None:
        self.heard = 0
        self.settled = 0
        self.characters = ""
        self.syllables = np.zeros(0, np.uint16)
        self.starts = np.zeros(0, np.int64)
        self.ends = np.zeros(0, np.int64)
        self._tail = ""
        self._tail_at = 0
        self._rarity_sums: NDArray[np.float64] | None = None

    def hear(self, text: str) -> None:
        """Read the end anew, with these words behind it."""
        self._tail += text
        self.heard += len(text)
        self._rarity_sums = None
        read = normalise(self._tail)
        kept = self.settled
        boundary = int(self.ends[kept - 1]) - self._tail_at if kept else 0
        fresh = int(np.searchsorted(read.starts, boundary, side="left"))
        self.characters = self.characters[:kept] + read.text[fresh:]
        self.syllables = np.concatenate([self.syllables[:kept], syllables(read.text[fresh:])])
        self.starts = np.concatenate([self.starts[:kept], read.starts[fresh:] + self._tail_at])
        self.ends = np.concatenate([self.ends[:kept], read.ends[fresh:] + self._tail_at])
        self._settle()

    def _settle(self) -> None:
        """Keep what no later word can change."""
        self.settled = int(np.searchsorted(self.ends, self.heard - REACH, side="right"))
        boundary = int(self.ends[self.settled - 1]) if self.settled else 0
        begin = max(boundary - REACH, 0)
        self._tail = self._tail[begin - self._tail_at :]
        self._tail_at = begin

    def rarity_sums(self, background: Background) -> NDArray[np.float64]:
        """(m + 1,) the rarity of the characters, summed up to each place."""
        if self._rarity_sums is None:
            seeds = shingles(self.syllables, SEED)
            rarity = background.rarity(seeds) if len(seeds) else np.zeros(len(self.syllables))
            self._rarity_sums = np.concatenate([[0.0], np.cumsum(rarity)])
        return self._rarity_sums


class _Support:
    """How much speaks for each script; immutable.

    Args:
        rows: (n,) of scripts, ascending.
        weights: (n,) what speaks for each.
    """

    def __init__(
        self, rows: Rows | None = None, weights: NDArray[np.float64] | None = None
    ) -> None:
        self._rows = np.zeros(0, np.int64) if rows is None else rows
        self._weights = np.zeros(0) if weights is None else weights

    def with_more(self, proposals: list[Rows], weights: NDArray[np.float64]) -> "_Support":
        """This and more; a wording counts for more the fewer scripts have it."""
        counts = np.array([len(rows) for rows in proposals], np.int64)
        if not counts.any():
            return self
        fewness = 2.0 - np.log(np.maximum(counts, 1)) / np.log(ROWS_PER_SHINGLE)
        rows = np.concatenate([self._rows, *proposals])
        every = np.concatenate([self._weights, np.repeat(weights * fewness, counts)])
        order = np.argsort(rows, kind="stable")
        rows, every = rows[order], every[order]
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        return _Support(rows[first], np.add.reduceat(every, first))

    def most(self, count: int, *, least: float) -> Rows:
        """The rows that most speaks for, at least so much; of equals the older."""
        enough = np.flatnonzero(self._weights >= least)
        order = np.lexsort((self._rows[enough], -self._weights[enough]))[:count]
        return self._rows[enough[order]]


class _InQuestion:
    """A script that may be followed, and where the text has its seeds."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.places = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._seeds = Seeds(script.syllables)
        self._kept = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._read = 0
        self._normalised: Normalised | None = None

    def read(self, words: _Words) -> None:
        """Find the seeds of what was heard since; of what may still change, every time."""
        fresh = shingles(words.syllables[self._read :], SEED)
        text, script = self._seeds.found_in(fresh, offset=self._read)
        self.places = np.concatenate([self._kept[0], text]), np.concatenate([self._kept[1], script])
        last = max(words.settled - SEED + 1, 0)
        if last > self._read:
            keep = self.places[0] < last
            self._kept = self.places[0][keep], self.places[1][keep]
            self._read = last

    @property
    def normalised(self) -> Normalised:
        """The script's canonical characters, with where they stand in it."""
        if self._normalised is None:
            self._normalised = normalise(self.script.text)
        return self._normalised

    def seeds_within(self, passage: Aligned) -> Iterator[tuple[int, int]]:
        """The seeds of a passage, places in text and script."""
        text, script = self.places
        inside = (
            (text >= passage.text_start)
            & (text < passage.text_end)
            & (script >= passage.script_start)
            & (script < passage.script_end)
        )
        yield from zip(text[inside].tolist(), script[inside].tolist(), strict=True)


def _passage(aligned: Aligned, words: _Words, question: _InQuestion) -> Passage:
    script = question.normalised
    agree = [
        words.characters[at : at + SEED] == script.text[there : there + SEED]
        for at, there in question.seeds_within(aligned)
    ]
    by_characters = sum(agree) >= _CHARACTERS_AGREE * len(agree)
    return Passage(
        text_start=int(words.starts[aligned.text_start]),
        text_end=int(words.ends[aligned.text_end - 1]),
        script_start=int(script.starts[aligned.script_start]),
        script_end=int(script.ends[aligned.script_end - 1]),
        view=View.CHARACTERS if by_characters else View.PINYIN,
    )
