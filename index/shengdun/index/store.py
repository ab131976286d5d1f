"""The store's commands that the index uses, and the one place where redis-py's exceptions become ours.

All keys of the registry carry the same hash tag, so that a Cluster keeps them in one slot and a script can change
several at once; the keys of a call carry the call's.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shengdun.index.connections import StoreSettings, close_client, make_client
from shengdun.index.errors import IndexRoomError, StoreFull, StoreRefused, StoreUnavailable

__all__ = ["RawEntry", "Script", "Store", "StoreGuard", "StoreSettings"]

_PAGE: Final = 1000
_COMPACTION_POLL_S: Final = 0.02
_UNAVAILABLE: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    ClusterDownError,
    MasterDownError,
    TryAgainError,
    RedisClusterException,
    OSError,
)
RawEntry = tuple[int, dict[bytes, bytes]]
"""A stream entry: its sequence number and its fields."""


class StoreGuard(Protocol):
    """What an embedded server knows about itself beyond what a connection tells."""

    def failure(self) -> IndexRoomError | None:
        """Why the server must not be written to now; None when it can be."""

    def explanation(self) -> IndexRoomError | None:
        """Why a connection may just have broken, if it is known."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, sent by its SHA-1 after the first time."""

    source: str

    @property
    def sha1(self) -> str:
        """As the server computes it."""
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


