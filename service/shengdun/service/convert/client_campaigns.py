"""Campaigns, between a client's values and the wire."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, date, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from shengdun.service.contract import campaigns as values
from shengdun.v1 import campaign_pb2, script_pb2


def list_campaigns_request(
    *, least_customers: int, line: str, limit: int
) -> script_pb2.ListCampaignsRequest:
    """Asks for campaigns."""
    return script_pb2.ListCampaignsRequest(least_customers=least_customers, line=line, limit=limit)


def get_campaign_request(campaign_id: str) -> script_pb2.GetCampaignRequest:
    """Asks for a campaign."""
    return script_pb2.GetCampaignRequest(campaign_id=campaign_id)


def promote_campaign_request(
    campaign_id: str, script: values.PromotedScript, idempotency_key: str
) -> script_pb2.PromoteCampaignRequest:
    """Asks for a script of a campaign's shared wording."""
    stated = asdict(script)
    expires_at: datetime | None = stated.pop("expires_at")
    wire = script_pb2.ScriptInfo(**stated)
    if expires_at is not None:
        wire.expire_time.FromDatetime(expires_at)
    return script_pb2.PromoteCampaignRequest(
        campaign_id=campaign_id, script=wire, idempotency_key=idempotency_key
    )


def script_campaign_from_wire(wire: campaign_pb2.ScriptCampaign) -> values.ScriptCampaign:
    """What speaks for a text following a campaign."""
    return values.ScriptCampaign(
        campaign_id=wire.campaign_id,
        llr=wire.llr,
        members=wire.members,
        customers=wire.customers,
        first_seen_at=_instant(wire.first_seen_time),
        last_seen_at=_instant(wire.last_seen_time),
        passages=_passages(wire.passages),
    )


def campaigns_from_wire(wire: script_pb2.ListCampaignsResponse) -> values.Campaigns:
    """Campaigns."""
    return values.Campaigns(
        campaigns=tuple(_campaign(each) for each in wire.campaigns),
        found=wire.campaigns_found,
        texts_remembered=wire.texts_remembered,
    )


def whole_campaign_from_wire(wire: script_pb2.GetCampaignResponse) -> values.Campaign:
    """A campaign with its texts and what they share."""
    return _campaign(wire.campaign, wire.members, _passages(wire.passages), wire.customers_compared)


def _campaign(
    wire: campaign_pb2.Campaign,
    members: Iterable[campaign_pb2.CampaignMember] = (),
    passages: tuple[values.SharedPassage, ...] = (),
    customers_compared: int = 0,
) -> values.Campaign:
    return values.Campaign(
        campaign_id=wire.campaign_id,
        absorbed_ids=tuple(wire.absorbed_ids),
        members=wire.members,
        customers=wire.customers,
        lines=tuple(wire.lines),
        first_seen_at=_instant(wire.first_seen_time),
        last_seen_at=_instant(wire.last_seen_time),
        growth_per_day=wire.growth_per_day,
        new_customers_by_day={date.fromisoformat(on.day): on.new_customers for on in wire.days},
        texts=tuple(
            values.CampaignMember(
                customer_pseudonym=member.customer_pseudonym,
                line=member.line,
                seen_at=_instant(member.seen_time),
            )
            for member in members
        ),
        passages=passages,
        customers_compared=customers_compared,
    )


def _passages(wire: Iterable[campaign_pb2.SharedPassage]) -> tuple[values.SharedPassage, ...]:
    return tuple(
        values.SharedPassage(text=passage.text, customers=passage.customers) for passage in wire
    )


def _instant(wire: Timestamp) -> datetime:
    return wire.ToDatetime(UTC)
