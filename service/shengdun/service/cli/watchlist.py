"""``shengdun watchlist``."""

from typing import Annotated

import typer

from shengdun.service.cli.output import note, say, say_json, table
from shengdun.service.cli.records import show_receipts, show_watchlist, state
from shengdun.service.cli.target import Target, with_server
from shengdun.service.client import KEEP, NewWatchlist, WatchlistChanges

app = typer.Typer()

WatchlistId = Annotated[str, typer.Argument(metavar="WATCHLIST", help="Its id, as listed.")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")]


@app.command()
@with_server
async def create(
    target: Target,
    watchlist: Annotated[
        str,
        typer.Argument(metavar="WATCHLIST", help="Its id: lower-case letters, digits and hyphens."),
    ],
    name: Annotated[str, typer.Option(help="A name for people; without one the id.")] = "",
    purpose: Annotated[str, typer.Option(help="Why it exists.")] = "",
    owner: Annotated[str, typer.Option(help="Who answers for it.")] = "",
    legal_basis: Annotated[str, typer.Option(help="The legal basis of keeping it.")] = "",
    json: Json = False,
) -> None:
    """Make a watchlist."""
    new = NewWatchlist(
        watchlist_id=watchlist, name=name, purpose=purpose, owner=owner, legal_basis=legal_basis
    )
    async with target.connect() as client:
        made = await client.create_watchlist(new)
    show_watchlist(made, json=json)


@app.command("list")
@with_server
async def list_(target: Target, json: Json = False) -> None:
    """List the watchlists."""
    async with target.connect() as client:
        watchlists = await client.list_watchlists()
    if json:
        for watchlist in watchlists:
            say_json(watchlist)
        return
    if not watchlists:
        note("there are no watchlists; make one with `shengdun watchlist create`")
        return
    rows = [
        (
            watchlist.watchlist_id,
            watchlist.name,
            str(watchlist.actor_count),
            watchlist.model_id,
            state(watchlist),
        )
        for watchlist in watchlists
    ]
    say(table(("WATCHLIST", "NAME", "ACTORS", "MODEL", "STATE"), rows))


@app.command()
@with_server
async def show(target: Target, watchlist: WatchlistId, json: Json = False) -> None:
    """Show one watchlist."""
    async with target.connect() as client:
        found = await client.get_watchlist(watchlist)
    show_watchlist(found, json=json)


@app.command()
@with_server
async def update(
    target: Target,
    watchlist: WatchlistId,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    purpose: Annotated[str | None, typer.Option(help="Why it exists.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who answers for it.")] = None,
    legal_basis: Annotated[str | None, typer.Option(help="The legal basis.")] = None,
    revision: Annotated[
        int, typer.Option(help="Change it only if it is still at this revision; 0 for any.")
    ] = 0,
    json: Json = False,
) -> None:
    """Change what is stated of a watchlist; what is not given stays."""
    changes = WatchlistChanges(
        name=KEEP if name is None else name,
        purpose=KEEP if purpose is None else purpose,
        owner=KEEP if owner is None else owner,
        legal_basis=KEEP if legal_basis is None else legal_basis,
    )
    if changes == WatchlistChanges():
        raise typer.BadParameter("say what to change")
    async with target.connect() as client:
        changed = await client.update_watchlist(watchlist, changes, revision=revision)
    show_watchlist(changed, json=json)


@app.command()
@with_server
async def delete(
    target: Target,
    watchlist: WatchlistId,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also with actors on it; those on no other list are erased."),
    ] = False,
    json: Json = False,
) -> None:
    """Delete a watchlist."""
    async with target.connect() as client:
        receipts = await client.delete_watchlist(watchlist, force=force)
    if not json:
        say(f"deleted {watchlist}; actors erased with it: {len(receipts)}")
    show_receipts(receipts, json=json)
