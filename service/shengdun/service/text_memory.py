"""The texts that were screened of late, in memory: the campaigns among them, and what they have begun to say.

Of a text its canonical form is held, with personal particulars masked, beside a keyed pseudonym of its customer. What
one process remembers it tells (``tell``), so that others can ``take`` it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shengdun.fingerprint.text.masking import mask
from shengdun.index.campaigns.campaign import Campaign, Resemblance, SharedWording
from shengdun.index.campaigns.exclusions import Exclusions
from shengdun.index.campaigns.recent import Limits
from shengdun.index.campaigns.sharing import SharedText
from shengdun.index.campaigns.watching import LONGEST, CampaignWatch
from shengdun.index.trends.daily import DailyPhrases, Period
from shengdun.index.trends.ranking import Trends
from shengdun.service.decision import FollowedCampaign
from shengdun.service.errors import CampaignUnknown
from shengdun.service.settings import TextSettings
from shengdun.service.texts import Run

_READ_CHARACTERS: Final = 2 * LONGEST
"""Of so many, as many as are remembered are left when blanks and punctuation have gone, but for odd texts."""
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
        self._told_to: Callable[[SharedText], None] = lambda _: None
        self._remembers = settings.campaign_texts > 0
        texts = max(settings.campaign_texts, 1)
        limits = Limits(
            texts=texts,
            characters=texts * CHARACTERS_PER_TEXT,
            age=timedelta(days=settings.campaign_days),
        )
        self._watch = CampaignWatch(limits=limits, exclusions=common)
        self._phrases = DailyPhrases(days=settings.trend_days) if settings.trend_days else None

    def tell(self, listener: Callable[[SharedText], None]) -> None:
        """Have a listener told, on the thread that it comes in on, every text that is remembered from now on."""
        self._told_to = listener

    def take(self, text: SharedText) -> None:
        """Remember a text that another process was given; takes milliseconds, on the thread that asks for it."""
        self._take(text)

    def forget_customer(self, customer: str) -> int:
        """Forget the texts of a customer by keyed pseudonym; how many there were. Their phrases stay counted."""
        return self._watch.forget_customer(customer)

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
                f"no campaign {campaign_id!r} is remembered; list those that there are: they end with their texts"
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
        shared = SharedText(
            text_id=self._text_id(text, customer),
            customer=customer,
            line=line,
            seen_at=datetime.now().astimezone(),
            masked=mask(text[:_READ_CHARACTERS]),
        )
        resemblance = self._take(shared)
        self._told_to(shared)
        if resemblance.campaign_id is None or not resemblance.text_ids:
            return None
        told = self._told(resemblance.campaign_id)
        if told is None:
            # Another text took its turn, and this memory is so small that the campaign had to make room.
            return None
        campaign, wording = told
        return FollowedCampaign(llr=resemblance.llr, campaign=campaign, wording=wording)

    def _take(self, text: SharedText) -> Resemblance:
        if self._phrases is not None:
            day = text.seen_at.astimezone().date()
            self._phrases.add(
                text.masked[:LONGEST], customer=text.customer, line=text.line, day=day
            )
        return self._watch.see(
            text.masked,
            text_id=text.text_id,
            customer=text.customer,
            line=text.line,
            seen_at=text.seen_at,
        )

    def _told(self, campaign_id: str) -> tuple[Campaign, SharedWording] | None:
        campaign = self._watch.campaign(campaign_id)
        wording = self._watch.shared_wording(campaign_id)
        return None if campaign is None or wording is None else (campaign, wording)

    def _text_id(self, text: str, customer: str) -> str:
        """Tells a repeat from a new text, and nothing to whoever sees it."""
        readable = text.encode(errors="replace").decode()
        return self._pseudonym(f"text/{customer}/{readable}")[:16]
