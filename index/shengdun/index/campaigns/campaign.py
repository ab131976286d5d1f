"""What is told of campaigns."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

_GROWTH_OVER: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resemblance:
    """What speaks for a text following a campaign.

    Attributes:
        llr: natural-log likelihood ratio of "it follows a script that another customer's text follows too".
        campaign_id: the campaign that it belongs to, or would; None where there is none (yet).
        text_ids: the texts of other customers that it shares wording with, those that share the most first.
    """

    llr: float
    campaign_id: str | None
    text_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A text of a campaign.

    Attributes:
        text_id: which.
        customer: pseudonym of the customer.
        line: line of business.
        seen_at: when it came in.
    """

    text_id: str
    customer: str
    line: str
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """Texts of different customers that share wording.

    Attributes:
        campaign_id: which; that of the oldest of the campaigns that became this one.
        absorbed: ids of campaigns that turned out to be this one.
        first_seen_at: when the first of its texts came in, those forgotten since included.
        members: its texts that are remembered, in the order in which they came in; one or more.
    """

    campaign_id: str
    absorbed: tuple[str, ...]
    first_seen_at: datetime
    members: tuple[Member, ...]

    @property
    def last_seen_at(self) -> datetime:
        """When the last of its texts came in."""
        return max(member.seen_at for member in self.members)

    @property
    def customers(self) -> int:
        """How many customers its texts are of."""
        return len({member.customer for member in self.members})

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of business that it was seen on."""
        return tuple(sorted({member.line for member in self.members}))

    @property
    def by_day(self) -> dict[date, int]:
        """New customers by day, in the time zone that their texts came with; days without any left out."""
        days: dict[date, int] = {}
        for first in self._first_of_customers():
            days[first.date()] = days.get(first.date(), 0) + 1
        return dict(sorted(days.items()))

    @property
    def growth_per_day(self) -> float:
        """New customers a day, over the last seven days that it was seen, or since it began if that is less."""
        last = self.last_seen_at
        days = min(max((last - self.first_seen_at) / timedelta(days=1), 1.0), _GROWTH_OVER.days)
        fresh = [first for first in self._first_of_customers() if last - first <= _GROWTH_OVER]
        return len(fresh) / days

    def _first_of_customers(self) -> list[datetime]:
        first: dict[str, datetime] = {}
        for member in self.members:
            seen = first.get(member.customer, member.seen_at)
            first[member.customer] = min(seen, member.seen_at)
        return list(first.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPassage:
    """Wording that most of a campaign's customers share.

    Attributes:
        text: as the representative text has it, without punctuation, personal particulars masked.
        start: where it begins in the representative text, in canonical characters.
        end: one past its end.
        customers: how many have it, of those that were compared.
    """

    text: str
    start: int
    end: int
    customers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedWording:
    """What a campaign's texts have in common.

    Attributes:
        text_id: the representative text: the one that is linked to most others.
        customers: how many customers were compared, its own included.
        passages: by their place in it; none where no wording is shared by half of them.
    """

    text_id: str
    customers: int
    passages: tuple[SharedPassage, ...]

    @property
    def script_text(self) -> str:
        """The passages as a text to register as a script; empty if there are none."""
        return "\n".join(passage.text for passage in self.passages)
