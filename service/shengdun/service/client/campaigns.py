"""What a client asks of ``ScriptService`` about campaigns and trends."""

import uuid

from shengdun.service.client.connection import REQUEST_DEADLINE, Connection
from shengdun.service.contract.campaigns import Campaign, Campaigns, PromotedScript
from shengdun.service.contract.scripts import Script
from shengdun.service.contract.trends import TextTrends
from shengdun.service.convert import client_campaigns as convert
from shengdun.service.convert.client_scripts import script_from_wire
from shengdun.service.convert.client_stubs import script_stub
from shengdun.service.convert.client_trends import get_trends_request, trends_from_wire


class CampaignMethods:
    """The methods of a client that ask about campaigns and trends; role: investigator."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._campaigns = script_stub(connection.channel)

    async def list_campaigns(
        self, *, least_customers: int = 0, line: str = "", limit: int = 0
    ) -> Campaigns:
        """The campaigns, those of most customers first.

        Args:
            least_customers: only those of so many customers; 0 for 2.
            line: only those seen on this line; empty for any.
            limit: so many at most; 0 for 100.
        """
        wire = await self._connection.request(
            self._campaigns.ListCampaigns,
            convert.list_campaigns_request(least_customers=least_customers, line=line, limit=limit),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.campaigns_from_wire(wire)

    async def get_campaign(self, campaign_id: str) -> Campaign:
        """One campaign with its texts and what they share."""
        wire = await self._connection.request(
            self._campaigns.GetCampaign,
            convert.get_campaign_request(campaign_id),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.whole_campaign_from_wire(wire)

    async def promote_campaign(
        self, campaign_id: str, script: PromotedScript, *, idempotency_key: str = ""
    ) -> Script:
        """Register what a campaign's texts share as a known script; it comes back with its text.

        Args:
            campaign_id: the campaign.
            script: how it is to be registered.
            idempotency_key: as of ``add_script``; a repeat is refused if the shared wording has changed in between.
        """
        wire = await self._connection.request(
            self._campaigns.PromoteCampaign,
            convert.promote_campaign_request(
                campaign_id, script, idempotency_key or uuid.uuid4().hex
            ),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return script_from_wire(wire.script, wire.text)

    async def get_trends(
        self,
        *,
        line: str = "",
        by_line: bool = False,
        days: int = 0,
        past_days: int = 0,
        limit: int = 0,
    ) -> TextTrends:
        """What customers have begun to say, in the days up to today.

        Args:
            line: only on this line; empty for all together.
            by_line: each line by itself; without ``line`` then.
            days: of the period; 0 for 7.
            past_days: days before it that it is compared with; 0 for 28.
            limit: so many rising and so many hot phrases at most; 0 for 20.
        """
        wire = await self._connection.request(
            self._campaigns.GetTrends,
            get_trends_request(
                line=line, by_line=by_line, days=days, past_days=past_days, limit=limit
            ),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return trends_from_wire(wire)
