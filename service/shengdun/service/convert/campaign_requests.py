"""What callers ask about campaigns and trends: from messages to checked values."""

from dataclasses import dataclass
from typing import Final

from shengdun.index.campaigns.campaign import SharedWording
from shengdun.index.identifiers import check_record_id
from shengdun.index.scripts.script import NewScript
from shengdun.service.convert.script_requests import new_script
from shengdun.service.convert.watchlist_requests import DEFAULT_PAGE, LARGEST_PAGE
from shengdun.service.errors import CampaignSharesTooLittle, InvalidRequest
from shengdun.v1 import script_pb2

_LEAST_CUSTOMERS: Final = 2
_DAYS: Final = 7
_PAST_DAYS: Final = 28
_MOST_DAYS: Final = 400
_PHRASES: Final = 20
_MOST_PHRASES: Final = 200


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendQuery:
    """Which trends are asked for.

    Attributes:
        line: of this line of business; empty for all together.
        by_line: of each line by itself.
        days: days of the period, the last one today.
        past_days: days before it.
        limit: how many phrases of either kind at most.
    """

    line: str
    by_line: bool
    days: int
    past_days: int
    limit: int


def trend_query(request: script_pb2.GetTrendsRequest) -> TrendQuery:
    """Which trends are asked for.

    Raises:
        InvalidRequest: one line and each line are asked for at once.
    """
    if request.by_line and request.line:
        raise InvalidRequest("by_line tells each line by itself; leave line empty then")
    return TrendQuery(
        line=request.line,
        by_line=request.by_line,
        days=min(request.days or _DAYS, _MOST_DAYS),
        past_days=min(request.past_days or _PAST_DAYS, _MOST_DAYS),
        limit=min(request.limit or _PHRASES, _MOST_PHRASES),
    )


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
