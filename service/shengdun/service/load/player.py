"""Plays one planned call in real time, and counts what comes back against the plan."""

import asyncio
import math
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from mmap import mmap
from typing import Final

from shengdun.service.client import (
    AudioFormat,
    CallConfig,
    CallStream,
    ClientError,
    Decision,
    DecisionState,
    PartialReason,
    ShengdunClient,
    TranscriptUse,
)
from shengdun.service.load.job import Job
from shengdun.service.load.plan import PlannedCall
from shengdun.service.load.tally import (
    CLIENT_DEFECT,
    GIVEN_UP,
    HUNG_UP,
    NET_SPEECH_STEP_S,
    Slice,
    Tally,
)
from shengdun.service.load.wording import Saying

_ROUNDING_S: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What all calls of a process share.

    Attributes:
        job: what the process was told.
        audio: the bytes of the reel.
        wording: what callers say in words; none for calls without transcripts.
    """

    job: Job
    audio: mmap
    wording: tuple[str, ...] = ()


class Player:
    """One call.

    Args:
        stage: what all calls of the process share.
        call: what was planned.
        tally: counts.
    """

    def __init__(self, stage: Stage, call: PlannedCall, tally: Tally) -> None:
        self._rules = stage.job.rules
        self._call = call
        self._tally = tally
        self._clip = stage.job.clips[call.clip]
        self._audio = stage.audio
        self._began_at = stage.job.began_at + call.start_s
        self._call_id = f"{stage.job.run_id}-{call.number}"
        self._chunks = max(1, round(call.length_s / self._rules.chunk_s))
        self._second = int(call.start_s)
        self._saying = (
            Saying(stage.wording, number=call.number, length_s=call.length_s)
            if stage.wording
            else None
        )
        self._decisions = 0
        self._pending = False
        self._all_in_time = True
        self._last: Decision | None = None

    async def play(self, client: ShengdunClient) -> None:
        """Make the call when its time has come; whatever becomes of it is counted."""
        await asyncio.sleep(self._began_at - time.monotonic())
        self._tally.slices[self._second].begun += 1
        try:
            await self._converse(client)
        except ClientError as error:
            self._refused(error)
        except asyncio.CancelledError as error:
            # Whoever cancels says why, by the status that the call is to be counted with.
            status = str(error) if str(error) in GIVEN_UP else HUNG_UP
            self._tally.fail(self._second, status, "", GIVEN_UP[status])
            raise
        except Exception as error:  # noqa: BLE001 - a call that isn't counted would make the figures better
            self._tally.fail(self._second, CLIENT_DEFECT, type(error).__name__, str(error))
        else:
            self._ended()

    async def _converse(self, client: ShengdunClient) -> None:
        rules = self._rules
        config = CallConfig(
            call_id=self._call_id,
            line=rules.line,
            audio_format=AudioFormat(encoding=self._clip.encoding),
            watchlist_ids=rules.watchlist_ids,
            budget=timedelta(seconds=rules.budget_s) if rules.ask_budget else None,
        )
        if self._saying is not None:
            # Each call is about somebody else, so that its words are compared with those of others at its end.
            config = replace(
                config,
                transcript_use=TranscriptUse.BESIDE_AUDIO,
                customer_reference=self._call_id,
            )
        opening_at = time.monotonic()
        async with client.screen_call(config) as call:
            opening_s = time.monotonic() - opening_at
            speaking = asyncio.create_task(self._speak(call, opening_s))
            try:
                async for decision in call:
                    self._heard(decision, time.monotonic())
                await speaking
            finally:
                speaking.cancel()
                # When the server ends the call both sides fail; the reader's error is the one that is raised.
                await asyncio.gather(speaking, return_exceptions=True)

    async def _speak(self, call: CallStream, opening_s: float) -> None:
        # What the server made wait since a chunk was last sent in time; the client is not to blame for that.
        waited_s = opening_s
        for index in range(self._chunks):
            due_at = self._planned_at(index + 1)
            if (early_s := due_at - time.monotonic()) > 0:
                await asyncio.sleep(early_s)
                waited_s = 0.0
            sending_at = time.monotonic()
            self._count_sent(index + 1, late_s=sending_at - due_at, waited_s=waited_s)
            await call.send(self._chunk(index))
            await self._say(call, index + 1)
            waited_s += time.monotonic() - sending_at
        await call.finish()

    async def _say(self, call: CallStream, chunk: int) -> None:
        if self._saying is None:
            return
        part = self._tally.slices[self._second_of(chunk)]
        for segment in self._saying.until(chunk * self._rules.chunk_s):
            await call.send_words(segment)
            part.segments += 1

    def _count_sent(self, chunk: int, *, late_s: float, waited_s: float) -> None:
        part = self._tally.slices[self._second_of(chunk)]
        part.sent += 1
        if late_s > self._rules.late_s:
            part.late += 1
            part.held += late_s - waited_s <= self._rules.late_s
            self._tally.worst_late_s = max(self._tally.worst_late_s, late_s)

    def _chunk(self, index: int) -> bytes:
        size = round(self._rules.chunk_s * self._clip.size / self._clip.length_s)
        start = round(self._call.offset_s * self._clip.size / self._clip.length_s) + index * size
        chunk = b""
        while len(chunk) < size:
            at = (start + len(chunk)) % self._clip.size
            end = min(at + size - len(chunk), self._clip.size)
            chunk += self._audio[self._clip.start + at : self._clip.start + end]
        return chunk

    def _heard(self, decision: Decision, now: float) -> None:
        self._tally.lost += max(0, decision.sequence - self._decisions - 1)
        self._decisions = decision.sequence
        before, self._last = self._last, decision
        chunk = self._chunk_answered(decision) if decision.sequence > 1 else 0
        part = self._tally.slices[self._second_of(chunk)]
        part.decisions += 1
        part.partial.update(reason.name for reason in decision.partial_reasons)
        if decision.sequence == 1:
            part.opened.record(now - self._began_at)
        elif PartialReason.SERVER_STOPPING in decision.partial_reasons:
            self._all_in_time = False
        elif _is_by_words(decision, before):
            part.by_words.record(decision.latency.total_seconds())
        elif self._is_judged(decision, chunk):
            part.estimated += decision.answered_position is None
            self._judge(decision, now - self._planned_at(chunk), part)

    def _is_judged(self, decision: Decision, chunk: int) -> bool:
        if self._call.cut and chunk >= self._chunks:
            # All calls that a run cuts off end in the same instant, which no caller does.
            return False
        undecided = decision.state is DecisionState.NOT_ENOUGH_SPEECH
        return not undecided or PartialReason.BUDGET_EXCEEDED in decision.partial_reasons

    def _judge(self, decision: Decision, late_s: float, part: Slice) -> None:
        if PartialReason.BUDGET_EXCEEDED in decision.partial_reasons:
            self._all_in_time = False
            self._pending = True
            part.first.record(late_s)
            part.windows += 1
            part.unfinished += 1
            return
        if self._pending:
            part.unfinished -= 1
            self._pending = False
        else:
            part.first.record(late_s)
            part.windows += 1
        in_time = late_s <= self._rules.budget_s
        self._all_in_time = self._all_in_time and in_time
        part.in_time += in_time
        part.complete.record(late_s)
        part.served.record(decision.latency.total_seconds())
        step = int(decision.net_speech.total_seconds() / NET_SPEECH_STEP_S) * NET_SPEECH_STEP_S
        self._tally.by_net_speech[step].record(late_s)

    def _chunk_answered(self, decision: Decision) -> int:
        """Which chunk a decision answers, counted from 1; the last one for what comes at the end of the call."""
        answered = decision.answered_position or decision.audio_position
        chunk = math.ceil(answered.total_seconds() / self._rules.chunk_s - _ROUNDING_S)
        return min(max(chunk, 1), self._chunks)

    def _refused(self, error: ClientError) -> None:
        part = self._tally.slices[self._second]
        if not self._decisions:
            part.refused.record(time.monotonic() - self._began_at)
        self._tally.fail(self._second, error.status.name, error.reason, error.message)

    def _ended(self) -> None:
        part = self._tally.slices[self._second]
        part.ended += 1
        part.good += self._all_in_time
        last = self._last
        concluded = last is not None and (
            last.state is DecisionState.FINAL or self._chunk_answered(last) == self._chunks
        )
        self._tally.unconcluded += not concluded
        if last is not None:
            self._tally.states[last.state.name] += 1

    def _planned_at(self, chunk: int) -> float:
        """When a chunk, counted from 1, has been spoken and is sent."""
        return self._began_at + chunk * self._rules.chunk_s

    def _second_of(self, chunk: int) -> int:
        return int(self._call.start_s + chunk * self._rules.chunk_s)


def _is_by_words(decision: Decision, before: Decision | None) -> bool:
    """Whether a decision answers words and no audio, as the last one of a call does whose voice was settled before."""
    if before is None or decision.words is None:
        return False
    return (decision.net_speech, decision.answered_position) == (
        before.net_speech,
        before.answered_position,
    )
