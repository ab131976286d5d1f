"""A manifest's file as rows with typed columns, before anything is asked of what they say."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from shengdun.enrollment.errors import ManifestUnreadable
from shengdun.enrollment.manifest_cells import HEADERS, Column
from shengdun.enrollment.text_files import decoded

MAX_MANIFEST_BYTES: Final = 64 * 1024 * 1024
"""A larger file is no list of recordings that people keep."""

_DELIMITERS: Final = ",;\t，；"


class RowProblemReason(Enum):
    """Why a row of a manifest is not used."""

    EMPTY_NAME = "neither actor nor name"
    EMPTY_PATH = "no path"
    MISSING_FILE = "no such file"
    NOT_A_FILE = "not a regular file"
    EMPTY_FILE = "an empty file"
    PATH_OUTSIDE = "outside the folder of recordings"
    DUPLICATE_PATH = "named twice"
    BAD_DATE = "not a date"
    PAST_DATE = "a date that has passed"
    NO_WATCHLIST = "no watchlist"
    BAD_VALUE = "a text that is too long or holds what it must not"
    TOO_MANY_CELLS = "more cells than headers"
    CONTRADICTION = "other details than a row before it"
    ACTOR_HELD_BACK = "another row of the actor is wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """Why one row is not used.

    Attributes:
        line: the line of the file where the row ends, from 1.
        column: the column at fault; None where it is the whole row.
        reason: the kind of problem.
        message: what is wrong and what to do.
    """

    line: int
    column: Column | None
    reason: RowProblemReason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row as it stands in the file.

    Attributes:
        line: the line of the file where the row ends, from 1.
        cells: the cells without surrounding blanks; columns that the file lacks are absent.
        surplus: how many cells it has more than there are headers.
    """

    line: int
    cells: Mapping[Column, str]
    surplus: int

    def text(self, column: Column) -> str:
        """The cell of a column, empty if there is none."""
        return self.cells.get(column, "")

    @property
    def key(self) -> str:
        """What the rows of one actor have in common: the actor column or, without one, the name."""
        return self.text(Column.ACTOR) or self.text(Column.NAME)


def read_text(path: Path) -> str:
    """The text of a manifest: UTF-8 with or without byte order mark, UTF-16 with one, or GB18030.

    Excel writes all of these, GB18030 when a Chinese Windows saves plain CSV.

    Raises:
        ManifestUnreadable: the file is not there, too large, or not text in any of them.
    """
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ManifestUnreadable(
                f"The manifest {path.name} is larger than {MAX_MANIFEST_BYTES >> 20} MiB. Split it."
            )
        content = path.read_bytes()
    except OSError as error:
        raise ManifestUnreadable(
            f"The manifest {path} can't be read: {error.strerror}. Check the path."
        ) from error
    text = decoded(content)
    if text is not None:
        return text
    raise ManifestUnreadable(
        f"The manifest {path.name} is not text in UTF-8, UTF-16 or GB18030. "
        "Save it as CSV UTF-8; an .xlsx file is no CSV."
    )


def read_rows(text: str) -> tuple[Row, ...]:
    """The rows of a manifest below its header; blank rows are left out.

    Raises:
        ManifestUnreadable: no header, an unknown or repeated column, no path column, no actor and no name column,
            a quotation that never ends, or no row at all.
    """
    lines = parsed_lines(text)
    header = next((cells for _, cells in lines if any(cells)), None)
    if header is None:
        raise ManifestUnreadable(
            "The manifest is empty. Its first row names the columns, each further row a recording."
        )
    columns = _columns(header)
    rows = tuple(_row(line, cells, columns) for line, cells in lines if any(cells))
    if not rows:
        raise ManifestUnreadable(
            "The manifest has a header and no rows. Add one row for each recording."
        )
    return rows


def parsed_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines of a CSV text where rows end, from 1, each with its cells without surrounding blanks.

    Raises:
        ManifestUnreadable: a quotation never ends.
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise ManifestUnreadable(
            f"Line {reader.line_num} of the manifest is no CSV: {error}. Look for a quotation mark that isn't closed."
        ) from error


def _columns(header: list[str]) -> list[Column]:
    columns = HEADERS.columns(header)
    if Column.PATH not in columns:
        raise ManifestUnreadable(
            "The manifest has no path column. Add one with the path of each recording."
        )
    if not {Column.ACTOR, Column.NAME} & set(columns):
        raise ManifestUnreadable("The manifest has neither an actor nor a name column. Add one.")
    return columns


def _row(line: int, cells: list[str], columns: list[Column]) -> Row:
    return Row(
        line=line,
        cells=dict(zip(columns, cells, strict=False)),
        surplus=sum(1 for cell in cells[len(columns) :] if cell),
    )
