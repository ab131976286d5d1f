"""The lane in which audio is decoded and speech is found, for all calls that have audio waiting in one batch.

Calls that share a batch take a fraction of the time, and so do large portions of one call. So audio is put off until it
may complete a window or is two seconds long, a batch is begun no sooner than a moment after the one before, and audio
that completes no window waits a while for such that may. A lane that was idle begins with that at once
(docs/decisions/0018).

This lane and the voiceprint lane are where CPU work of live calls runs, so that the event loop owns sockets and nothing
else. ONNX Runtime, soxr and FAISS release the interpreter lock while they work.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.front_end import FrontEnd, Heard, hear
from shengdun.service.costs import Costs, Stopwatch

_PUT_OFF_S: Final = 2.0
"""Audio of a call that is put off at most."""
_PATIENCE_S: Final = 0.25
"""How long audio that completes no window waits for other calls at most, since nobody waits for it."""
_AT_ONCE_S: Final = 8.0
"""Audio of a batch from which on the rest waits for the next: what is due must not wait long for what isn't."""
_APART_S: Final = 0.02
"""From the beginning of a batch to that of the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listened:
    """What came of listening to some audio of a call.

    Attributes:
        heard: what was heard.
        elapsed_s: how long the batch took in which it was, in seconds.
    """

    heard: Heard
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    front_end: FrontEnd
    chunks: Sequence[bytes]
    finish: bool
    due: float
    audio_s: float
    heard: asyncio.Future[Listened]


class FrontLane:
    """Decodes audio and finds speech, many calls in one batch. Work is done in the order in which it is due.

    A call has at most one piece of work here, and its inbox hands out no more than two seconds of audio for it: so a
    batch is bounded by the calls that are admitted.

    Args:
        activity: the voice activity detector.
        costs: told what listening took.
    """

    def __init__(self, activity: VoiceActivity, costs: Costs) -> None:
        self._activity = activity
        self._costs = costs
        self._waiting: list[_Waiting] = []
        self._batch: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._hurries = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="front-lane")
        self._begun_at = -_APART_S
        self._runner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._runner = asyncio.create_task(self._run(), name="front-lane")
        return self

    async def __aexit__(self, *_: object) -> None:
        await _stop([self._runner] if self._runner else [])
        for waiting in self._waiting:
            waiting.heard.cancel()
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)

    def wait_s(self) -> float:
        """How long the audio that is due first has not been listened to, in seconds."""
        due = [waiting.due for waiting in (*self._batch, *self._waiting)]
        return max(0.0, _now() - min(due)) if due else 0.0

    @staticmethod
    def bytes_to_hear(front_end: FrontEnd) -> float:
        """Bytes of a call that must follow until ``hear`` doesn't put them off."""
        return front_end.bytes_to_hear(at_most_s=_PUT_OFF_S)

    async def hear(
        self,
        front_end: FrontEnd,
        chunks: Sequence[bytes],
        *,
        finish: bool = False,
        hurries: bool = False,
    ) -> Listened:
        """Hear the next chunks of a call.

        Args:
            front_end: of the call.
            chunks: the next ones in order.
            finish: whether what is still held back is heard as well.
            hurries: whether it waits for no others, as of a recording much more is to come at once.

        Raises:
            VoiceError: a chunk is not audio of the call's format; other calls of the batch are not disturbed.
        """
        if not finish and front_end.put_off(chunks, at_most_s=_PUT_OFF_S):
            return Listened(heard=front_end.heard(()), elapsed_s=0.0)
        heard: asyncio.Future[Listened] = asyncio.get_running_loop().create_future()
        audio_s = sum(map(len, chunks)) / front_end.audio_format.bytes_per_s
        # As long as no window can be complete: with the audio that follows one might be, and is kept from nothing.
        spare_s = 0.0 if finish else front_end.spare_s(chunks)
        self._waiting.append(
            _Waiting(
                front_end=front_end,
                chunks=chunks,
                finish=finish,
                due=_now() + min(spare_s, _PATIENCE_S),
                audio_s=audio_s + front_end.put_off_s,
                heard=heard,
            )
        )
        self._hurries = self._hurries or hurries
        self._wake.set()
        return await heard

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            while (begins_at := self._begins_at()) > _now():
                self._wake.clear()
                await _happens(self._wake, by=begins_at)
            self._begun_at = _now()
            self._wake.clear()
            self._hurries = False
            batch = self._batch = self._next_batch()
            try:
                if batch:
                    self._settle(
                        batch, *await loop.run_in_executor(self._thread, self._hear, batch)
                    )
            except asyncio.CancelledError:
                for waiting in batch:
                    waiting.heard.cancel()
                raise
            finally:
                self._batch = []

    def _begins_at(self) -> float:
        """When the next batch is begun, as things are: with the audio that is due first, or once there is enough."""
        if self._hurries or not self._waiting:
            return 0.0
        enough = sum(one.audio_s for one in self._waiting) >= _AT_ONCE_S
        due = 0.0 if enough else min(one.due for one in self._waiting)
        return max(due, self._begun_at + _APART_S)

    def _next_batch(self) -> list[_Waiting]:
        waiting = [one for one in self._waiting if not one.heard.done()]
        waiting.sort(key=lambda one: one.due)
        audio_s, count = 0.0, 0
        while count < len(waiting) and audio_s < _AT_ONCE_S:
            audio_s += waiting[count].audio_s
            count += 1
        self._waiting = waiting[count:]
        if self._waiting:
            self._wake.set()
        return waiting[:count]

    def _hear(self, batch: Sequence[_Waiting]) -> tuple[Sequence[Heard | Exception], float, float]:
        watch = Stopwatch()
        before_s = sum(waiting.front_end.position_s for waiting in batch)
        work = [(waiting.front_end, waiting.chunks, waiting.finish) for waiting in batch]
        results: Sequence[Heard | Exception]
        try:
            results = hear(work, self._activity)
        except Exception as error:  # noqa: BLE001 - the lane must outlive a defect in one batch; the calls get it
            results = [error] * len(batch)
        audio_s = sum(waiting.front_end.position_s for waiting in batch) - before_s
        return results, audio_s, watch.lap()

    def _settle(
        self,
        batch: Sequence[_Waiting],
        results: Sequence[Heard | Exception],
        audio_s: float,
        elapsed_s: float,
    ) -> None:
        self._costs.observe_listening(elapsed_s, audio_s=audio_s)
        for waiting, result in zip(batch, results, strict=True):
            if waiting.heard.done():
                continue
            if isinstance(result, Exception):
                waiting.heard.set_exception(result)
            else:
                waiting.heard.set_result(Listened(heard=result, elapsed_s=elapsed_s))


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _happens(event: asyncio.Event, *, by: float) -> None:
    """Waits for an event, but not for longer than until ``by`` on the event loop's clock, in seconds."""
    if by > _now():
        with suppress(TimeoutError):
            async with asyncio.timeout_at(by):
                await event.wait()


def _now() -> float:
    return asyncio.get_running_loop().time()
