"""A bulk enrolment: the actors of a manifest through a client, a few at a time, with a result for every row."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from shengdun.enrollment.manifest import Manifest, ManifestActor
from shengdun.enrollment.manifest_cells import Column
from shengdun.enrollment.manifest_results import ResultWriter, RowOutcome, RowResult
from shengdun.enrollment.manifest_rows import RowProblem
from shengdun.service.cli.hints import with_hint
from shengdun.service.cli.output import note
from shengdun.service.client import (
    ClientError,
    DuplicatePolicy,
    Enrollment,
    EnrollmentReport,
    NewActor,
    Recording,
    RecordingReport,
    ShengdunClient,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPolicy:
    """How the actors of a manifest are enrolled.

    Attributes:
        duplicate_policy: what to do when a voice is already known.
        assess_only: only say what would be found.
        concurrency: actors at once.
    """

    duplicate_policy: DuplicatePolicy
    assess_only: bool
    concurrency: int


class BulkEnrollment:
    """Enrols the actors of a manifest; what fails costs its own rows.

    A run that was stopped is continued by running it again: an actor whose rows and recordings are unchanged has the
    same idempotency key, so the server gives the answer that it gave before.

    Args:
        client: where to.
        policy: how.
        results: where the result of every row goes.
    """

    def __init__(
        self, client: ShengdunClient, policy: BulkPolicy, results: ResultWriter[RowResult]
    ) -> None:
        self._client = client
        self._policy = policy
        self._results = results
        self._places = asyncio.Semaphore(policy.concurrency)
        self._done = 0

    async def run(self, manifest: Manifest) -> int:
        """Enrol everyone; gives the number of rows that are not in."""
        unused = self._write_unused(manifest)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._enroll(actor, len(manifest.actors)))
                for actor in manifest.actors
            ]
        return unused + sum(task.result() for task in tasks)

    def _write_unused(self, manifest: Manifest) -> int:
        problems: dict[int, list[RowProblem]] = {}
        for problem in manifest.problems:
            problems.setdefault(problem.line, []).append(problem)
        used = {recording.line for actor in manifest.actors for recording in actor.recordings}
        unused = [row for row in manifest.rows if row.line not in used]
        for row in unused:
            found = problems.get(row.line, [])
            message = " ".join(problem.message for problem in found)
            note(f"line {row.line}: not used: {message}")
            self._results.write(
                RowResult(
                    line=row.line,
                    path=row.text(Column.PATH),
                    actor=row.key,
                    outcome=RowOutcome.NOT_USED,
                    reason=found[0].reason.name if found else "",
                    message=message,
                )
            )
        return len(unused)

    async def _enroll(self, actor: ManifestActor, total: int) -> int:
        async with self._places:
            try:
                results, summary = await self._enrolled(actor)
            except ClientError as error:
                results, summary = (
                    _refused(actor, error),
                    f"refused: {with_hint(error.message, error.reason)}",
                )
            except OSError as error:
                message = f"{error.filename}: {error.strerror}"
                results, summary = _failed(actor, "UNREADABLE_FILE", message), f"failed: {message}"
        self._done += 1
        note(f"[{self._done}/{total}] {actor.details.display_name}: {summary}")
        for result in results:
            self._results.write(result)
        return sum(result.outcome in _NOT_IN for result in results)

    async def _enrolled(self, actor: ManifestActor) -> tuple[list[RowResult], str]:
        new = _new_actor(actor)
        recordings = [Recording(content=one.path, name=one.name) for one in actor.recordings]
        key = await asyncio.to_thread(_idempotency_key, new, actor, self._policy)
        enrollment = await self._client.enroll_actor(
            new,
            recordings,
            duplicate_policy=self._policy.duplicate_policy,
            idempotency_key=key,
            assess_only=self._policy.assess_only,
        )
        return _accepted(actor, enrollment), _summary(enrollment)


_NOT_IN = frozenset({RowOutcome.REFUSED, RowOutcome.NOT_USED, RowOutcome.FAILED})


def _new_actor(actor: ManifestActor) -> NewActor:
    details = actor.details
    return NewActor(
        display_name=details.display_name,
        watchlist_ids=details.watchlist_ids,
        aliases=details.aliases,
        network_id=details.network_id,
        source=details.source,
        case_reference=details.case_reference,
        legal_basis=details.legal_basis,
        notes=details.notes,
        expires_at=details.expires_at,
    )


def _idempotency_key(new: NewActor, actor: ManifestActor, policy: BulkPolicy) -> str:
    contents = [hashlib.sha256(one.path.read_bytes()).hexdigest() for one in actor.recordings]
    asked = {
        "actor": asdict(new),
        "recordings": contents,
        "policy": policy.duplicate_policy.value,
        "assess_only": policy.assess_only,
    }
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
    return f"manifest-{digest[:40]}"


def _accepted(actor: ManifestActor, enrollment: Enrollment) -> list[RowResult]:
    outcome = RowOutcome[enrollment.outcome.name]
    actor_id = "" if enrollment.actor is None else enrollment.actor.actor_id
    return _rows(actor, enrollment.report.recordings, outcome, actor_id=actor_id)


def _refused(actor: ManifestActor, error: ClientError) -> list[RowResult]:
    if not isinstance(error.detail, EnrollmentReport):
        return _failed(actor, error.reason or error.status.name, error.message)
    rows = _rows(actor, error.detail.recordings, RowOutcome.REFUSED)
    return [
        row if row.reason else replace(row, reason=error.reason, message=error.message)
        for row in rows
    ]


def _failed(actor: ManifestActor, reason: str, message: str) -> list[RowResult]:
    return [
        RowResult(
            line=recording.line,
            path=recording.name,
            actor=actor.key,
            outcome=RowOutcome.FAILED,
            reason=reason,
            message=message,
        )
        for recording in actor.recordings
    ]


def _rows(
    actor: ManifestActor,
    reports: Sequence[RecordingReport],
    outcome: RowOutcome,
    *,
    actor_id: str = "",
) -> list[RowResult]:
    return [
        RowResult(
            line=recording.line,
            path=recording.name,
            actor=actor.key,
            outcome=outcome if report.accepted else RowOutcome.REFUSED,
            actor_id=actor_id if report.accepted else "",
            reason="" if report.unfit_reason is None else report.unfit_reason.name,
            message=report.unfit_message,
            net_speech_s=report.net_speech.total_seconds(),
            snr_db=report.audio_quality.snr_db,
        )
        for recording, report in zip(actor.recordings, reports, strict=True)
    ]


def _summary(enrollment: Enrollment) -> str:
    accepted = sum(report.accepted for report in enrollment.report.recordings)
    who = "" if enrollment.actor is None else f" {enrollment.actor.actor_id}"
    net_speech_s = enrollment.report.net_speech.total_seconds()
    return (
        f"{enrollment.outcome.value}{who}, {accepted} of {len(enrollment.report.recordings)} recordings, "
        f"net speech {net_speech_s:.1f} s"
    )
