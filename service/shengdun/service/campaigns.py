"""The part of ScriptService that tells campaigns, makes known scripts of them, and tells trends."""

from datetime import datetime

from shengdun.index.registry import Registry
from shengdun.service.access import current_principal
from shengdun.service.convert import campaign_requests as requests
from shengdun.service.convert import campaigns as messages
from shengdun.service.convert.scripts import script_message
from shengdun.service.convert.trends import trends_message
from shengdun.service.pages import within_a_message
from shengdun.service.text_memory import TextMemory
from shengdun.service.trend_days import periods
from shengdun.v1 import script_pb2 as pb
from shengdun.v1 import script_pb2_grpc


class CampaignMethods(script_pb2_grpc.ScriptServiceServicer):
    """What investigators ask about campaigns. Every look at one, and every promotion, is journaled.

    Args:
        registry: what is registered.
        memory: the texts that were screened of late.
    """

    def __init__(self, registry: Registry, memory: TextMemory) -> None:
        self._registry = registry
        self._memory = memory

    async def ListCampaigns(  # noqa: N802 - the contract's name, here and below
        self,
        request: pb.ListCampaignsRequest,
        context: object,  # noqa: ARG002 - gRPC hands it over, here and below
    ) -> pb.ListCampaignsResponse:
        """The campaigns, those of most customers first."""
        asked = requests.campaign_query(request)
        found = await self._memory.campaigns(least_customers=asked.least_customers, line=asked.line)
        shown = [messages.campaign_message(each) for each in found.campaigns[: asked.limit]]
        return pb.ListCampaignsResponse(
            campaigns=within_a_message(shown),
            campaigns_found=len(found.campaigns),
            texts_remembered=found.texts,
        )

    async def GetCampaign(  # noqa: N802
        self,
        request: pb.GetCampaignRequest,
        context: object,  # noqa: ARG002
    ) -> pb.GetCampaignResponse:
        """One campaign with what its texts share."""
        campaign, wording = await self._memory.campaign(requests.campaign_id(request.campaign_id))
        await self._record("campaign.looked_at", f"campaign/{campaign.campaign_id}")
        return messages.whole_campaign_message(campaign, wording)

    async def PromoteCampaign(  # noqa: N802
        self,
        request: pb.PromoteCampaignRequest,
        context: object,  # noqa: ARG002
    ) -> pb.PromoteCampaignResponse:
        """Registers a campaign's shared wording as a script."""
        campaign, wording = await self._memory.campaign(requests.campaign_id(request.campaign_id))
        new, key = requests.promoted_script(
            request, campaign.campaign_id, wording, registered_by=current_principal().name
        )
        script = await self._registry.scripts.add(
            new, principal=current_principal().name, idempotency_key=key
        )
        await self._record(
            "campaign.promoted", f"campaign/{campaign.campaign_id}", f"script/{script.script_id}"
        )
        searched = script.script_id in self._registry.scripts.known
        return pb.PromoteCampaignResponse(
            script=script_message(script, searched=searched), text=script.text
        )

    async def GetTrends(  # noqa: N802
        self,
        request: pb.GetTrendsRequest,
        context: object,  # noqa: ARG002
    ) -> pb.GetTrendsResponse:
        """What customers have begun to say; it names none of them."""
        asked = requests.trend_query(request)
        today = datetime.now().astimezone().date()
        period, past = periods(today, days=asked.days, past_days=asked.past_days)
        told = await self._memory.trends(
            period, past, line=asked.line, by_line=asked.by_line, limit=asked.limit
        )
        return pb.GetTrendsResponse(
            lines=[trends_message(each.line, each.trends) for each in told],
            first_day=period.first.isoformat(),
            last_day=period.last.isoformat(),
            past_first_day=past.first.isoformat(),
        )

    async def _record(self, kind: str, *subjects: str) -> None:
        await self._registry.record_event(
            principal=current_principal().name, kind=kind, subjects=subjects
        )
