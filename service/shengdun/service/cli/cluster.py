"""``shengdun cluster``."""

from typing import Annotated

import typer

from shengdun.service.cli.actor import parse_expiry
from shengdun.service.cli.output import note, say, say_json, table
from shengdun.service.cli.records import moment, show_actor, show_fields
from shengdun.service.cli.target import Target, with_server
from shengdun.service.client import PromotedVoice, UnknownVoice

app = typer.Typer()

VoiceId = Annotated[
    str, typer.Argument(metavar="VOICE", help="Its id, as `shengdun cluster list` shows it.")
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")]


@app.command("list")
@with_server
async def list_(
    target: Target,
    customers: Annotated[int, typer.Option(min=1, help="For so many customers at least.")] = 2,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many at most.")] = 100,
    json: Json = False,
) -> None:
    """List the voices of the last weeks' calls that nobody has enrolled, the most suspicious first."""
    async with target.connect() as client:
        found = await client.list_voices(least_customers=customers, limit=limit)
    if not found.caught_up:
        note("the calls of before the last start are still being compared; ask again in a while")
    if json:
        for voice in found.voices:
            say_json(voice)
        return
    if not found.voices:
        note(f"no such voice among {found.calls_compared} calls")
        return
    rows = [
        (
            voice.voice_id,
            f"{voice.suspicion:.1f}",
            f"{voice.probability:.0%}",
            str(voice.customers),
            str(voice.calls),
            ", ".join(voice.lines),
            moment(voice.first_at),
            moment(voice.last_at),
        )
        for voice in found.voices
    ]
    headers = ("VOICE", "SUSPICION", "P", "CUSTOMERS", "CALLS", "LINES", "FIRST", "LAST")
    say(table(headers, rows))
    if found.found > len(found.voices):
        note(f"these are {len(found.voices)} of {found.found} voices")


@app.command()
@with_server
async def show(target: Target, voice: VoiceId, json: Json = False) -> None:
    """Show one voice with its calls, customers by pseudonym."""
    async with target.connect() as client:
        found = await client.get_voice(voice)
    if json:
        say_json(found)
    else:
        _show(found)


@app.command()
@with_server
async def promote(
    target: Target,
    voice: VoiceId,
    name: Annotated[str, typer.Option(help="What to call the actor.")],
    watchlist: Annotated[list[str], typer.Option(help="Put it on this one; repeat for several.")],
    network: Annotated[str, typer.Option(help="The network (gang), by its name.")] = "",
    case: Annotated[str, typer.Option(help="The case it was found in.")] = "",
    legal_basis: Annotated[str, typer.Option(help="Legal basis of keeping it.")] = "",
    expires: Annotated[
        str, typer.Option(metavar="WHEN", help="ISO 8601 date or time (UTC without a zone).")
    ] = "never",
    json: Json = False,
) -> None:
    """Make an actor of a voice, with the voiceprints of its calls that have the most speech. Look at it first."""
    actor = PromotedVoice(
        display_name=name,
        watchlist_ids=tuple(watchlist),
        network_id=network,
        case_reference=case,
        legal_basis=legal_basis,
        expires_at=parse_expiry(expires),
    )
    async with target.connect() as client:
        promoted = await client.promote_voice(voice, actor)
    show_actor(promoted, json=json)


def _show(voice: UnknownVoice) -> None:
    show_fields(
        ("voice", voice.voice_id),
        ("calls", str(voice.calls)),
        ("customers", str(voice.customers)),
        ("numbers", str(voice.numbers)),
        ("lines", ", ".join(voice.lines)),
        ("first call", moment(voice.first_at)),
        ("last call", moment(voice.last_at)),
        ("p", f"{voice.probability:.1%} that it calls for too many"),
        ("model", voice.model_id),
    )
    say()
    rows = [
        (
            call.call_id,
            moment(call.started_at),
            call.line,
            call.customer_pseudonym,
            call.number_pseudonym,
            f"{call.probability:.0%}",
        )
        for call in voice.members
    ]
    say(table(("CALL", "STARTED", "LINE", "CUSTOMER", "NUMBER", "P"), rows))
