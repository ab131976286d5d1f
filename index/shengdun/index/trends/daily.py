"""Phrases by line and day: what is asked for the trends of a period."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b
from typing import Final

from shengdun.index.scripts.background import Background, default_background
from shengdun.index.trends.counts import Counting, PhraseCounts, counts_of, together
from shengdun.index.trends.ranking import Floors, Trends, ranked

_ROOM_TODAY: Final = 500_000
_ROOM_LATER: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedText:
    """A text of which the phrases count.

    Attributes:
        text: as it was written, said or masked.
        customer: pseudonym of the customer whom it is about.
    """

    text: str
    customer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Days.

    Attributes:
        first: the first.
        last: the last; not before the first.
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError("a period ends on its first day or later")

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def before(self, days: int) -> "Period":
        """So many days right before it, 1 or more."""
        return Period(first=self.first - timedelta(days=days), last=self.first - timedelta(days=1))


def trends(
    period: Iterable[CountedText],
    past: Iterable[CountedText],
    *,
    background: Background | None = None,
    floors: Floors | None = None,
    limit: int = 20,
) -> Trends:
    """The hot and the rising phrases of some texts, compared with those of the past; one customer's count as one text.

    Args:
        period: the texts.
        past: what they are compared with; may be none.
        background: how common wording is.
        floors: what a phrase needs to be told.
        limit: how many are told of either.
    """
    now, before = (_counted(texts) for texts in (period, past))
    known = background or default_background()
    return ranked(now, before, known, floors=floors or Floors(), limit=limit)


class DailyPhrases:
    """The phrases of the last days by line. Safe to share between threads, which take turns.

    Of a day that goes on up to 500,000 phrases are held for each line (36 bytes each, and as much again while they are
    put together), of an earlier one 50,000. Texts must come in the order of their days, more or less: those of a day
    before the latest cost the more.

    Args:
        days: how many days are kept, 1 or more.
        background: how common wording is.

    Raises:
        ValueError: there is no day to keep.
    """

    def __init__(self, *, days: int, background: Background | None = None) -> None:
        if days < 1:
            raise ValueError("at least one day must be kept")
        self._days = days
        self._background = background or default_background()
        self._latest: date | None = None
        self._open: dict[str, Counting] = {}
        self._counted: set[tuple[str, bytes]] = set()
        self._closed: dict[tuple[str, date], PhraseCounts] = {}
        self._turn = threading.Lock()

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of business that there are texts of."""
        with self._turn:
            return tuple(sorted({*self._open, *(line for line, _ in self._closed)}))

    @property
    def nbytes(self) -> int:
        """Memory of what is counted, in bytes."""
        with self._turn:
            held = [*self._closed.values(), *(counting.counts for counting in self._open.values())]
            return sum(counts.nbytes for counts in held)

    def add(self, text: str, *, customer: str, line: str, day: date) -> None:
        """Count a text.

        One of before the days that are kept counts nowhere; of a customer's on a line and on the latest day only the
        first does.

        Args:
            text: as it was written, said or masked.
            customer: pseudonym of the customer whom it is about.
            line: line of business.
            day: on which it came in.
        """
        counts = counts_of(text, customer)
        with self._turn:
            if self._latest is None or day > self._latest:
                self._begin(day)
            if day == self._latest:
                self._count(counts, line, _short(customer))
            elif day in self._kept():
                earlier = self._closed.get((line, day))
                both = together([counts] if earlier is None else [earlier, counts])
                self._closed[line, day] = both.within(_ROOM_LATER)

    def trends(
        self,
        period: Period,
        past: Period,
        *,
        line: str | None = None,
        floors: Floors | None = None,
        limit: int = 20,
    ) -> Trends:
        """The hot and the rising phrases of some days, compared with others.

        Args:
            period: the days.
            past: those that they are compared with.
            line: of this line of business; of all together if None.
            floors: what a phrase needs to be told.
            limit: how many are told of either.
        """
        with self._turn:
            now, before = self._of(period, line), self._of(past, line)
        return ranked(
            together(now),
            together(before),
            self._background,
            floors=floors or Floors(),
            limit=limit,
        )

    def _of(self, period: Period, line: str | None) -> list[PhraseCounts]:
        found = [
            counts
            for (of_line, day), counts in self._closed.items()
            if day in period and line in {None, of_line}
        ]
        if self._latest in period:
            found += [
                counting.counts
                for of_line, counting in self._open.items()
                if line in {None, of_line}
            ]
        return found

    def _count(self, counts: PhraseCounts, line: str, customer: bytes) -> None:
        if (line, customer) not in self._counted:
            self._counted.add((line, customer))
            self._open.setdefault(line, Counting(_ROOM_TODAY)).add(counts)

    def _begin(self, day: date) -> None:
        """Close the day that was, and let go of what is too long ago."""
        if self._latest is not None:
            for line, counting in self._open.items():
                self._closed[line, self._latest] = counting.counts.within(_ROOM_LATER)
        self._open, self._counted, self._latest = {}, set(), day
        kept = self._kept()
        self._closed = {key: counts for key, counts in self._closed.items() if key[1] in kept}

    def _kept(self) -> Period:
        if self._latest is None:
            raise LookupError("no day has begun")
        return Period(first=self._latest - timedelta(days=self._days - 1), last=self._latest)


def _counted(texts: Iterable[CountedText]) -> PhraseCounts:
    of_customer: dict[str, list[str]] = {}
    for each in texts:
        of_customer.setdefault(each.customer, []).append(each.text)
    counting = Counting(_ROOM_TODAY)
    for customer, own in of_customer.items():
        # On lines of their own, which no phrase goes across.
        counting.add(counts_of("\n".join(own), customer))
    return counting.counts


def _short(customer: str) -> bytes:
    """Stands for a customer in memory."""
    return blake2b(customer.encode(errors="surrogatepass"), digest_size=8).digest()
