"""What callers ask about campaigns: from messages to checked values."""

from dataclasses import dataclass
from typing import Final

from shengdun.index.campaigns.campaign import SharedWording
from shengdun.index.identifiers import check_record_id
from shengdun.index.scripts.script import NewScript
from shengdun.service.convert.script_requests import new_script
from shengdun.service.convert.watchlist_requests import DEFAULT_PAGE, LARGEST_PAGE
from shengdun.service.errors import CampaignSharesTooLittle
from shengdun.v1 import script_pb2

_LEAST_CUSTOMERS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignQuery:
    """Which campaigns are asked for.

    Attributes:
        least_customers: of so many customers or more.
        line: seen on this line of business; empty for any.
        limit: how many at most.
    """

    least_customers: int
    line: str
    limit: int


def campaign_query(request: script_pb2.ListCampaignsRequest) -> CampaignQuery:
    """Which campaigns are asked for."""
    return CampaignQuery(
        least_customers=request.least_customers or _LEAST_CUSTOMERS,
        line=request.line,
        limit=min(request.limit or DEFAULT_PAGE, LARGEST_PAGE),
    )


def campaign_id(stated: str) -> str:
    """Return the id, or raise ``InvalidRecord`` if it is not well-formed."""
    return check_record_id("campaign_id", stated)


def promoted_script(
    request: script_pb2.PromoteCampaignRequest,
    promoted: str,
    wording: SharedWording,
    *,
    registered_by: str,
) -> tuple[NewScript, str | None]:
    """The script to be made of a campaign, and the idempotency key of that.

    Args:
        request: the message.
        promoted: the campaign's id.
        wording: what its texts share.
        registered_by: who asks for it.

    Raises:
        CampaignSharesTooLittle: there is no such wording.
        InvalidRequest: a field is wrong; the message names it.
        InvalidRecord: the id is not well-formed.
    """
    if not wording.passages:
        raise CampaignSharesTooLittle(
            f"no wording is shared by half of the {wording.customers} customers of campaign {promoted}; register a "
            "text of one of them as a script"
        )
    stated = script_pb2.ScriptInfo()
    stated.CopyFrom(request.script)
    stated.kind = stated.kind or script_pb2.SCRIPT_KIND_TEMPLATE
    stated.campaign = stated.campaign or promoted
    stated.source = stated.source or f"campaign {promoted}"
    return new_script(
        script_pb2.AddScriptRequest(
            script=stated, text=wording.script_text, idempotency_key=request.idempotency_key
        ),
        registered_by=registered_by,
    )
