"""Lists and folders of recorded calls."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from shengdun.enrollment.call_lists import CallListRules, read_call_folder, read_call_list
from shengdun.enrollment.call_times import StartSource
from shengdun.enrollment.errors import ManifestUnreadable

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
Rules = Callable[..., CallListRules]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of files that nobody opens."""
    root = tmp_path / "calls"
    (root / "day").mkdir(parents=True)
    for name in ("a.wav", "b.mp3", "day/20261103-142355.wav", "notes.txt"):
        (root / name).write_bytes(b"x")
    return root


@pytest.fixture
def rules(folder: Path) -> Rules:
    def make(**given: object) -> CallListRules:
        return CallListRules(**({"root": folder, "now": NOW} | given))  # type: ignore[arg-type]

    return make


def written(folder: Path, text: str, name: str = "calls.csv") -> Path:
    file = folder.parent / name
    file.write_text(text, encoding="gb18030" if name.endswith(".csv") else "utf-8")
    return file


def test_a_list_says_what_is_known_of_each_call(folder: Path, rules: Rules) -> None:
    """In English or Chinese, the earliest first; what a row leaves empty is the rule's."""
    file = written(
        folder,
        "录音,开始时间,通话流水号,业务线,客户号,主叫号码,声道\n"
        "b.mp3,2026-11-04 09:00:00,,,,,\n"
        "a.wav,2026-11-03T14:23:55+08:00,pbx/1,complaints,4711,+86 10 1234,2\n",
    )
    zone = ZoneInfo("Asia/Shanghai")
    listed = read_call_list(file, rules(zone=zone, line="general", channel=1))
    assert not listed.problems
    first, second = listed.calls
    assert (first.name, first.row, first.call_id, first.line) == ("a.wav", 3, "pbx/1", "complaints")
    assert (first.customer, first.number, first.channel) == ("4711", "+86 10 1234", 2)
    assert first.started_at == datetime(2026, 11, 3, 6, 23, 55, tzinfo=UTC)
    assert (second.line, second.channel, second.call_id, second.size) == ("general", 1, "", 1)
    assert second.started_at == datetime(2026, 11, 4, 1, tzinfo=UTC)


def test_transcripts_are_files_of_the_list(folder: Path, rules: Rules) -> None:
    """Below its folder, also as Windows writes paths; one that isn't there costs its row."""
    (folder / "day" / "a.jsonl").write_text('{"text": "喂"}\n')
    file = written(
        folder,
        "录音,开始时间,转写\n"
        "a.wav,2026-11-03T14:23:55Z,day\\a.jsonl\n"
        "b.mp3,2026-11-03T14:23:56Z,\n"
        "day/20261103-142355.wav,2026-11-03T14:23:57Z,none.jsonl\n"
        "notes.txt,2026-11-03T14:23:58Z,../calls.csv\n",
    )
    listed = read_call_list(file, rules())
    assert [call.transcript for call in listed.calls] == [folder / "day" / "a.jsonl", None]
    assert [problem.reason for problem in listed.problems] == ["MISSING_TRANSCRIPT"] * 2


def test_a_bad_row_costs_itself(folder: Path, rules: Rules) -> None:
    """And says what to do."""
    later = (NOW + timedelta(hours=8)).isoformat()
    file = written(
        folder,
        "path,started_at,call_id,channel\n"
        "a.wav,2026-11-03T14:23:55Z,one,\n"
        "missing.wav,2026-11-03T14:23:55Z,two,\n"
        "../outside.wav,2026-11-03T14:23:55Z,three,\n"
        "b.mp3,2026-11-03 14:23:55,four,\n"
        "b.mp3,,five,\n"
        f"day/20261103-142355.wav,{later},six,\n"
        "notes.txt,2026-11-03T14:23:55Z,one,\n"
        "a.wav,2026-11-03T14:23:55Z,seven,\n",
    )
    listed = read_call_list(file, rules())
    assert [call.name for call in listed.calls] == ["a.wav"]
    assert [(problem.row, problem.reason) for problem in listed.problems] == [
        (3, "MISSING_FILE"),
        (4, "PATH_OUTSIDE"),
        (5, "BAD_START"),
        (6, "DUPLICATE_PATH"),
        (7, "START_IN_FUTURE"),
        (8, "DUPLICATE_CALL_ID"),
        (9, "DUPLICATE_PATH"),
    ]
    assert "time zone" in listed.problems[2].message


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"channel": "left"}, "BAD_VALUE"),
        ({"channel": 33}, "BAD_VALUE"),
        ({"call_id": "with space"}, "BAD_CALL_ID"),
        ({"customer": "x" * 257}, "BAD_VALUE"),
        ({"started_at": ""}, "NO_START"),
        ({"colour": "red"}, "UNKNOWN_FIELD"),
        ({"customer": ["4711"]}, "UNKNOWN_FIELD"),
    ],
)
def test_values_are_checked(
    folder: Path, rules: Rules, cells: dict[str, object], reason: str
) -> None:
    row = {"path": "a.wav", "started_at": "2026-11-03T14:23:55Z"} | cells
    file = written(folder, json.dumps(row) + "\nno json\n", "calls.jsonl")
    listed = read_call_list(file, rules())
    assert [problem.reason for problem in listed.problems] == [reason, "NO_OBJECT"]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "started_at\n2026\n", "path\n"])
def test_what_is_no_list_is_refused_whole(folder: Path, rules: Rules, text: str) -> None:
    with pytest.raises(ManifestUnreadable):
        read_call_list(written(folder, text), rules())


def test_a_folder_has_recordings_and_other_files(folder: Path, rules: Rules) -> None:
    """Of which those without a time in their name are told, and no others are touched."""
    listed = read_call_folder(folder, rules(starts=StartSource.NAME, zone=UTC))
    assert [call.name for call in listed.calls] == ["day/20261103-142355.wav"]
    assert [problem.name for problem in listed.problems] == ["a.wav", "b.mp3"]
    assert listed.left_out == 1
    with pytest.raises(ManifestUnreadable, match="Nothing says when"):
        read_call_folder(folder, rules())


def test_names_tell_what_a_pattern_says(folder: Path, rules: Rules) -> None:
    """Also whom a call was about."""
    (folder / "4711_13800138000_20261104090000.wav").write_bytes(b"x")
    pattern = re.compile(r"(?P<customer>\d+)_(?P<number>\d+)_(?P<started_at>\d{14})\.wav$")
    listed = read_call_folder(folder, rules(name_pattern=pattern, zone=UTC))
    (call,) = listed.calls
    assert (call.customer, call.number) == ("4711", "13800138000")
    assert call.started_at == datetime(2026, 11, 4, 9, tzinfo=UTC)
    assert {problem.reason for problem in listed.problems} == {"BAD_NAME"}
