"""Watching texts and transcripts for wording that different customers share.

Each new text is compared with the recent ones of other customers. What is linked becomes a campaign, which an
investigator can promote to a known script, or, if it is wording that the institution itself gave out, exclude.
"""

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from shengdun.fingerprint.text.normalise import normalise
from shengdun.fingerprint.text.pinyin import syllables
from shengdun.index.campaigns.campaign import Campaign, Member, Resemblance, SharedWording
from shengdun.index.campaigns.consensus import shared_wording
from shengdun.index.campaigns.exclusions import CommonWording, Exclusions, default_exclusions
from shengdun.index.campaigns.gathering import Gathering, Group
from shengdun.index.campaigns.linking import Link, Linking, Wording, by_worth
from shengdun.index.campaigns.recent import Limits, RecentText, RecentTexts
from shengdun.index.scripts.background import Background, default_background
from shengdun.index.scripts.evidence import ScriptCoefficients

LONGEST: Final = 20_000
"""Canonical characters of a text that are looked at; an hour of speech."""

DEFAULT_COEFFICIENTS: Final = ScriptCoefficients(
    offset=14.5, slope=0.33, chance=1.0, floor=-1.0, cap=8.0
)
"""Fitted on dialogues and reviews that share no script. The floor is near 0: that nobody else's text is like this one
says little, for somebody is the first."""
LINKED: Final = 4.0
"""Texts with so large an LLR are linked: of unrelated ones to a topic, one in a thousand."""


