"""What a client asks of ``ScriptService`` about campaigns."""

import uuid

from shengdun.service.client.connection import REQUEST_DEADLINE, Connection
from shengdun.service.contract.campaigns import Campaign, Campaigns, PromotedScript
from shengdun.service.contract.scripts import Script
from shengdun.service.convert import client_campaigns as convert
from shengdun.service.convert.client_scripts import script_from_wire
from shengdun.service.convert.client_stubs import script_stub


class CampaignMethods:
    """The methods of a client that ask about campaigns; role: investigator.

    Each process of a server remembers texts of its own, and answers of those.
    """

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
