"""Finding labels in a text that comes in pieces, such as the transcript of a call that goes on."""

import numpy as np

from shengdun.fingerprint.text.labels.lexicon import LabelHit, Lexicon, Merger, Positions


class LabelListener:
    """Finds labels in what was heard so far. Of one text; not safe to share between threads.

    However the text was cut, the hits are those that ``Lexicon.find`` finds in all of it at once. The work for a piece
    depends on its length, the lexicon's reach and the number of hits, not on how much was heard before.

    Args:
        lexicon: what to find.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._settled = Merger()
        self._text = ""
        self._starts = np.zeros(0, np.int32)
        self._ends = np.zeros(0, np.int32)
        self._since = 0
        """The first character of the text kept at which a hit is not settled yet."""

    def hear(
        self, canonical: str, starts: Positions, ends: Positions, *, settled: int | None = None
    ) -> tuple[LabelHit, ...]:
        """Takes the next piece and says what was found in everything heard.

        A hit at the very end may still grow, or fall to an exception, when more is heard.

        Args:
            canonical: the next characters of the canonical text, n of them; may be none.
            starts: (n,) where in the whole original text each one's stretch begins, in code points, ascending.
            ends: (n,) where it ends.
            settled: how many of them are taken in; those behind are tried once, and others may come in their place.
                None takes all.

        Raises:
            ValueError: there isn't one stretch for each character; nothing was taken.
        """
        if not len(canonical) == len(starts) == len(ends):
            raise ValueError("Needs one stretch of the original for each canonical character.")
        taken = len(self._text) + (len(canonical) if settled is None else settled)
        self._text += canonical
        self._starts = np.concatenate([self._starts, starts])
        self._ends = np.concatenate([self._ends, ends])
        hits = self._lexicon.raw_hits(self._text, self._starts, self._ends, since=self._since)
        certain = max(self._since, taken - self._lexicon.reach)
        self._settled.take(hit for hit in hits if hit.at < certain)
        merger = self._settled.copy()
        merger.take(hit for hit in hits if hit.at >= certain)
        self._forget(certain, taken)
        return merger.hits()

    def _forget(self, certain: int, taken: int) -> None:
        """Keeps what was taken in and hits from here on may depend on."""
        first = max(0, certain - self._lexicon.reach)
        self._text = self._text[first:taken]
        self._starts, self._ends = self._starts[first:taken], self._ends[first:taken]
        self._since = certain - first