class Store:
    """A connection pool to one Redis or Valkey.

    Every method raises ``StoreUnavailable``, ``StoreRefused`` or ``StoreFull`` and nothing else of the network's.

    Attributes:
        settings: as given.
        embedded: whether the server is our own, so that nobody else can have written to it.
    """

    def __init__(self, settings: StoreSettings, *, guard: StoreGuard | None = None) -> None:
        self.settings = settings
        self.embedded = guard is not None
        self._guard = guard
        # redis-py's annotations unite the sync and async, text and bytes forms of every answer.
        self._client: Any = make_client(settings)

    @classmethod
    async def connect(cls, settings: StoreSettings, *, guard: StoreGuard | None = None) -> "Store":
        """Connect and ping.

        Args:
            settings: where the store is.
            guard: the ``EmbeddedStore``, if it is that one.
        """
        store = cls(settings, guard=guard)
        try:
            await store.ping()
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Close all connections; idempotent."""
        await close_client(self._client)

    def key(self, name: str) -> str:
        """The full key of a name in the registry's slot."""
        return f"{{{self.settings.key_prefix}}}:{name}"

    async def ping(self) -> None:
        """Return when the store answers."""
        with self._translated():
            await self._client.ping()

    def check_writable(self) -> None:
        """Raise ``StoreFull`` (or what else is known) before a write that could not be kept."""
        failure = self._guard.failure() if self._guard else None
        if failure is not None:
            raise failure

    async def get(self, key: str) -> bytes | None:
        """The value of a key."""
        with self._translated():
            value: bytes | None = await self._client.get(key)
            return value

    async def get_field(self, key: str, name: str) -> bytes | None:
        """The value of a field of a hash."""
        with self._translated():
            value: bytes | None = await self._client.hget(key, name)
            return value

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of keys in the registry's slot, in order."""
        values: list[bytes | None] = []
        with self._translated():
            for start in range(0, len(keys), _PAGE):
                values += await self._client.mget(keys[start : start + _PAGE])
        return values

    async def put_all(self, values: Mapping[str, bytes], *, ttl_ms: int) -> None:
        """Set keys of any slots for a while; if it fails, some may be set."""
        with self._translated():
            async with self._client.pipeline(transaction=False) as pipeline:
                for key, value in values.items():
                    pipeline.set(key, value, px=ttl_ms)
                await pipeline.execute()

    async def delete_all(self, keys: Sequence[str]) -> None:
        """Delete keys of any slots; if it fails, some may be deleted."""
        with self._translated():
            for start in range(0, len(keys), _PAGE):
                async with self._client.pipeline(transaction=False) as pipeline:
                    for key in keys[start : start + _PAGE]:
                        pipeline.delete(key)
                    await pipeline.execute()

    async def scan(self, name_prefix: str) -> set[str]:
        """The names of all keys in the registry's slot that begin so."""
        return {name async for name in self.names(name_prefix)}

    async def names(self, name_prefix: str) -> AsyncIterator[str]:
        """As ``scan``, one after the other; some may come more than once."""
        start = len(self.key(""))
        pattern = self.key(name_prefix) + "*"
        with self._translated():
            async for key in self._client.scan_iter(match=pattern, count=_PAGE):
                yield key.decode()[start:]

    async def evaluate(
        self, script: Script, keys: Sequence[str], arguments: Sequence[bytes | str | int]
    ) -> Any:  # noqa: ANN401 - what a script returns is the script's
        """Run a script atomically; all keys lie in one slot."""
        command = (len(keys), *keys, *arguments)
        with self._translated():
            try:
                return await self._client.evalsha(script.sha1, *command)
            except NoScriptError:
                return await self._client.eval(script.source, *command)

    async def entries(self, stream: str, *, after: int, limit: int = _PAGE) -> list[RawEntry]:
        """The entries of a stream after a sequence number, oldest first."""
        with self._translated():
            rows = await self._client.xrange(stream, min=f"({after}-0", count=limit)
        return [_entry(row) for row in rows]

    async def last_entry(self, stream: str) -> RawEntry | None:
        """The newest entry of a stream."""
        with self._translated():
            rows = await self._client.xrevrange(stream, count=1)
        return _entry(rows[0]) if rows else None

    async def wait_for_entries(self, stream: str, *, after: int, wait_ms: int) -> list[RawEntry]:
        """The entries after a sequence number; waits for the first one, but not longer than ``wait_ms``."""
        with self._translated():
            answer = await self._client.xread({stream: f"{after}-0"}, count=_PAGE, block=wait_ms)
        return [_entry(row) for _, rows in answer or [] for row in rows]

    async def compact(self) -> None:
        """Rewrite the append-only file, so that the bytes of deleted keys leave the disk; returns when it is done.

        Raises:
            StoreRefused: the server does not allow it (a managed one often does not).
        """
        with self._translated():
            if isinstance(self._client, RedisCluster):
                await self._client.bgrewriteaof(target_nodes=self._client.get_primaries())
                return
            # A rewrite that is under way may have begun before the deletion, so it is waited for and not counted.
            await self._compacted()
            await self._client.bgrewriteaof()
            await self._compacted()

    async def _compacted(self) -> None:
        while await self._compacting():  # noqa: ASYNC110 - the server doesn't tell
            await asyncio.sleep(_COMPACTION_POLL_S)

    async def _compacting(self) -> bool:
        state = await self._client.info("persistence")
        return bool(state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"])

    def _explain(self, error: IndexRoomError) -> IndexRoomError:
        if self._guard is None or not isinstance(error, StoreUnavailable):
            return error
        return self._guard.explanation() or error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        task = asyncio.current_task()
        cancellations = task.cancelling() if task else 0
        try:
            yield
        except (RedisError, RedisClusterException, OSError) as error:
            _pass_on_cancellation(task, cancellations)
            raise self._explain(_translate(error)) from error
        _pass_on_cancellation(task, cancellations)


def _pass_on_cancellation(task: asyncio.Task[Any] | None, cancellations: int) -> None:
    """Raise the ``CancelledError`` that redis-py swallows when it arrives while a pooled connection is probed."""
    if task is not None and task.cancelling() > cancellations:
        raise asyncio.CancelledError


def _translate(error: Exception) -> IndexRoomError:
    if isinstance(error, (AuthenticationError, AuthorizationError, NoPermissionError)):
        return StoreRefused(
            "The store refuses the credentials: check its user, password and rights."
        )
    if isinstance(error, OutOfMemoryError) or str(error).startswith(("MISCONF", "OOM")):
        return StoreFull(
            "The store's memory or disk is used up: nothing was changed. Free space or raise its limit."
        )
    if isinstance(error, _UNAVAILABLE) or str(error).startswith(
        ("LOADING", "NOREPLICAS", "UNBLOCKED")
    ):
        return StoreUnavailable(
            "The store does not answer; the change may or may not have been kept. Check the server and repeat."
        )
    if isinstance(error, ResponseError):
        return StoreRefused(
            "The store refuses a command: it must be Redis 6.2 or Valkey 7.2 or newer, with scripts allowed."
        )
    return StoreUnavailable("The store can't be used; see the log.")


def _entry(row: tuple[bytes, dict[bytes, bytes]]) -> RawEntry:
    identifier, fields = row
    return int(identifier.partition(b"-")[0]), fields
