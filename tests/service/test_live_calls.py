"""The live calls of processes that share a store: leases that last as long as their calls, memory that is bounded."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.store import until
from shengdun.index.calls import CallDirectory
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.errors import CallAlreadyLive
from shengdun.index.keys import KeyRing
from shengdun.index.store import Store
from shengdun.service.calls import LiveCalls

SHORT = timedelta(seconds=0.6)


@pytest.fixture
def directory(store: Store, tmp_path: Path) -> CallDirectory:
    """The calls of all processes."""
    return CallDirectory(store, KeyRing.open(tmp_path / "keys.json"))


@asynccontextmanager
async def _process(directory: CallDirectory, *, kept: int = 100) -> AsyncIterator[LiveCalls]:
    async with LiveCalls(directory, max_calls=10, kept=kept, lease=SHORT) as calls:
        yield calls


async def test_a_call_that_another_process_took_costs_the_others_no_lease(
    directory: CallDirectory,
) -> None:
    """Two processes can hold one call after a lost store; the leases of all other calls are still renewed."""
    async with _process(directory) as calls, calls.open("disputed"), calls.open("mine"):
        async with asyncio.timeout(20):
            while True:
                try:
                    await directory.claim("disputed", "another process", lease=timedelta(hours=1))
                except CallAlreadyLive:
                    await directory.release("disputed", calls.owner)
                else:
                    break
        ends_at = asyncio.get_running_loop().time() + 2 * SHORT.total_seconds()
        await until(lambda: asyncio.get_running_loop().time() > ends_at)
        assert await directory.is_live("mine")


async def test_a_call_that_has_ended_gives_its_id_back_for_good(directory: CallDirectory) -> None:
    """Its end takes nothing from the next stream of the id, and no renewal takes the id again."""
    async with _process(directory) as calls:
        async with calls.open("again"):
            pass
        assert not await directory.is_live("again")
        async with calls.open("again"):
            with pytest.raises(CallAlreadyLive):
                await directory.claim("again", "another process", lease=SHORT)


async def test_an_id_is_taken_until_its_lease_has_been_given_back(
    directory: CallDirectory,
) -> None:
    """A stream that begins while the last one ends never loses its lease to that end."""
    async with _process(directory) as calls:
        first = calls.open("again")
        await first.__aenter__()
        ending = asyncio.create_task(first.__aexit__(None, None, None))
        await asyncio.sleep(0)
        with pytest.raises(CallAlreadyLive):
            async with calls.open("again"):
                pass
        await ending
        async with calls.open("again"):
            assert await directory.is_live("again")


async def test_decisions_that_cannot_be_shared_do_not_fill_the_memory(
    directory: CallDirectory, embedded_store: EmbeddedStore
) -> None:
    """While the store is gone the latest are kept, and the oldest forgotten."""
    async with _process(directory, kept=3) as calls:
        await embedded_store.stop()
        for number in range(5):
            async with calls.open(f"call-{number}") as call:
                calls.publish(call, b"decision")
        assert calls.unshared == 3


class _FarAway(CallDirectory):
    """The same, of a store that is some way off: what is sent to it, or asked, takes a while to get there."""

    async def publish_decisions(
        self, payloads: Mapping[str, bytes], *, keep_for: timedelta
    ) -> None:
        await asyncio.sleep(0.05)
        await super().publish_decisions(payloads, keep_for=keep_for)

    async def is_live(self, call_id: str) -> bool:
        await asyncio.sleep(0.1)
        return await super().is_live(call_id)


async def test_what_a_call_ended_with_is_told_while_it_is_being_shared(
    store: Store, tmp_path: Path
) -> None:
    """Though the store has an earlier decision when it is asked, and the last one before it has answered."""
    directory = _FarAway(store, KeyRing.open(tmp_path / "keys.json"))
    async with _process(directory) as calls:
        async with calls.open("short") as call:
            calls.publish(call, b"first")
            await until(lambda: calls._being_shared != {})
            calls.publish(call, b"last")
        await until(lambda: calls._being_shared == {"short": b"last"})
        assert await calls.latest("short") == (b"last", False)
