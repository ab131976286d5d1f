"""A list of scripts costs what is wrong in it and no more."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shengdun.enrollment.errors import ManifestUnreadable
from shengdun.enrollment.script_lists import (
    ListedScript,
    ScriptListRules,
    ScriptProblem,
    ScriptProblemReason,
    ScriptRow,
    read_script_list,
)

TEXT = "我要求贵行减免全部利息，否则我将向银保监会投诉。"
Read = Callable[..., tuple[ScriptRow, ...]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a list of this content."""

    def give(content: str, name: str = "list.csv", **rules: str) -> tuple[ScriptRow, ...]:
        file = tmp_path / name
        file.write_text(content, encoding="utf-8")
        return read_script_list(file, ScriptListRules(root=tmp_path, zone=UTC, **rules))

    return give


def script_of(row: ScriptRow) -> ListedScript:
    assert isinstance(row.found, ListedScript), row.found
    return row.found


def reason_of(row: ScriptRow) -> ScriptProblemReason:
    assert isinstance(row.found, ScriptProblem)
    assert row.found.message.endswith(".")
    return row.found.reason


def test_a_csv_list_in_either_language(read: Read) -> None:
    """Columns in any order, kinds and dates in Chinese, and texts of several lines."""
    content = f'类型,标题,正文,团伙,有效期至\n信件,停息话术,"{TEXT}\n{TEXT}",蓝海,2099年3月31日\n'
    (row,) = read(content, campaign="停息挂账")
    script = script_of(row)
    assert (row.line, row.title) == (3, "停息话术")
    assert (script.kind, script.text) == ("letter", f"{TEXT}\n{TEXT}")
    assert (script.network, script.campaign, script.script_id) == ("蓝海", "停息挂账", "")
    assert script.expires_at == datetime(2099, 4, 1, tzinfo=UTC)


def test_json_lines(read: Read) -> None:
    """An object a line, blank lines between; a line that is none costs itself."""
    rows = read(
        "\n".join(
            [
                json.dumps({"title": "a", "text": TEXT, "kind": "chat", "script_id": "s-1"}),
                "",
                "{",
                "[1]",
                json.dumps({"title": "b", "text": TEXT, "exipres": "2099-01-01"}),
                json.dumps({"title": "c", "text": 7}),
                json.dumps({"title": "d", "text": f"甲\u2028{TEXT}"}, ensure_ascii=False),
            ]
        ),
        "list.jsonl",
    )
    assert [row.line for row in rows] == [1, 3, 4, 5, 6, 7]
    assert (script_of(rows[0]).script_id, script_of(rows[0]).kind) == ("s-1", "chat")
    assert [reason_of(row) for row in rows[1:5]] == [
        ScriptProblemReason.NO_OBJECT,
        ScriptProblemReason.NO_OBJECT,
        ScriptProblemReason.UNKNOWN_FIELD,
        ScriptProblemReason.UNKNOWN_FIELD,
    ]
    assert script_of(rows[5]).text.startswith("甲\u2028")


def test_texts_in_files(read: Read, tmp_path: Path) -> None:
    """Found in the list's folder, whichever slash; their names are their titles; nowhere else is looked."""
    (tmp_path / "信").mkdir()
    (tmp_path / "信" / "停息.txt").write_bytes(TEXT.encode("gb18030"))
    (tmp_path / "broken.txt").write_bytes(TEXT.encode()[:-1])
    rows = read("path\n信/停息.txt\n信\\停息.txt\n../x.txt\nnone.txt\nbroken.txt\n信\n")
    assert [script_of(row).text for row in rows[:2]] == [TEXT, TEXT]
    assert script_of(rows[0]).title == "停息"
    assert [reason_of(row) for row in rows[2:]] == [
        ScriptProblemReason.PATH_OUTSIDE,
        *[ScriptProblemReason.BAD_FILE] * 3,
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f",{TEXT},,,", ScriptProblemReason.NO_TITLE),
        ("a,,,,", ScriptProblemReason.NO_TEXT),
        (f"a,{TEXT},x.txt,,", ScriptProblemReason.TEXT_AND_PATH),
        (f"a,{TEXT},,poem,", ScriptProblemReason.BAD_KIND),
        (f"a,{TEXT},,,soon", ScriptProblemReason.BAD_DATE),
        (f"a,{TEXT},,,,surplus", ScriptProblemReason.TOO_MANY_CELLS),
    ],
)
def test_a_row_that_is_wrong_costs_itself(
    read: Read, row: str, reason: ScriptProblemReason
) -> None:
    """And the one after it goes on."""
    rows = read(f"title,text,path,kind,expires_at\n{row}\nb,{TEXT},,,\n")
    assert reason_of(rows[0]) is reason
    assert script_of(rows[1]).title == "b"


def test_a_text_longer_than_the_readers_own_limit(read: Read) -> None:
    """It is the server's to refuse, and its row's alone."""
    rows = read(f"title,text\na,{'投诉' * 100_000}\nb,{TEXT}\n")
    assert [len(script_of(row).text) for row in rows] == [200_000, len(TEXT)]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "empty"),
        ("title,text\n", "no scripts"),
        ("title,kind\na,chat\n", "neither a text nor a path"),
        ("title,text,colour\na,b,c\n", "'colour'"),
        ("title,text,标题\na,b,c\n", "twice"),
        ('title,text\na,"b\n', "quotation"),
    ],
)
def test_a_list_that_is_none_is_refused(read: Read, content: str, named: str) -> None:
    """Before anything is registered."""
    with pytest.raises(ManifestUnreadable, match=named):
        read(content)
