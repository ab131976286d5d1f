"""The voices of the last weeks' calls, in this process: told of each call that is archived, asked about each that runs.

Every process follows the archive, so all of them have the same calls within a second; each puts them together by
itself, in the background. What was put together is written to a sealed file, so that a start need not do it again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Final, Self, TypeVar

import numpy as np
import structlog

from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.blocks import CallBlock
from shengdun.index.archive.following import Listener
from shengdun.index.archive.rows import ArchivedCall, CallQuery
from shengdun.index.archive.tables import time_of
from shengdun.index.errors import IndexRoomError
from shengdun.index.voices.clusters import VoiceClusters
from shengdun.index.voices.columns import Hashes
from shengdun.index.voices.filling import Filling
from shengdun.index.voices.kept import KeptVoices, VoicesFile
from shengdun.index.voices.repeat import RepeatVoice, RepeatWatch
from shengdun.service.evidence import HeardSpeech
from shengdun.service.texts import Run

T = TypeVar("T")
_EVERY_S: Final = 60.0
_SAVE_S: Final = 300.0
_WATCH_S: Final = 1.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """Whom a caller claims to be.

    Attributes:
        call_id: the call.
        customer: keyed pseudonym of the customer; empty if none was given.
        number: keyed pseudonym of the calling number; empty if none was given.
    """

    call_id: str
    customer: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How much of the past is compared.

    Attributes:
        age: of the oldest call.
        calls: how many at most; beyond them the oldest go.
    """

    age: timedelta
    calls: int


