"""How campaigns look in a terminal."""

from collections.abc import Iterable

from shengdun.service.cli.output import say, say_json, table
from shengdun.service.cli.records import moment, show_fields
from shengdun.service.cli.script_records import printable
from shengdun.service.client import Campaign


def show_campaigns(campaigns: Iterable[Campaign]) -> None:
    """Write a table of campaigns."""
    rows = [
        (
            campaign.campaign_id,
            str(campaign.customers),
            str(campaign.members),
            f"{campaign.growth_per_day:.1f}",
            ", ".join(campaign.lines),
            moment(campaign.first_seen_at),
            moment(campaign.last_seen_at),
        )
        for campaign in campaigns
    ]
    headers = ("CAMPAIGN", "CUSTOMERS", "TEXTS", "NEW A DAY", "LINES", "FIRST SEEN", "LAST SEEN")
    say(table(headers, rows))


def show_campaign(campaign: Campaign, *, json: bool) -> None:
    """Write one campaign: its figures, what its texts share, and whose they are."""
    if json:
        say_json(campaign)
        return
    show_fields(
        ("campaign", campaign.campaign_id),
        ("also", ", ".join(campaign.absorbed_ids)),
        ("customers", str(campaign.customers)),
        ("texts", str(campaign.members)),
        ("lines", ", ".join(campaign.lines)),
        ("first seen", moment(campaign.first_seen_at)),
        ("last seen", moment(campaign.last_seen_at)),
        ("new a day", f"{campaign.growth_per_day:.1f}"),
    )
    say()
    for day, customers in campaign.new_customers_by_day.items():
        say(f"{day}  {customers} new")
    say()
    for passage in campaign.passages:
        say(f"{passage.customers} of {campaign.customers_compared}  {printable(passage.text)}")
    say()
    for text in campaign.texts:
        say(f"{moment(text.seen_at)}  {text.customer_pseudonym}  {text.line}")
