"""``shengdun hunt``."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer

from shengdun.service.cli.actor import parse_expiry
from shengdun.service.cli.hunt_records import progress, show_hunt, show_hunts
from shengdun.service.cli.output import note, say_json
from shengdun.service.cli.target import Target, with_server
from shengdun.service.contract.hunts import Hunt, HuntState, Quarry

app = typer.Typer()

_FAILED = 1
HuntId = Annotated[
    str, typer.Argument(metavar="HUNT", help="Its id, as `shengdun hunt list` shows it.")
]
When = Annotated[
    str, typer.Option(metavar="WHEN", help="ISO 8601 date or time (UTC without a zone).")
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")]


@app.callback(invoke_without_command=True)
@with_server
async def hunt(
    target: Target,
    context: typer.Context,
    actor: Annotated[str, typer.Option(metavar="ACTOR", help="Hunt an actor, by its id.")] = "",
    recording: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Hunt the voice of a recording.")
    ] = None,
    script: Annotated[
        str, typer.Option(metavar="SCRIPT", help="Hunt a known script, by its id.")
    ] = "",
    resume: Annotated[
        str, typer.Option(metavar="HUNT", help="Go on with a cancelled or interrupted hunt.")
    ] = "",
    since: When = "never",
    until: When = "never",
    line: Annotated[str, typer.Option(help="Only calls of this line.")] = "",
    least: Annotated[
        float | None,
        typer.Option(help="Least LLR of a call (3), or for a script least share of it (0.3)."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many calls at most.")] = 1000,
    json: Json = False,
) -> int | None:
    """Find every archived call of a voice or a script, best first.

    The hunt goes on when this command is interrupted; `shengdun hunt show` tells how it stands then.
    """
    if context.invoked_subcommand is not None:
        return None
    if sum(map(bool, (actor, recording, script, resume))) != 1:
        raise typer.BadParameter("give one of --actor, --recording, --script and --resume")
    async with target.connect() as client:
        if resume:
            return await _follow(client.resume_hunt(resume), json=json)
        quarry = Quarry(
            actor_id=actor,
            recording_name=recording.name if recording is not None else "",
            script_id=script,
            since=parse_expiry(since),
            until=parse_expiry(until),
            line=line,
            least_score=least,
            limit=limit,
        )
        return await _follow(client.hunt(quarry, recording), json=json)


@app.command("list")
@with_server
async def list_(target: Target, json: Json = False) -> None:
    """List the hunts of the server's machine, the latest first."""
    async with target.connect() as client:
        hunts = await client.list_hunts()
    if json:
        for one in hunts:
            say_json(one)
    elif hunts:
        show_hunts(hunts)
    else:
        note("no hunts yet")


@app.command()
@with_server
async def show(target: Target, hunt_id: HuntId, json: Json = False) -> None:
    """Show how a hunt stands, and what it found."""
    async with target.connect() as client:
        show_hunt(await client.get_hunt(hunt_id), json=json)


@app.command()
@with_server
async def cancel(target: Target, hunt_id: HuntId) -> None:
    """End a hunt that is running; it can be resumed."""
    async with target.connect() as client:
        ended = await client.cancel_hunt(hunt_id)
    note(progress(ended))


async def _follow(told: AsyncIterator[Hunt], *, json: bool) -> int:
    last: Hunt | None = None
    async for now in told:
        if last is None:
            note(f"hunt {now.hunt_id}")
        note(progress(now))
        last = now
    if last is None:
        return _FAILED
    show_hunt(last, json=json)
    return 0 if last.state is HuntState.DONE else _FAILED
