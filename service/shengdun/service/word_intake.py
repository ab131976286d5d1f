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
        in_time: whether all words that came were heard before the decision was due.
    """

    heard: HeardWords
    counts: TranscriptCounts
    since: float
    recalled: Recalled = NOT_RECALLED
    in_time: bool = True


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
        self._last = HeardWords()
        self._begun = self._closed = self._ended = self._has_all = self._is_late = False

    @property
    def has_begun(self) -> bool:
        """Whether any segment came."""
        return self._begun

    @property
    def said(self) -> str:
        """All final words that were heard so far; at the end of the call all that came."""
        return self._transcript.words if self._is_late else self._evidence.said

    @property
    def said_s(self) -> float:
        """How long saying all final words took at least, in seconds."""
        return self._transcript.length / _CHARACTERS_PER_S

    def tell(self, ring: Callable[[object], None]) -> None:
        """Have ``ring`` called, with whatever, when there is something for ``taken``."""
        self._ring = ring

    def take(self, segment: Segment) -> None:
        """Take the next segment; the lane hears it when it has time."""
        if self._closed or self._ended:
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
        self._last = self._job.result()
        taken = TakenWords(heard=self._last, counts=self._counts, since=self._since)
        self._job = None
        self._go_on()
        return taken

    def end(self) -> None:
        """No more words come: have all heard that came, partial ones as if they were final; ``finish`` waits for it."""
        if not self._begun or self._closed or self._ended:
            return
        self._ended = True
        self._cancel_timer()
        self._transcript.end()
        self._new_since = self._loop.time()
        if self._job is None:
            self._begin()
            self._has_all = True

    async def finish(self, *, by: float) -> TakenWords | None:
        """What all words say that came, partial ones as if they were final; None if nothing ever came.

        Words that are not heard by then are left out, and all are remembered nevertheless.

        Args:
            by: until when they may be heard, and compared with those of other customers, on the event loop's clock, in
                seconds.
        """
        if not self._begun or self._closed:
            return None
        self.end()
        taken = await self._heard_by(by)
        recalled = await self._memory.recall(self._transcript.words, by=by)
        return replace(taken, recalled=recalled)

    async def _heard_by(self, by: float) -> TakenWords:
        """What is heard by then."""
        if not self._has_all and await self._is_done(by):
            if self._job is not None:
                self._last = self._job.result()
            self._begin()
            self._has_all = True
        if self._has_all and await self._is_done(by):
            return self.taken() or TakenWords(
                heard=self._last, counts=self._counts, since=self._since
            )
        self._is_late = True
        return TakenWords(
            heard=self._last, counts=self._transcript.counts, since=self._since, in_time=False
        )

    async def _is_done(self, by: float) -> bool:
        """Whether no piece of work goes on any more, then or before."""
        if self._job is None:
            return True
        done, _ = await asyncio.wait({self._job}, timeout=max(by - self._loop.time(), 0.0))
        return bool(done)

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
        if self._job is not None or not self._transcript.has_news or self._closed or self._ended:
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
