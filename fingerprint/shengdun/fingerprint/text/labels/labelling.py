"""Labelling a text as it was written: its canonical form is made here, and every hit says what it means."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shengdun.fingerprint.text.labels.lexicon import LabelHit, Lexicon
from shengdun.fingerprint.text.labels.listening import LabelListener
from shengdun.fingerprint.text.labels.pack import Label, Meaning, Pack, Packs, Vocabulary
from shengdun.fingerprint.text.normalise import normalise


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLabel:
    """A stretch of a text with a label, and what a reader needs to know of it.

    Attributes:
        hit: where it is and what was found there.
        meaning: what the label stands for.
        source: the law with its article, the notice or the rule that the label follows.
        pack_id: of the pack that has the term: the one that defines the label, or one that adds to it.
    """

    hit: LabelHit
    meaning: Meaning
    source: str
    pack_id: str


class TextLabels:
    """Labels texts. Immutable, so safe to share between threads.

    Args:
        packs: what to find, their terms in the canonical form of ``normalise``.
    """

    def __init__(self, packs: Packs) -> None:
        self._lexicon = Lexicon(packs)
        self._labels: dict[str, Label] = {label.name: label for label in packs.labels}
        self._pack_ids: dict[tuple[str, str], str] = {}
        for pack in packs.packs:
            for label, term in _named(pack):
                self._pack_ids.setdefault((label, term), pack.pack_id)

    @property
    def pack_ids(self) -> tuple[str, ...]:
        """The packs, in the order in which they were loaded."""
        return self._lexicon.packs.pack_ids

    def of(self, text: str) -> tuple[FoundLabel, ...]:
        """What is found in a text, by start, end and label.

        Args:
            text: as it was said or written; places are its code points.
        """
        canonical = normalise(text)
        return self.named(self._lexicon.find(canonical.text, canonical.starts, canonical.ends))

    def listener(self) -> LabelListener:
        """Finds the labels of one text that comes in pieces."""
        return LabelListener(self._lexicon)

    def named(self, hits: Iterable[LabelHit]) -> tuple[FoundLabel, ...]:
        """What hits of the listeners say, in their order."""
        return tuple(
            FoundLabel(
                hit=hit,
                meaning=self._labels[hit.label].meaning,
                source=self._labels[hit.label].source,
                pack_id=self._pack_ids[hit.label, hit.term],
            )
            for hit in hits
        )


def canonical_form(text: str) -> str:
    """The canonical characters of a text, as the terms of a pack are compared."""
    return normalise(text).text


def _named(pack: Pack) -> Iterator[tuple[str, str]]:
    """Labels and what their hits may be called, as a pack has them."""
    for label in pack.labels:
        yield from ((label.name, name) for name in _names(label.vocabulary))
    for extension in pack.extensions:
        yield from ((extension.label, name) for name in _names(extension.vocabulary))


def _names(vocabulary: Vocabulary) -> Iterator[str]:
    yield from (term.written for term in vocabulary.terms)
    yield from (pattern.name for pattern in vocabulary.patterns)
