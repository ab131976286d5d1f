"""``shengdun calls``."""

from pathlib import Path
from typing import Annotated, Final

import typer

from shengdun.index.archive.receipts import to_json
from shengdun.service.cli.actor import parse_expiry
from shengdun.service.cli.call_records import show_call, show_calls, show_receipt, show_score
from shengdun.service.cli.output import note, say, say_json
from shengdun.service.cli.target import Target, with_server
from shengdun.service.contract.archive import CallSelection
from shengdun.service.contract.decisions import FlagType, RiskLevel

app = typer.Typer()

_PAGE: Final = 1000
When = Annotated[
    str, typer.Option(metavar="WHEN", help="ISO 8601 date or time (UTC without a zone).")
]
Line = Annotated[str, typer.Option(help="Only calls of this line.")]
Customer = Annotated[
    str, typer.Option(help="Only calls of this customer, by the reference given to them.")
]
Number = Annotated[str, typer.Option(help="Only calls from this number.")]
Level = Annotated[RiskLevel | None, typer.Option(help="Only calls decided with this level.")]
Flag = Annotated[FlagType | None, typer.Option(help="Only calls with a flag of this type.")]
Subject = Annotated[
    str,
    typer.Option(
        "--actor", "--subject", help="Only calls with a flag of this actor, script or campaign."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")]


@app.callback()
def _calls() -> None:
    """List, show, score and erase finished calls."""


@app.command("list")
@with_server
async def list_(
    target: Target,
    since: When = "never",
    until: When = "never",
    line: Line = "",
    customer: Customer = "",
    number: Number = "",
    level: Level = None,
    flag: Flag = None,
    subject: Subject = "",
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = 100,
    json: Json = False,
) -> None:
    """List finished calls, the latest first."""
    selection = _selection(since, until, line, customer, number, level, flag, subject)
    shown, token = 0, ""
    async with target.connect() as client:
        while True:
            page = await client.list_calls(
                selection, page_size=min(limit - shown, _PAGE), page_token=token
            )
            show_calls(page.calls, json=json, with_header=not shown)
            shown, token = shown + len(page.calls), page.next_page_token
            if not token or shown >= limit:
                break
    for problem in page.problems:
        note(f"not all of the archive could be read: {problem}")
    if not shown:
        note("no finished call is like that")
    elif shown < page.found:
        note(f"these are {shown} of {page.found} calls")


@app.command()
@with_server
async def show(
    target: Target,
    call: Annotated[str, typer.Argument(metavar="CALL", help="Its id.")],
    json: Json = False,
) -> None:
    """Show one finished call."""
    async with target.connect() as client:
        found = await client.get_call(call)
    if json:
        say_json(found)
    else:
        show_call(found)


@app.command()
@with_server
async def score(
    target: Target,
    call: Annotated[str, typer.Argument(metavar="CALL", help="Its id.")],
    profile: Annotated[
        str,
        typer.Option(
            metavar="ID", help="Calibration profile; without it the one that decided the call."
        ),
    ] = "",
    json: Json = False,
) -> None:
    """Score the voice of a finished call again, beside what was decided."""
    async with target.connect() as client:
        scored = await client.score_call(call, calibration_profile_id=profile)
    if json:
        say_json(scored)
    else:
        show_score(scored)


@app.command()
@with_server
async def erase(
    target: Target,
    reason: Annotated[str, typer.Option(help="Why, for the receipt; free of personal data.")],
    calls: Annotated[
        list[str] | None, typer.Argument(metavar="[CALL]...", help="Their ids; or say which.")
    ] = None,
    since: When = "never",
    until: When = "never",
    line: Line = "",
    customer: Customer = "",
    number: Number = "",
    flag: Flag = None,
    subject: Subject = "",
    receipt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the receipt to a file.")
    ] = None,
    json: Json = False,
) -> None:
    """Erase finished calls for good, and show the receipt. This can't be undone."""
    selection = _selection(since, until, line, customer, number, None, flag, subject)
    if bool(calls) == (selection != CallSelection()):
        raise typer.BadParameter("name calls, or say which with options; not both")
    async with target.connect() as client:
        given = await client.erase_calls(calls or selection, reason=reason)
    if receipt is not None:
        receipt.write_text(to_json(given) + "\n", encoding="utf-8")
        note(f"wrote the receipt to {receipt}")
    if json:
        say(to_json(given))
    else:
        show_receipt(given)


def _selection(
    since: str,
    until: str,
    line: str,
    customer: str,
    number: str,
    level: RiskLevel | None,
    flag: FlagType | None,
    subject: str,
) -> CallSelection:
    return CallSelection(
        since=parse_expiry(since),
        until=parse_expiry(until),
        line=line,
        customer_reference=customer,
        calling_number=number,
        level=level,
        flag=flag,
        subject_id=subject,
    )
