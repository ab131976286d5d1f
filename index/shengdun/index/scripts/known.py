"""The scripts that are searched for: an index that follows the snapshots, each script in it until it expires.

The index holds what every snapshot's records say and nothing else, so that every process and machine that has the same
journal entry finds the same.
"""

import heapq
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Final

from shengdun.index.errors import IndexRoomError, TextTooShort
from shengdun.index.scripts.holdings import ScriptHolding
from shengdun.index.scripts.matching import ScriptIndex, ScriptListener, ScriptMatch, ScriptTooShort
from shengdun.index.scripts.script import Script, check_content
from shengdun.index.scripts.whole import together
from shengdun.index.scripts.words import Words
from shengdun.index.segments import NEVER_US, microseconds

MOST_MATCHES: Final = 100
LEAST_CHARACTERS: Final = 8
"""Fewer characters that count are wording that anybody may use, and shorter than any passage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundScript:
    """A script that a text uses.

    Attributes:
        script: what is kept of it; the places of the passages are counted in its text.
        match: how much speaks for it, and where.
    """

    script: Script
    match: ScriptMatch


class KnownScripts:
    """What texts and calls are compared with; one for each process. Safe to use from any thread."""

    def __init__(self) -> None:
        self._index = ScriptIndex()
        self._lock = threading.Lock()
        self._followed: Mapping[str, ScriptHolding] = {}
        self._expiries: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, script_id: object) -> bool:
        """Whether a script is searched for: it has not expired, and is long enough."""
        return script_id in self._index

    def follow(self, scripts: Mapping[str, ScriptHolding]) -> None:
        """Search for these from now on; what has not changed is left as it is."""
        with self._lock:
            before = self._followed
            if scripts is before:
                return
            for script_id in before.keys() - scripts.keys():
                self._index.remove(script_id)
            changed = [
                holding
                for script_id, holding in scripts.items()
                if script_id not in before or before[script_id].record != holding.record
            ]
            for holding in changed:
                self._index.remove(holding.script_id)
            now_us = microseconds(datetime.now(UTC))
            self._add([holding for holding in changed if holding.expires_us > now_us])
            self._followed = scripts

    def match(self, text: str, *, limit: int = 10, above: float = -inf) -> list[FoundScript]:
        """The scripts that a text uses, best first; takes milliseconds and more, so call it from a worker thread.

        Args:
            text: as it was said or written.
            limit: how many at most, 1 to 100.
            above: only those with a greater LLR.

        Raises:
            InvalidText: it is blank, no text, or turned around by right-to-left marks.
            TextTooLong: it has more than ``LONGEST_TEXT`` code points.
            TextTooShort: it has fewer than ``LEAST_CHARACTERS`` characters that count.
        """
        [found] = self.match_each([text], limit=limit, above=above)
        if isinstance(found, IndexRoomError):
            raise found
        return found

    def match_each(
        self, texts: Sequence[str], *, limit: int = 10, above: float = -inf
    ) -> "list[list[FoundScript] | IndexRoomError]":
        """What ``match`` says of each of some texts, or why it can't; many together take less time than one by one."""
        limit = max(1, min(limit, MOST_MATCHES))
        self._leave_expired()
        found: list[list[FoundScript] | IndexRoomError] = []
        for some in together(texts):
            read = _read(some)
            words = [each for each in read if isinstance(each, Words)]
            matches = iter(self._index.match_whole(words, limit=limit, above=above))
            found += [
                self.found(next(matches)) if isinstance(each, Words) else each for each in read
            ]
        return found

    def found(self, matches: Sequence[ScriptMatch]) -> list[FoundScript]:
        """The scripts of some matches; not of those that were erased meanwhile, or have expired."""
        self._leave_expired()
        known = self._followed
        found = []
        for match in matches:
            holding = known.get(match.script_id)
            if holding is not None and match.script_id in self._index:
                found.append(FoundScript(script=holding.script, match=match))
        return found

    def listener(self, words: Words | None = None, *, above: float = -inf) -> ScriptListener:
        """Follows the words of one call.

        Args:
            words: those, if others read them too.
            above: only scripts with a greater LLR are told.
        """
        self._leave_expired()
        return self._index.listener(above=above, words=words)

    def _add(self, holdings: Sequence[ScriptHolding]) -> None:
        try:
            self._index.extend((held.script_id, held.script.text) for held in holdings)
        except ScriptTooShort:
            # Another version took it. It is kept all the same, and is told to be none that is searched for.
            for held in holdings:
                with suppress(ScriptTooShort):
                    self._index.add(held.script_id, held.script.text)
        for held in holdings:
            if held.expires_us < NEVER_US:
                heapq.heappush(self._expiries, (held.expires_us, held.script_id))

    def _leave_expired(self) -> None:
        now_us = microseconds(datetime.now(UTC))
        if not self._expiries or self._expiries[0][0] > now_us:
            return
        with self._lock:
            while self._expiries and self._expiries[0][0] <= now_us:
                _, script_id = heapq.heappop(self._expiries)
                holding = self._followed.get(script_id)
                # Erased and registered again, it may have longer.
                if holding is None or holding.expires_us <= now_us:
                    self._index.remove(script_id)


def _read(texts: Sequence[str]) -> list[Words | IndexRoomError]:
    """The words of each text, or why it can't be compared."""
    refused = [_refusal(text) for text in texts]
    taken = [text for text, error in zip(texts, refused, strict=True) if error is None]
    words = iter(Words.of_each(taken))
    return [_long_enough(next(words)) if error is None else error for error in refused]


def _refusal(text: str) -> IndexRoomError | None:
    try:
        check_content("text", text)
    except IndexRoomError as error:
        return error
    return None


def _long_enough(words: Words) -> Words | IndexRoomError:
    counted = len(words.characters)
    if counted >= LEAST_CHARACTERS:
        return words
    return TextTooShort(
        f"The text has {counted} characters besides punctuation and fillers; at least {LEAST_CHARACTERS} are "
        f"needed to compare it with scripts. Send all of it."
    )
