"""The windows of one call on their way into its evidence: in order, one at a time, each before it is due if it can be.

A window that could not be taken in before it was due is owed: it is taken in when the lane has time, and at the latest
tried again with the next window. Of a call that owes more than a few, the oldest are given up for good; from then on
all of its decisions rest on less than was said.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from shengdun.fingerprint.voice.front_end import HeardWindow
from shengdun.service.admission import Permit
from shengdun.service.costs import Costs, Effort
from shengdun.service.decision import Risk
from shengdun.service.evidence import VoiceEvidence
from shengdun.service.voiceprint_lane import Job, VoiceprintLane

OWED_AT_MOST: Final = 4
"""Twelve seconds of speech, 0.8 MB of a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A window that a call has completed.

    Attributes:
        window: with what was known when it was.
        received_at: when the chunk that completed it arrived, on the event loop's clock, in seconds.
        end_s: where that chunk ends in the call's audio, in seconds.
        listening_s: what listening to it took, in seconds.
    """

    window: HeardWindow
    received_at: float
    end_s: float
    listening_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A window that is in the evidence.

    Attributes:
        arrival: the window.
        risk: what all windows so far amount to; None when nothing but prompts of the house was heard.
        counts: whether it is evidence, and not a prompt.
        skipped: whether it wasn't looked at, in a settled call that is watched for a handover.
        effort: what it took.
    """

    arrival: Arrival
    risk: Risk | None
    counts: bool
    skipped: bool = False
    effort: Effort


class Intake:
    """Takes the windows of one call in.

    Args:
        evidence: of the call; used by the lane's threads, by one at a time.
        lane: where it is done.
        costs: what it costs; told what it took.
        permit: of the call.
    """

    def __init__(
        self, evidence: VoiceEvidence, *, lane: VoiceprintLane, costs: Costs, permit: Permit
    ) -> None:
        self._evidence = evidence
        self._lane = lane
        self._costs = costs
        self._permit = permit
        self._owed: deque[Arrival] = deque()
        self._job: Job[Taken] | None = None
        self._given_up = 0

    @property
    def owed(self) -> int:
        """Windows that are not in the evidence yet."""
        return len(self._owed)

    @property
    def given_up(self) -> int:
        """Windows that never will be."""
        return self._given_up

    @property
    def late(self) -> asyncio.Future[Taken] | None:
        """Done when the oldest window owed is in the evidence; None if the lane has none of this call."""
        return None if self._job is None else self._job.done

    def owe(self, arrival: Arrival) -> None:
        """Add the next window; gives the oldest up that can be if there are too many."""
        self._owed.append(arrival)
        if len(self._owed) > OWED_AT_MOST:
            # Not the one that the lane has already.
            del self._owed[0 if self._job is None else 1]
            self._given_up += 1

    async def take(self, *, by: float) -> Taken | None:
        """Take in the oldest window owed; None if there is none, or it can't be done by then.

        Args:
            by: when all that is owed should be in, on the event loop's clock, in seconds.
        """
        if not self._owed:
            return None
        job = self._in_lane(by - (len(self._owed) - 1) * self._costs.window_s)
        # Of what has been begun it doesn't matter any more that it was late once.
        either: set[asyncio.Future[Any]] = {job.done, *([job.late] if job.is_waiting else [])}
        await asyncio.wait(either, timeout=by - _now(), return_when=asyncio.FIRST_COMPLETED)
        return self.taken()

    def taken(self) -> Taken | None:
        """The oldest window owed if it is in the evidence by now."""
        if self._job is None or not self._job.done.done():
            return None
        taken = self._job.done.result()
        self._job = None
        self._owed.popleft()
        if not taken.skipped:
            self._costs.observe(taken.effort)
        return taken

    def go_on(self) -> None:
        """Have the lane take in what is owed when it has time."""
        if self._owed:
            self._in_lane(self._owed[0].received_at)

    async def begun(self) -> Taken | None:
        """The window that is being taken in at the moment, once it is; evidence is one thread's at a time."""
        if self._job is not None and not self._job.is_waiting:
            await asyncio.wait({self._job.done})
        return self.taken()

    def give_up(self) -> None:
        """Never take in what is owed."""
        self._given_up += len(self._owed)
        self.close()

    def close(self) -> None:
        """Let go of what is owed: it makes no difference any more."""
        self._owed.clear()
        if self._job is not None:
            self._lane.cancel(self._job)
            self._job = None

    async def weigh(self, *, by: float) -> tuple[Risk, Effort]:
        """What is in the evidence, at least one window, amounts to now; if need be searched for, however late it is."""
        if (risk := self._evidence.still_stands(at=datetime.now(UTC))) is not None:
            return risk, Effort()
        return await self._lane.run(
            self._permit, self._weigh_now, deadline=by, cost_s=self._costs.search_s
        )

    def _in_lane(self, deadline: float) -> Job[Taken]:
        if self._job is None:
            arrival = self._owed[0]
            self._job = self._lane.submit(
                self._permit,
                lambda: self._take_now(arrival),
                deadline=deadline,
                cost_s=self._costs.window_s,
            )
        elif self._job.late.done():
            self._lane.renew(self._job, deadline=deadline)
        return self._job

    def _take_now(self, arrival: Arrival) -> Taken:
        before = self._evidence.windows
        risk = self._evidence.add(
            arrival.window.window, at=datetime.now(UTC), snr_db=arrival.window.quality.band_snr_db
        )
        return Taken(
            arrival=arrival,
            risk=risk,
            counts=self._evidence.windows > before,
            skipped=self._evidence.has_skipped,
            effort=self._evidence.effort,
        )

    def _weigh_now(self) -> tuple[Risk, Effort]:
        return self._evidence.weigh(at=datetime.now(UTC)), self._evidence.effort


def _now() -> float:
    return asyncio.get_running_loop().time()
