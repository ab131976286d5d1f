"""Texts of the past, from JSON Lines."""

from datetime import date
from pathlib import Path

import pytest

from shengdun.enrollment.dated_texts import (
    LONGEST_LINE,
    DatedText,
    TextRowProblem,
    read_dated_texts,
)
from shengdun.enrollment.errors import TextFileUnreadable


def read(tmp_path: Path, content: bytes) -> list[DatedText | TextRowProblem]:
    """What a file of this content has."""
    file = tmp_path / "texts.jsonl"
    file.write_bytes(content)
    return list(read_dated_texts(file))


def test_days_lines_and_customers(tmp_path: Path) -> None:
    """As systems write them: days or times, some fields missing, others that don't matter, blank lines, a mark."""
    rows = read(
        tmp_path,
        b'\xef\xbb\xbf{"text": "a", "date": "2026-03-02", "line": "complaints", "customer": "c"}\r\n\n'
        b'{"text": "b", "date": "2026-03-02T23:30:00+08:00", "agent": 7, "line": null}',
    )
    assert rows == [
        DatedText(text="a", day=date(2026, 3, 2), line="complaints", customer="c"),
        DatedText(text="b", day=date(2026, 3, 2), line="", customer=""),
    ]


@pytest.mark.parametrize(
    ("row", "named"),
    [
        (b"[]", "no JSON object"),
        (b'{"text": "a", "date": "2026-03-02"', "no JSON object"),
        (b"\xff\xfe", "no JSON object"),
        (b"[" * 100_000, "no JSON object"),
        (b'{"date": "2026-03-02"}', "text must be"),
        (b'{"text": " ", "date": "2026-03-02"}', "not empty"),
        (b'{"text": 5, "date": "2026-03-02"}', "text must be"),
        (b'{"text": "a", "date": "yesterday"}', "'yesterday'"),
        (b'{"text": "a", "date": "0001-01-01"}', "1950"),
        (b'{"text": "a", "date": "2026-03-02", "line": 3}', "line must be"),
        (b'{"text": "' + b"a" * LONGEST_LINE + b'"}', "bytes"),
    ],
)
def test_a_line_that_is_none_costs_itself(tmp_path: Path, row: bytes, named: str) -> None:
    """It is named, and the next is read."""
    good = b'{"text": "a", "date": "2026-03-02"}'
    wrong, right = read(tmp_path, row + b"\n" + good)
    assert isinstance(wrong, TextRowProblem)
    assert wrong.line == 1
    assert named in wrong.message
    assert isinstance(right, DatedText)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Is an error that names it."""
    with pytest.raises(TextFileUnreadable, match="missing"):
        list(read_dated_texts(tmp_path / "missing.jsonl"))
