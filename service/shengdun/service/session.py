"""A call session: chunks of audio in, decisions out, in order, while the call runs."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from shengdun.fingerprint.voice.front_end import FrontEnd, Heard, HeardWindow
from shengdun.fingerprint.voice.quality import AudioQuality
from shengdun.service.decision import Decision, PartialReason, Risk, State
from shengdun.service.evidence import VoiceEvidence
from shengdun.service.lanes import FrontLane, VoiceprintLane
from shengdun.service.lines import Line
from shengdun.service.shadows import CallShadows


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A chunk of audio as it arrived.

    Attributes:
        data: bytes in the call's audio format.
        received_at: on the event loop's clock, in seconds.
        end_s: where it ends in the call's audio, in seconds; of a part of a chunk, where the whole chunk ends.
    """

    data: bytes
    received_at: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What decisions are made with.

    Attributes:
        model_id: the voice model.
        watchlists_stale: asks whether the watchlists are those of a last snapshot, because the store can't be reached.
    """

    model_id: str
    watchlists_stale: Callable[[], bool]


class CallSession:
    """Screens one call. Evidence only ever accumulates: every chunk is handled once, in order.

    Args:
        call_id: the telephony system's id of the call.
        line: the line whose policy applies.
        budget: time from the chunk that completes a window to its decision.
        front_end: the call's own front end.
        evidence: the call's own evidence.
        front_lane: where audio is heard.
        voiceprint_lane: where voiceprints are computed and searched.
        versions: of what decisions are made with, echoed in every one.
        shadows: what is tried out beside it; it has no part in any decision.
    """

    def __init__(
        self,
        *,
        call_id: str,
        line: Line,
        budget: timedelta,
        front_end: FrontEnd,
        evidence: VoiceEvidence,
        front_lane: FrontLane,
        voiceprint_lane: VoiceprintLane,
        versions: Versions,
        shadows: CallShadows,
    ) -> None:
        self._call_id = call_id
        self._line = line
        self._budget_s = budget.total_seconds()
        self._front_end = front_end
        self._evidence = evidence
        self._front_lane = front_lane
        self._voiceprint_lane = voiceprint_lane
        self._versions = versions
        self._shadows = shadows
        self._started_at = asyncio.get_running_loop().time()
        self._run_id = uuid4().hex
        self._revision = 0
        self._concluded = False
        self._sequence = 0
        self._state = State.NOT_ENOUGH_SPEECH
        # Of the same evidence as the risk: while a window is being weighed, the evidence may be ahead of it.
        self._profile_id = evidence.profile_id
        self._risk = Risk(advisory_reasons=line.reasons_before_any(self._profile_id))
        self._several_voices = False
        self._prompts = False
        self._quality: AudioQuality = front_end.quality()
        self._position_s = 0.0
        self._read_s = 0.0
        self._net_speech_s = 0.0

    @property
    def is_final(self) -> bool:
        """Whether nothing that follows will change the decision, so that audio need not be heard any more."""
        return self._state is State.FINAL

    @property
    def is_concluded(self) -> bool:
        """Whether the last decision of the call has been given."""
        return self._concluded or self.is_final

    def begin(self) -> Decision:
        """The decision before anything was heard."""
        return self._decide(since=self._now(), answered_s=0.0)

    async def hear(self, chunks: Sequence[Chunk]) -> AsyncGenerator[Decision]:
        """Hear the next chunks; yields a decision for every window that they complete.

        Raises:
            VoiceError: a chunk is not audio of the call's format.
        """
        heard = await self._front_lane.hear(self._front_end, [chunk.data for chunk in chunks])
        self._read_s = chunks[-1].end_s
        for window in heard.windows:
            async for decision in self._weigh(window, chunks[window.chunk]):
                yield decision
            if self.is_final:
                return

    async def finish(self) -> AsyncGenerator[Decision]:
        """Hear what was held back at the end of the call; yields the final decision, unless it was given."""
        if self.is_concluded:
            return
        since = self._now()
        heard = await self._front_lane.hear(self._front_end, [], finish=True)
        for window in heard.windows:
            await self._take(window, since)
        if self._evidence.windows and not heard.windows:
            # Who was erased or has expired since the last window must not stand in what is kept of the call.
            at = datetime.now(UTC)
            self._weighed(
                await self._voiceprint_lane.run(
                    lambda: self._evidence.weigh(at=at), deadline=since + self._budget_s
                )
            )
        yield self._conclude(heard, since)

    def abandon(self, reason: PartialReason | None = None) -> Decision:
        """The final decision on what has been weighed so far, because no more can be."""
        self._revision += 1
        self._concluded = True
        # Asked of what was weighed, and not of the evidence, which may be taking in a window at this moment.
        if self._risk.level is not None:
            self._state = State.FINAL
        return self._decide(
            since=self._now(), answered_s=self._read_s, partial=(reason,) if reason else ()
        )

    async def _weigh(self, window: HeardWindow, chunk: Chunk) -> AsyncGenerator[Decision]:
        received_at = chunk.received_at
        work = asyncio.ensure_future(self._take(window, received_at))
        try:
            late = not (
                await asyncio.wait(
                    {work}, timeout=self._deadline(window, received_at) - self._now()
                )
            )[0]
            if late:
                yield self._decide(
                    since=received_at,
                    answered_s=chunk.end_s,
                    partial=(PartialReason.BUDGET_EXCEEDED,),
                )
            await work
        finally:
            work.cancel()
        yield self._decide(since=received_at, answered_s=chunk.end_s)

    async def _take(self, window: HeardWindow, received_at: float) -> None:
        at = datetime.now(UTC)
        before = self._evidence.windows
        risk = await self._voiceprint_lane.run(
            lambda: self._evidence.add(window.window, at=at, snr_db=window.quality.snr_db),
            deadline=self._deadline(window, received_at),
        )
        self._revision += 1
        self._quality = window.quality
        self._position_s = window.position_s
        self._prompts = self._evidence.prompts_s > 0.0
        if risk is None:
            return
        self._weighed(risk)
        self._net_speech_s = self._evidence.net_speech_s
        settled = self._line.is_settled(
            risk, windows=self._evidence.windows, net_speech_s=self._net_speech_s
        )
        self._state = State.FINAL if settled else State.PROVISIONAL
        if self._evidence.windows > before:
            self._shadows.hear(window.window.samples, self._evidence.heard)

    def _weighed(self, risk: Risk) -> None:
        self._risk = risk
        self._profile_id = self._evidence.profile_id
        self._several_voices = self._evidence.has_several_voices

    def _conclude(self, heard: Heard, since: float) -> Decision:
        self._revision += 1
        self._concluded = True
        self._quality = self._front_end.quality()
        self._position_s = heard.position_s
        if self._risk.level is not None:
            self._state = State.FINAL
        else:
            self._net_speech_s = max(0.0, heard.net_speech_s - self._evidence.prompts_s)
        return self._decide(since=since, answered_s=self._read_s)

    def _deadline(self, window: HeardWindow, received_at: float) -> float:
        # Audio that is sent faster than it was spoken is due when it would have been spoken, so that a replay never
        # pushes a live call aside.
        return max(received_at, self._started_at + window.position_s) + self._budget_s

    def _decide(
        self, *, since: float, answered_s: float, partial: tuple[PartialReason, ...] = ()
    ) -> Decision:
        self._sequence += 1
        if self.is_concluded:
            self._shadows.conclude(self._risk)
        if self._versions.watchlists_stale():
            partial += (PartialReason.WATCHLISTS_STALE,)
        if self._risk.level is not None and not self._risk.watchlists:
            partial += (PartialReason.NO_WATCHLISTS,)
        if any(outcome.without_voiceprint for outcome in self._risk.watchlists):
            partial += (PartialReason.VOICEPRINTS_MISSING,)
        return Decision(
            decision_id=f"{self._run_id}-{self._revision}",
            call_id=self._call_id,
            sequence=self._sequence,
            state=self._state,
            risk=self._risk,
            net_speech=timedelta(seconds=self._net_speech_s),
            audio_quality=self._quality,
            several_voices=self._several_voices,
            prompts=self._prompts,
            recommended_action=self._line.action_at(
                self._risk.level, advisory=bool(self._risk.advisory_reasons)
            ),
            latency=timedelta(seconds=max(0.0, self._now() - since)),
            partial_reasons=partial,
            line=self._line.name,
            policy_id=self._line.policy_id,
            model_id=self._versions.model_id,
            calibration_profile_id=self._profile_id,
            shadows=self._shadows.outcomes,
            decided_at=datetime.now(UTC),
            audio_position=timedelta(seconds=self._position_s),
            answered_position=timedelta(seconds=answered_s),
        )

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
