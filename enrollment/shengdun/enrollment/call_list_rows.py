"""The rows of a list of recorded calls as cells with known columns, before anything is asked of what they say."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from shengdun.enrollment.errors import ManifestUnreadable
from shengdun.enrollment.list_headers import Headers
from shengdun.enrollment.manifest_rows import parsed_lines


class CallColumn(Enum):
    """A column of a list of calls; the value is its plain English name."""

    PATH = "path"
    STARTED_AT = "started_at"
    CALL_ID = "call_id"
    LINE = "line"
    CUSTOMER = "customer"
    NUMBER = "number"
    CHANNEL = "channel"
    TRANSCRIPT = "transcript"


_NAMES: Final[dict[CallColumn, tuple[str, ...]]] = {
    CallColumn.PATH: ("path", "file", "filename", "recording", "录音", "录音文件", "录音路径", "文件", "路径"),
    CallColumn.STARTED_AT: ("startedat", "starttime", "start", "开始时间", "通话时间", "来电时间", "呼入时间"),
    CallColumn.CALL_ID: ("callid", "id", "通话编号", "流水号", "通话流水号", "录音流水号"),
    CallColumn.LINE: ("line", "业务线", "线路", "热线"),
    CallColumn.CUSTOMER: ("customer", "customerreference", "客户", "客户号", "客户编号", "账号"),
    CallColumn.NUMBER: ("number", "callingnumber", "caller", "主叫", "主叫号码", "来电号码", "电话", "电话号码"),
    CallColumn.CHANNEL: ("channel", "声道", "客户声道"),
    CallColumn.TRANSCRIPT: ("transcript", "words", "转写", "转写文件", "文本", "转写文本"),
}  # fmt: skip
_HEADERS: Final = Headers(_NAMES, of="list of calls")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProblem:
    """Why a row is not used.

    Attributes:
        row: as of a call.
        name: the path as the list gives it.
        reason: a stable name of the kind of problem.
        message: what is wrong and what to do.
    """

    row: int
    name: str
    reason: str
    message: str


Cells = Mapping[CallColumn, str]
"""What a row says, by column; columns that it lacks are absent."""


class RowWrong(Exception):
    """One row is not used: a stable name of why, and what is wrong and what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def csv_rows(text: str) -> Iterator[tuple[int, Cells | CallProblem]]:
    """The rows of a CSV text below its header, by the lines where they end; blank ones are left out.

    Raises:
        ManifestUnreadable: no header, an unknown or repeated column, no path column.
    """
    lines = parsed_lines(text)
    header = next((cells for _, cells in lines if any(cells)), None)
    if header is None:
        raise ManifestUnreadable(
            "The list is empty. Its first row names the columns, each further row is a call."
        )
    columns = _HEADERS.columns(header)
    if CallColumn.PATH not in columns:
        raise ManifestUnreadable(
            "The list has no path column. Add one with the path of each recording."
        )
    for line, cells in lines:
        if any(cells[len(columns) :]):
            message = "The row has more cells than there are headers. Put texts with a comma between quotation marks."
            problem = CallProblem(row=line, name="", reason="TOO_MANY_CELLS", message=message)
            yield line, problem
        elif any(cells):
            yield line, dict(zip(columns, cells, strict=False))


def json_rows(text: str) -> Iterator[tuple[int, Cells | CallProblem]]:
    """The rows of a text of JSON objects, one a line."""
    for line, row in enumerate(text.split("\n"), start=1):
        if row.strip():
            try:
                yield line, _json_cells(row)
            except RowWrong as wrong:
                problem = CallProblem(row=line, name="", reason=wrong.reason, message=str(wrong))
                yield line, problem


def _json_cells(row: str) -> Cells:
    try:
        stated: Any = json.loads(row)
    except (ValueError, RecursionError):
        stated = None
    if not isinstance(stated, dict):
        raise RowWrong("NO_OBJECT", "The line is no JSON object. Write one a line.")
    cells: dict[CallColumn, str] = {}
    for name, value in stated.items():
        column = _HEADERS.column(name)
        if column is None or column in cells or not isinstance(value, str | int | None):
            raise RowWrong(
                "UNKNOWN_FIELD",
                f"{name[:80]!r} is no field of a call, comes twice, or is no text. The fields are "
                f"{', '.join(each.value for each in CallColumn)}.",
            )
        cells[column] = "" if value is None else str(value).strip()
    return cells
