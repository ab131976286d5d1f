"""Calls of the past: which are taken, how many at once, and how they come into the archive.

They are screened as recordings are, with what is known now and behind live calls, and archived as of when they were.
Whoever sends one is answered once it is in the store, so that what was answered is never lost. It is known by its id:
one that comes again, because an answer was lost or by mistake, changes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from shengdun.fingerprint.voice.samples import Seconds
from shengdun.index.archive.errors import CallErased
from shengdun.index.archive.partitions import call_pseudonym
from shengdun.index.archive.retention import Retention
from shengdun.index.registry import Registry
from shengdun.service.access import Principal, Role, current_principal
from shengdun.service.archiving import Archiving, Ended
from shengdun.service.convert.calls import CallRequest
from shengdun.service.decision import Decision, PartialReason
from shengdun.service.errors import (
    ArchiveOff,
    CallArchived,
    Overloaded,
    PastRetention,
    PermissionDenied,
    ServerStopping,
    StartTimeWrong,
)
from shengdun.service.finished import FinishedCall
from shengdun.service.lines import Lines

BUDGET: Final = timedelta(hours=1)
"""Nobody waits on the line, and what is archived must not rest on less speech because live calls went first."""
_BACK: Final = "call.archived_again"
_CLOCKS_APART: Final = timedelta(minutes=1)
_RETRY_AFTER: Final = timedelta(seconds=2)


class PastCalls:
    """Takes calls of the past.

    Args:
        archiving: has them archived; None where no calls are kept.
        retention: for how long they are.
        lines: the lines of business.
        journal: where it is written who had a call archived again that was erased.
        at_once: so many are screened at the same time, and no more: each holds its recording in memory.
    """

    def __init__(
        self,
        archiving: Archiving | None,
        retention: Retention,
        lines: Lines,
        journal: Registry,
        *,
        at_once: int,
    ) -> None:
        self._archiving = archiving
        self._retention = retention
        self._lines = lines
        self._journal = journal
        self._at_once = at_once
        self._running = 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Hold a place for one call.

        Raises:
            Overloaded: there is none.
        """
        if self._running >= self._at_once:
            raise Overloaded(
                f"this server screens {self._running} calls of the past already; try again later",
                retry_after=_RETRY_AFTER,
            )
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    async def check(self, request: CallRequest) -> None:
        """Refuse a call that can't be archived, before anything of it is read.

        Raises:
            ArchiveOff: no calls are kept.
            LineUnknown: there is no such line.
            StartTimeWrong: it has not begun yet.
            PastRetention: it would be deleted at once.
            CallArchived: it is there already.
            CallErased: it was erased, and isn't to come back.
            PermissionDenied: it was, and only an investigator may have it back.
        """
        if self._archiving is None:
            raise ArchiveOff
        self._check_time(request, datetime.now(UTC))
        if await self._archiving.has(request.call_id):
            raise CallArchived
        if await self._archiving.is_erased(request):
            if not request.even_if_erased:
                raise CallErased
            _check_may_come_back(current_principal())

    async def archive(
        self, request: CallRequest, finished: FinishedCall, *, duration_s: Seconds, codec: str
    ) -> None:
        """Archive a call that was screened; durable when this returns.

        Raises:
            ServerStopping: it was not screened to its end.
            CallArchived: another one of its id was archived meanwhile.
            CallErased: it was erased meanwhile.
            IndexRoomError: the store can't be reached, or takes nothing more.
        """
        assert self._archiving is not None
        assert request.started_at is not None
        _check_whole(finished.decision)
        self._check_time(request, datetime.now(UTC))
        ended = Ended(
            request=request,
            finished=finished,
            started_at=request.started_at,
            ended_at=request.started_at + timedelta(seconds=duration_s),
            codec=codec,
        )
        if request.even_if_erased and await self._archiving.is_erased(request):
            await self._write_down(request.call_id)
        if not await self._archiving.add(ended):
            raise CallArchived

    def check_end(self, request: CallRequest, *, duration_s: Seconds) -> None:
        """Refuse a call that would not have ended yet.

        Raises:
            StartTimeWrong: its recording is longer than the time since it began.
        """
        assert request.started_at is not None
        ended_at = request.started_at + timedelta(seconds=duration_s)
        if ended_at > datetime.now(UTC) + _CLOCKS_APART:
            raise StartTimeWrong(
                f"a call that started at {request.started_at.isoformat()} and lasts {duration_s:.0f} s hasn't ended "
                "yet; check the time zone of start_time"
            )

    async def _write_down(self, call_id: str) -> None:
        call = call_pseudonym(self._journal.keys, call_id).hex()
        await self._journal.record_event(
            principal=current_principal().name, kind=_BACK, subjects=[f"call/{call}"]
        )

    def _check_time(self, request: CallRequest, now: datetime) -> None:
        started_at = request.started_at
        assert started_at is not None
        line = self._lines.get(request.line)
        if started_at > now + _CLOCKS_APART:
            raise StartTimeWrong(
                f"start_time {started_at.isoformat()} is in the future; check its time zone and this server's clock"
            )
        if self._retention.is_over(line.name, started_at.date().isoformat(), now):
            days = self._retention.days_by_line.get(line.name, self._retention.days)
            raise PastRetention(
                f"the call is of {started_at.date().isoformat()}, and calls of line {line.name!r} are kept for {days} "
                "days; set archive_days of the line, or archive.days, if they may be kept for longer"
            )


def _check_may_come_back(principal: Principal) -> None:
    if Role.INVESTIGATOR not in principal.roles:
        raise PermissionDenied(
            "to archive a call again that was erased takes the role investigator beside telephony"
        )


def _check_whole(decision: Decision) -> None:
    left_out = {PartialReason.SERVER_STOPPING, PartialReason.BUDGET_EXCEEDED}
    if left_out & set(decision.partial_reasons):
        raise ServerStopping("the server could not screen all of the call; send it again")
