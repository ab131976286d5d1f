"""Keeps the memory of texts the same in all processes, by what each puts in the store, and across restarts.

A text is compared and remembered where it came in, at once; the store has it some milliseconds later, and the other
processes within a second. While the store can't be reached some hundred texts wait; the oldest of more are lost to the
others.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, Self

import structlog

from shengdun.index.archive.receipts import ErasedTexts
from shengdun.index.campaigns.sharing import Entry, ForgottenCustomer, SharedText, SharedTexts
from shengdun.index.errors import IndexRoomError
from shengdun.service.text_memory import TextMemory
from shengdun.service.texts import Run

_WAITING: Final = 500
_AT_ONCE: Final = 200
_WAIT_MS: Final = 1000
_AGAIN_S: Final = 1.0
_log = structlog.get_logger(__name__)


class TextSharing:
    """Follows the store while it is entered.

    Args:
        memory: of this process.
        shared: the texts in the store.
        run: where texts of others are compared and remembered; each takes milliseconds.
    """

    def __init__(self, memory: TextMemory, shared: SharedTexts, run: Run) -> None:
        self._memory = memory
        self._shared = shared
        self._run = run
        self._waiting: deque[SharedText] = deque(maxlen=_WAITING)
        self._came = asyncio.Event()
        self._own: set[tuple[str, str]] = set()
        self._putting = asyncio.Lock()
        self._heard = 0
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def heard(self) -> int:
        """The number of the last entry of the store that is remembered here."""
        return self._heard

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()

        def put_out(text: SharedText) -> None:
            loop.call_soon_threadsafe(self._put_out, text)

        self._memory.tell(put_out)
        self._tasks = [
            asyncio.create_task(self._repeat(self._publish), name="text-publishing"),
            asyncio.create_task(self._repeat(self._follow), name="text-following"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def forget_customer(self, reference: str) -> ErasedTexts:
        """Let all processes forget the texts of a customer: this one at once, others within a second.

        Args:
            reference: keyed pseudonym of the customer.

        Raises:
            IndexRoomError: the store can't be changed, or a text in it can't be read.
        """
        async with self._putting:
            waiting = self._let_go(reference)
            erased = await self._shared.forget(reference)
        await self._run(lambda: self._memory.forget_customer(reference))
        return replace(erased, count=erased.count + waiting)

    async def left(self, erased: ErasedTexts) -> int:
        """How many texts the store has although they were erased."""
        return await self._shared.left(erased)

    async def compact(self) -> bool:
        """Have the store rewrite its files; False if it does so by itself."""
        return await self._shared.compact()

    def _let_go(self, customer: str) -> int:
        """Don't tell others of a customer's texts any more; how many waited."""
        kept = [text for text in self._waiting if text.customer != customer]
        waited = len(self._waiting) - len(kept)
        self._waiting.clear()
        self._waiting.extend(kept)
        return waited

    def _put_out(self, text: SharedText) -> None:
        if len(self._waiting) == _WAITING:
            _log.warning("a text is not told to other processes, for the store can't be reached")
        self._waiting.append(text)
        self._came.set()

    async def _publish(self) -> None:
        await self._came.wait()
        self._came.clear()
        while self._waiting:
            async with self._putting:
                await self._publish_oldest()

    async def _publish_oldest(self) -> None:
        if not self._waiting:
            return
        text = self._waiting[0]
        self._own.add(_mark(text))
        await self._shared.add(text)
        # More may have come meanwhile, and this one may have had to make room.
        if self._waiting and self._waiting[0] is text:
            self._waiting.popleft()

    async def _follow(self) -> None:
        entries = await self._shared.read(after=self._heard, limit=_AT_ONCE)
        for entry in entries:
            await self._take(entry)
        if not entries:
            while not await self._shared.wait(after=self._heard, wait_ms=_WAIT_MS):
                pass

    async def _take(self, entry: Entry) -> None:
        number, content = entry
        if isinstance(content, ForgottenCustomer):
            customer = content.customer
            self._let_go(customer)
            await self._run(lambda: self._memory.forget_customer(customer))
        elif content is not None:
            if _mark(content) in self._own:
                self._own.discard(_mark(content))
            else:
                text = content
                await self._run(lambda: self._memory.take(text))
        self._heard = number

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except IndexRoomError as error:
                _log.warning("texts are not shared", reason=error.message)
                await asyncio.sleep(_AGAIN_S)
                self._came.set()


def _mark(text: SharedText) -> tuple[str, str]:
    return text.text_id, text.seen_at.isoformat()
