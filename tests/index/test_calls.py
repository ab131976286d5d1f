import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest

from shengdun.index.calls import CallDirectory
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.errors import CallAlreadyLive, InvalidRecord, SealBroken, StoreUnavailable
from shengdun.index.keys import KeyRing
from shengdun.index.store import Store

MINUTE = timedelta(minutes=1)


@pytest.fixture
def calls(store: Store, tmp_path: Path) -> CallDirectory:
    return CallDirectory(store, KeyRing.open(tmp_path / "key.json"))


async def test_a_call_is_live_once(calls: CallDirectory) -> None:
    """A second session is refused until the first one releases the call."""
    await calls.claim("c-1", "session-a")
    await calls.claim("c-1", "session-a")
    with pytest.raises(CallAlreadyLive):
        await calls.claim("c-1", "session-b")
    await calls.claim("c-2", "session-b")
    await calls.release("c-1", "session-b")
    with pytest.raises(CallAlreadyLive):
        await calls.renew("c-1", "session-b")
    await calls.release("c-1", "session-a")
    await calls.claim("c-1", "session-b")


async def test_what_an_owner_held_that_has_died_is_free_at_once(calls: CallDirectory) -> None:
    """Nobody waits for its lease to run out, and what others hold is not touched."""
    await calls.claim("c-1", "dead")
    await calls.claim("c-2", "alive")
    await calls.claim("c-1", "heir", is_gone=lambda owner: owner == "dead")
    for call_id in ("c-1", "c-2"):
        with pytest.raises(CallAlreadyLive):
            await calls.claim(call_id, "late", is_gone=lambda owner: owner == "dead")


async def test_a_hundred_sessions_race_for_one_call(calls: CallDirectory) -> None:
    """Exactly one wins."""
    outcomes = await asyncio.gather(
        *(calls.claim("c", f"session-{number}") for number in range(40)), return_exceptions=True
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, CallAlreadyLive) for outcome in outcomes) == 39


async def test_a_lease_that_is_not_renewed_runs_out(calls: CallDirectory) -> None:
    """A session that died frees its call; one that renews keeps it."""
    short = timedelta(milliseconds=150)
    await calls.claim("dead", "session-a", lease=short)
    await calls.claim("alive", "session-a", lease=short)
    await calls.renew("alive", "session-a", lease=MINUTE)
    while True:
        try:
            await calls.claim("dead", "session-b")
        except CallAlreadyLive:
            await asyncio.sleep(0.01)
        else:
            break
    with pytest.raises(CallAlreadyLive):
        await calls.claim("alive", "session-b")
    await calls.renew("gone", "session-a")


async def test_the_latest_decision_is_shared(
    calls: CallDirectory, store: Store, tmp_path: Path
) -> None:
    """Byte for byte, to whoever has the keys; it's sealed, and its key doesn't tell the call id."""
    assert await calls.decision("13800138000-1") is None
    await calls.publish_decisions({"13800138000-1": b"first"}, keep_for=MINUTE)
    await calls.publish_decisions({"13800138000-1": b"second \x00"}, keep_for=MINUTE)
    other = CallDirectory(store, KeyRing.open(tmp_path / "key.json"))
    assert await other.decision("13800138000-1") == b"second \x00"
    keys = [key async for key in store._client.scan_iter()]
    assert len(keys) == 1
    assert b"13800138000" not in keys[0]
    sealed = await store.get(keys[0].decode())
    assert sealed is not None
    assert b"second" not in sealed
    altered = sealed[:-1] + bytes([sealed[-1] ^ 1])
    await store.put_all({keys[0].decode(): altered}, ttl_ms=10_000)
    with pytest.raises(SealBroken):
        await calls.decision("13800138000-1")


async def test_a_call_is_given_back_with_its_last_decision(calls: CallDirectory) -> None:
    """Also by whoever has lost it meanwhile, but then its lease is left alone."""
    await calls.claim("c", "session-a")
    await calls.release("c", "session-b", decision=b"early", keep_for=MINUTE)
    assert (await calls.is_live("c"), await calls.decision("c")) == (True, b"early")
    await calls.release("c", "session-a", decision=b"late", keep_for=MINUTE)
    assert (await calls.is_live("c"), await calls.decision("c")) == (False, b"late")
    await calls.release("c", "session-a")
    assert await calls.decision("c") == b"late"


async def test_decisions_do_not_wear_out_the_key_that_wraps_biometrics(
    calls: CallDirectory, store: Store, tmp_path: Path
) -> None:
    """Calls seal millions of times a day: each has a key of its own, and none has that of the registry."""
    for call_id in ("c-1", "c-2"):
        await calls.publish_decisions({call_id: b"x"}, keep_for=MINUTE)
    ring = KeyRing.open(tmp_path / "key.json")
    one, other = [key.decode() async for key in store._client.scan_iter()]
    sealed = await store.get(one)
    assert sealed is not None
    with pytest.raises(SealBroken):
        ring.unseal(sealed, one.encode())
    with pytest.raises(SealBroken):
        ring.unseal_decision(sealed, other)
    assert ring.unseal_decision(sealed, one) == b"x"


async def test_a_decision_expires(calls: CallDirectory) -> None:
    """It isn't kept longer than asked."""
    await calls.publish_decisions({"c": b"x"}, keep_for=timedelta(milliseconds=50))
    async with asyncio.timeout(20):
        while await calls.decision("c") is not None:  # noqa: ASYNC110 - the server expires it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("call_id", ["", " ", "x" * 257, "a\x00b"])
async def test_a_malformed_call_id_is_refused(calls: CallDirectory, call_id: str) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidRecord):
        await calls.claim(call_id, "session-a")


@pytest.mark.parametrize("state", ["stopped", "frozen"])
async def test_a_missing_store_does_not_hold_up_a_call(
    calls: CallDirectory, embedded_store: EmbeddedStore, state: str
) -> None:
    """Gone or hanging, each method gives up at once with a typed error."""
    await calls.claim("c", "session-a")
    blocker = None
    if state == "stopped":
        await embedded_store.stop()
    else:
        # The server is busy with a script for longer than anybody waits.
        blocker = asyncio.create_task(
            calls._store._client.eval("local n = 0 while n < 4e8 do n = n + 1 end return n", 0)
        )
        await asyncio.sleep(0.05)
    started = time.monotonic()
    for attempt in (
        calls.claim("d", "session-a"),
        calls.publish_decisions({"d": b"x"}, keep_for=MINUTE),
        calls.decision("d"),
        calls.release("c", "session-a"),
    ):
        with pytest.raises(StoreUnavailable):
            await attempt
    assert time.monotonic() - started < 3
    if blocker is not None:
        blocker.cancel()
        await asyncio.gather(blocker, return_exceptions=True)
