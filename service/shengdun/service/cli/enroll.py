"""``shengdun enroll``."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from shengdun.enrollment.manifest import Manifest, read_manifest
from shengdun.enrollment.manifest_results import ResultWriter, RowResult
from shengdun.service.cli.actor import parse_expiry
from shengdun.service.cli.manifest import BulkEnrollment, BulkPolicy
from shengdun.service.cli.output import say, say_json
from shengdun.service.cli.records import report_lines, show_refusal
from shengdun.service.cli.target import Target, with_server
from shengdun.service.cli.time_zones import own_zone, zone_named
from shengdun.service.client import ClientError, DuplicatePolicy, Enrollment, NewActor

app = typer.Typer()


@app.command(
    epilog="A manifest is CSV in UTF-8 or GB 18030. Its header has path and name (录音, 姓名) and, as needed, actor "
    "(rows that have the same are one person's), watchlists, aliases, network, source, case_reference, legal_basis, "
    "notes, expires_at."
)
@with_server
def enroll(
    target: Target,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Recordings of one actor.")
    ] = None,
    *,
    watchlist: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WATCHLIST",
            help="Id of a watchlist it is to be on; repeat it. With a manifest, for rows without one.",
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="The actor's name for people.")] = "",
    alias: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Another name; repeat it.")
    ] = None,
    network: Annotated[
        str, typer.Option(help="The network (gang) it belongs to, by its name.")
    ] = "",
    source: Annotated[str, typer.Option(help="Where the knowledge comes from.")] = "",
    case: Annotated[str, typer.Option(help="The case it was found in.")] = "",
    legal_basis: Annotated[str, typer.Option(help="Legal basis of keeping its voiceprints.")] = "",
    notes: Annotated[str, typer.Option(help="Free text.")] = "",
    expires: Annotated[
        str, typer.Option(metavar="WHEN", help="ISO 8601 date or time (UTC without a zone).")
    ] = "never",
    actor_id: Annotated[str, typer.Option(help="An id of your own; else one is made.")] = "",
    duplicates: Annotated[
        DuplicatePolicy,
        typer.Option(help="What to do when the voice is likely that of a registered actor."),
    ] = DuplicatePolicy.REFUSE,
    assess_only: Annotated[
        bool, typer.Option("--assess-only", help="Only say what would be found.")
    ] = False,
    idempotency_key: Annotated[
        str, typer.Option(help="A repeat with the same key within 24 hours changes nothing.")
    ] = "",
    manifest: Annotated[
        Path | None, typer.Option(metavar="CSV", help="A row for each recording, instead of FILEs.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Manifest: what became of each row.")
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Manifest: folder of the recordings; else its own."),
    ] = None,
    timezone: Annotated[
        str,
        typer.Option(
            help="Manifest: zone of dates, for instance Asia/Shanghai; else this machine's."
        ),
    ] = "",
    concurrency: Annotated[int, typer.Option(min=1, help="Manifest: actors at once.")] = 2,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> int:
    """Register one actor from its recordings, or everyone in a CSV manifest.

    A manifest that was stopped, or had failures, is run again as it is: what is in already is not entered twice.
    """
    if manifest is not None:
        if files or name or results is None:
            raise typer.BadParameter("--manifest takes --results and neither recordings nor --name")
        if results.resolve() == manifest.resolve():
            raise typer.BadParameter("--results would replace the manifest; name another file")
        read = read_manifest(
            manifest,
            root=root or manifest.resolve().parent,
            zone=zone_named(timezone) or own_zone(),
            now=datetime.now(UTC),
            default_watchlists=watchlist or (),
        )
        policy = BulkPolicy(
            duplicate_policy=duplicates, assess_only=assess_only, concurrency=concurrency
        )
        return asyncio.run(_enroll_manifest(target, read, policy, results))
    if not files or not name or not watchlist:
        raise typer.BadParameter(
            "give recordings, --name and --watchlist, or --manifest and --results"
        )
    actor = NewActor(
        display_name=name,
        watchlist_ids=tuple(watchlist),
        aliases=tuple(alias or ()),
        network_id=network,
        source=source,
        case_reference=case,
        legal_basis=legal_basis,
        notes=notes,
        expires_at=parse_expiry(expires),
        actor_id=actor_id,
    )
    return asyncio.run(
        _enroll_one(
            target,
            actor,
            files,
            duplicate_policy=duplicates,
            idempotency_key=idempotency_key,
            assess_only=assess_only,
            json=json,
        )
    )


async def _enroll_one(
    target: Target,
    actor: NewActor,
    files: list[Path],
    *,
    duplicate_policy: DuplicatePolicy,
    idempotency_key: str,
    assess_only: bool,
    json: bool,
) -> int:
    async with target.connect() as client:
        try:
            enrollment = await client.enroll_actor(
                actor,
                files,
                duplicate_policy=duplicate_policy,
                idempotency_key=idempotency_key,
                assess_only=assess_only,
            )
        except ClientError as error:
            show_refusal(error, json=json)
            raise
    _say_enrollment(enrollment, json=json)
    return 0


async def _enroll_manifest(
    target: Target, manifest: Manifest, policy: BulkPolicy, results: Path
) -> int:
    async with target.connect() as client:
        # The result file of an earlier run is not replaced before the server and this client understand each other.
        await client.server_info()
        with ResultWriter(results, RowResult) as writer:
            not_in = await BulkEnrollment(client, policy, writer).run(manifest)
    rows = len(manifest.rows)
    say(f"{rows - not_in} of {rows} rows are in; what became of each: {results}")
    return int(not_in > 0)


def _say_enrollment(enrollment: Enrollment, *, json: bool) -> None:
    if json:
        say_json(enrollment)
        return
    who = "" if enrollment.actor is None else f" {enrollment.actor.actor_id}"
    net_speech_s = enrollment.report.net_speech.total_seconds()
    say(f"{enrollment.outcome.value}{who}; net speech {net_speech_s:.1f} s")
    say("\n".join(report_lines(enrollment.report)))
