"""``shengdun models coverage``."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from shengdun.service.cli.output import note, say, say_json, table
from shengdun.service.cli.target import Target, with_server
from shengdun.service.client import Actor


@with_server
async def show_coverage(
    target: Target,
    *,
    model: Annotated[
        str,
        typer.Option(
            "--model", metavar="NAME", help="Voice model, by name or id; else the server's own."
        ),
    ] = "",
    watchlist: Annotated[
        str, typer.Option("--watchlist", help="Only those on this watchlist.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")] = False,
) -> None:
    """Name the actors that have no voiceprint of a voice model, and so can't be found with it.

    Before a server is set to another model, nobody should be missing. Expired actors don't count. Every look at an
    actor is in the audit log.
    """
    async with target.connect() as client:
        wanted = model or (await client.server_info()).model_id
        now = datetime.now(UTC)
        actors = [
            actor
            async for actor in client.list_actors(watchlist)
            if actor.expires_at is None or actor.expires_at > now
        ]
    lacking = [actor for actor in actors if not _has(actor, wanted)]
    if json:
        for actor in lacking:
            say_json({"model": wanted, "actor_id": actor.actor_id, "actor": actor})
        return
    if lacking:
        rows = [
            (one.actor_id, one.display_name, ", ".join(one.watchlist_ids), _models(one))
            for one in lacking
        ]
        say(table(("ACTOR", "NAME", "WATCHLISTS", "HAS VOICEPRINTS OF"), rows))
    say(f"{len(lacking)} of {len(actors)} actors in force have no voiceprint of {wanted}")
    if model and actors and len(lacking) == len(actors):
        note(f"nobody has any: is {model!r} the name of a model? `shengdun models list` shows them")
    if lacking:
        note(
            "add recordings of them with `shengdun actor add-voiceprints ACTOR FILE...` on a server whose voice.model "
            "or voice.shadow_models has this model; no voiceprint can be made from another one"
        )


def _has(actor: Actor, wanted: str) -> bool:
    return any(
        wanted in {voiceprint.model_id, voiceprint.model_id.partition("@")[0]}
        for voiceprint in actor.voiceprints
    )


def _models(actor: Actor) -> str:
    return ", ".join(sorted({voiceprint.model_id for voiceprint in actor.voiceprints}))
