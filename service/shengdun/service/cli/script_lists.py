"""Many scripts through a client, a few at a time, with a result for every row of their list."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from shengdun.enrollment.manifest_results import ResultWriter, ScriptOutcome, ScriptRowResult
from shengdun.enrollment.script_lists import ListedScript, ScriptRow
from shengdun.service.cli.hints import with_hint
from shengdun.service.cli.output import note
from shengdun.service.client import ClientError, NewScript, ScriptKind, ShengdunClient


class BulkScripts:
    """Registers the scripts of a list; what fails costs its own row.

    A run that was stopped is continued by running it again: a row that is unchanged has the same idempotency key, so
    that for a day the server gives the answer that it gave before.

    Args:
        client: where to.
        results: where the result of every row goes.
        concurrency: scripts at once.
    """

    def __init__(
        self, client: ShengdunClient, results: ResultWriter[ScriptRowResult], *, concurrency: int
    ) -> None:
        self._client = client
        self._results = results
        self._places = asyncio.Semaphore(concurrency)
        self._done = 0

    async def run(self, rows: Sequence[ScriptRow]) -> int:
        """Register all; gives the number of rows that are not in."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._take(row, len(rows))) for row in rows]
        return sum(task.result() for task in tasks)

    async def _take(self, row: ScriptRow, total: int) -> bool:
        async with self._places:
            result = await self._result(row)
        self._done += 1
        told = result.script_id or f"{result.outcome.value}: {result.message}"
        if result.near_duplicates:
            told += f", nearly the same as {result.near_duplicates}"
        note(f"[{self._done}/{total}] line {row.line} {result.title}: {told}")
        self._results.write(result)
        return result.outcome is not ScriptOutcome.REGISTERED

    async def _result(self, row: ScriptRow) -> ScriptRowResult:
        if not isinstance(row.found, ListedScript):
            return ScriptRowResult(
                line=row.line,
                title=row.title,
                outcome=ScriptOutcome.NOT_USED,
                reason=row.found.reason.name,
                message=row.found.message,
            )
        new = _new_script(row.found)
        try:
            script = await self._client.add_script(new, idempotency_key=_key(new))
        except ClientError as error:
            return ScriptRowResult(
                line=row.line,
                title=new.title,
                outcome=ScriptOutcome.REFUSED,
                reason=error.reason or error.status.name,
                message=with_hint(error.message, error.reason),
            )
        return ScriptRowResult(
            line=row.line,
            title=new.title,
            outcome=ScriptOutcome.REGISTERED,
            script_id=script.script_id,
            near_duplicates=" ".join(near.script_id for near in script.near_duplicates or ()),
        )


def _new_script(listed: ListedScript) -> NewScript:
    return NewScript(
        title=listed.title,
        kind=ScriptKind(listed.kind),
        text=listed.text,
        network_id=listed.network,
        campaign=listed.campaign,
        purpose=listed.purpose,
        source=listed.source,
        case_reference=listed.case_reference,
        legal_basis=listed.legal_basis,
        expires_at=listed.expires_at,
        script_id=listed.script_id,
    )


def _key(new: NewScript) -> str:
    asked = json.dumps(asdict(new), sort_keys=True, default=str)
    return f"script-list-{hashlib.sha256(asked.encode(errors='replace')).hexdigest()[:40]}"
