"""Texts that are compared with the known scripts, beside the live calls and never before them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol, TypeVar

from shengdun.index.registry import Registry
from shengdun.index.scripts.known import FoundScript

T = TypeVar("T")


class Run(Protocol):
    """Runs CPU work in a thread."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Returns what the work returns and raises what it raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedText:
    """What a comparison found.

    Attributes:
        found: the scripts that the text may use, the likeliest first.
        searched: how many it was compared with.
        stale: whether they may not be the newest, because the store does not answer.
    """

    found: tuple[FoundScript, ...]
    searched: int
    stale: bool


class TextComparison:
    """Compares texts with the scripts of a registry.

    Args:
        registry: what is registered.
        run: where it is done; a letter may take a second, in which no call may wait.
    """

    def __init__(self, registry: Registry, run: Run) -> None:
        self._registry = registry
        self._run = run

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
        known = self._registry.scripts.known
        found = await self._run(lambda: known.match(text, limit=limit, above=above))
        return ComparedText(
            found=tuple(found), searched=len(known), stale=self._registry.health.stale
        )
