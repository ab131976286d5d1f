"""The words of calls that end, in the same memory as letters: which campaign a call follows.

A call's last decision waits for that as long as its budget lets it. Its words are remembered in any case, so that the
calls and letters after it are compared with them.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import structlog

from shengdun.service.costs import Costs
from shengdun.service.decision import FollowedCampaign
from shengdun.service.text_memory import TextMemory
from shengdun.service.texts import Run

LEAST_CHARACTERS: Final = 20
"""A call with fewer code points of words has said nothing that would be told from what everybody says."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What came of comparing a call's words with those of other customers.

    Attributes:
        campaign: that they follow, if they do.
        in_time: whether they were compared before the decision was due.
    """

    campaign: FollowedCampaign | None = None
    in_time: bool = True


NOT_RECALLED: Final = Recalled()
"""Of a call that goes on, or is about nobody."""


class WordMemory:
    """Remembers the words of calls, for all calls of a process.

    Args:
        memory: of all texts.
        run: where it is done: where words are heard, since behind a letter a call might wait for a second.
        costs: told what it took.
    """

    def __init__(self, memory: TextMemory, run: Run, costs: Costs) -> None:
        self._memory = memory
        self._run = run
        self._costs = costs
        self._running: set[asyncio.Task[FollowedCampaign | None]] = set()

    def of_call(self, *, customer_reference: str, line: str) -> "CallMemory":
        """The memory as one call uses it.

        Args:
            customer_reference: whom the call is about; of nobody's calls nothing is remembered or told.
            line: line of business.
        """
        return CallMemory(self, customer_reference=customer_reference, line=line)

    def begin(
        self, words: str, *, customer_reference: str, line: str
    ) -> "asyncio.Task[FollowedCampaign | None]":
        """Compare and remember the words of a call, whether or not anybody waits for what comes of it."""
        running = asyncio.create_task(
            self._seen(words, customer_reference=customer_reference, line=line)
        )
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return running

    async def _seen(
        self, words: str, *, customer_reference: str, line: str
    ) -> FollowedCampaign | None:
        def see() -> tuple[FollowedCampaign | None, float]:
            begun_s = time.thread_time()
            seen = self._memory.see(words, customer_reference=customer_reference, line=line)
            return seen, time.thread_time() - begun_s

        try:
            followed, processor_s = await self._run(see)
        except Exception as error:  # noqa: BLE001 - a call is decided by voice and scripts all the same
            _log.warning("words of a call not remembered", exc_info=error)
            return None
        self._costs.observe_words(processor_s, call_s=0.0)
        return followed


class CallMemory:
    """The memory as one call uses it: its words are given to it once.

    Args:
        memory: of all calls.
        customer_reference: whom the call is about.
        line: line of business.
    """

    def __init__(self, memory: WordMemory, *, customer_reference: str, line: str) -> None:
        self._memory = memory
        self._customer_reference = customer_reference
        self._line = line
        self._is_done = False

    async def recall(self, words: str, *, by: float) -> Recalled:
        """Remember all words of the call, and tell the campaign of other customers that they follow.

        Args:
            words: as they were said.
            by: when the decision is due, on the event loop's clock, in seconds.
        """
        running = self.remember(words)
        if running is None:
            return NOT_RECALLED
        await asyncio.wait({running}, timeout=by - asyncio.get_running_loop().time())
        if not running.done() or running.cancelled():
            return Recalled(in_time=False)
        return Recalled(campaign=running.result())

    def remember(self, words: str) -> "asyncio.Task[FollowedCampaign | None] | None":
        """Remember them without waiting; None if there is nothing to remember, or they are remembered already."""
        if self._is_done or not self._customer_reference or len(words) < LEAST_CHARACTERS:
            return None
        self._is_done = True
        return self._memory.begin(
            words, customer_reference=self._customer_reference, line=self._line
        )
