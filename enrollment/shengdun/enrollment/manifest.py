"""The manifest of a bulk enrolment: a CSV file with a row for each recording, as investigators keep it in Excel.

Rows with the same actor (or, without one, the same name) are recordings of one actor. A row whose recording can't be
used costs that recording; a row that states an actor's details wrongly costs the actor, because an actor registered
without its expiry or on half of its watchlists would be worse than none. Either way every other row goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from shengdun.enrollment.manifest_cells import Column
from shengdun.enrollment.manifest_details import ActorDetails, DetailRules, gather_details
from shengdun.enrollment.manifest_paths import RecordingFinder
from shengdun.enrollment.manifest_rows import (
    Row,
    RowProblem,
    RowProblemReason,
    read_rows,
    read_text,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRecording:
    """A recording of an actor.

    Attributes:
        line: the line of the file where its row ends, from 1.
        path: the file.
        name: the path as the row gives it.
    """

    line: int
    path: Path
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestActor:
    """An actor to be registered.

    Attributes:
        key: what its rows have in common: the actor column or, without one, the name.
        details: what the rows say about it.
        recordings: its recordings that can be used, at least one.
    """

    key: str
    details: ActorDetails
    recordings: tuple[ManifestRecording, ...]

    def __post_init__(self) -> None:
        if not (self.key and self.recordings):
            raise ValueError("an actor of a manifest needs a key and a recording")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a manifest asks for.

    Attributes:
        actors: in the order of their first rows.
        rows: every row of the file, for the result file.
        problems: why rows are not used, in the order of their lines; a row may have several.
    """

    actors: tuple[ManifestActor, ...]
    rows: tuple[Row, ...]
    problems: tuple[RowProblem, ...]


def read_manifest(
    path: Path, *, root: Path, zone: tzinfo, now: datetime, default_watchlists: Sequence[str] = ()
) -> Manifest:
    """Reads a manifest from a file in UTF-8, UTF-16 with its mark, or GB18030.

    Args:
        path: the file.
        root: the folder that every recording must be in; relative paths start there.
        zone: the time zone of dates that name none.
        now: dates before this instant have passed; has a time zone.
        default_watchlists: the watchlists of actors whose rows name none.

    Raises:
        ManifestUnreadable: the file as a whole can't be used: not there, not text, no header, an unknown or repeated
            column, no path column, no rows. Problems of single rows are in the result instead.
    """
    rules = DetailRules(zone=zone, now=now, default_watchlists=tuple(default_watchlists))
    return _manifest(read_rows(read_text(path)), RecordingFinder(root), rules)


def _manifest(rows: tuple[Row, ...], finder: RecordingFinder, rules: DetailRules) -> Manifest:
    problems = [_nameless(row) for row in rows if not row.key]
    by_key: dict[str, list[Row]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    actors = []
    for group in (group for key, group in by_key.items() if key):
        actor, found = _actor(group, finder, rules)
        problems += found
        if actor is not None:
            actors.append(actor)
    problems.sort(key=lambda problem: problem.line)
    return Manifest(actors=tuple(actors), rows=rows, problems=tuple(problems))


def _actor(
    rows: Sequence[Row], finder: RecordingFinder, rules: DetailRules
) -> tuple[ManifestActor | None, list[RowProblem]]:
    details = gather_details(rows, rules)
    recordings: list[ManifestRecording] = []
    problems: list[RowProblem] = []
    for row in rows:
        found = finder.find(row)
        if isinstance(found, RowProblem):
            problems.append(found)
        else:
            recordings.append(
                ManifestRecording(line=row.line, path=found, name=row.text(Column.PATH))
            )
    if isinstance(details, ActorDetails):
        actor = (
            ManifestActor(key=rows[0].key, details=details, recordings=tuple(recordings))
            if recordings
            else None
        )
        return actor, problems
    problems += details
    at_fault = {problem.line for problem in problems}
    return None, [
        *problems,
        *(_held_back(row, details[0]) for row in rows if row.line not in at_fault),
    ]


def _nameless(row: Row) -> RowProblem:
    message = "The row has neither an actor nor a name. Fill in one of them."
    return RowProblem(
        line=row.line, column=Column.NAME, reason=RowProblemReason.EMPTY_NAME, message=message
    )


def _held_back(row: Row, cause: RowProblem) -> RowProblem:
    message = f"The actor is not registered because line {cause.line} is wrong. Correct that line."
    return RowProblem(
        line=row.line, column=None, reason=RowProblemReason.ACTOR_HELD_BACK, message=message
    )
