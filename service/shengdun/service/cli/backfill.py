"""``shengdun backfill``."""

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from shengdun.enrollment.call_list_rows import CallColumn
from shengdun.enrollment.call_lists import (
    CallList,
    CallListRules,
    ListedCall,
    read_call_folder,
    read_call_list,
)
from shengdun.enrollment.call_times import StartSource
from shengdun.fingerprint.errors import ShengdunError
from shengdun.fingerprint.voice.recordings import announced_s
from shengdun.service.backfill.cluster import send_from_cluster
from shengdun.service.backfill.journal import Journal
from shengdun.service.backfill.results import CallOutcome, open_results
from shengdun.service.backfill.run import (
    Backfill,
    Sender,
    Totals,
    check_server,
    send_from_here,
)
from shengdun.service.backfill.sending import Destination
from shengdun.service.cli.backfill_progress import Progress
from shengdun.service.cli.hints import with_hint
from shengdun.service.cli.output import complain, note, say, say_json
from shengdun.service.cli.target import Target, with_server
from shengdun.service.cli.time_zones import zone_named
from shengdun.service.errors import BackfillImpossible

app = typer.Typer()

STOPPED: Final = 3
_STATE_ENDING: Final = ".backfill"


@app.command(
    epilog="A list is CSV or JSON Lines (.jsonl) with path and started_at (录音, 开始时间) and, as known, call_id, "
    "line, customer, number, channel, transcript. Exit codes: 0 every call is in the archive; 1 some are not, see "
    "--results; 2 wrong usage; 3 stopped before the end, run it again; 130 interrupted, likewise.",
)
@with_server
def backfill(
    target: Target,
    source: Annotated[
        Path, typer.Argument(metavar="LIST|DIR", help="A list of recorded calls, or their folder.")
    ],
    *,
    results: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What became of each call: CSV, or JSON Lines (.jsonl)."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Journal to resume from; else beside the list."),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="List: folder of the recordings; else its own."),
    ] = None,
    timezone: Annotated[
        str,
        typer.Option(help="Zone of times that name none, for instance Asia/Shanghai or UTC."),
    ] = "",
    started_at_from: Annotated[
        StartSource | None,
        typer.Option(
            help="Where no list states a start: the date and time in the file's name, or when it was written last."
        ),
    ] = None,
    name_pattern: Annotated[
        str,
        typer.Option(
            metavar="REGEX",
            help="What file names tell, by groups as (?P<started_at>...): also call_id, line, customer, number.",
        ),
    ] = "",
    line: Annotated[str, typer.Option(help="Line of business of calls without one.")] = "",
    channel: Annotated[
        int, typer.Option(min=0, max=32, help="The caller's channel, from 1; 0 mixes all of them.")
    ] = 0,
    jobs: Annotated[
        int, typer.Option(min=1, max=256, help="Calls at once; on a cluster, from each node.")
    ] = 8,
    ray: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Send from the nodes of this Ray cluster; needs shengdun[ray]."
        ),
    ] = "",
    patience: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="For how long a server is tried that can't be reached."
        ),
    ] = 600.0,
    even_if_erased: Annotated[
        bool,
        typer.Option(
            "--even-if-erased",
            help="Archive also what was erased, or whose customer or number was; role: investigator too.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check the list, and count calls and hours.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write the totals as JSON.")] = False,
) -> int:
    """Screen recorded calls into the archive, each as of when it was.

    A run that was stopped, killed or had failures is repeated as it is: what is in the archive is not sent again, and
    no call is archived twice.
    """
    now = datetime.now(UTC)
    is_folder = source.is_dir()
    rules = CallListRules(
        root=root or (source if is_folder else source.resolve().parent),
        now=now,
        zone=zone_named(timezone),
        starts=started_at_from,
        name_pattern=_pattern(name_pattern),
        line=line,
        channel=channel,
    )
    journal = state or source.with_name(source.resolve().name + _STATE_ENDING)
    _check_files(source, results, journal)
    listed = (read_call_folder if is_folder else read_call_list)(source, rules)
    if listed.left_out:
        note(f"{listed.left_out} files are no recordings by their names, and are left out")
    if dry_run:
        return _check(listed, json=json)
    destination = Destination(
        address=target.server,
        token=target.token,
        ca_certificate=target.ca_certificate,
        client_certificate=target.client_certificate,
        client_key=target.client_key,
        patience_s=patience,
        even_if_erased=even_if_erased,
    )
    if ray:
        sender = send_from_cluster(destination, ray, jobs=jobs)
    else:
        # The results of an earlier run are not replaced before the server and this client understand each other.
        asyncio.run(check_server(destination))
        sender = send_from_here(destination, jobs=jobs)
    return _run(listed, journal, results, sender, json=json)


