"""The calls that a hunt found, best first, and how many of them chance alone would bring."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from shengdun.index.archive.blocks import CallBlock
from shengdun.index.hunts.matching import Matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One archived call that a hunt found.

    Attributes:
        call_id: which.
        started_us: when it began, in UTC microseconds since 1970.
        line: its line of business.
        customer: pseudonym of the customer that the caller claimed to be; may be empty.
        net_speech_s: net speech behind its voiceprint, in seconds.
        score: for a voice the natural-log likelihood ratio, for a script the share of it that the words contain.
        tie: puts hits of one score in order.
    """

    call_id: str
    started_us: int
    line: str
    customer: str
    net_speech_s: float
    score: float
    tie: float

    @property
    def order(self) -> tuple[float, float, str]:
        """The best first; the same hits are always in the same order."""
        return -self.score, -self.tie, self.call_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """The best hits so far.

    Attributes:
        best: best first, at most ``limit``.
        found: how many calls reached the least score in all.
        limit: how many are kept.
    """

    best: tuple[Hit, ...] = ()
    found: int = 0
    limit: int

    def joined(self, block: CallBlock, matches: Matches) -> Self:
        """With those of another block."""
        if not len(matches.rows):
            return self
        kept = np.arange(len(matches.rows))
        if len(self.best) == self.limit:
            # Nothing is looked up of a call that can't be among the best any more.
            kept = np.flatnonzero(matches.scores >= self.best[-1].score)
        hits = (*self.best, *_hits(block, matches, kept.tolist()))
        best = tuple(sorted(hits, key=lambda hit: hit.order)[: self.limit])
        return type(self)(best=best, found=self.found + len(matches.rows), limit=self.limit)

    def without(self, call_ids: Collection[str]) -> Self:
        """Without some calls, which were erased."""
        best = tuple(hit for hit in self.best if hit.call_id not in call_ids)
        gone = len(self.best) - len(best)
        if not gone:
            return self
        return type(self)(best=best, found=self.found - gone, limit=self.limit)


def expected_by_chance(calls: int, llr: float) -> float:
    """How many of so many calls by other people reach an LLR at most, on average.

    Among calls by others a likelihood ratio is 1 on average, so at most one in e^t of them reaches e^t, whatever its
    distribution (Markov's inequality). It holds as far as the profile is calibrated for these calls.
    """
    return calls * math.exp(-max(llr, 0.0))


def probability_of(llr: float, prior: float) -> float:
    """The probability that a call is by the wanted voice, from its LLR and the share of such calls, in (0, 1)."""
    odds = math.log(prior) - math.log1p(-prior) + llr
    return 1.0 / (1.0 + math.exp(-odds)) if odds > -700.0 else 0.0


def _hits(block: CallBlock, matches: Matches, kept: Iterable[int]) -> list[Hit]:
    rows = [(int(matches.rows[place]), place) for place in kept]
    if not rows:
        return []
    names, starts, lines = block.call_ids, block.started_us, block.lines
    customers, seconds = block.customers, block.net_speech_s
    return [
        Hit(
            call_id=names[row],
            started_us=int(starts[row]),
            line=lines[row],
            customer=customers[row],
            net_speech_s=float(seconds[row]),
            score=float(matches.scores[place]),
            tie=float(matches.ties[place]),
        )
        for row, place in rows
    ]
