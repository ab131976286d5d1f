"""Texts of the past with their days and lines of business, from JSON Lines as systems write them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from shengdun.enrollment.errors import TextFileUnreadable

LONGEST_LINE: Final = 4 << 20
"""Bytes; a longer one holds no letter, chat or transcript."""

FIRST_DAY: Final = date(1950, 1, 1)
"""No text is older; a day before it is a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedText:
    """A text of the past.

    Attributes:
        text: as it was written or said.
        day: on which it came in.
        line: line of business; may be empty.
        customer: whom it is about, by any name; empty if that isn't known.
    """

    text: str = field(repr=False)
    day: date
    line: str
    customer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRowProblem:
    """Why a line of the file is not used.

    Attributes:
        line: which, from 1.
        message: what is wrong and what to do.
    """

    line: int
    message: str


class _RowWrong(Exception):
    """One line is not used."""


def read_dated_texts(path: Path) -> Iterator[DatedText | TextRowProblem]:
    """The texts of a file in UTF-8, line by line, so that it may be of any length. Blank lines are left out.

    Each line is a JSON object with ``text`` and ``date`` (ISO 8601, a day or a time), and, where they are known,
    ``line`` and ``customer``. Other fields are left out.

    Raises:
        TextFileUnreadable: the file can't be read.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while row := file.readline(LONGEST_LINE + 1):
                number += 1
                if row.strip():
                    yield _read(row, number)
                while len(row) > LONGEST_LINE and not row.endswith(b"\n"):
                    row = file.readline(LONGEST_LINE + 1)
    except OSError as error:
        raise TextFileUnreadable(f"{path}: {error.strerror}. Check the path.") from error


def _read(row: bytes, number: int) -> DatedText | TextRowProblem:
    try:
        stated = _object(row)
        return DatedText(
            text=_stated(stated, "text"),
            day=_day(_stated(stated, "date")),
            line=_stated(stated, "line", needed=False),
            customer=_stated(stated, "customer", needed=False),
        )
    except _RowWrong as wrong:
        return TextRowProblem(line=number, message=str(wrong))


def _object(row: bytes) -> Mapping[str, Any]:
    if len(row) > LONGEST_LINE:
        raise _RowWrong(f"it has more than {LONGEST_LINE:,} bytes; take the part that matters")
    try:
        stated = json.loads(row.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        stated = None
    if not isinstance(stated, dict):
        raise _RowWrong("it is no JSON object in UTF-8; write one a line")
    return stated


def _stated(stated: Mapping[str, Any], name: str, *, needed: bool = True) -> str:
    value = stated.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or (needed and not value.strip()):
        raise _RowWrong(f"{name} must be a text in quotes{', and not empty' if needed else ''}")
    return value


def day_of(stated: str) -> date:
    """The day of an ISO 8601 day or time. Raises ``ValueError`` if it is none, or one of before ``FIRST_DAY``."""
    day = datetime.fromisoformat(stated.strip()).date()
    if day < FIRST_DAY:
        raise ValueError("a day of long ago")
    return day


def _day(stated: str) -> date:
    try:
        return day_of(stated)
    except ValueError:
        raise _RowWrong(
            f"date is no ISO 8601 day or time since {FIRST_DAY}, such as 2026-03-02: {stated[:40]!r}"
        ) from None
