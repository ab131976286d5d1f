"""Known scripts, and the texts that use them.

A look at the postings proposes the scripts that share sampled runs of syllables with a text; for the most promising the
passages are aligned and mapped to a likelihood ratio. All of it is on syllables, so that a speech recogniser's
homophones change nothing; characters that agree too are told in the passage's view.
"""

import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.normalise import normalise
from shengdun.fingerprint.text.pinyin import syllables
from shengdun.index.scripts.background import Background, default_background
from shengdun.index.scripts.evidence import DEFAULT_COEFFICIENTS, ScriptCoefficients
from shengdun.index.scripts.listening import ScriptListener
from shengdun.index.scripts.matches import Passage, ScriptMatch, ScriptTooShort, View
from shengdun.index.scripts.postings import Found, Postings
from shengdun.index.scripts.probes import probes_of
from shengdun.index.scripts.question import HeldScript, Script
from shengdun.index.scripts.scoring import Scoring
from shengdun.index.scripts.whole import WholeTexts, together
from shengdun.index.scripts.words import Words

__all__ = ["Passage", "ScriptIndex", "ScriptListener", "ScriptMatch", "ScriptTooShort", "View"]

LEAST_CHARACTERS: Final = 20
"""A shorter script is wording that anybody may use."""
_ADDED_AT_ONCE: Final = 20_000
_LEAST_ROWS: Final = 1024
_READY: Final = 1024
"""Scripts that were looked at lately, and are ready to be looked at again."""
_LONGEST_READY: Final = 2_000
"""Syllables; longer ones would take much memory together."""


class ScriptIndex:
    """Known scripts. Registering and removing take turns; whoever matches meanwhile never waits.

    Args:
        background: how common wording is.
        coefficients: the map to likelihood ratios.

    Attributes:
        background: as given.
        coefficients: as given.
        version: another whenever scripts came or went.
    """

    def __init__(
        self,
        *,
        background: Background | None = None,
        coefficients: ScriptCoefficients = DEFAULT_COEFFICIENTS,
    ) -> None:
        self.background = background or default_background()
        self.coefficients = coefficients
        self._postings = Postings()
        self._scripts: list[Script | None] = []
        self._alive = np.zeros(_LEAST_ROWS, dtype=np.bool_)
        self._row_of: dict[str, int] = {}
        self._dead = 0
        self._writing = threading.Lock()
        self._ready = lru_cache(maxsize=_READY)(HeldScript)
        self.version = 0

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, script_id: object) -> bool:
        return script_id in self._row_of

    def add(self, script_id: str, text: str) -> None:
        """Register a script, in place of another of the same id; found by the next match.

        Raises:
            ScriptTooShort: it has fewer than ``LEAST_CHARACTERS`` characters that count.
        """
        self.extend([(script_id, text)])

    def extend(self, scripts: Iterable[tuple[str, str]]) -> None:
        """Register scripts, each its id and its text, faster than one by one.

        Raises:
            ScriptTooShort: one of them is; those before it may be registered already.
        """
        batch: dict[str, Script] = {}
        for script_id, text in scripts:
            batch[script_id] = _script(script_id, text)
            if len(batch) == _ADDED_AT_ONCE:
                self._add(list(batch.values()))
                batch = {}
        self._add(list(batch.values()))

    def remove(self, script_id: str) -> bool:
        """Forget a script; whether there was one. No match finds it from now on."""
        with self._writing:
            return self._forget(script_id)

    def match(self, text: str, *, limit: int = 10, above: float = -inf) -> list[ScriptMatch]:
        """The scripts that a text may have used, the likeliest first; none without a passage in common.

        Args:
            text: as it was written, or a whole transcript.
            limit: how many at most.
            above: only those with a greater LLR; the passages of others needn't be looked up.
        """
        return self.match_all([text], limit=limit, above=above)[0]

    def match_all(
        self, texts: Sequence[str], *, limit: int = 10, above: float = -inf
    ) -> list[list[ScriptMatch]]:
        """What ``match`` says of each of some texts; many together take a fraction of the time of one by one."""
        matches: list[list[ScriptMatch]] = []
        for some in together(texts):
            matches += self.match_whole(Words.of_each(some), limit=limit, above=above)
        return matches

    def match_whole(
        self, texts: Sequence[Words], *, limit: int = 10, above: float = -inf
    ) -> list[list[ScriptMatch]]:
        """What ``match`` says of each of some texts, ``MOST_TOGETHER`` at most."""
        return WholeTexts(texts, Scoring(known=self, above=above)).matches(limit) if texts else []

    def listener(
        self, *, limit: int = 10, above: float = -inf, words: Words | None = None
    ) -> ScriptListener:
        """Hears one call's or one text's words as they arrive.

        Args:
            limit: how many scripts are told at most.
            above: only those with a greater LLR.
            words: the text, if others read it too.
        """
        return ScriptListener(self, limit=limit, above=above, words=words)

    def propose(self, probes: NDArray[np.uint64]) -> Found:
        """The scripts that share each probe.

        Args:
            probes: (n,) hashes of runs of ``PROBE`` syllables, sampled.
        """
        return self._postings.find(probes, self._alive)

    def held(self, row: int) -> HeldScript | None:
        """The script of a row; None if it was removed."""
        script = self._scripts[row]
        if script is None:
            return None
        if len(script.syllables) > _LONGEST_READY:
            return HeldScript(script)
        held = self._ready(script)
        if self._scripts[row] is None:
            # Removed meanwhile: nothing of it may stay.
            self._ready.cache_clear()
        return held

    @property
    def nbytes(self) -> int:
        """Memory of postings and syllables, in bytes, without the texts."""
        held = sum(script.syllables.nbytes for script in self._scripts if script is not None)
        return self._postings.nbytes + held

    def _add(self, scripts: list[Script]) -> None:
        if not scripts:
            return
        with self._writing:
            for script in scripts:
                self._forget(script.script_id)
            first = len(self._scripts)
            rows = range(first, first + len(scripts))
            probes = [probes_of(script.syllables)[1] for script in scripts]
            owners = np.repeat(np.arange(first, rows.stop), [len(each) for each in probes])
            self._grow(rows.stop)
            self._scripts += scripts
            self._postings.add(np.concatenate(probes), owners.astype(np.uint32))
            self._alive[first : rows.stop] = True
            self._row_of |= {
                script.script_id: row for row, script in zip(rows, scripts, strict=True)
            }
            self.version += 1

    def _grow(self, rows: int) -> None:
        if rows > len(self._alive):
            alive = np.zeros(max(rows, 2 * len(self._alive)), dtype=np.bool_)
            alive[: len(self._alive)] = self._alive
            self._alive = alive

    def _forget(self, script_id: str) -> bool:
        row = self._row_of.pop(script_id, None)
        if row is None:
            return False
        self._alive[row] = False
        self._scripts[row] = None
        self._ready.cache_clear()
        self.version += 1
        self._dead += 1
        if self._dead > max(len(self._row_of), _LEAST_ROWS):
            self._postings.drop(self._alive)
            self._dead = 0
        return True


def _script(script_id: str, text: str) -> Script:
    canonical = normalise(text).text
    if len(canonical) < LEAST_CHARACTERS:
        raise ScriptTooShort(
            f"a script needs {LEAST_CHARACTERS} characters besides punctuation and fillers, and this one has "
            f"{len(canonical)}; register more of its wording"
        )
    return Script(script_id=script_id, text=text, syllables=syllables(canonical))
