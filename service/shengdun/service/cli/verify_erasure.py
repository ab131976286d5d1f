"""``shengdun verify-erasure``."""

from pathlib import Path
from typing import Annotated

import typer

from shengdun.service.cli.output import note, say, say_json
from shengdun.service.cli.program import FAILED
from shengdun.service.cli.target import Target, with_server

app = typer.Typer()


@app.command()
@with_server
async def verify_erasure(
    target: Target,
    receipt: Annotated[
        Path,
        typer.Argument(metavar="RECEIPT", help="The receipt, a JSON file as an erasure wrote it."),
    ],
    json: Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")] = False,
) -> None:
    """Look on the server's machine and in its store for what a receipt says is gone.

    The exit code is 0 if the erasure holds, and 1 if anything is left or the receipt isn't this installation's.
    """
    async with target.connect() as client:
        check = await client.verify_erasure(receipt.read_text(encoding="utf-8"))
    if json:
        say_json(check)
    else:
        for what in check.found:
            say(f"STILL THERE: {what}")
        for problem in check.problems:
            note(f"not looked through: {problem}")
        if not check.is_signed:
            say("NOT signed by this installation, or altered since")
        elif not check.is_journaled:
            say("NOT in the journal")
        elif check.holds:
            say("the erasure holds: signed, in the journal, and nothing of it was found")
    if not check.holds:
        raise typer.Exit(FAILED)