class UnknownVoices:
    """Keeps voices up to date while it is entered.

    Args:
        make: makes clusters of the voice model that decides, with no calls yet, under the profile that decides now.
        profile_id: gives that profile.
        archive: the finished calls.
        file: where what was put together is kept.
        window: how much of the past is compared.
        run: where calls are put together.
        look_lane: where callers are compared: not behind work that may take a second.
    """

    def __init__(
        self,
        make: Callable[[], VoiceClusters],
        profile_id: Callable[[], str],
        archive: CallArchive,
        file: VoicesFile,
        *,
        window: Window,
        run: Run,
        look_lane: Run,
    ) -> None:
        self.clusters = make()
        self._make = make
        self._profile_id = profile_id
        self._archive = archive
        self._file = file
        self._window = window
        self._run = run
        self._look_lane = look_lane
        self._watch = RepeatWatch(self.clusters)
        self._added: deque[ArchivedCall] = deque()
        self._erased: list[str] = []
        self._is_erasing = False
        self._came = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._saved_s = time.monotonic()
        self._tidied_s = -_EVERY_S
        self._is_behind = True
        self._is_caught_up = False
        # Nothing is in the window that isn't archived, as far as this process has heard.
        self._is_sound = False
        self._is_leaving = False

    async def __aenter__(self) -> Self:
        self._archive.follow(
            Listener(added=self._hear, erased=self._forget, missed=self._miss, busy=self._is_busy)
        )
        self._tasks = [
            asyncio.create_task(self._go_on(), name="unknown-voices"),
            asyncio.create_task(self._watch_changes(), name="changes-to-voices"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        # To put many late calls together takes minutes; what was done of it is kept, and the next start goes on.
        self._is_leaving = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Behind what the lane is at, which ends soon.
        await self._run(self._save_if_sound)

    @property
    def is_caught_up(self) -> bool:
        """Whether the calls that were archived before the start are in the window."""
        return self._is_caught_up

    def covers(self, at: datetime) -> bool:
        """Whether calls of a time are in the window, or would be."""
        return at >= datetime.now(UTC) - self._window.age

    async def look(
        self, heard: HeardSpeech, claimed: Claimed, *, at: datetime
    ) -> RepeatVoice | None:
        """What the window says about a caller; None if it says nothing for it.

        Args:
            heard: the caller's own speech.
            claimed: whom the caller claims to be.
            at: when the call is.
        """
        return await self._look_lane(lambda: self._looked(heard, claimed, at))

    def names(self, receipt_names: Callable[[str], bool]) -> int:
        """How many of the calls that are to be gone this process still compares others with; blocks."""
        return sum(receipt_names(call_id) for call_id in self._held())

    def _looked(self, heard: HeardSpeech, claimed: Claimed, at: datetime) -> RepeatVoice | None:
        return self._watch.look(
            heard.voiceprint,
            net_speech_s=float(heard.net_speech_s.sum()),
            snr_db=heard.snr_db,
            customer=claimed.customer,
            number=claimed.number,
            at=at,
            exclude_call_id=claimed.call_id,
        )

    def _hear(self, calls: list[ArchivedCall]) -> None:
        self._added.extend(call for call in calls if self.covers(call.started_at))
        self._came.set()

    def _forget(self, call_ids: Sequence[str]) -> None:
        self._erased.extend(call_ids)
        self._is_erasing = True
        self._came.set()

    def _is_busy(self) -> bool:
        """Whether the window, or the file, may still have a call that was erased."""
        return self._is_erasing or not self._is_caught_up

    def _miss(self) -> None:
        self._is_behind = True
        self._came.set()

    async def _go_on(self) -> None:
        while True:
            if self._is_behind:
                await self._learn()
            elif self._is_outdated:
                await self._renew()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait(), _EVERY_S)
            self._came.clear()
            await self._take_all()
            if self._is_untidy:
                await self._run(self._tidy)

    async def _watch_changes(self) -> None:
        """Learn anew when a voice is the institution's own no more, for its calls were left out; follow the profile."""
        while True:
            await asyncio.sleep(_WATCH_S)
            if self.clusters.has_left_out():
                self._miss()
            elif self._is_outdated:
                self._came.set()

    @property
    def _is_outdated(self) -> bool:
        return self.clusters.profile_id != self._profile_id()

    async def _renew(self) -> None:
        """Compare under the profile that decides now; until that is ready callers are under the one before."""
        try:
            self.clusters = await self._run(self._made_anew)
        except IndexRoomError as error:
            _log.error("voices are compared under the profile before", reason=error.message)
            return
        self._watch = RepeatWatch(self.clusters)
        _log.info("voices follow the calibration profile", profile=self.clusters.profile_id)

    def _made_anew(self) -> VoiceClusters:
        """The calls of the window, in the voices that they are in."""
        fresh, before = self._make(), self.clusters
        kept = KeptVoices(held=self._held_hashes())
        with Filling(fresh) as filling:
            for block in self._until_left(self._archived()):
                filling.take(block, np.flatnonzero(kept.has(block.call_ids, block.ended_us)))
        fresh.restore(before.state())
        return fresh

    async def _learn(self) -> None:
        """Learn of all archived calls: at the start, and after some came that this process didn't hear of."""
        self._is_behind = False
        try:
            await asyncio.to_thread(self._file.remove_others)
            await self._run(self._learn_anew if self._is_caught_up else self._catch_up)
        except IndexRoomError as error:
            _log.error("past calls not compared", reason=error.message)
        except OSError as error:
            _log.warning("files of voices not removed", reason=error.strerror)
        # What a file of before the last stop has of calls that were erased since must not stay in it.
        await asyncio.to_thread(self._save)
        self._is_caught_up = True

    async def _take_all(self) -> None:
        if erased := self._erased:
            self._erased = []
            gone = frozenset(erased)
            self._added = deque(call for call in self._added if call.call_id not in gone)
            await self._run(lambda: self.clusters.remove(gone, reason="calls were erased"))
            # What was erased must not stand in the file any more either.
            await asyncio.to_thread(self._save)
            self._is_erasing = bool(self._erased)
        while self._added and not self._erased:
            call = self._added.popleft()
            await self._run(partial(self.clusters.take, call))

    @property
    def _is_untidy(self) -> bool:
        is_due = time.monotonic() >= self._tidied_s + _EVERY_S
        return is_due or len(self.clusters.recent) > self._window.calls

    def _tidy(self) -> None:
        self._tidied_s = time.monotonic()
        self.clusters.expire(datetime.now(UTC) - self._window.age)
        surplus = len(self.clusters.recent) - self._window.calls
        if surplus > 0:
            started_us = np.concatenate([part.started_us for part in self.clusters.recent.parts()])
            self.clusters.expire(time_of(int(np.partition(started_us, surplus)[surplus])))
        if time.monotonic() - self._saved_s >= _SAVE_S:
            self._save()

    def _catch_up(self) -> None:
        """Take in what was archived before the start: what the file knows as it was put together, the rest anew."""
        kept = self._file.read()
        if kept.problem:
            _log.warning("voices are put together anew", reason=kept.problem)
        late: list[ArchivedCall] = []
        # A call that may found no voice changes none either.
        founding_s = self.clusters.policy.founding_s
        with Filling(self.clusters) as filling:
            for block in self._until_left(self._archived()):
                is_known = kept.has(block.call_ids, block.ended_us)
                filling.take(block, np.flatnonzero(is_known))
                is_late = ~is_known & (block.net_speech_s >= founding_s)
                late += [block.row(row) for row in np.flatnonzero(is_late).tolist()]
        if self._is_leaving:
            return
        self.clusters.restore(kept.state)
        self._is_sound = True
        for call in self._until_left(sorted(late, key=lambda one: one.ended_at)):
            self.clusters.take(call)

    def _learn_anew(self) -> None:
        """Take in what was archived, and let go of what was erased, without this process having heard of it."""
        archived: set[str] = set()
        held = self._held()
        self._is_sound = False
        for block in self._until_left(self._archived()):
            names = list(block.call_ids)
            archived.update(names)
            for row in (row for row, name in enumerate(names) if name not in held):
                self.clusters.take(block.row(row))
        if self._is_leaving:
            return
        self.clusters.remove(self._held() - archived, reason="calls were erased")
        self._is_sound = True

    def _held(self) -> set[str]:
        """The ids of the calls in the window."""
        parts = self.clusters.recent.parts()
        return {call_id.decode() for part in parts for call_id in part.ids.tolist()}

    def _held_hashes(self) -> Hashes:
        hashes = [part.id_hashes for part in self.clusters.recent.parts()]
        return np.sort(np.concatenate([np.empty(0, np.uint64), *hashes]))

    def _archived(self) -> Iterator[CallBlock]:
        query = CallQuery(
            since=datetime.now(UTC) - self._window.age, model_id=self.clusters.model_id
        )
        return self._archive.scan(query)

    def _until_left(self, what: Iterable[T]) -> Iterator[T]:
        """All of it, unless this is left meanwhile; whoever goes through it asks then whether that was all."""
        return takewhile(lambda _: not self._is_leaving, what)

    def _save_if_sound(self) -> None:
        if self._is_sound:
            self._save()

    def _save(self) -> None:
        try:
            self._file.write(self.clusters.state(), held=self._held_hashes())
        except OSError as error:
            _log.warning("voices not kept", reason=error.strerror)
        self._saved_s = time.monotonic()
