"""Skeleton: see the signatures; the body follows."""

from datetime import timedelta

from shengdun.index.keys import KeyRing
from shengdun.index.store import Store


class CallDirectory:
    """Which calls are live, and their latest decisions, over all processes and machines."""

    def __init__(self, store: Store, keys: KeyRing) -> None:
        raise NotImplementedError

    async def claim(
        self, call_id: str, owner: str, *, lease: timedelta = timedelta(seconds=30)
    ) -> None:
        """Take the call id. Raises CallAlreadyLive, StoreUnavailable (within 250 ms)."""
        raise NotImplementedError

    async def renew(
        self, call_id: str, owner: str, *, lease: timedelta = timedelta(seconds=30)
    ) -> None:
        """Keep the call id; takes it again if the lease ran out. Raises CallAlreadyLive, StoreUnavailable."""
        raise NotImplementedError

    async def release(self, call_id: str, owner: str) -> None:
        """Give the call id back, if this owner has it."""
        raise NotImplementedError

    async def publish_decision(self, call_id: str, payload: bytes, *, keep_for: timedelta) -> None:
        """Share the latest decision; sealed here."""
        raise NotImplementedError

    async def decision(self, call_id: str) -> bytes | None:
        """The latest decision, or None."""
        raise NotImplementedError
