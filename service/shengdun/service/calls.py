"""The live calls of this process, and the decisions of all calls for whoever asks.

A call is claimed in the store, so that two streams never screen the same call id, and its latest decision is shared
there, so that any process of any machine can answer for it. Both are done beside the call, never in its way: when the
store is gone, calls go on and are answered for by the process that holds them.
"""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

import structlog

from shengdun.index.calls import CallDirectory
from shengdun.index.errors import (
    CallAlreadyLive,
    StoreBusy,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from shengdun.service.errors import CallUnknown, Overloaded, ServerStopping
from shengdun.service.workers.place import ALONE, Place

KEEP_DECISION = timedelta(hours=1)
_LEASE = timedelta(seconds=30)
_RENEWALS_PER_LEASE = 3
_RETRY_AFTER = timedelta(seconds=5)
_KEPT_HERE = 10_000
_GATHER_S = 0.05
"""What the store takes for a write it takes for several as well; nobody elsewhere sees a decision sooner by much."""
_AT_ONCE = 100
_STORE_TROUBLE = (StoreUnavailable, StoreBusy, StoreFull, StoreRefused)
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class LiveCall:
    """A call that this process holds; made by ``LiveCalls.open`` alone, so holding one is the permit to screen.

    Attributes:
        call_id: the telephony system's id.
        stopping: done once the server wants the call to end with what it has.
        lease: held while the call's lease is renewed or given back, so that what was given back is not taken again.
        given_back: whether the lease was given back.
    """

    call_id: str
    stopping: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    lease: asyncio.Lock = field(default_factory=asyncio.Lock)
    given_back: bool = False


class LiveCalls:
    """Admission of calls, and the latest decision of each.

    Args:
        directory: the calls of all processes.
        max_calls: live calls of this process at once.
        kept: decisions that are kept here; the oldest are forgotten first.
        lease: how long a call stays claimed when this process has died.
        place: of this process among the workers of the server; what one of them held that has died is free at once.
    """

    def __init__(
        self,
        directory: CallDirectory,
        *,
        max_calls: int,
        kept: int = _KEPT_HERE,
        lease: timedelta = _LEASE,
        place: Place = ALONE,
    ) -> None:
        self._directory = directory
        self._max_calls = max_calls
        self._kept = kept
        self._lease = lease
        self._place = place
        self._owner = place.new_owner()
        self._live: dict[str, LiveCall] = {}
        self._latest: OrderedDict[str, bytes] = OrderedDict()
        self._unshared: dict[str, bytes] = {}
        self._being_shared: Mapping[str, bytes] = {}
        self._wake = asyncio.Event()
        self._ended = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._share(), name="share-decisions"),
            asyncio.create_task(self._renew(), name="renew-calls"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(*_STORE_TROUBLE):
            await self._share_all()

    def __len__(self) -> int:
        return len(self._live)

    @property
    def place(self) -> Place:
        """Of this process among the workers of the server."""
        return self._place

    @property
    def owner(self) -> str:
        """The name under which this process claims calls; nobody else uses it."""
        return self._owner

    @property
    def unshared(self) -> int:
        """Decisions that the store has not been given yet."""
        return len(self._unshared)

    @asynccontextmanager
    async def open(self, call_id: str) -> AsyncIterator[LiveCall]:
        """Hold a call while it is screened.

        Raises:
            CallAlreadyLive: a stream of this id is being screened, here or elsewhere.
            Overloaded: this process holds as many calls as it may.
            ServerStopping: no new calls are taken.
        """
        if self._stopping:
            raise ServerStopping("this server is stopping; open the call on another one")
        if call_id in self._live:
            raise CallAlreadyLive(
                f"call {call_id!r} is being screened already; end that stream or use another call id"
            )
        if len(self._live) >= self._max_calls:
            raise Overloaded(
                f"this server screens {self._max_calls} calls already (server.max_calls); "
                "open the call on another server or try again when calls have ended",
                retry_after=_RETRY_AFTER,
            )
        call = self._live[call_id] = LiveCall(call_id)
        try:
            await self._claim(call_id)
            yield call
        finally:
            try:
                # The id stays taken meanwhile: the next stream of it would lose its own lease to this one's end.
                await self._give_back(call)
            finally:
                del self._live[call_id]
                self._ended.set()

    def publish(self, call: LiveCall, payload: bytes) -> None:
        """Make this the latest decision of the call, here at once and elsewhere within moments."""
        self._latest[call.call_id] = payload
        self._latest.move_to_end(call.call_id)
        self._unshared[call.call_id] = payload
        while len(self._latest) > self._kept:
            oldest, _ = self._latest.popitem(last=False)
            self._unshared.pop(oldest, None)
        self._wake.set()

    async def latest(self, call_id: str) -> tuple[bytes, bool]:
        """The latest decision of a call of any process, and whether the call is live.

        Raises:
            CallUnknown: no call of this id is live or ended within the last hour.
            StoreUnavailable: it is not held here and the store cannot be asked.
        """
        if call_id in self._live and call_id in self._latest:
            return self._latest[call_id], True
        # What has yet to be shared may be shared just after the store was asked, and would be missed in both.
        unshared = self._unshared.get(call_id)
        try:
            payload = await self._directory.decision(call_id)
            live = await self._directory.is_live(call_id)
        except _STORE_TROUBLE:
            if call_id not in self._latest:
                raise
            return self._latest[call_id], False
        if not live:
            payload = self._unshared.get(call_id) or unshared or payload
        if payload is None:
            raise CallUnknown(
                f"no call {call_id!r} is live or ended within the last hour; check the id, and that the call "
                "was opened on a server that shares this one's store"
            )
        return payload, live

    async def forget(self, call_ids: Sequence[str]) -> None:
        """Forget the decisions of calls that were erased, here and in the store; those of live calls stay.

        Raises:
            IndexRoomError: the store can't be reached.
        """
        ended = [call_id for call_id in call_ids if call_id not in self._live]
        for call_id in ended:
            self._latest.pop(call_id, None)
            self._unshared.pop(call_id, None)
        await self._directory.forget(ended)

    def let_go_of_shared(self) -> None:
        """Let go of the decisions of ended calls that the store has: there it is known which were erased meanwhile."""
        kept = self._live.keys() | self._unshared.keys()
        for call_id in [each for each in self._latest if each not in kept]:
            del self._latest[call_id]

    async def drain(self) -> None:
        """Take no new calls and ask those that are live to end with what they have."""
        self._stopping = True
        for call in self._live.values():
            if not call.stopping.done():
                call.stopping.set_result(None)
        while self._live:
            self._ended.clear()
            await self._ended.wait()

    async def _claim(self, call_id: str) -> None:
        try:
            await self._directory.claim(
                call_id, self._owner, lease=self._lease, is_gone=self._place.is_gone
            )
        except CallAlreadyLive:
            raise
        except _STORE_TROUBLE as error:
            _log.warning("call not claimed", reason=error.reason)

    async def _give_back(self, call: LiveCall) -> None:
        async with call.lease:
            call.given_back = True
            with suppress(*_STORE_TROUBLE):
                await self._release(call.call_id)

    async def _release(self, call_id: str) -> None:
        # The last decision goes with it, for what a write takes is making it durable. Not while an earlier one is on
        # its way, which might come after it.
        last = None if call_id in self._being_shared else self._unshared.get(call_id)
        await self._directory.release(call_id, self._owner, decision=last, keep_for=KEEP_DECISION)
        if last is not None:
            self._forget({call_id: last})

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / _RENEWALS_PER_LEASE)
            # A store that is gone is asked once a round, and not for every call.
            with suppress(*_STORE_TROUBLE):
                for call in list(self._live.values()):
                    await self._renew_one(call)

    async def _renew_one(self, call: LiveCall) -> None:
        async with call.lease:
            if call.given_back:
                return
            try:
                await self._directory.renew(call.call_id, self._owner, lease=self._lease)
            except CallAlreadyLive as error:
                # Another process took it while the store was gone; both go on, and the others keep their leases.
                _log.warning("call is screened elsewhere too", reason=error.reason)

    async def _share(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER_S)
            self._wake.clear()
            try:
                await self._share_all()
            except _STORE_TROUBLE as error:
                _log.warning(
                    "decisions not shared yet", calls=len(self._unshared), reason=error.reason
                )
                await asyncio.sleep(1.0)
                self._wake.set()

    async def _share_all(self) -> None:
        while some := dict(itertools.islice(self._unshared.items(), _AT_ONCE)):
            self._being_shared = some
            try:
                await self._directory.publish_decisions(some, keep_for=KEEP_DECISION)
            finally:
                self._being_shared = {}
            self._forget(some)

    def _forget(self, shared: Mapping[str, bytes]) -> None:
        for call_id, payload in shared.items():
            if self._unshared.get(call_id) is payload:
                del self._unshared[call_id]
