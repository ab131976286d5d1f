"""Texts that are compared with the known scripts together: those that came while others were being compared.

A text by itself is compared at once. Where many come, as when the letters of a day are read in, those that wait are
compared together, which takes a fraction of the time of one by one; whoever waits for one gets what it alone would say.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from shengdun.index.scripts.known import FoundScript, KnownScripts
from shengdun.index.scripts.whole import MOST_CHARACTERS, MOST_TOGETHER
from shengdun.service.work import Run


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asked:
    text: str
    limit: int
    above: float
    answer: asyncio.Future[list[FoundScript]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Letters:
    """Compares texts, several together where several wait.

    Args:
        known: the scripts.
        run: where it is done.
        at_once: pieces of work at the same time, 1 or more.
    """

    def __init__(self, known: KnownScripts, run: Run, *, at_once: int) -> None:
        self._known = known
        self._run = run
        self._at_once = at_once
        self._waiting: deque[_Asked] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def match(self, text: str, *, limit: int, above: float) -> list[FoundScript]:
        """The scripts that a text uses, best first.

        Args:
            text: as it was said or written.
            limit: how many at most.
            above: only those with a greater LLR.

        Raises:
            InvalidText: it is blank, or no text.
            TextTooLong: it has more characters than any letter or chat.
            TextTooShort: it has too few to be compared.
        """
        asked = _Asked(text=text, limit=limit, above=above)
        self._waiting.append(asked)
        self._go_on()
        return await asked.answer

    def _go_on(self) -> None:
        while len(self._running) < self._at_once and (some := self._next()):
            task = asyncio.create_task(self._compare(some))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._go_on()

    def _next(self) -> list[_Asked]:
        """Those that waited longest, and may be compared together; not those that nobody waits for any more."""
        some: list[_Asked] = []
        characters = 0
        while self._waiting and len(some) < MOST_TOGETHER:
            asked = self._waiting[0]
            characters += len(asked.text)
            alike = not some or asked.above == some[0].above
            if some and not (alike and characters <= MOST_CHARACTERS):
                break
            self._waiting.popleft()
            if not asked.answer.done():
                some.append(asked)
        return some

    async def _compare(self, some: list[_Asked]) -> None:
        texts, above = [asked.text for asked in some], some[0].above
        limit = max(asked.limit for asked in some)
        found: Sequence[list[FoundScript] | Exception]
        try:
            found = await self._run(lambda: self._known.match_each(texts, limit=limit, above=above))
        except asyncio.CancelledError:
            for asked in some:
                asked.answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            found = [error] * len(some)
        for asked, each in zip(some, found, strict=True):
            if asked.answer.done():
                continue
            if isinstance(each, Exception):
                asked.answer.set_exception(each)
            else:
                asked.answer.set_result(each[: asked.limit])
