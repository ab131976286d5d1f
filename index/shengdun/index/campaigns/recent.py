"""The texts of the last weeks, and which of them hold a run of syllables.

The memory is a row of shelves. New texts go on the last; the first is thrown away whole, with its postings, when
nothing on it is wanted any more. So forgetting costs nothing that grows with the memory, and a lookup asks at most
some ten shelves. A text takes 2 bytes a character for its canonical form and 4 for its postings (8 for one run in two),
and some 700 bytes besides.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from shengdun.index.scripts.postings import ROWS_PER_SHINGLE, Hashes, Postings, Rows

_SHELVES: Final = 8
_NONE: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentText:
    """A text or transcript as it is remembered.

    Attributes:
        text_id: which; not empty.
        customer: pseudonym of the customer whom it is about; not empty.
        line: line of business; may be empty.
        seen_at: when it came in, by the server's clock, with a time zone.
        canonical: its canonical characters; personal particulars are placeholders.
    """

    text_id: str
    customer: str
    line: str
    seen_at: datetime
    canonical: str

    def __post_init__(self) -> None:
        if not self.text_id or not self.customer:
            raise ValueError("a text needs an id and a customer, or nobody knows whose it is")
        if self.seen_at.tzinfo is None:
            raise ValueError("the time at which a text was seen needs a time zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is remembered.

    Attributes:
        texts: how many texts, 1 or more.
        characters: how many canonical characters of all of them, 1 or more; some 6 bytes of memory each.
        age: how long before the newest; above 0.
    """

    texts: int = 100_000
    characters: int = 50_000_000
    age: timedelta = timedelta(days=60)

    def __post_init__(self) -> None:
        if self.texts < 1 or self.characters < 1 or self.age <= timedelta(0):
            raise ValueError("a memory needs room for a text, and time")


class _Shelf:
    """Texts that came one after the other."""

    def __init__(self, first: int, room: int) -> None:
        self.first = first
        self.texts: list[RecentText | None] = []
        self.oldest = 0
        self._postings = Postings()
        self._alive = np.zeros(room, dtype=np.bool_)

    def add(self, text: RecentText, probes: Hashes) -> None:
        row = len(self.texts)
        self.texts.append(text)
        self._alive[row] = True
        self._postings.add(probes, np.full(len(probes), row, np.uint32))

    def drop(self, row: int) -> RecentText | None:
        text, self.texts[row] = self.texts[row], None
        self._alive[row] = False
        return text

    def find(self, probes: Hashes) -> list[Rows]:
        return [rows + self.first for rows in self._postings.find(probes, self._alive)]

    @property
    def nbytes(self) -> int:
        return self._postings.nbytes + self._alive.nbytes


class RecentTexts:
    """The texts that came last, each with a serial number that grows. One thread at a time.

    Args:
        limits: how much is remembered.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._room = -(-limits.texts // _SHELVES)
        self._shelves: deque[_Shelf] = deque()
        self._serial_of: dict[str, int] = {}
        self._on_last = 0
        self._newest: datetime | None = None
        self.characters = 0

    def __len__(self) -> int:
        return len(self._serial_of)

    def __contains__(self, text_id: object) -> bool:
        return text_id in self._serial_of

    def __iter__(self) -> Iterator[tuple[int, RecentText]]:
        """Serial numbers and texts, the oldest first."""
        for shelf in self._shelves:
            for row, text in enumerate(shelf.texts):
                if text is not None:
                    yield shelf.first + row, text

    @property
    def nbytes(self) -> int:
        """Memory of postings and canonical characters, in bytes."""
        return sum(shelf.nbytes for shelf in self._shelves) + 2 * self.characters

    def add(self, text: RecentText, probes: Hashes) -> int:
        """Remember a text; its serial number.

        Args:
            text: one whose id isn't remembered.
            probes: (p,) hashes of the runs by which it is to be found.
        """
        shelf = self._shelf_for(len(text.canonical))
        serial = shelf.first + len(shelf.texts)
        shelf.add(text, probes)
        self._serial_of[text.text_id] = serial
        self.characters += len(text.canonical)
        self.reach(text.seen_at)
        return serial

    def reach(self, time: datetime) -> None:
        """Age what is remembered up to a time, if it is later than any before."""
        self._newest = max(self._newest or time, time)

    def get(self, serial: int) -> RecentText | None:
        """The text of a serial number; None if it is forgotten."""
        shelf = self._shelf_of(serial)
        return shelf.texts[serial - shelf.first] if shelf is not None else None

    def find(self, probes: Hashes) -> list[Rows]:
        """For each probe the texts that hold it, ascending; of many some of the newest."""
        found = [shelf.find(probes) for shelf in self._shelves]
        return [
            np.concatenate([_NONE, *of_probe])[-ROWS_PER_SHINGLE:]
            for of_probe in zip(*found, strict=True)
        ] or [_NONE] * len(probes)

    def serial(self, text_id: str) -> int | None:
        """The serial number of a text; None if it isn't remembered."""
        return self._serial_of.get(text_id)

    def forget(self, serial: int) -> None:
        """Forget one text, if it is there."""
        shelf = self._shelf_of(serial)
        text = shelf.drop(serial - shelf.first) if shelf is not None else None
        if text is not None:
            del self._serial_of[text.text_id]
            self.characters -= len(text.canonical)

    def surplus(self) -> Iterator[int]:
        """Serial numbers beyond the limits, the oldest first; each must be forgotten before the next is asked for."""
        while (oldest := self._oldest()) is not None and self._is_over(oldest[1]):
            yield oldest[0]

    def is_too_old(self, text: RecentText) -> bool:
        """Whether a text is older than what is remembered."""
        return self._newest is not None and self._newest - text.seen_at > self._limits.age

    def _is_over(self, oldest: RecentText) -> bool:
        over = len(self) > self._limits.texts or self.characters > self._limits.characters
        return (over and len(self) > 1) or self.is_too_old(oldest)

    def _oldest(self) -> tuple[int, RecentText] | None:
        while self._shelves:
            shelf = self._shelves[0]
            while shelf.oldest < len(shelf.texts):
                text = shelf.texts[shelf.oldest]
                if text is not None:
                    return shelf.first + shelf.oldest, text
                shelf.oldest += 1
            if len(self._shelves) == 1:
                return None
            self._shelves.popleft()
        return None

    def _shelf_for(self, characters: int) -> _Shelf:
        last = self._shelves[-1] if self._shelves else None
        full = self._on_last + characters > self._limits.characters // _SHELVES
        if last is None or len(last.texts) == self._room or (full and last.texts):
            first = 0 if last is None else last.first + len(last.texts)
            last = _Shelf(first, self._room)
            self._shelves.append(last)
            self._on_last = 0
        self._on_last += characters
        return last

    def _shelf_of(self, serial: int) -> _Shelf | None:
        at = bisect_right(self._shelves, serial, key=lambda shelf: shelf.first) - 1
        if at < 0 or serial - self._shelves[at].first >= len(self._shelves[at].texts):
            return None
        return self._shelves[at]
