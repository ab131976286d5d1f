"""What the words of one call say, after each segment: the known scripts that they follow, and labels in them."""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shengdun.fingerprint.text.labels.labelling import TextLabels
from shengdun.fingerprint.text.masking import mask
from shengdun.index.scripts.known import FoundScript, KnownScripts
from shengdun.index.scripts.matching import ScriptListener, ScriptMatch
from shengdun.index.scripts.words import Words
from shengdun.service.costs import Stopwatch
from shengdun.service.decision import FollowedScript
from shengdun.service.word_labels import NO_LABELS, HeardLabels, WordLabels

_TOLD_AT_MOST: Final = 3
"""Scripts of one call that are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardWords:
    """What all words of a call so far say.

    Attributes:
        scripts: those that more speaks for than against, the likeliest first.
        searched: how many they were compared with.
        characters: code points so far.
        labels: what is worth a person's look in them.
        elapsed_s: what the last of them took, in seconds.
        processor_s: what they took of a core, which is less where others are served first.
    """

    scripts: tuple[FollowedScript, ...] = ()
    searched: int = 0
    characters: int = 0
    labels: HeardLabels = NO_LABELS
    elapsed_s: float = 0.0
    processor_s: float = 0.0


class WordsEvidence:
    """Accumulates the words of one call; used by one thread at a time.

    The words stay in memory as long as the call, because passages may begin anywhere in them. What is given out of them
    is masked.

    Args:
        known: the scripts.
        labels: what is worth a person's look.
    """

    def __init__(self, known: KnownScripts, labels: TextLabels) -> None:
        self._known = known
        self._words = Words()
        self._labels = WordLabels(labels)
        self._listener: ScriptListener | None = None
        self._said = _Said()
        self._matches: Sequence[ScriptMatch] = ()
        self._masked: dict[str, str] = {}

    @property
    def said(self) -> str:
        """All final words so far."""
        return self._said.between(0, self._said.length)

    def hear(self, final: str, partial: str = "") -> HeardWords:
        """Take the next final words in, and try the partial ones behind them.

        Args:
            final: follows what was final before without anything between; may be empty.
            partial: counts for this answer alone; may be empty.
        """
        watch, begun_s = Stopwatch(), time.thread_time()
        searched = len(self._known)
        self._said.say(final)
        if final:
            self._words.hear(final)
        tried = self._words.with_more(partial) if partial else None
        matches = self._compare(tried, has_news=bool(final)) if searched else ()
        return HeardWords(
            scripts=self._followed(self._known.found(matches[:_TOLD_AT_MOST]), partial),
            searched=searched,
            characters=self._said.length + len(partial),
            labels=self._labels.hear(tried or self._words, settled=self._words.settled),
            elapsed_s=watch.lap(),
            processor_s=time.thread_time() - begun_s,
        )

    def _compare(self, tried: Words | None, *, has_news: bool) -> Sequence[ScriptMatch]:
        if self._listener is None:
            self._listener = self._known.listener(self._words, above=0.0)
            has_news = True
        if has_news or tried is None:
            # Also without new words, because scripts may have been erased.
            self._matches = self._listener.look()
        return self._matches if tried is None else self._listener.look_at(tried)

    def _followed(self, found: Sequence[FoundScript], partial: str) -> tuple[FollowedScript, ...]:
        masked_before, self._masked = self._masked, {}
        followed = []
        for each in found:
            said = [
                self._said.between(p.text_start, p.text_end, partial) for p in each.match.passages
            ]
            for words in said:
                # Most passages stay as they were.
                self._masked[words] = masked_before.get(words) or mask(words)
            excerpts = tuple(self._masked[words] for words in said)
            followed.append(FollowedScript(found=each, excerpts=excerpts))
        return tuple(followed)


class _Said:
    """Words in the pieces in which they came, so that another one takes no copy of all."""

    def __init__(self) -> None:
        self.length = 0
        self._pieces: list[str] = []
        self._starts: list[int] = []

    def say(self, words: str) -> None:
        if words:
            self._pieces.append(words)
            self._starts.append(self.length)
            self.length += len(words)

    def between(self, start: int, end: int, partial: str = "") -> str:
        """A stretch of the words, and of partial ones behind them."""
        first = max(bisect_right(self._starts, start) - 1, 0)
        last = bisect_left(self._starts, end)
        before = self._starts[first] if self._starts else 0
        kept = "".join(self._pieces[first:last])[max(start - before, 0) : max(end - before, 0)]
        return kept + partial[max(start - self.length, 0) : max(end - self.length, 0)]
