"""The texts that were screened of late, in memory: the campaigns among them, and what they have begun to say.

Of a text its canonical form is held, with personal particulars masked, beside a keyed pseudonym of its customer.
Nothing is on disk, and each process has a memory of its own.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from shengdun.index.campaigns.campaign import Campaign, SharedWording
from shengdun.index.campaigns.exclusions import Exclusions
from shengdun.index.campaigns.recent import Limits
from shengdun.index.campaigns.watching import LONGEST, CampaignWatch
from shengdun.index.trends.daily import DailyPhrases, Period
from shengdun.index.trends.ranking import Trends
from shengdun.service.decision import FollowedCampaign
from shengdun.service.errors import CampaignUnknown
from shengdun.service.settings import TextSettings
from shengdun.service.texts import Run

CHARACTERS_PER_TEXT: Final = 500
"""On average; memory is bounded by the characters of all texts, so fewer long ones are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignList:
    """The campaigns that there are.

    Attributes:
        campaigns: those of most customers first, of as many the one seen last.
        texts: how many texts are remembered.
    """

    campaigns: tuple[Campaign, ...]
    texts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTrends:
    """What customers say on a line.

    Attributes:
        line: the line of business; empty for all together.
        trends: its phrases.
    """

    line: str
    trends: Trends


class TextMemory:
    """Remembers screened texts, and tells the campaigns and trends among them.

    Args:
        settings: how much is remembered, and for how long.
        pseudonym: the keyed pseudonym of a customer reference.
        common: wording that links no texts.
        run: where it is done; the memory is one for all, so texts take turns.
    """

    def __init__(
        self,
        settings: TextSettings,
        pseudonym: Callable[[str], str],
        common: Exclusions,
        run: Run,
    ) -> None:
        self._pseudonym = pseudonym
        self._run = run
        self._key = secrets.token_bytes(32)
        self._remembers = settings.campaign_texts > 0
        texts = max(settings.campaign_texts, 1)
        limits = Limits(
            texts=texts,
            characters=texts * CHARACTERS_PER_TEXT,
            age=timedelta(days=settings.campaign_days),
        )
        self._watch = CampaignWatch(limits=limits, exclusions=common)
        self._phrases = DailyPhrases(days=settings.trend_days) if settings.trend_days else None

    async def remember(
        self, text: str, *, customer_reference: str, line: str
    ) -> FollowedCampaign | None:
        """Remember a text, and tell the campaign of other customers that it follows.

        The same text of the same customer is remembered once, as of the last time.

        Args:
            text: as it was written or said.
            customer_reference: whom it is about; of nobody's texts nothing is remembered or told.
            line: line of business.
        """
        return await self._run(
            lambda: self.see(text, customer_reference=customer_reference, line=line)
        )

    def see(self, text: str, *, customer_reference: str, line: str) -> FollowedCampaign | None:
        """The same as ``remember``, in the thread that asks for it; takes milliseconds."""
        if not customer_reference or not self._remembers:
            return None
        return self._remember(text, self._pseudonym(customer_reference), line)

    async def campaigns(self, *, least_customers: int, line: str = "") -> CampaignList:
        """The campaigns of so many customers or more, of a line or, if that is empty, of all."""
        found = await self._run(lambda: self._watch.campaigns(least_customers=least_customers))
        of_line = [campaign for campaign in found if line in {"", *campaign.lines}]
        of_line.sort(key=lambda campaign: (campaign.customers, campaign.last_seen_at), reverse=True)
        return CampaignList(campaigns=tuple(of_line), texts=len(self._watch))

    async def campaign(self, campaign_id: str) -> tuple[Campaign, SharedWording]:
        """One campaign and what its texts share.

        Raises:
            CampaignUnknown: there is none of this id.
        """
        found = await self._run(lambda: self._told(campaign_id))
        if found is None:
            raise CampaignUnknown(
                f"this process remembers no campaign {campaign_id!r}; list those that there are: ids end with a "
                "restart, and campaigns with their texts"
            )
        return found

    async def trends(
        self, period: Period, past: Period, *, line: str = "", by_line: bool = False, limit: int
    ) -> tuple[LineTrends, ...]:
        """The hot and the rising phrases of some days, of a line, of each or of all together.

        Args:
            period: the days.
            past: those that they are compared with.
            line: of this line; empty for all together.
            by_line: of each line by itself.
            limit: how many are told of either.
        """
        return await self._run(lambda: self._trends(period, past, line, limit, by_line=by_line))

    def _trends(
        self, period: Period, past: Period, line: str, limit: int, *, by_line: bool
    ) -> tuple[LineTrends, ...]:
        phrases = self._phrases
        if phrases is None:
            return ()
        return tuple(
            LineTrends(
                line=each, trends=phrases.trends(period, past, line=each or None, limit=limit)
            )
            for each in (phrases.lines if by_line else [line])
        )

    def _remember(self, text: str, customer: str, line: str) -> FollowedCampaign | None:
        now = datetime.now().astimezone()
        if self._phrases is not None:
            self._phrases.add(text[:LONGEST], customer=customer, line=line, day=now.date())
        resemblance = self._watch.see(
            text,
            text_id=self._text_id(text, customer),
            customer=customer,
            line=line,
            seen_at=now,
        )
        if resemblance.campaign_id is None or not resemblance.text_ids:
            return None
        told = self._told(resemblance.campaign_id)
        if told is None:
            # Another text took its turn, and this memory is so small that the campaign had to make room.
            return None
        campaign, wording = told
        return FollowedCampaign(llr=resemblance.llr, campaign=campaign, wording=wording)

    def _told(self, campaign_id: str) -> tuple[Campaign, SharedWording] | None:
        campaign = self._watch.campaign(campaign_id)
        wording = self._watch.shared_wording(campaign_id)
        return None if campaign is None or wording is None else (campaign, wording)

    def _text_id(self, text: str, customer: str) -> str:
        """Tells a repeat from a new text, and nothing to whoever sees it."""
        hashed = blake2b(key=self._key, digest_size=8)
        hashed.update(customer.encode() + b"\0" + text.encode(errors="surrogatepass"))
        return hashed.hexdigest()