class CampaignWatch:
    """Recent texts and the campaigns among them. Safe to share between threads, which take turns.

    The same texts in the same order make the same campaigns. What a text costs depends on its length, and not on how
    many texts are remembered.

    Args:
        limits: how much is remembered.
        backgrounds: how common wording is; the one that ships, unless others are given, such as that and one learnt
            from the institution's own calls.
        exclusions: what counts for nothing.
        coefficients: the map to likelihood ratios.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        backgrounds: Sequence[Background] | None = None,
        exclusions: Exclusions | None = None,
        coefficients: ScriptCoefficients = DEFAULT_COEFFICIENTS,
    ) -> None:
        self._common = CommonWording(
            backgrounds=tuple(backgrounds or [default_background()]),
            exclusions=exclusions or default_exclusions(),
        )
        self._recent = RecentTexts(limits or Limits())
        self._linking = Linking(self._recent, coefficients)
        self._gathering = Gathering()
        self._floor = coefficients.floor
        self._turn = threading.Lock()

    def __len__(self) -> int:
        """How many texts are remembered."""
        return len(self._recent)

    def __contains__(self, text_id: object) -> bool:
        return text_id in self._recent

    @property
    def nbytes(self) -> int:
        """Memory of what is remembered, in bytes, without some 700 a text."""
        return self._recent.nbytes

    def look(self, text: str, *, customer: str) -> Resemblance:
        """What speaks for a text following a campaign, without remembering it.

        Args:
            text: as it was written, or the words of a call so far.
            customer: pseudonym of the customer whom it is about; not empty.
        """
        wording = Wording(normalise(text).text[:LONGEST], self._common)
        with self._turn:
            links = self._linking.links(wording, customer)
            linked = _linked(links)
            return self._told(links, linked, self._gathering.campaign_for(linked))

    def see(
        self, text: str, *, text_id: str, customer: str, line: str, seen_at: datetime
    ) -> Resemblance:
        """Remember a text, in place of one of the same id, and tell what speaks for its following a campaign.

        Args:
            text: as it was written, or a whole transcript.
            text_id: of the text or the call; not empty.
            customer: pseudonym of the customer whom it is about; not empty.
            line: line of business.
            seen_at: when it came in, by the server's clock, with a time zone.

        Raises:
            ValueError: an id is empty, or the time has no zone.
        """
        recent = RecentText(
            text_id=text_id,
            customer=customer,
            line=line,
            seen_at=seen_at,
            canonical=normalise(text).text[:LONGEST],
        )
        wording = Wording(recent.canonical, self._common)
        with self._turn:
            self._forget(self._recent.serial(text_id))
            return self._seen(recent, wording)

    def forget(self, text_id: str) -> bool:
        """Forget a text; whether it was remembered."""
        with self._turn:
            serial = self._recent.serial(text_id)
            self._forget(serial)
            return serial is not None

    def forget_customer(self, customer: str) -> int:
        """Forget all texts of a customer; how many there were."""
        with self._turn:
            serials = [serial for serial, text in self._recent if text.customer == customer]
            for serial in serials:
                self._forget(serial)
            return len(serials)

    def campaigns(self, *, least_customers: int = 2) -> list[Campaign]:
        """The campaigns that texts of so many customers belong to, the oldest first."""
        with self._turn:
            told = [self._campaign(group) for group in self._gathering]
        return [campaign for campaign in told if campaign.customers >= least_customers]

    def campaign(self, campaign_id: str) -> Campaign | None:
        """A campaign, also by the id of one that became part of it; None if there is none."""
        with self._turn:
            group = self._gathering.get(campaign_id)
            return self._campaign(group) if group is not None else None

    def shared_wording(self, campaign_id: str) -> SharedWording | None:
        """The wording that a campaign's texts have in common; None if there is no such campaign."""
        with self._turn:
            group = self._gathering.get(campaign_id)
            if group is None:
                return None
            most = max(
                group.members, key=lambda serial: (len(group.members[serial].linked), -serial)
            )
            representative = self._text(most)
            others = [self._text(serial) for serial in sorted(group.members) if serial != most]
        return shared_wording(representative, others, self._common)

    def exclude(self, texts: Iterable[str]) -> None:
        """Count no wording of these texts from now on; campaigns that rest on it are taken apart.

        Args:
            texts: what the institution reads out or gives out; each of ``exclusions.RUN`` syllables or more.
        """
        added = Exclusions.of(texts)
        with self._turn:
            exclusions = self._common.exclusions.with_more(added)
            self._common = CommonWording(
                backgrounds=self._common.backgrounds, exclusions=exclusions
            )
            for group in list(self._gathering):
                if any(
                    added.covered(syllables(self._text(serial).canonical)).any()
                    for serial in group.members
                ):
                    self._judge_again(group)

    def _seen(self, recent: RecentText, wording: Wording) -> Resemblance:
        self._recent.reach(recent.seen_at)
        self._tidy()
        links = self._linking.links(wording, recent.customer)
        linked = _linked(links)
        serial = self._recent.add(recent, wording.probes()[0])
        group = self._gathering.gather(serial, len(recent.canonical), linked, recent.seen_at)
        self._tidy()
        return self._told(links, linked, group)

    def _tidy(self) -> None:
        for surplus in self._recent.surplus():
            self._forget(surplus)

    def _told(self, links: list[Link], linked: list[Link], group: Group | None) -> Resemblance:
        return Resemblance(
            llr=max((link.llr for link in links), default=self._floor),
            campaign_id=group.campaign_id if group is not None else None,
            text_ids=tuple(link.other.text_id for link in linked),
        )

    def _forget(self, serial: int | None) -> None:
        if serial is not None:
            self._gathering.forget(serial)
            self._recent.forget(serial)

    def _judge_again(self, group: Group) -> None:
        """Gather a campaign's texts anew, by the links that they had."""
        self._gathering.disband(group)
        for serial in sorted(group.members):
            text = self._text(serial)
            wording = Wording(text.canonical, self._common)
            earlier = sorted(other for other in group.members[serial].linked if other < serial)
            links = [self._linking.link(wording, other, self._text(other)) for other in earlier]
            found = [link for link in links if link is not None]
            found.sort(key=by_worth)
            self._gathering.gather(serial, len(text.canonical), _linked(found), text.seen_at)

    def _campaign(self, group: Group) -> Campaign:
        texts = [self._text(serial) for serial in sorted(group.members)]
        return Campaign(
            campaign_id=group.campaign_id,
            absorbed=tuple(group.absorbed),
            first_seen_at=group.first_seen_at,
            members=tuple(
                Member(
                    text_id=text.text_id,
                    customer=text.customer,
                    line=text.line,
                    seen_at=text.seen_at,
                )
                for text in texts
            ),
        )

    def _text(self, serial: int) -> RecentText:
        """The text of a campaign's member, which is remembered as long as it is one."""
        text = self._recent.get(serial)
        if text is None:
            raise LookupError(f"text {serial} belongs to a campaign and is forgotten")
        return text


def _linked(links: list[Link]) -> list[Link]:
    return [link for link in links if link.llr >= LINKED]
