"""``shengdun script``."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from shengdun.enrollment.manifest_results import ResultWriter, ScriptRowResult
from shengdun.enrollment.script_lists import ScriptListRules, ScriptRow, read_script_list
from shengdun.service.cli.actor import parse_expiry
from shengdun.service.cli.output import note, say, say_json
from shengdun.service.cli.records import show_receipts
from shengdun.service.cli.script_lists import BulkScripts
from shengdun.service.cli.script_records import show_match, show_script, show_scripts
from shengdun.service.cli.target import Target, with_server
from shengdun.service.cli.text_input import STDIN, TextFile, read_text
from shengdun.service.cli.time_zones import own_zone, zone_named
from shengdun.service.client import NewScript, ScriptKind

app = typer.Typer()

_KINDS: Final = [kind.value for kind in ScriptKind if kind is not ScriptKind.UNKNOWN]

ScriptId = Annotated[
    str, typer.Argument(metavar="SCRIPT", help="Its id, as `shengdun script list` shows it.")
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")]


@app.command(
    epilog="A list is JSON Lines (.jsonl) or CSV in UTF-8 or GB 18030. It has text or path (正文, 路径), title (标题) "
    "and, as needed, kind, network, campaign, purpose, source, case_reference, legal_basis, expires_at, script_id."
)
@with_server
def add(
    target: Target,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="The script's text; - reads it from a pipe."),
    ] = None,
    *,
    title: Annotated[str, typer.Option(help="A name for people; else the file's.")] = "",
    kind: Annotated[
        str, typer.Option(metavar="KIND", help=f"What it was taken from: {', '.join(_KINDS)}.")
    ] = "letter",
    network: Annotated[
        str, typer.Option(help="The network (gang) that uses it, by its name.")
    ] = "",
    campaign: Annotated[str, typer.Option(help="The campaign it belongs to.")] = "",
    purpose: Annotated[str, typer.Option(help="What it is kept for.")] = "",
    source: Annotated[str, typer.Option(help="Where the knowledge comes from.")] = "",
    case: Annotated[str, typer.Option(help="The case it was found in.")] = "",
    legal_basis: Annotated[str, typer.Option(help="Legal basis of keeping it.")] = "",
    expires: Annotated[
        str, typer.Option(metavar="WHEN", help="ISO 8601 date or time (UTC without a zone).")
    ] = "never",
    script_id: Annotated[
        str, typer.Option("--id", help="An id of your own; else one is made.")
    ] = "",
    manifest: Annotated[
        Path | None, typer.Option(metavar="LIST", help="CSV or JSON Lines, instead of FILE.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(metavar="CSV", help="List: what became of each row.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="List: folder of its files; else its own.")
    ] = None,
    timezone: Annotated[
        str, typer.Option(help="List: zone of dates, e.g. Asia/Shanghai; else this machine's.")
    ] = "",
    concurrency: Annotated[int, typer.Option(min=1, help="List: scripts at once.")] = 4,
    json: Json = False,
) -> int:
    """Register one script, or all in a list; names, numbers and the like are masked before it is kept.

    A list that was stopped, or had failures, is run again within a day: what is in already is not entered twice.
    """
    if kind not in _KINDS:
        raise typer.BadParameter(f"--kind is one of {', '.join(_KINDS)}")
    if manifest is not None:
        if file is not None or title or script_id or results is None:
            raise typer.BadParameter(
                "--manifest takes --results and neither FILE, --title nor --id"
            )
        if results.resolve() == manifest.resolve():
            raise typer.BadParameter("--results would replace the list; name another file")
        rules = ScriptListRules(
            root=root or manifest.resolve().parent,
            zone=zone_named(timezone) or own_zone(),
            kind=kind,
            network=network,
            campaign=campaign,
        )
        return asyncio.run(
            _add_all(target, read_script_list(manifest, rules), results, concurrency)
        )
    if file is None or (file == STDIN and not title):
        raise typer.BadParameter("give FILE, or - with --title, or --manifest and --results")
    new = NewScript(
        title=title or file.stem,
        kind=ScriptKind(kind),
        text=read_text(file),
        network_id=network,
        campaign=campaign,
        purpose=purpose,
        source=source,
        case_reference=case,
        legal_basis=legal_basis,
        expires_at=parse_expiry(expires),
        script_id=script_id,
    )
    asyncio.run(_add_one(target, new, json=json))
    return 0


@app.command("list")
@with_server
async def list_(
    target: Target,
    network: Annotated[str, typer.Option(help="Only those of this network.")] = "",
    campaign: Annotated[str, typer.Option(help="Only those of this campaign.")] = "",
    json: Json = False,
) -> None:
    """List scripts in the order of their ids."""
    async with target.connect() as client:
        scripts = client.list_scripts(network_id=network, campaign=campaign)
        if json:
            async for script in scripts:
                say_json(script)
            return
        found = [script async for script in scripts]
    if found:
        show_scripts(found)
    else:
        note("there are no such scripts; register some with `shengdun script add`")


@app.command()
@with_server
async def show(target: Target, script: ScriptId, json: Json = False) -> None:
    """Show one script with its text as it is kept: masked."""
    async with target.connect() as client:
        found = await client.get_script(script)
    show_script(found, json=json)


@app.command()
@with_server
async def match(
    target: Target,
    file: TextFile,
    limit: Annotated[int, typer.Option(min=1, max=20, help="So many scripts at most.")] = 10,
    json: Json = False,
) -> None:
    """Show which scripts a text uses, and where; nothing of the text is kept."""
    text = read_text(file)
    async with target.connect() as client:
        matched = await client.match_text(text, limit=limit)
    if json:
        say_json(matched)
        return
    for each in matched.matches:
        show_match(each)
    if not matched.matches:
        say(f"no wording in common with any of {matched.scripts_searched} scripts")
    for similar in matched.similar:
        say(f"semantic similarity {similar.similarity:+.2f}: {similar.script_id} '{similar.title}'")


@app.command()
@with_server
async def erase(
    target: Target,
    script: ScriptId,
    reason: Annotated[str, typer.Option(help="Why, for the audit log; free of personal data.")],
    json: Json = False,
) -> None:
    """Erase a script, and show the receipt. This can't be undone."""
    async with target.connect() as client:
        receipt = await client.erase_script(script, reason=reason)
    show_receipts([receipt], json=json)


async def _add_one(target: Target, new: NewScript, *, json: bool) -> None:
    async with target.connect() as client:
        show_script(await client.add_script(new), json=json)


async def _add_all(
    target: Target, rows: tuple[ScriptRow, ...], results: Path, concurrency: int
) -> int:
    async with target.connect() as client:
        # The result file of an earlier run is not replaced before the server and this client understand each other.
        await client.server_info()
        with ResultWriter(results, ScriptRowResult) as writer:
            not_in = await BulkScripts(client, writer, concurrency=concurrency).run(rows)
    say(f"{len(rows) - not_in} of {len(rows)} scripts are in; what became of each: {results}")
    return int(not_in > 0)
