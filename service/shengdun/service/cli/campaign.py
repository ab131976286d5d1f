"""``shengdun campaign``."""

from typing import Annotated

import typer

from shengdun.service.cli.actor import parse_expiry
from shengdun.service.cli.campaign_records import show_campaign, show_campaigns
from shengdun.service.cli.output import note, say_json
from shengdun.service.cli.script_records import show_script
from shengdun.service.cli.target import Target, with_server
from shengdun.service.cli.trend_records import show_trends
from shengdun.service.client import PromotedScript

app = typer.Typer()

CampaignId = Annotated[
    str, typer.Argument(metavar="CAMPAIGN", help="Its id, as `shengdun campaign list` shows it.")
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")]


@app.command("list")
@with_server
async def list_(
    target: Target,
    customers: Annotated[int, typer.Option(min=2, help="Of so many customers at least.")] = 2,
    line: Annotated[str, typer.Option(help="Only those seen on this line.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many at most.")] = 100,
    json: Json = False,
) -> None:
    """List the campaigns among the texts that the server remembers, those of most customers first."""
    async with target.connect() as client:
        found = await client.list_campaigns(least_customers=customers, line=line, limit=limit)
    if json:
        for campaign in found.campaigns:
            say_json(campaign)
        return
    if found.campaigns:
        show_campaigns(found.campaigns)
    if not found.campaigns:
        note(f"no such campaign among the {found.texts_remembered} texts that are remembered")
    elif found.found > len(found.campaigns):
        note(f"these are {len(found.campaigns)} of {found.found} campaigns")


@app.command()
@with_server
async def show(target: Target, campaign: CampaignId, json: Json = False) -> None:
    """Show one campaign: how it grows, what its texts share, and whose they are by pseudonym."""
    async with target.connect() as client:
        found = await client.get_campaign(campaign)
    show_campaign(found, json=json)


@app.command()
@with_server
async def promote(
    target: Target,
    campaign: CampaignId,
    title: Annotated[str, typer.Option(help="A name for people.")],
    network: Annotated[
        str, typer.Option(help="The network (gang) that uses it, by its name.")
    ] = "",
    name: Annotated[str, typer.Option(help="What to call the campaign; else its id.")] = "",
    purpose: Annotated[str, typer.Option(help="What the script is kept for.")] = "",
    source: Annotated[
        str, typer.Option(help="Where the knowledge comes from; else the campaign.")
    ] = "",
    case: Annotated[str, typer.Option(help="The case it was found in.")] = "",
    legal_basis: Annotated[str, typer.Option(help="Legal basis of keeping it.")] = "",
    expires: Annotated[
        str, typer.Option(metavar="WHEN", help="ISO 8601 date or time (UTC without a zone).")
    ] = "never",
    script_id: Annotated[
        str, typer.Option("--id", help="An id of your own for the script; else one is made.")
    ] = "",
    json: Json = False,
) -> None:
    """Register what a campaign's texts share as a known script, masked. Read it first, with `show`."""
    script = PromotedScript(
        title=title,
        network_id=network,
        campaign=name,
        purpose=purpose,
        source=source,
        case_reference=case,
        legal_basis=legal_basis,
        expires_at=parse_expiry(expires),
        script_id=script_id,
    )
    async with target.connect() as client:
        promoted = await client.promote_campaign(campaign, script)
    show_script(promoted, json=json)


@app.command()
@with_server
async def trends(
    target: Target,
    line: Annotated[str, typer.Option(help="Only on this line.")] = "",
    by_line: Annotated[bool, typer.Option("--by-line", help="Each line by itself.")] = False,
    days: Annotated[int, typer.Option(min=1, max=400, help="Days up to today.")] = 7,
    past_days: Annotated[
        int, typer.Option(min=1, max=400, help="Days before that they are compared with.")
    ] = 28,
    limit: Annotated[int, typer.Option(min=1, max=200, help="So many of either at most.")] = 20,
    json: Json = False,
) -> None:
    """Show what customers have begun to say, in the texts that the server was given."""
    if line and by_line:
        raise typer.BadParameter("--by-line tells each line by itself; leave --line out then")
    async with target.connect() as client:
        told = await client.get_trends(
            line=line, by_line=by_line, days=days, past_days=past_days, limit=limit
        )
    for each in told.lines:
        show_trends(each, told.first_day, told.last_day, json=json)
    if not told.lines:
        note(
            "no phrases were counted; no texts with a customer reference came, or text.trend_days is 0"
        )
