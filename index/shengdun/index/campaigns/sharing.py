"""The texts that campaigns and trends are told from, in the store: all processes remember the same, also after a start.

====================  ============================================================================================
``texts/state``       ``sequence``, the number of the newest entry
``texts/stream``      an entry for each text that came, and for each customer who is to be forgotten
``texts/rows``        by number: what it is about, sealed
====================  ============================================================================================

What is sealed lies in a hash and not in the stream: what is taken out of a stream stays in the memory of the store, and
in its files, until the whole node is free.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final

from shengdun.index.archive.receipts import ErasedTexts
from shengdun.index.errors import StoreRefused
from shengdun.index.keys import KeyRing
from shengdun.index.store import Script, Store

_SEALED_FOR: Final = b"texts"
_NAMES: Final = ("state", "stream", "rows")
_AT_ONCE: Final = 500

_PUT: Final = Script(
    """
for i = 3, #ARGV do redis.call('HDEL', KEYS[3], ARGV[i]) end
local number = redis.call('HINCRBY', KEYS[1], 'sequence', 1)
redis.call('HSET', KEYS[3], number, ARGV[1])
redis.call('XADD', KEYS[2], number .. '-0', 't', '')
local last = number - tonumber(ARGV[2])
if last > 0 then
  for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', last .. '-0', 'COUNT', 1000)) do
    redis.call('HDEL', KEYS[3], string.match(entry[1], '^%d+'))
    redis.call('XDEL', KEYS[2], entry[1])
  end
end
return number
"""
)
_TAKE_OUT: Final = Script("for i = 1, #ARGV do redis.call('HDEL', KEYS[3], ARGV[i]) end return 0")
_READ: Final = Script(
    """
local out = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])) do
  local number = string.match(entry[1], '^%d+')
  out[#out + 1] = {tonumber(number), redis.call('HGET', KEYS[3], number) or ''}
end
return out
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedText:
    """A text as all processes remember it.

    Attributes:
        text_id: which.
        customer: pseudonym of the customer whom it is about.
        line: line of business.
        seen_at: when it came in, with a time zone.
        masked: what it says, personal particulars masked.
    """

    text_id: str
    customer: str
    line: str
    seen_at: datetime
    masked: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenCustomer:
    """That nothing of a customer's is to be remembered any more.

    Attributes:
        customer: pseudonym of the customer.
    """

    customer: str


Entry = tuple[int, SharedText | ForgottenCustomer | None]
"""A number, and what came; None where it has been taken out since."""


class SharedTexts:
    """The texts in the store. Methods raise ``StoreUnavailable``, ``StoreFull`` and ``StoreRefused``.

    Args:
        store: a connected store.
        keys: seal what is in it.
        most: how many texts it has at most, 1 or more; the oldest go.
    """

    def __init__(self, store: Store, keys: KeyRing, *, most: int) -> None:
        self._store = store
        self._seal = keys.seal
        self._unseal = keys.unseal
        self._most = most
        self._keys = [store.key(f"texts/{name}") for name in _NAMES]

    async def add(self, text: SharedText) -> int:
        """Put a text in the store; gives its number, which grows with each."""
        content = asdict(text) | {"seen_at": text.seen_at.isoformat()}
        return await self._put(content)

    async def forget(self, customer: str) -> ErasedTexts:
        """Take all texts of a customer out of the store, and tell all processes to forget the customer.

        The store is gone through for them, for some tenths of a second: what this process has followed so far may not
        be all of it.

        Args:
            customer: pseudonym of the customer.

        Raises:
            KeyWrong: a text was sealed with a key that is not on the ring, so nobody can say whose it is.
            SealBroken: one was altered.
        """
        numbers, last = await self._of(customer)
        through = await self._put({"customer": customer}, *numbers)
        came, _ = await self._of(customer, after=last, through=through)
        if came:
            await self._store.evaluate(_TAKE_OUT, self._keys, came)
        return ErasedTexts(customer=customer, count=len(numbers) + len(came), through=through)

    async def left(self, erased: ErasedTexts) -> int:
        """How many texts the store has although they were erased. Raises as ``forget``."""
        numbers, _ = await self._of(erased.customer, through=erased.through)
        return len(numbers)

    async def compact(self) -> bool:
        """Have the store rewrite its files, so that what is gone leaves the disk; False if it does so by itself."""
        try:
            await self._store.compact()
        except StoreRefused:
            return False
        return True

    async def read(self, *, after: int, limit: int) -> list[Entry]:
        """What came after a number, the oldest first.

        Raises:
            KeyWrong: it was sealed with a key that is not on the ring.
            SealBroken: it was altered.
        """
        rows = await self._store.evaluate(_READ, self._keys, [after, limit])
        return self._entries(rows)

    async def wait(self, *, after: int, wait_ms: int) -> bool:
        """Wait for something to come after a number, but not longer than that; whether it did."""
        return bool(await self._store.wait_for_entries(self._keys[1], after=after, wait_ms=wait_ms))

    async def _of(
        self, customer: str, *, after: int = 0, through: int | None = None
    ) -> tuple[list[int], int]:
        """The numbers of a customer's texts, and of the last entry that was looked at."""
        found: list[int] = []
        while True:
            rows = await self._store.evaluate(_READ, self._keys, [after, _AT_ONCE])
            entries = await asyncio.to_thread(self._entries, rows)
            found += [
                number
                for number, text in entries
                if isinstance(text, SharedText)
                and text.customer == customer
                and (through is None or number <= through)
            ]
            if not rows or (through is not None and rows[-1][0] >= through):
                return found, after
            after = rows[-1][0]

    async def _put(self, content: dict[str, str], *gone: int) -> int:
        sealed = self._seal(
            json.dumps(content, ensure_ascii=False).encode(errors="replace"), _SEALED_FOR
        )
        number: int = await self._store.evaluate(_PUT, self._keys, [sealed, self._most, *gone])
        return number

    def _entries(self, rows: Sequence[tuple[int, bytes]]) -> list[Entry]:
        return [(number, self._opened(sealed)) for number, sealed in rows]

    def _opened(self, sealed: bytes) -> SharedText | ForgottenCustomer | None:
        if not sealed:
            return None
        content = json.loads(self._unseal(sealed, _SEALED_FOR))
        if "masked" not in content:
            return ForgottenCustomer(customer=content["customer"])
        seen_at = datetime.fromisoformat(content.pop("seen_at"))
        return SharedText(seen_at=seen_at, **content)
