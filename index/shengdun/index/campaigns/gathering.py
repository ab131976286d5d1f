"""Gathering linked texts into campaigns, one text after the other.

A text joins the campaign that it shares the most wording with. What links it to further texts must be that same
wording, for the most part: two scripts in one call don't become one campaign, nor does a set phrase that one member has
besides tie in everybody who uses it. Likewise a campaign takes in only whoever shares what its members share.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.campaigns.linking import Link
from shengdun.index.scripts.alignment import Aligned

_SAME_WORDING: Final = 0.5
"""Of the shorter wording so much must lie in the other for them to be the same."""

Stretch = tuple[int, int]


@dataclass(slots=True, kw_only=True)
class Belonging:
    """A text in a campaign.

    Attributes:
        wording: (n,) which of its canonical characters it shares with others of the campaign.
        linked: serial numbers of the texts that it was or became linked to.
    """

    wording: NDArray[np.bool_]
    linked: set[int] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Group:
    """A campaign as it is gathered.

    Attributes:
        number: grows with each campaign; the lower is the older.
        campaign_id: which.
        first_seen_at: when the first of its texts came in.
        members: its texts by serial number.
        absorbed: ids of campaigns that became part of it.
    """

    number: int
    campaign_id: str
    first_seen_at: datetime
    members: dict[int, Belonging] = field(default_factory=dict)
    absorbed: list[str] = field(default_factory=list)


class Gathering:
    """The campaigns that there are. One thread at a time."""

    def __init__(self) -> None:
        self._group_of: dict[int, Group] = {}
        self._by_id: dict[str, Group] = {}
        self._founded = 0

    def __iter__(self) -> Iterator[Group]:
        """Campaigns, the oldest first."""
        groups = {group.number: group for group in self._group_of.values()}
        yield from (groups[number] for number in sorted(groups))

    def of(self, serial: int) -> Group | None:
        """The campaign of a text."""
        return self._group_of.get(serial)

    def get(self, campaign_id: str) -> Group | None:
        """A campaign by its id, or by that of one which became part of it."""
        return self._by_id.get(campaign_id)

    def gather(
        self, serial: int, length: int, links: Sequence[Link], seen_at: datetime
    ) -> Group | None:
        """Take a new text in; the campaign that it belongs to.

        Args:
            serial: its serial number.
            length: its canonical characters.
            links: what it is linked to, the most first.
            seen_at: when it came in.
        """
        belonging = Belonging(wording=np.zeros(length, np.bool_))
        group: Group | None = None
        for link in links:
            if not self._is_of_one_piece(belonging, link):
                continue
            group = self._joined(group, link, seen_at)
            self._enter(group, serial, belonging)
            _mark(belonging.wording, here(link.passages))
            belonging.linked.add(link.serial)
            other = group.members[link.serial]
            _mark(other.wording, there(link.passages))
            other.linked.add(serial)
        return group

    def campaign_for(self, links: Iterable[Link]) -> Group | None:
        """The campaign that a text with these links would join."""
        groups = (self._group_of.get(link.serial) for link in links)
        return next((group for group in groups if group is not None), None)

    def forget(self, serial: int) -> None:
        """Forget a text; a campaign goes with its last one."""
        group = self._group_of.pop(serial, None)
        if group is None:
            return
        for other in group.members.pop(serial).linked:
            if other in group.members:
                group.members[other].linked.discard(serial)
        if not group.members:
            self._dissolve(group)

    def disband(self, group: Group) -> None:
        """Let a campaign go; its texts belong to none from now on."""
        for serial in group.members:
            del self._group_of[serial]
        self._dissolve(group)

    def _is_of_one_piece(self, belonging: Belonging, link: Link) -> bool:
        group = self._group_of.get(link.serial)
        theirs = group.members[link.serial].wording if group is not None else None
        return _is_same(belonging.wording, here(link.passages)) and (
            theirs is None or _is_same(theirs, there(link.passages))
        )

    def _joined(self, group: Group | None, link: Link, seen_at: datetime) -> Group:
        """The campaign of a new text, made one with that of what it is linked to."""
        other = self._group_of.get(link.serial)
        if other is None:
            other = group or self._found(link, seen_at)
            wording = np.zeros(len(link.other.canonical), np.bool_)
            self._enter(other, link.serial, Belonging(wording=wording))
        other.first_seen_at = min(other.first_seen_at, link.other.seen_at, seen_at)
        if group is None or group is other:
            return other
        older, younger = sorted((group, other), key=lambda each: each.number)
        return self._merge(older, younger)

    def _found(self, link: Link, seen_at: datetime) -> Group:
        self._founded += 1
        campaign_id = f"cmp_{link.other.text_id}"
        if campaign_id in self._by_id:  # the text left a campaign that it founded, and came again
            campaign_id += f"_{self._founded}"
        group = Group(
            number=self._founded,
            campaign_id=campaign_id,
            first_seen_at=min(link.other.seen_at, seen_at),
        )
        self._by_id[group.campaign_id] = group
        return group

    def _enter(self, group: Group, serial: int, belonging: Belonging) -> None:
        group.members[serial] = belonging
        self._group_of[serial] = group

    def _merge(self, older: Group, younger: Group) -> Group:
        for serial, belonging in younger.members.items():
            self._enter(older, serial, belonging)
        older.absorbed += [younger.campaign_id, *younger.absorbed]
        older.first_seen_at = min(older.first_seen_at, younger.first_seen_at)
        for campaign_id in (younger.campaign_id, *younger.absorbed):
            self._by_id[campaign_id] = older
        return older

    def _dissolve(self, group: Group) -> None:
        for campaign_id in (group.campaign_id, *group.absorbed):
            if self._by_id.get(campaign_id) is group:
                del self._by_id[campaign_id]


def here(passages: Iterable[Aligned]) -> list[Stretch]:
    """Where passages lie in the newer text."""
    return [(each.text_start, each.text_end) for each in passages]


def there(passages: Iterable[Aligned]) -> list[Stretch]:
    """Where passages lie in the older text."""
    return [(each.script_start, each.script_end) for each in passages]


def _mark(wording: NDArray[np.bool_], stretches: Iterable[Stretch]) -> None:
    for start, end in stretches:
        wording[start:end] = True


def _is_same(wording: NDArray[np.bool_], stretches: Iterable[Stretch]) -> bool:
    """Whether stretches of a text are the wording that is known to be shared; any are where none is known."""
    other = np.zeros(len(wording), np.bool_)
    _mark(other, stretches)
    shorter = min(int(wording.sum()), int(other.sum()))
    return int((wording & other).sum()) >= _SAME_WORDING * shorter
