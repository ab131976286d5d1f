"""A list of recorded calls: CSV as people keep it in Excel, JSON Lines as systems write it, or a folder of files.

A row that is wrong in anything is not used, and every other row goes on.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final

from shengdun.enrollment.call_list_rows import (
    CallColumn,
    CallProblem,
    Cells,
    RowWrong,
    csv_rows,
    json_rows,
)
from shengdun.enrollment.call_times import (
    StartSource,
    TimeUnclear,
    parse_start,
    start_by_mtime,
    start_in_name,
)
from shengdun.enrollment.errors import ManifestUnreadable
from shengdun.enrollment.manifest_cells import Column
from shengdun.enrollment.manifest_paths import RecordingFinder, located
from shengdun.enrollment.manifest_rows import Row, RowProblem, read_text
from shengdun.fingerprint.errors import ShengdunError

_ENDINGS: Final = (
    ".aac", ".ac3", ".aif", ".aiff", ".amr", ".au", ".caf", ".flac", ".gsm", ".m4a", ".mka", ".mkv", ".mov", ".mp3",
    ".mp4", ".mpeg", ".mpg", ".oga", ".ogg", ".opus", ".ts", ".voc", ".w64", ".wav", ".webm", ".wma",
)  # fmt: skip
_CALL_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_LONGEST: Final = {CallColumn.CUSTOMER: 256, CallColumn.NUMBER: 64, CallColumn.LINE: 128}
_MOST_CHANNELS: Final = 32
_CLOCKS_APART: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCall:
    """A recorded call of a list.

    Attributes:
        row: the line of the list where its row ends, or its place in the folder, from 1.
        name: the path as the list gives it, or below the folder.
        path: the file.
        size: bytes of the file.
        changed_ns: when the file was last written, in nanoseconds since 1970.
        started_at: in UTC.
        call_id: as the telephony system had it; empty where it isn't known.
        line: the line of business; empty is the default line.
        customer: the reference of the customer; may be empty.
        number: the calling number; may be empty.
        channel: which one is the caller's, from 1; 0 mixes all of them.
        transcript: the file of what was said; None where there is none.
    """

    row: int
    name: str
    path: Path
    size: int
    changed_ns: int
    started_at: datetime
    call_id: str = ""
    line: str = ""
    customer: str = field(default="", repr=False)
    number: str = field(default="", repr=False)
    channel: int = 0
    transcript: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallList:
    """What a list or a folder asks for.

    Attributes:
        calls: that can be used, the earliest first.
        problems: why others can't.
        left_out: files of a folder that are no recordings by their names.
    """

    calls: tuple[ListedCall, ...]
    problems: tuple[CallProblem, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallListRules:
    """How rows are read.

    Attributes:
        root: the folder that every recording must be in; relative paths start there.
        now: calls that started later have not happened yet; has a time zone.
        zone: of times that name none; None if that isn't known.
        starts: where the start of a call is taken from that the list doesn't state; None if from nowhere.
        name_pattern: names by its groups what file names tell: ``started_at``, ``call_id``, ``line``, ``customer``,
            ``number``, ``channel``, ``transcript``.
        line: of rows that state none.
        channel: of rows that state none.
    """

    root: Path
    now: datetime
    zone: tzinfo | None = None
    starts: StartSource | None = None
    name_pattern: re.Pattern[str] | None = None
    line: str = ""
    channel: int = 0


def read_call_list(path: Path, rules: CallListRules) -> CallList:
    """Read a list of calls: JSON Lines if the file's name ends with .jsonl or .ndjson, CSV otherwise.

    Raises:
        ManifestUnreadable: the file as a whole can't be used: not there, not text, no header, an unknown or repeated
            column, no path column, no rows.
    """
    text = read_text(path)
    is_json = path.suffix.lower() in (".jsonl", ".ndjson")
    found = _Reader(rules).read(json_rows(text) if is_json else csv_rows(text))
    if not (found.calls or found.problems):
        raise ManifestUnreadable(f"The list {path.name} has no calls. Add a row for each.")
    return found


def read_call_folder(path: Path, rules: CallListRules) -> CallList:
    """List the recordings of a folder and of those in it.

    Raises:
        ManifestUnreadable: there are none, or nothing says when they started.
    """
    if rules.starts is None and not _names_start(rules.name_pattern):
        raise ManifestUnreadable(
            f"Nothing says when the calls in {path} started. List them with a started_at column, or say that the "
            "start is in the file's name, or that it follows from when the file was written."
        )
    files = sorted(file for file in path.rglob("*") if file.is_file())
    recordings = [file for file in files if file.suffix.lower() in _ENDINGS]
    if not recordings:
        raise ManifestUnreadable(f"There are no recordings in {path}.")
    rows = (
        (place, {CallColumn.PATH: str(file.relative_to(path))})
        for place, file in enumerate(recordings, start=1)
    )
    found = _Reader(rules).read(rows)
    left_out = len(files) - len(recordings)
    return CallList(calls=found.calls, problems=found.problems, left_out=left_out)


class _Reader:
    def __init__(self, rules: CallListRules) -> None:
        self._rules = rules
        self._finder = RecordingFinder(rules.root)
        self._ids: dict[str, int] = {}

    def read(self, rows: Iterable[tuple[int, Cells | CallProblem]]) -> CallList:
        calls: list[ListedCall] = []
        problems: list[CallProblem] = []
        for row, cells in rows:
            if isinstance(cells, CallProblem):
                problems.append(cells)
                continue
            name = cells.get(CallColumn.PATH, "")
            try:
                calls.append(self._call(row, name, cells))
            except RowWrong as wrong:
                problems.append(
                    CallProblem(row=row, name=name, reason=wrong.reason, message=str(wrong))
                )
        # In the order in which they were, so that each is compared with those before it.
        calls.sort(key=lambda call: (call.started_at, call.row))
        return CallList(calls=tuple(calls), problems=tuple(problems))

    def _call(self, row: int, name: str, given: Cells) -> ListedCall:
        path = self._path(row, name)
        cells = {**self._by_name(name), **{column: cell for column, cell in given.items() if cell}}
        for column, longest in _LONGEST.items():
            if len(cells.get(column, "")) > longest:
                raise RowWrong(
                    "BAD_VALUE", f"{column.value} has more than {longest} characters. Correct it."
                )
        started_at = self._started_at(path, cells)
        call_id = self._call_id(row, cells.get(CallColumn.CALL_ID, ""))
        about = path.stat()
        return ListedCall(
            row=row,
            name=name,
            path=path,
            size=about.st_size,
            changed_ns=about.st_mtime_ns,
            started_at=started_at,
            call_id=call_id,
            line=cells.get(CallColumn.LINE, self._rules.line),
            customer=cells.get(CallColumn.CUSTOMER, ""),
            number=cells.get(CallColumn.NUMBER, ""),
            channel=_channel(cells.get(CallColumn.CHANNEL, ""), self._rules.channel),
            transcript=self._transcript(cells.get(CallColumn.TRANSCRIPT, "")),
        )

    def _path(self, row: int, name: str) -> Path:
        found = self._finder.find(Row(line=row, cells={Column.PATH: name}, surplus=0))
        if isinstance(found, RowProblem):
            raise RowWrong(found.reason.name, found.message)
        return found

    def _transcript(self, name: str) -> Path | None:
        if not name:
            return None
        root = self._finder.root
        try:
            path = located(root, name)
            is_there = path.is_relative_to(root) and path.is_file()
        except (OSError, ValueError):
            is_there = False
        if not is_there:
            raise RowWrong(
                "MISSING_TRANSCRIPT",
                f"There is no transcript {name[:200]!r} in {root}. Correct the path, or leave it empty.",
            )
        return path

    def _by_name(self, name: str) -> dict[CallColumn, str]:
        pattern = self._rules.name_pattern
        if pattern is None:
            return {}
        found = pattern.search(name)
        if found is None:
            raise RowWrong("BAD_NAME", f"The name {name!r} is not as the pattern says.")
        return {CallColumn(group): text for group, text in found.groupdict().items() if text}

    def _started_at(self, path: Path, cells: Cells) -> datetime:
        rules = self._rules
        try:
            if stated := cells.get(CallColumn.STARTED_AT, ""):
                started_at = parse_start(stated, rules.zone)
            elif rules.starts is StartSource.NAME:
                started_at = start_in_name(path.stem, rules.zone)
            elif rules.starts is StartSource.MTIME:
                started_at = start_by_mtime(path)
            else:
                raise RowWrong(
                    "NO_START",
                    "Nothing says when the call started. Fill in started_at, or say that it is in the file's name.",
                )
        except TimeUnclear as unclear:
            raise RowWrong("BAD_START", str(unclear)) from None
        except ShengdunError as error:
            raise RowWrong(error.reason, error.message) from None
        except (OSError, OverflowError) as error:
            raise RowWrong("BAD_START", f"No start can be had: {error}.") from None
        if started_at > rules.now + _CLOCKS_APART:
            raise RowWrong(
                "START_IN_FUTURE",
                f"{started_at.isoformat()} is in the future. Correct the time or its zone.",
            )
        return started_at

    def _call_id(self, row: int, call_id: str) -> str:
        if not call_id:
            return ""
        if not _CALL_ID.fullmatch(call_id):
            raise RowWrong(
                "BAD_CALL_ID",
                "A call_id is 1 to 128 visible ASCII characters without spaces. Leave it empty to have one made.",
            )
        first = self._ids.setdefault(call_id, row)
        if first != row:
            raise RowWrong(
                "DUPLICATE_CALL_ID",
                f"{call_id!r} is already the call of row {first}. Give each call its own.",
            )
        return call_id


def _channel(cell: str, otherwise: int) -> int:
    if not cell:
        return otherwise
    if not cell.isdecimal() or int(cell) > _MOST_CHANNELS:
        raise RowWrong("BAD_VALUE", f"{cell[:20]!r} is no channel. Write 1, 2, or 0 for all.")
    return int(cell)


def _names_start(pattern: re.Pattern[str] | None) -> bool:
    return pattern is not None and CallColumn.STARTED_AT.value in pattern.groupindex
