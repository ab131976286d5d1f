"""The words of one call on their way into its evidence: in order, beside the audio and never before it.

A call has at most one piece of work in the lane of words. What comes meanwhile is heard together afterwards, so a
machine that is behind does less for each segment; and partial words, which others soon replace, are tried no more often
than a person could read what comes of it. All calls begin at the same moments, ten times a second: to hear one after
the other takes a fraction of what hearing each by itself does, because the processor has the tables at hand.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from shengdun.service.admission import Permit
from shengdun.service.costs import Costs
from shengdun.service.texts import Run
from shengdun.service.transcript import Segment, Transcript, TranscriptCounts
from shengdun.service.word_memory import NOT_RECALLED, CallMemory, Recalled
from shengdun.service.words import HeardWords, WordsEvidence

_PARTIAL_EVERY_S: Final = 2.0
_BEGUN_EVERY_S: Final = 0.1
_CHARACTERS_PER_S: Final = 8.0
"""Nobody says more: words that come faster are of a call that is replayed, and count as long as saying them takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenWords:
    """What the words of a call say.

    Attributes:
        heard: of all words so far.
        counts: of the segments so far.
        since: when the oldest of the words came that are new in it, on the event loop's clock, in seconds.
        recalled: what came of comparing them with other customers', at the end of the call.
    """

    heard: HeardWords
    counts: TranscriptCounts
    since: float
    recalled: Recalled = NOT_RECALLED


class WordIntake:
    """Takes the words of one call in.

    Args:
        evidence: of the call; used by the lane's thread.
        run: where words are heard.
        memory: compares all of them with those of other customers, and remembers them.
        costs: told what hearing them took.
        permit: of the call.
    """

    def __init__(
        self,
        evidence: WordsEvidence,
        run: Run,
        *,
        memory: CallMemory,
        costs: Costs,
        permit: Permit,
    ) -> None:
        self._evidence = evidence
        self._run = run
        self._memory = memory
        self._costs = costs
        self._permit = permit
        self._transcript = Transcript()
        self._loop = asyncio.get_running_loop()
        self._job: asyncio.Task[HeardWords] | None = None
        self._counts = TranscriptCounts()
        self._since = self._new_since = 0.0
        self._partial_at = 0.0
        self._heard_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._ring: Callable[[object], None] = _nobody
        self._begun = self._closed = False

    @property
    def has_begun(self) -> bool:
        """Whether any segment came."""
        return self._begun

    @property
    def said(self) -> str:
        """All final words that were heard so far."""
        return self._evidence.said

    def tell(self, ring: Callable[[object], None]) -> None:
        """Have ``ring`` called, with whatever, when there is something for ``taken``."""
        self._ring = ring

    def take(self, segment: Segment) -> None:
        """Take the next segment; the lane hears it when it has time."""
        if self._closed:
            return
        if not self._begun:
            self._begun = True
            self._permit.has_words()
        if not self._transcript.has_news:
            self._new_since = self._loop.time()
        self._transcript.take(segment)
        self._go_on()

    def taken(self) -> TakenWords | None:
        """What has been heard, if anything since it was asked for; has the rest heard."""
        if self._job is None or not self._job.done():
            return None
        heard = self._job.result()
        taken = TakenWords(heard=heard, counts=self._counts, since=self._since)
        self._job = None
        self._go_on()
        return taken

    async def finish(self, *, by: float) -> TakenWords | None:
        """Have everything heard that came, partial words as if they were final; None if nothing ever came.

        Args:
            by: until when they may be compared with those of other customers, on the event loop's clock, in seconds.
        """
        if not self._begun or self._closed:
            return None
        self._cancel_timer()
        if self._job is not None:
            await asyncio.wait({self._job})
            self._job.result()
        self._transcript.end()
        self._new_since = self._loop.time()
        self._begin()
        assert self._job is not None
        await asyncio.wait({self._job})
        self._cancel_timer()
        taken = self.taken()
        assert taken is not None
        return replace(taken, recalled=await self._memory.recall(self._transcript.words, by=by))

    def close(self) -> None:
        """Let go of what was not heard, for it makes no difference any more; all that came is remembered."""
        if self._closed:
            return
        self._closed = True
        self._cancel_timer()
        if self._job is not None:
            self._job.cancel()
        self._transcript.end()
        self._memory.remember(self._transcript.words)

    def _go_on(self) -> None:
        if self._job is not None or not self._transcript.has_news or self._closed:
            return
        at = self._loop.time()
        if not self._transcript.has_final:
            at = max(at, self._partial_at)
        at = math.ceil(at / _BEGUN_EVERY_S) * _BEGUN_EVERY_S
        if self._timer is None or at < self._timer.when():
            self._cancel_timer()
            self._timer = self._loop.call_at(at, self._begin)

    def _begin(self) -> None:
        self._cancel_timer()
        self._since = self._new_since
        final, partial_words = self._transcript.next()
        self._counts = self._transcript.counts
        now = self._loop.time()
        since_s, self._heard_at = now - self._heard_at, now
        self._partial_at = now + _PARTIAL_EVERY_S
        work = partial(self._evidence.hear, final, partial_words)
        said_s = max(since_s, len(final) / _CHARACTERS_PER_S)
        self._job = self._loop.create_task(self._heard(work, said_s))
        self._job.add_done_callback(self._tell)

    async def _heard(self, work: Callable[[], HeardWords], said_s: float) -> HeardWords:
        heard = await self._run(work)
        self._costs.observe_words(heard.processor_s, call_s=said_s)
        return heard

    def _tell(self, _job: object) -> None:
        self._ring(_job)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nobody(_: object) -> None:
    """Nobody waits."""
