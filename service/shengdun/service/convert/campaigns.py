"""Campaigns: from domain values to messages."""

from collections.abc import Sequence
from typing import Final

from shengdun.index.campaigns.campaign import Campaign, SharedPassage, SharedWording
from shengdun.service.convert.scripts import LONGEST_EXCERPT
from shengdun.service.convert.times import timestamp
from shengdun.service.decision import FollowedCampaign
from shengdun.v1 import campaign_pb2, decision_pb2, script_pb2

MOST_MEMBERS: Final = 1000
MOST_PASSAGES: Final = 20
"""Of those that stand in the outcome of a text."""


def campaign_flag(followed: FollowedCampaign) -> decision_pb2.Flag:
    """The flag that a text, or the words of a call, follow a campaign."""
    return decision_pb2.Flag(
        type=decision_pb2.FLAG_TYPE_SCRIPT_CAMPAIGN,
        llr=followed.llr,
        script_campaign=_followed_message(followed),
    )


def campaign_message(campaign: Campaign) -> campaign_pb2.Campaign:
    """A campaign without its texts."""
    return campaign_pb2.Campaign(
        campaign_id=campaign.campaign_id,
        absorbed_ids=campaign.absorbed,
        members=len(campaign.members),
        customers=campaign.customers,
        lines=campaign.lines,
        first_seen_time=timestamp(campaign.first_seen_at),
        last_seen_time=timestamp(campaign.last_seen_at),
        growth_per_day=campaign.growth_per_day,
        days=[
            campaign_pb2.CampaignDay(day=day.isoformat(), new_customers=customers)
            for day, customers in campaign.by_day.items()
        ],
    )


def whole_campaign_message(
    campaign: Campaign, wording: SharedWording
) -> script_pb2.GetCampaignResponse:
    """A campaign with its texts and what they share."""
    return script_pb2.GetCampaignResponse(
        campaign=campaign_message(campaign),
        members=[
            campaign_pb2.CampaignMember(
                customer_pseudonym=member.customer,
                line=member.line,
                seen_time=timestamp(member.seen_at),
            )
            for member in campaign.members[-MOST_MEMBERS:]
        ],
        passages=_passages(wording.passages),
        customers_compared=wording.customers,
    )


def _followed_message(followed: FollowedCampaign) -> campaign_pb2.ScriptCampaign:
    campaign = followed.campaign
    longest = sorted(followed.wording.passages, key=_length, reverse=True)[:MOST_PASSAGES]
    return campaign_pb2.ScriptCampaign(
        campaign_id=campaign.campaign_id,
        llr=followed.llr,
        members=len(campaign.members),
        customers=campaign.customers,
        first_seen_time=timestamp(campaign.first_seen_at),
        last_seen_time=timestamp(campaign.last_seen_at),
        passages=_passages(sorted(longest, key=lambda passage: passage.start)),
    )


def _passages(passages: Sequence[SharedPassage]) -> list[campaign_pb2.SharedPassage]:
    return [
        campaign_pb2.SharedPassage(text=passage.text[:LONGEST_EXCERPT], customers=passage.customers)
        for passage in passages
    ]


def _length(passage: SharedPassage) -> int:
    return passage.end - passage.start
