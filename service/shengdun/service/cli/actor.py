"""``shengdun actor``."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from shengdun.service.cli.output import note, say, say_json
from shengdun.service.cli.records import (
    report_lines,
    show_actor,
    show_actors,
    show_receipts,
    show_refusal,
)
from shengdun.service.cli.target import Target, with_server
from shengdun.service.client import KEEP, ActorChanges, ClientError

app = typer.Typer()

ActorId = Annotated[
    str, typer.Argument(metavar="ACTOR", help="Its id, as `shengdun actor list` shows it.")
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")]


@app.command()
@with_server
async def show(target: Target, actor: ActorId, json: Json = False) -> None:
    """Show one actor with what is known about its voiceprints."""
    async with target.connect() as client:
        found = await client.get_actor(actor)
    show_actor(found, json=json)


@app.command("list")
@with_server
async def list_(
    target: Target,
    watchlist: Annotated[str, typer.Option(help="Only those on this watchlist.")] = "",
    json: Json = False,
) -> None:
    """List actors in the order of their ids."""
    async with target.connect() as client:
        if json:
            async for actor in client.list_actors(watchlist):
                say_json(actor)
        else:
            show_actors([actor async for actor in client.list_actors(watchlist)])


@app.command()
@with_server
async def update(
    target: Target,
    actor: ActorId,
    *,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name; repeat it; replaces all there are."),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(help="The network (gang) it belongs to, by its name."),
    ] = None,
    watchlist: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WATCHLIST",
            help="Id of a watchlist it is on; repeat it; replaces all there are.",
        ),
    ] = None,
    source: Annotated[str | None, typer.Option(help="Where the knowledge comes from.")] = None,
    case: Annotated[str | None, typer.Option(help="The case it was found in.")] = None,
    legal_basis: Annotated[str | None, typer.Option(help="The legal basis.")] = None,
    notes: Annotated[str | None, typer.Option(help="Free text.")] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="ISO 8601 date or time (UTC without a zone), or `never`."
        ),
    ] = None,
    revision: Annotated[
        int, typer.Option(help="Change it only if it is still at this revision; 0 for any.")
    ] = 0,
    json: Json = False,
) -> None:
    """Change what is stated of an actor; what is not given stays."""
    changes = ActorChanges(
        display_name=KEEP if name is None else name,
        aliases=KEEP if alias is None else tuple(alias),
        network_id=KEEP if network is None else network,
        watchlist_ids=KEEP if watchlist is None else tuple(watchlist),
        source=KEEP if source is None else source,
        case_reference=KEEP if case is None else case,
        legal_basis=KEEP if legal_basis is None else legal_basis,
        notes=KEEP if notes is None else notes,
        expires_at=KEEP if expires is None else parse_expiry(expires),
    )
    if changes == ActorChanges():
        raise typer.BadParameter("say what to change")
    async with target.connect() as client:
        changed = await client.update_actor(actor, changes, revision=revision)
    show_actor(changed, json=json)


@app.command()
@with_server
async def erase(
    target: Target,
    actor: ActorId,
    reason: Annotated[str, typer.Option(help="Why, for the audit log; free of personal data.")],
    json: Json = False,
) -> None:
    """Erase an actor and every voiceprint of it, and show the receipt. This can't be undone."""
    async with target.connect() as client:
        receipt = await client.erase_actor(actor, reason=reason)
    show_receipts([receipt], json=json)


@app.command()
@with_server
async def add_voiceprints(
    target: Target,
    actor: ActorId,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Recordings of the actor.")],
    accept_other_voice: Annotated[
        bool,
        typer.Option(
            "--accept-other-voice", help="Also when they don't agree with its voiceprints."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Add the voiceprints of further recordings."""
    async with target.connect() as client:
        try:
            added = await client.add_voiceprints(
                actor, files, accept_other_voice=accept_other_voice
            )
        except ClientError as error:
            show_refusal(error, json=json)
            if error.reason == "VOICES_DISAGREE":
                note("--accept-other-voice adds them all the same")
            raise
    if json:
        say_json(added)
    else:
        say("\n".join(report_lines(added.report)))
        show_actor(added.actor, json=False)


@app.command()
@with_server
async def remove_voiceprint(
    target: Target,
    actor: ActorId,
    voiceprint: Annotated[
        str, typer.Argument(metavar="VOICEPRINT", help="Its id, as `shengdun actor show` shows it.")
    ],
    json: Json = False,
) -> None:
    """Remove one voiceprint; the last one can't be removed."""
    async with target.connect() as client:
        remaining = await client.remove_voiceprint(actor, voiceprint)
    show_actor(remaining, json=json)


def parse_expiry(text: str) -> datetime | None:
    """The instant that an option states; None for ``never``.

    Raises:
        BadParameter: it is neither ``never`` nor ISO 8601.
    """
    if text == "never":
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither `never` nor an ISO 8601 date or time"
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
