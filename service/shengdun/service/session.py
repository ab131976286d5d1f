"""A call session: chunks of audio and words in, decisions out, in order, while the call runs."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from shengdun.fingerprint.voice.front_end import FrontEnd, Heard
from shengdun.fingerprint.voice.quality import AudioQuality
from shengdun.service.admission import Permit
from shengdun.service.combining import with_words
from shengdun.service.costs import Effort
from shengdun.service.decision import Decision, PartialReason, Risk, State
from shengdun.service.evidence import HeardSpeech, VoiceEvidence
from shengdun.service.finished import FinishedCall
from shengdun.service.intake import Arrival, Intake, Taken
from shengdun.service.lanes import FrontLane, Listened
from shengdun.service.lines import Line
from shengdun.service.repeating import RepeatLook, with_repeat
from shengdun.service.shadows import CallShadows
from shengdun.service.timing import Timing
from shengdun.service.transcript import Segment
from shengdun.service.word_intake import TakenWords, WordIntake

_REPLAYED_S: Final = 0.5
"""Audio that came at once by so much more than its chunks are long is not spoken at this moment."""


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
        intake: takes windows into that evidence.
        front_lane: where audio is heard.
        permit: that of the call.
        versions: of what decisions are made with, echoed in every one.
        shadows: what is tried out beside it; it has no part in any decision.
        repeat: compares its voice with those of other calls; None where that isn't done.
        words: takes the words of its transcript in; None where there can be none.
        awaits_words: whether words were announced, so that the call isn't decided before its end.
    """

    def __init__(
        self,
        *,
        call_id: str,
        line: Line,
        budget: timedelta,
        front_end: FrontEnd,
        evidence: VoiceEvidence,
        intake: Intake,
        front_lane: FrontLane,
        permit: Permit,
        versions: Versions,
        shadows: CallShadows,
        repeat: RepeatLook | None = None,
        words: WordIntake | None = None,
        awaits_words: bool = False,
    ) -> None:
        self._call_id = call_id
        self._line = line
        self._budget_s = budget.total_seconds()
        self._front_end = front_end
        self._evidence = evidence
        self._intake = intake
        self._front_lane = front_lane
        self._permit = permit
        self._window_ends_s = (0.0, 0.0)
        self._timing = Timing()
        self._versions = versions
        self._shadows = shadows
        self._repeat = repeat
        self._not_compared = False
        self._words = words
        self._awaits_words = awaits_words
        self._taken_words: TakenWords | None = None
        self._started_at = asyncio.get_running_loop().time()
        self._run_id = uuid4().hex
        self._revision = 0
        self._concluded = self._settled = self._resting = False
        self._sequence = 0
        self._last: Decision | None = None
        self._heard: HeardSpeech | None = None
        self._state = State.NOT_ENOUGH_SPEECH
        # Of the same evidence as the risk: while a window is being weighed, the evidence may be ahead of it.
        self._profile_id = evidence.profile_id
        self._risk = Risk(advisory_reasons=line.reasons_before_any(self._profile_id))
        self._several_voices = False
        self._prompts = False
        self._overlap = False
        self._quality: AudioQuality = front_end.quality()
        self._position_s = 0.0
        self._read_s = self._answered_s = 0.0
        self._net_speech_s = 0.0

    @property
    def is_settled(self) -> bool:
        """Whether no audio that follows will change the decision, so that it need not be heard any more."""
        return self._settled or self._concluded

    @property
    def is_concluded(self) -> bool:
        """Whether the last decision of the call has been given."""
        return self._concluded or self._state is State.FINAL

    @property
    def finished(self) -> FinishedCall:
        """What is left of the call; once its last decision was given."""
        assert self._last is not None
        return FinishedCall(
            decision=self._last,
            heard=self._heard,
            words="" if self._words is None else self._words.said,
        )

    def begin(self) -> Decision:
        """The decision before anything was heard."""
        return self._decide(since=self._now(), answered_s=0.0)

    @property
    def late(self) -> asyncio.Future[Taken] | None:
        """Done when there is something to ``catch_up`` with; None if nothing is owed."""
        return self._intake.late

    def tell(self, ring: Callable[[object], None]) -> None:
        """Have ``ring`` called, with whatever, when there is something for ``by_words``."""
        if self._words is not None:
            self._words.tell(ring)

    def read(self, segment: Segment) -> None:
        """Take words of the call, from now on or until it is decided."""
        if self._words is not None and not self.is_concluded:
            self._awaits_words = True
            self._words.take(segment)

    def by_words(self) -> Decision | None:
        """A decision if words were compared since, and something comes of it."""
        if self._words is None or self.is_concluded or (taken := self._words.taken()) is None:
            return None
        before = self._told(self._taken_words)
        self._take_words(taken)
        if self._told(taken) == before:
            return None
        self._timing.add(Effort(search_s=taken.heard.elapsed_s))
        return self._decide(since=taken.since, answered_s=self._answered_s)

    @property
    def bytes_to_hear(self) -> float:
        """Bytes of audio that must come until it is of use to ``listen``: no window can be complete with fewer."""
        return self._front_lane.bytes_to_hear(self._front_end)

    async def listen(self, chunks: Sequence[Chunk]) -> list[Arrival]:
        """Listen to the next chunks, at least one; gives the windows that they complete, for ``answers``.

        Raises:
            VoiceError: a chunk is not audio of the call's format.
        """
        data = [chunk.data for chunk in chunks]
        audio_s = sum(map(len, data)) / self._front_end.audio_format.bytes_per_s
        came_within_s = chunks[-1].received_at - chunks[0].received_at
        listened = await self._front_lane.hear(
            self._front_end, data, hurries=audio_s - came_within_s >= _REPLAYED_S
        )
        self._read_s = chunks[-1].end_s
        return self._arrivals(listened, chunks)

    async def answers(self, arrivals: Sequence[Arrival]) -> AsyncGenerator[Decision]:
        """Yield a decision for every window that was completed, within the budget.

        A window that can't be evaluated by then is owed, and the decision is partial.
        """
        for arrival in arrivals:
            self._timing.listening_s = arrival.listening_s
            self._intake.owe(arrival)
            revision = self._revision
            await self._take_in_by(self._due(arrival.window.position_s, arrival.received_at))
            if self.is_settled:
                await self._look_back(self._due(arrival.window.position_s, arrival.received_at))
            if self._revision > revision or self._intake.owed:
                yield self._answer(arrival)
            if self.is_settled:
                return

    def catch_up(self) -> Decision | None:
        """A decision if a window that was owed has been evaluated since; has the next one evaluated."""
        taken = self._intake.taken()
        if taken is None:
            return None
        self._take_in(taken)
        self._intake.go_on()
        return None if taken.skipped else self._answer(taken.arrival)

    async def finish(self) -> AsyncGenerator[Decision]:
        """Hear what was held back at the end of the call; yields the final decision, unless it was given."""
        if self.is_concluded:
            return
        since = self._now()
        if self._words is not None:
            self._words.end()
        if self._settled:
            heard = self._front_end.heard(())
            await self._weigh_again(self._due(heard.position_s, since))
        else:
            heard = await self._hear_rest(since)
        await self._look_back(self._due(heard.position_s, since))
        await self._hear_last_words(heard, since)
        yield self._conclude(heard, since)

    async def _hear_last_words(self, heard: Heard, since: float) -> None:
        if self._words is None:
            return
        due = self._due(max(heard.position_s, self._words.said_s), since)
        words = await self._words.finish(by=due)
        if words is not None:
            self._take_words(words)
            self._timing.add(Effort(search_s=words.heard.elapsed_s))

    async def _hear_rest(self, since: float) -> Heard:
        listened = await self._front_lane.hear(self._front_end, [], finish=True)
        self._timing.listening_s = listened.elapsed_s
        for arrival in self._arrivals(
            listened, [Chunk(data=b"", received_at=since, end_s=self._read_s)]
        ):
            self._intake.owe(arrival)
        due = self._due(listened.heard.position_s, since)
        revision = self._revision
        await self._take_in_by(due)
        if taken := await self._intake.begun():
            self._take_in(taken)
        if not self.is_settled:
            self._intake.give_up()
        if self._evidence.windows and self._revision == revision:
            await self._weigh_again(due)
        return listened.heard

    async def _look_back(self, due: float) -> None:
        """Compare the voice with those of other calls, now that all of it that counts was heard."""
        if self._repeat is not None and self._heard is not None and self._risk.level is not None:
            self._not_compared = not await self._repeat.finish(self._heard, by=due)

    async def _weigh_again(self, due: float) -> None:
        # Who was erased or has expired since the last window must not stand in what is kept of the call.
        risk, effort = await self._intake.weigh(by=due)
        self._timing.add(effort)
        self._weighed(risk)

    def close(self) -> None:
        """Give up what is not evaluated yet, because nobody waits for it any more."""
        self._intake.close()
        if self._words is not None:
            self._words.close()
        if self._repeat is not None:
            self._repeat.close()

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

    def _answer(self, arrival: Arrival) -> Decision:
        return self._decide(since=arrival.received_at, answered_s=arrival.end_s)

    def _arrivals(self, listened: Listened, chunks: Sequence[Chunk]) -> list[Arrival]:
        before_s, last_s = self._window_ends_s
        for window in listened.heard.windows:
            before_s, last_s = last_s, window.position_s
        self._window_ends_s = before_s, last_s
        self._permit.heard(
            since_window_s=listened.heard.position_s - last_s,
            gap_s=self._evidence.pace * (last_s - before_s),
        )
        return [
            Arrival(
                window=window,
                received_at=chunks[window.chunk].received_at,
                end_s=chunks[window.chunk].end_s,
                listening_s=listened.elapsed_s,
            )
            for window in listened.heard.windows
        ]

    async def _take_in_by(self, due: float) -> None:
        while not self.is_settled and (taken := await self._intake.take(by=due)):
            self._take_in(taken)

    def _take_in(self, taken: Taken) -> None:
        window = taken.arrival.window
        if taken.skipped:
            return
        self._timing.add(taken.effort)
        self._revision += 1
        self._quality = window.quality
        self._position_s = window.position_s
        self._prompts = self._evidence.prompts_s > 0.0
        if taken.risk is None:
            return
        self._weighed(taken.risk)
        self._net_speech_s = self._evidence.net_speech_s
        if taken.counts and not self._evidence.is_settled:
            self._shadows.hear(window.window.samples, self._evidence.heard)
        self._settle(taken.risk)

    def _settle(self, risk: Risk) -> None:
        """See whether anything that follows can still change the decision."""
        evidence = self._evidence
        settled = evidence.is_settled or self._line.is_settled(
            risk,
            windows=evidence.windows - evidence.windows_left_out,
            net_speech_s=self._net_speech_s,
        )
        if settled:
            evidence.settle()
        self._settled = settled and not self._line.watches(
            position_s=self._position_s, second_voice_s=evidence.second_voice_s
        )
        final = self._settled and not self._awaits_words
        self._state = State.FINAL if final else State.PROVISIONAL

    def _take_words(self, taken: TakenWords) -> None:
        self._revision += 1
        self._taken_words = taken

    def _told(self, taken: TakenWords | None) -> tuple[object, ...]:
        """What of the words is worth another decision; that there are more of them isn't."""
        if taken is None:
            return self._risk.level, (), (), set()
        heard, issues = taken.heard, set(taken.counts.issues)
        return self._risk_with(taken).level, heard.scripts, heard.labels.told, issues

    def _risk_with(self, taken: TakenWords | None) -> Risk:
        found = self._repeat.found if self._repeat is not None else None
        risk = with_repeat(self._risk, found, self._line)
        if taken is None:
            return risk
        return with_words(
            risk,
            taken.heard,
            taken.counts,
            self._line,
            campaign=taken.recalled.campaign,
        )

    def _weighed(self, risk: Risk) -> None:
        self._risk = risk
        self._heard = self._evidence.voice if self._evidence.windows else None
        if self._repeat is not None and self._heard is not None:
            self._repeat.consider(self._heard)
        self._profile_id = self._evidence.profile_id
        self._several_voices = self._evidence.has_several_voices
        self._overlap = self._evidence.has_overlap

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

    def _due(self, position_s: float, received_at: float) -> float:
        # Audio that is sent faster than it was spoken is due when it would have been spoken, so that a replay never
        # pushes a live call aside.
        return max(received_at, self._started_at + position_s) + self._budget_s

    def _decide(
        self, *, since: float, answered_s: float, partial: tuple[PartialReason, ...] = ()
    ) -> Decision:
        self._sequence += 1
        self._answered_s = answered_s
        partial += self._partial_reasons()
        if self.is_settled and not self._resting:
            self._resting = True
            self._shadows.conclude(self._risk)
            self._permit.decided()
            self._intake.close()
        if self.is_concluded:
            self.close()
        risk = self._risk_with(self._taken_words)
        latency = timedelta(seconds=max(0.0, self._now() - since))
        self._last = Decision(
            decision_id=f"{self._run_id}-{self._revision}",
            call_id=self._call_id,
            sequence=self._sequence,
            state=self._state,
            risk=risk,
            net_speech=timedelta(seconds=self._net_speech_s),
            audio_quality=self._quality,
            several_voices=self._several_voices,
            prompts=self._prompts,
            overlap=self._overlap,
            recommended_action=self._line.action_at(
                risk.level, advisory=bool(risk.advisory_reasons)
            ),
            latency=latency,
            timings=self._timing.take(latency),
            partial_reasons=partial,
            line=self._line.name,
            policy_id=self._line.policy_id,
            model_id=self._versions.model_id,
            calibration_profile_id=self._profile_id,
            settled=self._evidence.is_settled or self._state is State.FINAL,
            shadows=self._shadows.outcomes,
            decided_at=datetime.now(UTC),
            audio_position=timedelta(seconds=self._position_s),
            answered_position=timedelta(seconds=answered_s),
        )
        return self._last

    def _partial_reasons(self) -> tuple[PartialReason, ...]:
        words = self._taken_words
        without_voiceprint = any(one.without_voiceprint for one in self._risk.watchlists)
        # What is owed when the decision is final would not have been evaluated without any load either.
        behind = self._intake.given_up or (self._intake.owed and not self.is_concluded)
        late_words = not (words is None or words.in_time)
        reasons = {
            PartialReason.BUDGET_EXCEEDED: behind or late_words,
            PartialReason.WATCHLISTS_STALE: self._versions.watchlists_stale(),
            PartialReason.NO_WATCHLISTS: self._risk.level is not None and not self._risk.watchlists,
            PartialReason.VOICEPRINTS_MISSING: without_voiceprint,
            PartialReason.CALLS_NOT_COMPARED: self._not_compared,
            PartialReason.CAMPAIGNS_NOT_COMPARED: not (words is None or words.recalled.in_time),
        }
        return tuple(reason for reason, applies in reasons.items() if applies)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
