"""Texts that are compared with the known scripts, beside the live calls and never before them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Final

from shengdun.index.registry import Registry
from shengdun.index.scripts.duplicates import NearDuplicate, near_duplicates
from shengdun.index.scripts.known import FoundScript
from shengdun.index.scripts.script import Script
from shengdun.index.scripts.similar import SimilarScript, SimilarScripts
from shengdun.service.letters import Letters
from shengdun.service.work import Run

__all__ = ["ComparedText", "Run", "TextComparison"]

_MOST_SIMILAR: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedText:
    """What a comparison found.

    Attributes:
        found: the scripts that the text may use, the likeliest first.
        searched: how many it was compared with.
        stale: whether they may not be the newest, because the store does not answer.
        similar: scripts that it is like in meaning, the most alike first; none where nothing tells.
    """

    found: tuple[FoundScript, ...]
    searched: int
    stale: bool
    similar: tuple[SimilarScript, ...] = ()


class TextComparison:
    """Compares texts with the scripts of a registry.

    Args:
        registry: what is registered.
        run: where it is done; a letter may take a second, in which no call may wait. Letters that wait meanwhile are
            compared together.
        similar: tells scripts by their meaning; None tells none.
        at_once: pieces of work at the same time, 1 or more: as many as there are threads for them.
    """

    def __init__(
        self,
        registry: Registry,
        run: Run,
        similar: SimilarScripts | None = None,
        *,
        at_once: int = 1,
    ) -> None:
        self._registry = registry
        self._run = run
        self._similar = similar
        self._letters = Letters(registry.scripts.known, run, at_once=at_once)

    async def compare(self, text: str, *, limit: int, above: float = -inf) -> ComparedText:
        """Compare a text.

        Args:
            text: as it was said or written.
            limit: how many scripts to name at most.
            above: only scripts with a greater LLR are named.

        Raises:
            InvalidText: it is blank, or no text.
            TextTooLong: it has more characters than any letter or chat.
            TextTooShort: it has too few to be compared.
        """
        found = await self._letters.match(text, limit=limit, above=above)
        return ComparedText(
            found=tuple(found),
            searched=len(self._registry.scripts.known),
            stale=self._registry.health.stale,
            similar=await self._alike(text),
        )

    async def near(self, new: Script) -> tuple[NearDuplicate, ...]:
        """The scripts that have nearly the wording of one that was just registered."""
        known = self._registry.scripts.known
        return await self._run(lambda: near_duplicates(known, new))

    async def _alike(self, text: str) -> tuple[SimilarScript, ...]:
        similar = self._similar
        if similar is None:
            return ()
        scripts, now = self._registry.snapshot.scripts, datetime.now(UTC)
        return await self._run(lambda: similar.of(text, scripts, at=now, limit=_MOST_SIMILAR))
