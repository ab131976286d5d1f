"""A run of a backfill: what is in the archive is left out, the rest is sent, and each result is written down."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from shengdun.enrollment.call_lists import CallList, ListedCall
from shengdun.service.backfill.journal import Journal, facts_of
from shengdun.service.backfill.results import CallOutcome, CallResult, ResultSink, not_used
from shengdun.service.backfill.sending import Destination, send_to
from shengdun.service.client import ShengdunClient
from shengdun.service.errors import ArchiveOff

Take = Callable[[ListedCall, CallResult], None]
"""Told of each call what became of it."""
_SAID_OTHERWISE: Final = (
    "It was archived as another list said, with another time, line, customer, number, channel or transcript; erase "
    "the call to have it archived anew."
)


class Sender(Protocol):
    """Sends calls, in any order; returns when each was told of.

    Raises:
        BackfillImpossible: it can't go on; those that were told of are done.
    """

    def __call__(self, calls: Sequence[ListedCall], take: Take) -> None:
        """Send them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a run has done so far.

    Attributes:
        rows: of the list.
        before: rows that earlier runs had seen to.
        outcomes: rows by outcome, those of earlier runs among them.
        size: bytes of the recordings that this run has to send.
        sent: bytes of those that it has sent.
        audio_s: audio that it had archived, in seconds.
    """

    rows: int
    before: int
    outcomes: dict[CallOutcome, int]
    size: int = 0
    sent: int = 0
    audio_s: float = 0.0

    @property
    def done(self) -> int:
        """Rows that are seen to."""
        return sum(self.outcomes.values())

    @property
    def not_in(self) -> int:
        """Rows whose calls are not in the archive."""
        return self.rows - sum(n for outcome, n in self.outcomes.items() if outcome.is_in)


class Backfill:
    """One run over a list.

    Args:
        listed: the calls.
        journal: of this list.
        sink: gets the result of every row.
        tell: told how it goes after each.
    """

    def __init__(
        self,
        listed: CallList,
        journal: Journal,
        sink: ResultSink,
        tell: Callable[[CallResult, Totals], None] = lambda _result, _totals: None,
    ) -> None:
        self._listed = listed
        self._journal = journal
        self._sink = sink
        self._tell = tell
        self._rows_by_id: dict[str, int] = {}
        self.totals = Totals(rows=len(listed.calls) + len(listed.problems), before=0, outcomes={})

    def run(self, sender: Sender) -> Totals:
        """Send what is not in yet.

        Raises:
            BackfillImpossible: it can't go on; run it again.
            OSError: the journal or the file of results can't be written; the same.
        """
        for problem in self._listed.problems:
            self._count(not_used(problem))
        pending = []
        for call in self._listed.calls:
            before = self._before(call)
            if before is None:
                pending.append(call)
            else:
                self.totals = replace(self.totals, before=self.totals.before + 1)
                self._count(before)
        self.totals = replace(self.totals, size=sum(call.size for call in pending))
        if pending:
            sender(pending, self._take)
        return self.totals

    def _before(self, call: ListedCall) -> CallResult | None:
        entry = self._journal.of(call)
        if entry is None:
            return None
        result = replace(entry.result, row=call.row)
        if entry.facts != facts_of(call):
            result = replace(result, message=_SAID_OTHERWISE)
        self._rows_by_id.setdefault(result.call_id, call.row)
        return result

    def _take(self, call: ListedCall, result: CallResult) -> None:
        first = self._rows_by_id.setdefault(result.call_id, call.row) if result.call_id else 0
        if result.outcome is CallOutcome.KNOWN and first != call.row:
            message = f"It is the same recording as that of row {first}."
            result = replace(result, outcome=CallOutcome.REPEATED, message=message)
        if result.outcome.is_in:
            self._journal.add(call, result)
        self.totals = replace(
            self.totals,
            sent=self.totals.sent + call.size,
            audio_s=self.totals.audio_s + (result.duration_s or 0.0),
        )
        self._count(result)

    def _count(self, result: CallResult) -> None:
        self._sink.write(result)
        counts = self.totals.outcomes
        counts[result.outcome] = counts.get(result.outcome, 0) + 1
        self._tell(result, self.totals)


def send_from_here(destination: Destination, *, jobs: int) -> Sender:
    """A sender from this process.

    Args:
        destination: where to.
        jobs: calls at once, each over a connection of its own, so that a server's processes share them.
    """

    def run(calls: Sequence[ListedCall], take: Take) -> None:
        asyncio.run(_send_all(destination, calls, take, jobs=jobs))

    return run


async def check_server(destination: Destination) -> None:
    """See that a server is there and keeps calls, before anything is begun.

    Raises:
        ClientError: it doesn't answer, or doesn't know who asks.
        ArchiveOff: it keeps none.
    """
    async with ShengdunClient.connect(destination.address, **destination.options) as client:
        info = await client.server_info()
    if info.archive is None:
        raise ArchiveOff


async def _send_all(
    destination: Destination, calls: Sequence[ListedCall], take: Take, *, jobs: int
) -> None:
    waiting = iter(calls)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(jobs, len(calls))):
                group.create_task(_send_next(destination, waiting, take))
    except ExceptionGroup as errors:
        # The first is why the others were ended.
        raise errors.exceptions[0] from None


async def _send_next(destination: Destination, waiting: Iterator[ListedCall], take: Take) -> None:
    async with ShengdunClient.connect(destination.address, **destination.options) as client:
        for call in waiting:
            take(call, await send_to(client, call, destination))