def _run(
    listed: CallList, journal_file: Path, results: Path | None, sender: Sender, *, json: bool
) -> int:
    progress = Progress()
    with Journal(journal_file) as journal, open_results(results) as sink:
        run = Backfill(listed, journal, sink, progress.tell)
        try:
            run.run(sender)
        except BackfillImpossible as error:
            progress.close()
            _say(run.totals, results, json=json)
            complain(with_hint(error.message, error.reason))
            return STOPPED
        finally:
            progress.close()
    _say(run.totals, results, json=json)
    return int(run.totals.not_in > 0)


def _check(listed: CallList, *, json: bool) -> int:
    """Count what a list asks for, and look at every recording without sending any."""
    for problem in listed.problems:
        note(f"row {problem.row}: {problem.name}: {problem.message}")
    lengths_s = [length_s for call in listed.calls if (length_s := _length_s(call)) is not None]
    not_used = len(listed.problems) + len(listed.calls) - len(lengths_s)
    hours = sum(lengths_s) / 3600
    if json:
        say_json({"calls": len(lengths_s), "not_used": not_used, "hours": hours})
        return int(not_used > 0)
    span = ""
    if listed.calls:
        first, last = (listed.calls[place].started_at for place in (0, -1))
        span = f", from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    say(f"{len(lengths_s)} calls, {hours:.1f} h of audio{span}; nothing was sent")
    if not_used:
        say(f"{not_used} rows can't be used")
    return int(not_used > 0)


def _length_s(call: ListedCall) -> float | None:
    try:
        return announced_s(call.path)
    except ShengdunError as error:
        note(f"row {call.row}: {error.message}")
        return None


def _say(totals: Totals, results: Path | None, *, json: bool) -> None:
    counts = {outcome: totals.outcomes.get(outcome, 0) for outcome in CallOutcome}
    if json:
        named = {outcome.value.replace(" ", "_"): count for outcome, count in counts.items()}
        say_json({"rows": totals.rows, **named, "hours": totals.audio_s / 3600})
        return
    told = ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items() if count)
    where = "" if results is None else f"; what became of each: {results}"
    say(f"{totals.rows - totals.not_in} of {totals.rows} calls are in the archive ({told}){where}")


def _check_files(source: Path, results: Path | None, journal: Path) -> None:
    named = [path.resolve() for path in (source, results, journal) if path is not None]
    if max(Counter(named).values()) > 1:
        raise typer.BadParameter("the list, --results and --state must be different files")
    if not source.exists():
        raise typer.BadParameter(f"there is no {source}")


def _pattern(text: str) -> re.Pattern[str] | None:
    if not text:
        return None
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise typer.BadParameter(f"--name-pattern is no regular expression: {error}") from None
    known = {column.value for column in CallColumn if column is not CallColumn.PATH}
    if not pattern.groupindex or set(pattern.groupindex) - known:
        raise typer.BadParameter(
            f"--name-pattern must have named groups, as (?P<started_at>...), of {', '.join(sorted(known))}"
        )
    return pattern
