"""``shengdun allow``."""

from pathlib import Path
from typing import Annotated, Final

import typer

from shengdun.service.cli.actor import parse_expiry
from shengdun.service.cli.allow_records import show_entries, show_entry
from shengdun.service.cli.output import note, say_json
from shengdun.service.cli.target import Target, with_server
from shengdun.service.client import NewAllowed, OwnVoiceKind, Relation

app = typer.Typer()

_PAGE: Final = 1000
_RELATIONS: Final = {each.value: each for each in Relation if each is not Relation.UNKNOWN}
_KINDS: Final = {each.value: each for each in OwnVoiceKind if each is not OwnVoiceKind.UNKNOWN}
EntryId = Annotated[
    str, typer.Argument(metavar="ENTRY", help="Its id, as `shengdun allow list` shows it.")
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")]


@app.command()
@with_server
async def add(
    target: Target,
    reason: Annotated[
        str, typer.Option(help="Why this is lawful, for instance the number of a mandate.")
    ],
    relation: Annotated[
        str, typer.Option(metavar="RELATION", help=f"A representative: {', '.join(_RELATIONS)}.")
    ] = "",
    customer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CUSTOMER", help="For whom, by the reference given to calls; repeat it."
        ),
    ] = None,
    customers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For many: a file with one reference a line."),
    ] = None,
    number: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER", help="A number they call from; repeat it."),
    ] = None,
    own: Annotated[
        str, typer.Option(metavar="KIND", help=f"A voice of your own: {', '.join(_KINDS)}.")
    ] = "",
    recording: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A recording of that voice alone.")
    ] = None,
    call: Annotated[
        str, typer.Option(metavar="CALL", help="Or a finished call of it, by its id.")
    ] = "",
    expires: Annotated[
        str, typer.Option(metavar="WHEN", help="ISO 8601 date or time (UTC without a zone).")
    ] = "never",
    entry_id: Annotated[
        str, typer.Option("--id", help="An id of your own; else one is made.")
    ] = "",
    json: Json = False,
) -> None:
    """Let somebody call for many customers, or make one of the institution's own voices known.

    The server keeps pseudonyms of customers and numbers, and of a voice a voiceprint. It counts at once.
    """
    named = tuple(customer or ()) + _listed(customers)
    who = _representative(relation, named, tuple(number or ()))
    whose = _own(own, recording, call)
    if (who is None) == (whose is None):
        raise typer.BadParameter("give --relation for a representative, or --own for a voice")
    new = NewAllowed(
        reason=reason,
        entry_id=entry_id,
        expires_at=parse_expiry(expires),
        relation=who,
        customer_references=named,
        calling_numbers=tuple(number or ()),
        own=whose,
        recording_name=recording.name if recording is not None else "",
        call_id=call,
    )
    async with target.connect() as client:
        entry = await client.add_allowed(new, recording)
    show_entry(entry, json=json)


@app.command("list")
@with_server
async def list_(target: Target, json: Json = False) -> None:
    """List who may call for many, and the institution's own voices; whom they name is not shown."""
    token, shown = "", 0
    async with target.connect() as client:
        while True:
            page = await client.list_allowed(page_size=_PAGE, page_token=token)
            if json:
                for entry in page.entries:
                    say_json(entry)
            elif page.entries:
                show_entries(page.entries, with_header=not shown)
            token, shown = page.next_page_token, shown + len(page.entries)
            if not token:
                break
    if not shown:
        note("the allow-list is empty")


@app.command()
@with_server
async def show(target: Target, entry: EntryId, json: Json = False) -> None:
    """Show one entry, customers and numbers by pseudonym."""
    async with target.connect() as client:
        found = await client.get_allowed(entry)
    show_entry(found, json=json)


@app.command()
@with_server
async def remove(
    target: Target,
    entry: EntryId,
    reason: Annotated[str, typer.Option(help="Why; the journal keeps a digest of it.")] = "",
) -> None:
    """Remove an entry for good, with its voiceprint. It counts no more at once."""
    async with target.connect() as client:
        await client.remove_allowed(entry, reason=reason)
    note(f"removed {entry}")


def _listed(file: Path | None) -> tuple[str, ...]:
    if file is None:
        return ()
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    listed = tuple(line.strip() for line in lines if line.strip())
    if not listed:
        raise typer.BadParameter(f"{file} has no customer reference; write one a line")
    return listed


def _representative(
    relation: str, customers: tuple[str, ...], numbers: tuple[str, ...]
) -> Relation | None:
    if not relation:
        if customers or numbers:
            raise typer.BadParameter("--customer, --customers and --number go with --relation")
        return None
    if not customers and not numbers:
        raise typer.BadParameter("say for whom: --customer, --customers FILE or --number")
    if relation not in _RELATIONS:
        raise typer.BadParameter(f"{relation!r} is no relation; it is {', '.join(_RELATIONS)}")
    return _RELATIONS[relation]


def _own(kind: str, recording: Path | None, call: str) -> OwnVoiceKind | None:
    if not kind:
        if recording is not None or call:
            raise typer.BadParameter("--recording and --call go with --own")
        return None
    if (recording is None) == (not call):
        raise typer.BadParameter("give --recording FILE or --call CALL, whose voice it is")
    if kind not in _KINDS:
        raise typer.BadParameter(f"{kind!r} is no kind of voice; it is {', '.join(_KINDS)}")
    return _KINDS[kind]
