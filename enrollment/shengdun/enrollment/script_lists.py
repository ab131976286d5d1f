"""A list of scripts to register at once: CSV as investigators keep it in Excel, or JSON Lines as systems write it.

A row has its text in itself or names a file that has it. A row that is wrong in anything is not used, and every other
row goes on: a script kept without its expiry or under another network would be worse than none.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import Enum
from pathlib import Path, PureWindowsPath
from typing import Any, Final

from shengdun.enrollment.errors import ManifestUnreadable, TextFileUnreadable
from shengdun.enrollment.list_headers import Headers
from shengdun.enrollment.manifest_cells import parse_expiry
from shengdun.enrollment.manifest_rows import parsed_lines, read_text
from shengdun.enrollment.text_files import read_text_file


class ScriptColumn(Enum):
    """A column of a list of scripts; the value is its plain English name."""

    TEXT = "text"
    PATH = "path"
    TITLE = "title"
    KIND = "kind"
    NETWORK = "network"
    CAMPAIGN = "campaign"
    PURPOSE = "purpose"
    SOURCE = "source"
    CASE_REFERENCE = "case_reference"
    LEGAL_BASIS = "legal_basis"
    EXPIRES_AT = "expires_at"
    SCRIPT_ID = "script_id"


_NAMES: Final[dict[ScriptColumn, tuple[str, ...]]] = {
    ScriptColumn.TEXT: ("text", "content", "wording", "文本", "正文", "内容", "话术", "话术内容"),
    ScriptColumn.PATH: ("path", "file", "filename", "文件", "文件名", "路径"),
    ScriptColumn.TITLE: ("title", "name", "标题", "名称", "话术名称"),
    ScriptColumn.KIND: ("kind", "type", "类型", "类别", "种类"),
    ScriptColumn.NETWORK: ("network", "networkid", "gang", "团伙", "团伙编号", "网络"),
    ScriptColumn.CAMPAIGN: ("campaign", "活动", "批次", "行动"),
    ScriptColumn.PURPOSE: ("purpose", "目的", "用途", "处理目的"),
    ScriptColumn.SOURCE: ("source", "来源", "线索来源"),
    ScriptColumn.CASE_REFERENCE: ("casereference", "case", "caseid", "案件", "案件编号", "案号"),
    ScriptColumn.LEGAL_BASIS: ("legalbasis", "法律依据", "合法性基础", "依据"),
    ScriptColumn.EXPIRES_AT: ("expiresat", "expires", "expiretime", "expiry", "到期", "到期时间", "有效期", "有效期至"),
    ScriptColumn.SCRIPT_ID: ("scriptid", "id", "编号", "话术编号"),
}  # fmt: skip
_HEADERS: Final = Headers(_NAMES, of="list")
_KINDS: Final = {
    "letter": "letter", "信": "letter", "信件": "letter", "投诉信": "letter",
    "chat": "chat", "聊天": "chat", "聊天记录": "chat",
    "transcript": "transcript", "录音文本": "transcript", "通话": "transcript", "转写": "transcript",
    "template": "template", "模板": "template", "范本": "template",
}  # fmt: skip


class ScriptProblemReason(Enum):
    """Why a row of a list of scripts is not used."""

    NO_TEXT = "neither text nor path"
    TEXT_AND_PATH = "both text and path"
    BAD_FILE = "a file that is not there, or no text"
    PATH_OUTSIDE = "outside the folder of the texts"
    NO_TITLE = "no title"
    BAD_KIND = "an unknown kind"
    BAD_DATE = "not a date"
    TOO_MANY_CELLS = "more cells than headers"
    UNKNOWN_FIELD = "a field that there is none of"
    NO_OBJECT = "a line that is no JSON object"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptProblem:
    """Why one row is not used: the kind of problem, and what is wrong and what to do."""

    reason: ScriptProblemReason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedScript:
    """A script that a row describes.

    Attributes:
        title: a name for people.
        kind: letter, chat, transcript or template.
        text: its wording.
        network: the network that uses it; may be empty, as may the fields that follow.
        campaign: the campaign it belongs to.
        purpose: what it is kept for.
        source: where the knowledge comes from.
        case_reference: the case it was found in.
        legal_basis: the legal basis of keeping it.
        expires_at: after this instant it is no longer searched for; None for no expiry.
        script_id: an id of one's own.
    """

    title: str
    kind: str
    text: str = field(repr=False)
    network: str
    campaign: str
    purpose: str
    source: str
    case_reference: str
    legal_basis: str
    expires_at: datetime | None
    script_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRow:
    """One row of the list.

    Attributes:
        line: the line of the file where it ends, from 1.
        title: as the row states it, to know it by.
        found: the script, or why it is not used.
    """

    line: int
    title: str
    found: ListedScript | ScriptProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptListRules:
    """How rows are read.

    Attributes:
        root: the folder that every named file must be in; relative paths start there.
        zone: the time zone of dates that name none.
        kind: of rows that state none.
        network: of rows that state none.
        campaign: of rows that state none.
    """

    root: Path
    zone: tzinfo
    kind: str = "letter"
    network: str = ""
    campaign: str = ""


class _RowWrong(Exception):
    """One row is not used."""

    def __init__(self, reason: ScriptProblemReason, message: str) -> None:
        super().__init__(message)
        self.problem = ScriptProblem(reason=reason, message=message)


def read_script_list(path: Path, rules: ScriptListRules) -> tuple[ScriptRow, ...]:
    """Read a list of scripts: JSON Lines if the file's name ends with .jsonl or .ndjson, CSV otherwise.

    Raises:
        ManifestUnreadable: the file as a whole can't be used: not there, not text, no header, an unknown or repeated
            column, neither a text nor a path column, no rows. What is wrong with single rows is in the rows.
    """
    text = read_text(path)
    # By itself the reader takes no cell of more than 131,072 characters, and no other row then.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    is_json = path.suffix.lower() in (".jsonl", ".ndjson")
    rows = tuple(_json_rows(text, rules) if is_json else _csv_rows(text, rules))
    if not rows:
        raise ManifestUnreadable(f"The list {path.name} has no scripts. Add a row for each.")
    return rows


def _csv_rows(text: str, rules: ScriptListRules) -> Iterator[ScriptRow]:
    lines = parsed_lines(text)
    header = next((cells for _, cells in lines if any(cells)), None)
    if header is None:
        raise ManifestUnreadable(
            "The list is empty. Its first row names the columns, each further row is a script."
        )
    columns = _columns(header)
    for line, cells in lines:
        if any(cells):
            surplus = any(cells[len(columns) :])
            yield _row(line, dict(zip(columns, cells, strict=False)), rules, surplus=surplus)


def _columns(header: list[str]) -> list[ScriptColumn]:
    columns = _HEADERS.columns(header)
    if not {ScriptColumn.TEXT, ScriptColumn.PATH} & set(columns):
        raise ManifestUnreadable("The list has neither a text nor a path column. Add one.")
    return columns


def _json_rows(text: str, rules: ScriptListRules) -> Iterator[ScriptRow]:
    # Not splitlines: a text may have line ends of Unicode in it.
    for line, row in enumerate(text.split("\n"), start=1):
        if row.strip():
            try:
                yield _row(line, _json_cells(row), rules)
            except _RowWrong as wrong:
                yield ScriptRow(line=line, title="", found=wrong.problem)


def _json_cells(row: str) -> dict[ScriptColumn, str]:
    try:
        stated: Any = json.loads(row)
    except (ValueError, RecursionError):
        stated = None
    if not isinstance(stated, dict):
        raise _RowWrong(
            ScriptProblemReason.NO_OBJECT, "The line is no JSON object. Write one a line."
        )
    cells: dict[ScriptColumn, str] = {}
    for name, value in stated.items():
        column = _HEADERS.column(name)
        if column is None or column in cells or not isinstance(value, str | None):
            raise _RowWrong(
                ScriptProblemReason.UNKNOWN_FIELD,
                f"{name[:80]!r} is no field of a script, comes twice, or is no string. The fields are "
                f"{', '.join(each.value for each in ScriptColumn)}.",
            )
        cells[column] = value or ""
    return cells


def _row(
    line: int,
    cells: Mapping[ScriptColumn, str],
    rules: ScriptListRules,
    *,
    surplus: bool = False,
) -> ScriptRow:
    title = cells.get(ScriptColumn.TITLE, "").strip()
    try:
        found: ListedScript | ScriptProblem = _script(cells, rules, surplus=surplus)
    except _RowWrong as wrong:
        found = wrong.problem
    return ScriptRow(line=line, title=title, found=found)


def _script(
    cells: Mapping[ScriptColumn, str], rules: ScriptListRules, *, surplus: bool
) -> ListedScript:
    if surplus:
        raise _RowWrong(
            ScriptProblemReason.TOO_MANY_CELLS,
            "The row has more cells than there are headers. Put texts with a comma between quotation marks.",
        )

    def stated(column: ScriptColumn, otherwise: str = "") -> str:
        return cells.get(column, "").strip() or otherwise

    title = stated(ScriptColumn.TITLE, Path(stated(ScriptColumn.PATH)).stem)
    if not title:
        raise _RowWrong(
            ScriptProblemReason.NO_TITLE, "The row has no title. State what people call it."
        )
    return ListedScript(
        title=title,
        kind=_kind(stated(ScriptColumn.KIND, rules.kind)),
        text=_text(cells.get(ScriptColumn.TEXT, ""), stated(ScriptColumn.PATH), rules.root),
        network=stated(ScriptColumn.NETWORK, rules.network),
        campaign=stated(ScriptColumn.CAMPAIGN, rules.campaign),
        purpose=stated(ScriptColumn.PURPOSE),
        source=stated(ScriptColumn.SOURCE),
        case_reference=stated(ScriptColumn.CASE_REFERENCE),
        legal_basis=stated(ScriptColumn.LEGAL_BASIS),
        expires_at=_expiry(stated(ScriptColumn.EXPIRES_AT), rules.zone),
        script_id=stated(ScriptColumn.SCRIPT_ID),
    )


def _kind(cell: str) -> str:
    kind = _KINDS.get(cell.lower())
    if kind is None:
        raise _RowWrong(
            ScriptProblemReason.BAD_KIND,
            f"{cell[:80]!r} is no kind of script. Write letter, chat, transcript or template.",
        )
    return kind


def _expiry(cell: str, zone: tzinfo) -> datetime | None:
    if not cell:
        return None
    try:
        return parse_expiry(cell, zone)
    except (ValueError, OverflowError):
        raise _RowWrong(
            ScriptProblemReason.BAD_DATE, f"{cell[:80]!r} is not a date. Write it as 2027-03-31."
        ) from None


def _text(text: str, path: str, root: Path) -> str:
    if text.strip() and path:
        raise _RowWrong(
            ScriptProblemReason.TEXT_AND_PATH, "The row has a text and a path. Leave one empty."
        )
    if text.strip():
        return text
    if not path:
        raise _RowWrong(
            ScriptProblemReason.NO_TEXT, "The row has neither a text nor a path. Fill in one."
        )
    return _text_in(path, root.resolve())


def _text_in(path: str, root: Path) -> str:
    try:
        file = (root / path).resolve()
        if not file.exists() and "\\" in path:
            file = (root / PureWindowsPath(path).as_posix()).resolve()
        if not file.is_relative_to(root):
            raise _RowWrong(
                ScriptProblemReason.PATH_OUTSIDE,
                f"{path!r} is outside {root}. Put the file there, or name another folder.",
            )
        return read_text_file(file)
    except (OSError, ValueError) as error:
        raise _RowWrong(ScriptProblemReason.BAD_FILE, f"{path!r} is no path: {error}.") from None
    except TextFileUnreadable as error:
        raise _RowWrong(ScriptProblemReason.BAD_FILE, error.message) from None
