"""Which calls are live, and their latest decisions, over all processes and machines that share a store.

An IVR process asks for the decision of a call whose audio another process receives. Call ids are kept as keyed hashes
and decisions sealed: the telephony system's ids may hold a telephone number. Nothing here may hold up a call, so
every method gives up after ``ANSWER_S`` with ``StoreUnavailable``.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import lru_cache
from typing import Final

from shengdun.index.errors import CallAlreadyLive, StoreUnavailable
from shengdun.index.identifiers import check_text
from shengdun.index.keys import KeyRing
from shengdun.index.store import Script, Store

ANSWER_S: Final = 0.25
LEASE: Final = timedelta(seconds=30)
_KNOWN: Final = 1_000

_CLAIM: Final = Script(
    """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and holder ~= ARGV[3] then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ''
"""
)
_RELEASE: Final = Script(
    """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end
return 0
"""
)


class CallDirectory:
    """Leases on call ids, and sealed decisions that expire by themselves."""

    def __init__(self, store: Store, keys: KeyRing) -> None:
        self._store = store
        self._keys = keys
        # A call is written of six times, and a keyed hash takes 85 us where the caches have other things in them.
        self._pseudonym = lru_cache(maxsize=_KNOWN)(keys.pseudonym)

    async def claim(
        self,
        call_id: str,
        owner: str,
        *,
        lease: timedelta = LEASE,
        is_gone: Callable[[str], bool] = lambda _owner: False,
    ) -> None:
        """Take a call id for one session; free again when it is released or not renewed in time.

        Args:
            call_id: the telephony system's.
            owner: a name of the session that nobody else uses. The same owner may claim again.
            lease: how long it holds without being renewed.
            is_gone: whether it is known of another owner that it has died, so that what it holds is free.

        Raises:
            CallAlreadyLive: another session has it.
            StoreUnavailable: the store does not answer in time.
        """
        async with _in_time():
            holder = await self._claim(call_id, owner, lease)
            if holder and is_gone(holder):
                holder = await self._claim(call_id, owner, lease, instead_of=holder)
        if holder:
            raise CallAlreadyLive(
                "A call of this id is being screened already: end that session, or give each call an id of its own."
            )

    async def _claim(
        self, call_id: str, owner: str, lease: timedelta, *, instead_of: str = ""
    ) -> str:
        """Whoever has the call id already; empty if this owner has it now."""
        holder: bytes = await self._store.evaluate(
            _CLAIM, [self._key(call_id, "lease")], [owner, _milliseconds(lease), instead_of]
        )
        return holder.decode()

    async def renew(self, call_id: str, owner: str, *, lease: timedelta = LEASE) -> None:
        """Keep a call id; takes it again if the lease has run out meanwhile. Raises as ``claim``."""
        await self.claim(call_id, owner, lease=lease)

    async def release(
        self,
        call_id: str,
        owner: str,
        *,
        decision: bytes | None = None,
        keep_for: timedelta = timedelta(),
    ) -> None:
        """Give a call id back, if this owner has it. Raises ``StoreUnavailable``; the lease then runs out.

        Args:
            call_id: the telephony system's.
            owner: as it was claimed.
            decision: the call's last one, published in the same breath; None if that was done.
            keep_for: for how long.
        """
        place = self._key(call_id, "decision")
        sealed = b"" if decision is None else self._keys.seal_decision(decision, place)
        async with _in_time():
            await self._store.evaluate(
                _RELEASE,
                [self._key(call_id, "lease"), place],
                [owner, sealed, _milliseconds(keep_for)],
            )

    async def is_live(self, call_id: str) -> bool:
        """Whether any session has the call id now. Raises ``StoreUnavailable``."""
        async with _in_time():
            return await self._store.get(self._key(call_id, "lease")) is not None

    async def publish_decisions(
        self, payloads: Mapping[str, bytes], *, keep_for: timedelta
    ) -> None:
        """Put the latest decisions of calls, by call id, where ``decision`` finds them. Raises ``StoreUnavailable``."""
        places = {self._key(call_id, "decision"): one for call_id, one in payloads.items()}
        sealed = {place: self._keys.seal_decision(one, place) for place, one in places.items()}
        async with _in_time():
            await self._store.put_all(sealed, ttl_ms=_milliseconds(keep_for))

    async def decision(self, call_id: str) -> bytes | None:
        """A call's latest decision as it was published, or None.

        Raises:
            StoreUnavailable: the store does not answer in time.
            SealBroken: what the store holds is not a decision of this installation.
        """
        key = self._key(call_id, "decision")
        async with _in_time():
            sealed = await self._store.get(key)
        return None if sealed is None else self._keys.unseal_decision(sealed, key)

    async def forget(self, call_ids: Collection[str]) -> None:
        """Delete the decisions of calls. Raises ``StoreUnavailable``; some may be deleted then."""
        await self._store.delete_all([self._key(call_id, "decision") for call_id in call_ids])

    def _key(self, call_id: str, what: str) -> str:
        check_text("call id", call_id, longest=256, empty=False)
        prefix = self._store.settings.key_prefix
        return f"{{{prefix}:call:{self._pseudonym('call/' + call_id)}}}:{what}"


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(ANSWER_S):
            yield
    except TimeoutError as error:
        raise StoreUnavailable(
            f"The store did not answer within {ANSWER_S * 1000:.0f} ms."
        ) from error


def _milliseconds(span: timedelta) -> int:
    return max(1, int(span.total_seconds() * 1000))
