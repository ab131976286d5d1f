"""Following the stream: what came and what was erased, in this process within a fraction of a second.

The tail is what the stream has and this machine's partitions don't have yet; every process holds it in memory.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Final

from shengdun.index.archive.building import Batch
from shengdun.index.archive.keeping import PartitionKeeper
from shengdun.index.archive.partitions import call_pseudonym
from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.archive.stream import PAGE, ArchiveStream, EntryKind
from shengdun.index.errors import IndexRoomError
from shengdun.index.keys import KeyRing

_WAIT_MS: Final = 1000
_OWING_MS: Final = 50
"""While somebody waits to be told that what was erased is gone here."""
_GATHER_S: Final = 0.2
"""To read several calls takes hardly longer than to read one."""
_RETRY_S: Final = 0.1
_SAY_S: Final = 5.0
_FEW: Final = 20
FORGET_S: Final = 20.0
"""A process that said nothing for so long is taken for dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What somebody wants to be told, on the event loop. What goes by its age isn't told: it is known beforehand.

    Attributes:
        added: calls that were archived, by this process or another.
        erased: the ids of calls that were erased; also of some that this process never told of.
        missed: this process was too far behind to hear of everything: what was learned is to be learned anew.
        busy: whether something that was told of as erased is still known, or in a file; until it isn't, this process
            doesn't say that it has heard of the erasure.
    """

    added: Callable[[list[ArchivedCall]], None] = lambda _calls: None
    erased: Callable[[Sequence[str]], None] = lambda _call_ids: None
    missed: Callable[[], None] = lambda: None
    busy: Callable[[], bool] = lambda: False


class Follower:
    """Follows the stream for one process.

    Args:
        stream: what is followed.
        keeper: has what isn't in the tail any more; its newest manifest is read meanwhile.
        keys: of this installation.

    Attributes:
        process: a random name of this process.
        erased: the keyed hashes of calls that were erased in its lifetime.
        erasures: goes up when there are more.
        last_erasure: the number of the last one in the stream.
        problem: why nothing is heard now; empty if all is well.
        woken: set when an erasure is to be done in the partitions.
    """

    def __init__(self, stream: ArchiveStream, keeper: PartitionKeeper, keys: KeyRing) -> None:
        self.process = token_hex(8)
        self.erased: set[bytes] = set()
        self.erasures = 0
        self.problem = ""
        self.woken = asyncio.Event()
        self._stream = stream
        self._keeper = keeper
        self._keys = keys
        self._listeners: list[Listener] = []
        self._position = 0
        self.last_erasure = 0
        self._said = 0
        self._said_s = 0.0
        self._guard = threading.Lock()
        self._turn = asyncio.Lock()
        self._tail: dict[int, ArchivedCall] = {}
        self._numbers: dict[str, int] = {}

    def tail(self) -> tuple[tuple[int, ArchivedCall], ...]:
        """The calls that this machine's partitions may not have yet, each behind its number; from any thread."""
        with self._guard:
            return tuple(self._tail.items())

    def get(self, call_id: str) -> ArchivedCall | None:
        """A call, if it is in the tail; from any thread."""
        with self._guard:
            return self._tail.get(self._numbers.get(call_id, 0))

    def listen(self, listener: Listener) -> None:
        """Tell somebody from now on."""
        self._listeners.append(listener)

    def put(self, number: int, call: ArchivedCall) -> None:
        """Put a call into the tail that this process has added itself."""
        with self._guard:
            if number > max(self._position, self._keeper.manifest.through):
                self._tail[number] = call
                self._numbers[call.call_id] = number

    async def start(self) -> None:
        """Take what is there already, and tell nobody."""
        self._position = self._keeper.manifest.through
        await self.catch_up()

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            try:
                wait_ms = _OWING_MS if self._said < self.last_erasure else _WAIT_MS
                came = await self._stream.wait(self._position, wait_ms=wait_ms)
                if came == {EntryKind.CALL}:
                    await asyncio.sleep(_GATHER_S)
                if came or self._has_to_say:
                    await self.catch_up()
                else:
                    await self._look_at_partitions()
                self.problem = ""
            except IndexRoomError as error:
                self.problem = error.message
                await asyncio.sleep(_RETRY_S)

    async def catch_up(self) -> None:
        """Take what is new, tell of it, and read the newest manifest."""
        async with self._turn:
            await self._catch_up()

    async def _catch_up(self) -> None:
        while True:
            trimmed, entries = await self._stream.read(self._position)
            if trimmed > self._position:
                self._position = trimmed
                for listener in self._listeners:
                    listener.missed()
                continue
            if not entries:
                break
            if len(entries) > _FEW:
                batch = await asyncio.to_thread(Batch.of, entries, self._keys, self._tail.get)
            else:
                batch = Batch.of(entries, self._keys, self._tail.get)
            self._take(batch)
            if len(entries) < PAGE:
                break
        await self._keeper.reload()
        self._forget_moved()
        await self._say()

    async def _look_at_partitions(self) -> None:
        """Read the manifest if another process has replaced it; the stream has nothing new."""
        async with self._turn:
            await self._keeper.reload()
            self._forget_moved()

    @property
    def _has_to_say(self) -> bool:
        return self._said < self.last_erasure or time.monotonic() > self._said_s + _SAY_S

    async def _say(self) -> None:
        """Tell how far this process is: it has heard of all, and what it reads of partitions is as new."""
        number = min(self._position, self._keeper.manifest.through)
        is_busy = any(listener.busy() for listener in self._listeners)
        if is_busy:
            number = max(self._said, min(number, self.last_erasure - 1))
        owes, is_settled = self._said < self.last_erasure, number >= self.last_erasure
        if owes and not is_settled and not is_busy:
            self.woken.set()
        if (owes and is_settled) or time.monotonic() > self._said_s + _SAY_S:
            await self._stream.heard(self.process, number, forget_s=FORGET_S)
            self._said, self._said_s = number, time.monotonic()

    def _take(self, batch: Batch) -> None:
        gone = {call_pseudonym(self._keys, call_id) for call_id in batch.erased}
        with self._guard:
            # Calls that came before an erasure of them have no content: those in the batch came after it.
            for call_id in batch.erased:
                self._tail.pop(self._numbers.pop(call_id, 0), None)
            self._tail.update(batch.calls)
            self._numbers.update({call.call_id: number for number, call in batch.calls})
            self.erased |= gone
            self._position = batch.last
        if self.erased:
            self.erased -= {call_pseudonym(self._keys, call.call_id) for _, call in batch.calls}
        if gone:
            self.erasures += 1
            self.last_erasure = batch.last
        added = [call for _, call in batch.calls]
        for listener in self._listeners:
            if batch.erased:
                listener.erased(batch.erased)
            if added:
                listener.added(added)

    def _forget_moved(self) -> None:
        through = self._keeper.manifest.through
        with self._guard:
            moved = [number for number in self._tail if number <= through]
            for number in moved:
                self._numbers.pop(self._tail.pop(number).call_id, None)
