"""Scripts whose meaning a text has, in whatever words: a hint for a reader, where alignment finds nothing to show.

Similarity is a cosine and no likelihood ratio: nobody has calibrated the model, so it decides nothing.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scripts.holdings import ScriptHolding
from shengdun.index.segments import microseconds

PIECE: Final = 200
"""Code points that are embedded together; a script of a page is told by what is most alike in it."""
MOST_PIECES: Final = 100
"""Of a text or a script; what comes after is not looked at."""


class Embeds(Protocol):
    """What makes embeddings."""

    model_id: str

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) float32 of unit length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarScript:
    """A script that a text is like in meaning.

    Attributes:
        script_id: which.
        title: what people call it.
        similarity: the greatest cosine between a piece of the text and one of the script, -1 to 1.
    """

    script_id: str
    title: str
    similarity: float


class SimilarScripts:
    """Finds scripts by their meaning. Safe to share between threads, which take turns.

    A script is embedded once, before the first text that is compared after its registration; embeddings are in memory
    only, and go with their scripts.

    Args:
        model: makes embeddings.
    """

    def __init__(self, model: Embeds) -> None:
        self.model_id = model.model_id
        self._model = model
        self._turn = threading.Lock()
        self._followed: Mapping[str, ScriptHolding] = {}
        self._pieces: dict[str, NDArray[np.float32]] = {}

    def of(
        self, text: str, scripts: Mapping[str, ScriptHolding], *, at: datetime, limit: int
    ) -> tuple[SimilarScript, ...]:
        """The scripts most like a text, the most alike first.

        Args:
            text: as it was written or said.
            scripts: those that there are, of a snapshot.
            at: now; what has expired is not told.
            limit: how many at most.
        """
        with self._turn:
            self._follow(scripts)
            pieces = dict(self._pieces)
        asked = self._model.embed(_pieces(text))
        now_us = microseconds(at)
        found = [
            SimilarScript(
                script_id=script_id,
                title=scripts[script_id].script.title,
                similarity=float((asked @ rows.T).max()),
            )
            for script_id, rows in pieces.items()
            if scripts[script_id].expires_us > now_us
        ]
        found.sort(key=lambda each: (-each.similarity, each.script_id))
        return tuple(found[:limit])

    def _follow(self, scripts: Mapping[str, ScriptHolding]) -> None:
        before = self._followed
        if scripts is before:
            return
        for script_id in self._pieces.keys() - scripts.keys():
            del self._pieces[script_id]
        for script_id, holding in scripts.items():
            if script_id not in before or before[script_id].record != holding.record:
                self._pieces[script_id] = self._model.embed(_pieces(holding.script.text))
        self._followed = scripts


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)][:MOST_PIECES]
