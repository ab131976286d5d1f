"""Label packs in the words of one call: what is worth a person's look, as the words arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from shengdun.fingerprint.text.labels.labelling import FoundLabel, TextLabels
from shengdun.fingerprint.text.labels.lexicon import LabelHit
from shengdun.fingerprint.text.labels.pack import Severity
from shengdun.index.scripts.words import Words

MOST_FOUND: Final = 1000
"""Hits of one call that are looked for; by then a person has enough to look at."""
MOST_TOLD: Final = 50
"""Hits that stand in a decision, which is sent again and again."""
_SEVEREST_FIRST: Final = (Severity.HIGH, Severity.MEDIUM, Severity.LOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardLabels:
    """The labels of all words of a call so far. They have no part in any level or flag.

    Attributes:
        told: by where they begin; of more than ``MOST_TOLD`` the severest, of as severe ones the first.
        found: how many there are, at most ``MOST_FOUND``.
        pack_ids: the packs that were looked for.
    """

    told: tuple[FoundLabel, ...] = ()
    found: int = 0
    pack_ids: tuple[str, ...] = ()


NO_LABELS: Final = HeardLabels()


class WordLabels:
    """Finds labels in the words of one call; used by one thread at a time.

    However the words were cut, the outcome is the same. What a segment takes depends on the segment.

    Args:
        labels: what to find.
    """

    def __init__(self, labels: TextLabels) -> None:
        self._labels = labels
        self._listener = labels.listener()
        self._taken = 0
        self._full: tuple[LabelHit, ...] = ()

    def hear(self, words: Words, *, settled: int) -> HeardLabels:
        """Tell what is found in all words.

        Args:
            words: all of them, those that may be withdrawn last.
            settled: canonical characters from the beginning that nothing changes any more.
        """
        if not self._full:
            taken, self._taken = self._taken, settled
            hits = self._listener.hear(
                words.characters[taken:],
                words.starts[taken:].astype(np.int32),
                words.ends[taken:].astype(np.int32),
                settled=settled - taken,
            )
            if len(hits) <= 2 * MOST_FOUND:
                return self._told(hits)
            # The first of so many no longer change: only hits near the end may grow or fall.
            self._full = hits[:MOST_FOUND]
        return self._told(self._full)

    def _told(self, hits: Sequence[LabelHit]) -> HeardLabels:
        first = hits[:MOST_FOUND]
        return HeardLabels(
            told=self._labels.named(_most_telling(first)),
            found=len(first),
            pack_ids=self._labels.pack_ids,
        )


def _most_telling(hits: Sequence[LabelHit]) -> Sequence[LabelHit]:
    """As many as a decision tells, in their order."""
    if len(hits) <= MOST_TOLD:
        return hits
    order = sorted(range(len(hits)), key=lambda at: _SEVEREST_FIRST.index(hits[at].severity))
    return [hits[at] for at in sorted(order[:MOST_TOLD])]
