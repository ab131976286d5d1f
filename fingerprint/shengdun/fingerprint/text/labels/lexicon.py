"""Finding labels in a text.

Where a label is found does not depend on what is far away: whether a hit counts is known from ``reach`` characters on
either side of where it begins. Therefore a text that comes in pieces can be searched piece by piece (``listening``).
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.labels.automaton import Automaton
from shengdun.fingerprint.text.labels.pack import Label, Packs, Severity
from shengdun.fingerprint.text.labels.patterns import LONGEST, Encoded, Gate, Matcher, encoded

Positions = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelHit:
    """A stretch of a text with a label.

    Attributes:
        label: its name.
        severity: the label's.
        start: where it begins in the original text, in code points.
        end: where it ends, after its last code point.
        term: what was found there first, as written in the pack; of a pattern its name.
    """

    label: str
    severity: Severity
    start: int
    end: int
    term: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RawHit:
    """One occurrence of one term or pattern, before hits of a label are merged.

    Attributes:
        at: where it begins in the canonical text.
        rank: how it sorts among those that begin there: longer ones first, then by label and in the order of the packs.
        hit: what it is.
    """

    at: int
    rank: tuple[int, int, int]
    hit: LabelHit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    label: int
    order: int
    name: str
    counts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    start: int
    end: int
    entry: _Entry


class Lexicon:
    """Finds the labels of packs. Immutable, so safe to share between threads.

    Args:
        packs: what to find.

    Attributes:
        packs: the same.
        reach: characters of canonical text on either side of where a hit begins that say whether it counts.
    """

    def __init__(self, packs: Packs) -> None:
        self.packs = packs
        words: dict[str, list[_Entry]] = {}
        self._patterns: list[tuple[Matcher, _Entry]] = []
        for index, label in enumerate(packs.labels):
            self._add(index, label, words)
        self._gate = Gate(
            [pattern.regex for label in packs.labels for pattern in label.vocabulary.patterns]
        )
        self._entries = list(words.values())
        self._automaton = Automaton(list(words))
        longest = max([LONGEST if self._patterns else 0, *map(len, words)])
        self.reach = 2 * longest + 1

    def find(self, canonical: str, starts: Positions, ends: Positions) -> tuple[LabelHit, ...]:
        """Finds labels in a text.

        Args:
            canonical: the canonical text, n characters.
            starts: (n,) where in the original text each character's stretch begins, in code points, ascending.
            ends: (n,) where it ends.

        Returns:
            hits by start, end and label. Those of one label don't overlap: such are merged.

        Raises:
            ValueError: there isn't one stretch for each character.
        """
        merger = Merger()
        merger.take(self.raw_hits(canonical, starts, ends))
        return merger.hits()

    def raw_hits(
        self, canonical: str, starts: Positions, ends: Positions, *, since: int = 0
    ) -> list[RawHit]:
        """Every occurrence that counts and begins at a character or later, in the order in which they are merged.

        Args:
            canonical: as of ``find``.
            starts: as of ``find``.
            ends: as of ``find``.
            since: the first character at which a hit may begin.

        Raises:
            ValueError: there isn't one stretch for each character.
        """
        if not len(canonical) == len(starts) == len(ends):
            raise ValueError("Needs one stretch of the original for each canonical character.")
        spans, exceptions = self._terms(canonical, starts, ends)
        spans += self._matches(encoded(canonical), since)
        excepted = {label: _united(of_label) for label, of_label in exceptions.items()}
        hits = [
            self._raw(span, starts, ends)
            for span in spans
            if span.start >= since and not _overlaps(span, excepted.get(span.entry.label, []))
        ]
        return sorted(hits, key=lambda raw: (raw.at, raw.rank))

    def _add(self, index: int, label: Label, words: dict[str, list[_Entry]]) -> None:
        vocabulary = label.vocabulary
        for order, term in enumerate(vocabulary.terms):
            words.setdefault(term.canonical, []).append(
                _Entry(label=index, order=order, name=term.written)
            )
        for term in vocabulary.exceptions:
            words.setdefault(term.canonical, []).append(
                _Entry(label=index, order=0, name=term.written, counts=False)
            )
        for order, pattern in enumerate(vocabulary.patterns, start=len(vocabulary.terms)):
            self._patterns.append(
                (Matcher(pattern.regex), _Entry(label=index, order=order, name=pattern.name))
            )

    def _terms(
        self, canonical: str, starts: Positions, ends: Positions
    ) -> tuple[list[_Span], dict[int, list[_Span]]]:
        """Occurrences of terms, and those of exceptions by label."""
        spans: list[_Span] = []
        exceptions: dict[int, list[_Span]] = {}
        for start, end, word in self._automaton.occurrences(canonical):
            if _goes_on(canonical, starts, ends, start) or _goes_on(canonical, starts, ends, end):
                continue
            for entry in self._entries[word]:
                span = _Span(start=start, end=end, entry=entry)
                (spans if entry.counts else exceptions.setdefault(entry.label, [])).append(span)
        return spans, exceptions

    def _matches(self, text: Encoded, since: int) -> Iterator[_Span]:
        if self._gate.is_shut(text, since=since):
            return
        for matcher, entry in self._patterns:
            for start, end in matcher.matches(text, since=since):
                yield _Span(start=start, end=end, entry=entry)

    def _raw(self, span: _Span, starts: Positions, ends: Positions) -> RawHit:
        label = self.packs.labels[span.entry.label]
        hit = LabelHit(
            label=label.name,
            severity=label.severity,
            start=int(starts[span.start]),
            end=int(ends[span.end - 1]),
            term=span.entry.name,
        )
        return RawHit(at=span.start, rank=(-span.end, span.entry.label, span.entry.order), hit=hit)


class Merger:
    """Merges overlapping hits of one label, as they come in the order of where they begin."""

    def __init__(self) -> None:
        self._merged: list[LabelHit] = []
        self._last: dict[str, int] = {}

    def take(self, hits: Iterable[RawHit]) -> None:
        """Takes more hits in, none of which begins before one that was taken."""
        for raw in hits:
            hit = raw.hit
            last = self._last.get(hit.label)
            if last is not None and hit.start < self._merged[last].end:
                self._merged[last] = _joined(self._merged[last], hit)
            else:
                self._last[hit.label] = len(self._merged)
                self._merged.append(hit)

    def copy(self) -> "Merger":
        """One that goes on from here without changing this."""
        other = Merger()
        other._merged, other._last = self._merged.copy(), self._last.copy()
        return other

    def hits(self) -> tuple[LabelHit, ...]:
        """What there is, by start, end and label."""
        return tuple(sorted(self._merged, key=lambda hit: (hit.start, hit.end, hit.label)))


def _joined(first: LabelHit, second: LabelHit) -> LabelHit:
    return replace(first, end=max(first.end, second.end))


def _overlaps(span: _Span, stretches: list[tuple[int, int]]) -> bool:
    """Whether a span shares a character with one of some disjoint stretches in ascending order."""
    next_one = bisect_right(stretches, span.start, key=itemgetter(1))
    return next_one < len(stretches) and stretches[next_one][0] < span.end


def _united(spans: Iterable[_Span]) -> list[tuple[int, int]]:
    """The stretches that spans cover, disjoint and in ascending order."""
    united: list[tuple[int, int]] = []
    for start, end in sorted((span.start, span.end) for span in spans):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


def _goes_on(canonical: str, starts: Positions, ends: Positions, at: int) -> bool:
    """Whether Latin letters or digits go on across a place, so that a term can't begin or end there."""
    if not 0 < at < len(canonical) or starts[at] > ends[at - 1]:
        return False
    before, after = canonical[at - 1], canonical[at]
    if not (before.isascii() and after.isascii()):
        return False
    return before.isalnum() and after.isalnum()
