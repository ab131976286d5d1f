"""Archiving: each call that was screened leaves one row, after its last decision was sent and never in its way.

Rows wait in memory until the store has them. While it can't be reached, so many wait and no more; what doesn't fit is
lost, counted and logged.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

import structlog

from shengdun.index.archive.archive import ArchiveHealth, CallArchive
from shengdun.index.archive.marks import Origin
from shengdun.index.archive.rows import (
    MOST_WINDOWS,
    ArchivedCall,
    ArchivedDecision,
    ArchivedFlag,
    CallWindows,
)
from shengdun.index.archive.signatures import signature_of
from shengdun.index.errors import IndexRoomError, InvalidRecord
from shengdun.service.convert.calls import CallRequest
from shengdun.service.decision import Decision, FollowedCampaign
from shengdun.service.evidence import HeardSpeech
from shengdun.service.finished import FinishedCall
from shengdun.service.texts import Run

_WAITING: Final = 10_000
"""Calls of some hours, in 20 MB."""
_RETRY_S: Final = 1.0
_AT_END_S: Final = 5.0
KNOWN_VOICE: Final = "KNOWN_ACTOR_VOICE"
"""The kind of flags by the voice of an actor."""
_WATCH_S: Final = 5.0
_NUMBER_MARKS: Final = str.maketrans("", "", " -().\u2011")
_log = structlog.get_logger(__name__)

Pseudonym = Callable[[str], str]
"""Gives the keyed hash that stands for a customer reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivingStanding:
    """How archiving stands.

    Attributes:
        archive: how the archive is.
        waiting: calls that the store hasn't been given yet.
        lost: calls that never got there.
    """

    archive: ArchiveHealth
    waiting: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A call that has ended, and what isn't known of it by its session.

    Attributes:
        request: as it was opened.
        finished: what its session left.
        started_at: by this server's clock, or as it was stated of a call of the past; in UTC.
        ended_at: the same.
        codec: of its audio; empty if it had none.
    """

    request: CallRequest
    finished: FinishedCall
    started_at: datetime
    ended_at: datetime
    codec: str


class Archiving:
    """Adds finished calls to an archive, one after the other, while it is entered.

    Args:
        archive: takes them.
        pseudonym: of customer references.
        run: where rows are made.
        calibration_share: of calls whose windows are kept, 0 to 1.
        most_waiting: so many calls may wait.
    """

    def __init__(
        self,
        archive: CallArchive,
        pseudonym: Pseudonym,
        run: Run,
        *,
        calibration_share: float = 0.0,
        most_waiting: int = _WAITING,
    ) -> None:
        self._archive = archive
        self._pseudonym = pseudonym
        self._run = run
        self._calibration_share = calibration_share
        self._most_waiting = most_waiting
        self._waiting: deque[Ended] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._lost = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._add_all(), name="archive-calls"),
            asyncio.create_task(self._tell_problems(), name="watch-archive"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), _AT_END_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._waiting:
            _log.error("calls not archived", calls=len(self._waiting), reason="stopped before")

    @property
    def standing(self) -> ArchivingStanding:
        """How archiving stands."""
        return ArchivingStanding(
            archive=self._archive.health, waiting=len(self._waiting), lost=self._lost
        )

    def take(self, ended: Ended) -> None:
        """Have a call archived; returns at once."""
        if len(self._waiting) >= self._most_waiting:
            self._lost += 1
            _log.error("call not archived", reason="too many wait for the store", lost=self._lost)
            return
        self._waiting.append(ended)
        self._idle.clear()
        self._wake.set()

    async def add(self, ended: Ended) -> bool:
        """Archive a call at once, before any that wait; durable when this returns.

        Returns:
            False if a call of its id is there already, which stays as it is.

        Raises:
            CallErased: it was erased, or all calls of its customer or number were, and that stands.
            IndexRoomError: the store can't be reached, or takes nothing more; it may or may not have been archived.
        """
        origin = None if ended.request.even_if_erased else self._origin(ended.request)
        return await self._archive.add(await self._row(ended), origin=origin)

    async def has(self, call_id: str) -> bool:
        """Whether a call is in the archive."""
        return await self._archive.has(call_id)

    async def is_erased(self, request: CallRequest) -> bool:
        """Whether a call of the past was erased, or all calls of its customer or number were."""
        return await self._archive.is_erased(self._origin(request))

    def _origin(self, request: CallRequest) -> Origin:
        assert request.started_at is not None
        reference = request.customer_reference
        return Origin(
            call_id=request.call_id,
            customer=self._pseudonym(reference) if reference else "",
            number=number_pseudonym(request.calling_number, self._pseudonym),
            started_at=request.started_at,
        )

    async def _add_all(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._add_first()
            self._idle.set()

    async def _add_first(self) -> None:
        ended = self._waiting[0]
        try:
            if not await self._archive.add(await self._row(ended)):
                _log.warning("call archived before", reason="a call of this id is there already")
        except InvalidRecord as error:
            self._lost += 1
            _log.error("call not archived", reason=error.message)
        except IndexRoomError as error:
            _log.warning("calls wait to be archived", calls=len(self._waiting), why=error.message)
            await asyncio.sleep(_RETRY_S)
            return
        self._waiting.popleft()

    async def _row(self, ended: Ended) -> ArchivedCall:
        return await self._run(
            lambda: archived(ended, self._pseudonym, calibration_share=self._calibration_share)
        )

    async def _tell_problems(self) -> None:
        told: tuple[str, ...] = ()
        while True:
            problems = self._archive.problems
            for problem in problems:
                if problem not in told:
                    _log.error("call archive", problem=problem)
            told = problems
            await asyncio.sleep(_WATCH_S)


def archived(ended: Ended, pseudonym: Pseudonym, *, calibration_share: float = 0.0) -> ArchivedCall:
    """The row of a call.

    Args:
        ended: the call.
        pseudonym: of what identifies somebody.
        calibration_share: of calls whose windows are kept, 0 to 1; which ones are is drawn by their ids.
    """
    finished = ended.finished
    heard, decision = finished.heard, finished.decision
    signature, characters = signature_of(finished.words)
    return ArchivedCall(
        call_id=decision.call_id,
        started_at=ended.started_at,
        ended_at=max(ended.started_at, ended.ended_at),
        line=decision.line,
        customer=pseudonym(ended.request.customer_reference)
        if ended.request.customer_reference
        else "",
        number=number_pseudonym(ended.request.calling_number, pseudonym),
        model_id=decision.model_id if heard is not None else "",
        voiceprint=None if heard is None else heard.voiceprint,
        net_speech_s=0.0 if heard is None else float(heard.net_speech_s.sum()),
        snr_db=None if heard is None else heard.snr_db,
        codec=ended.codec,
        windows=_windows(heard)
        if heard is not None and _is_drawn(decision.call_id, pseudonym, calibration_share)
        else None,
        signature=signature,
        characters=characters,
        decision=archived_decision(decision, is_past=ended.request.is_past),
    )


def archived_decision(decision: Decision, *, is_past: bool = False) -> ArchivedDecision:
    """What is kept of a decision; of one on a call of the past also when it was made."""
    risk = decision.risk
    voices = [
        ArchivedFlag(kind=KNOWN_VOICE, llr=flag.candidate.llr, subject=flag.candidate.actor_id)
        for flag in risk.flags
    ]
    handover = risk.handover
    handovers = (
        [] if handover is None else [ArchivedFlag(kind="SPEAKER_HANDOVER", llr=handover.llr)]
    )
    repeats = (
        []
        if (repeat := risk.repeat) is None
        else [ArchivedFlag(kind="REPEAT_VOICE", llr=repeat.llr, subject=repeat.cluster_id)]
    )
    scripts = [
        ArchivedFlag(kind="SCRIPT_MATCH", llr=flag.llr, subject=flag.found.script.script_id)
        for flag in (risk.words.flags if risk.words is not None else ())
    ]
    followed = None if risk.words is None else risk.words.campaign
    campaigns = [] if followed is None else [_campaign_flag(followed)]
    versions = {
        "model": decision.model_id,
        "calibration_profile": decision.calibration_profile_id,
        "policy": decision.policy_id,
        **{f"watchlist/{one.watchlist_id}": one.version for one in risk.watchlists},
        **({"screened_at": decision.decided_at.isoformat(timespec="seconds")} if is_past else {}),
    }
    return ArchivedDecision(
        level="" if risk.level is None else risk.level.value,
        probability=risk.probability or 0.0,
        flags=(*voices, *handovers, *repeats, *scripts, *campaigns),
        versions=versions,
    )


def _campaign_flag(followed: FollowedCampaign) -> ArchivedFlag:
    return ArchivedFlag(
        kind="SCRIPT_CAMPAIGN", llr=followed.llr, subject=followed.campaign.campaign_id
    )


def _is_drawn(call_id: str, pseudonym: Pseudonym, share: float) -> bool:
    # By a keyed hash: the same wherever the call is screened, and nobody can choose ids that are drawn.
    return int(pseudonym(f"calibration/{call_id}")[:8], 16) < share * 2**32


def _windows(heard: HeardSpeech) -> CallWindows:
    return CallWindows(
        voiceprints=heard.voiceprints[:MOST_WINDOWS],
        net_speech_s=heard.net_speech_s[:MOST_WINDOWS],
    )


def number_pseudonym(calling_number: str, pseudonym: Pseudonym) -> str:
    """What stands for a calling number, however it is written; empty for none."""
    digits = calling_number.translate(_NUMBER_MARKS)
    return pseudonym(f"number/{digits}") if digits else ""


def now() -> datetime:
    """This server's clock, in UTC."""
    return datetime.now(UTC)
