"""``shengdun script`` with a real server."""

import csv
import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from fixtures.command_line import Served, assert_one_error_line, clean_environment
from fixtures.scripts import COERCED, ORDINARY, PRIVATE, REFUND


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    """A letter with something personal in it."""
    file = tmp_path / "停息.txt"
    file.write_bytes(f"{COERCED}电话{PRIVATE}。".encode("gb18030"))
    return file


@pytest.fixture
def campaign() -> str:
    """A campaign of one test's own."""
    return f"c-{uuid.uuid4().hex[:8]}"


def erase_all(served: Served, campaign: str) -> None:
    """Leave nothing for other tests to find."""
    listed = served.run("script", "list", "--campaign", campaign, "--json").stdout
    for line in listed.splitlines():
        script_id = json.loads(line)["script_id"]
        assert served.run("script", "erase", script_id, "--reason", "test").returncode == 0


def test_a_script_from_first_to_last(
    served: Served, letter: Path, campaign: str, tmp_path: Path
) -> None:
    """It is added, listed, shown masked, found in a text with both sides, and erased with a receipt."""
    added = served.run(
        *(
            "script",
            "add",
            letter,
            "--kind",
            "template",
            "--network",
            "蓝海",
            "--campaign",
            campaign,
        ),
        *("--purpose", "反诈", "--expires", "2099-01-01", "--json"),
    )
    assert added.returncode == 0, added.stderr
    script = json.loads(added.stdout)
    assert (script["title"], script["kind"], script["searched"]) == ("停息", "template", True)
    assert script["expires_at"] == "2099-01-01T00:00:00+00:00"
    script_id = script["script_id"]
    assert script_id in served.run("script", "list", "--network", "蓝海").stdout
    shown = served.run("script", "show", script_id).stdout
    assert COERCED[:20] in shown
    assert PRIVATE not in shown

    used = tmp_path / "used.txt"
    used.write_text(f"客服您好，{COERCED[20:140]}", encoding="utf-8")
    found = served.run("script", "match", used)
    assert f"{script_id} '停息' (蓝海, {campaign}): LLR +" in found.stdout
    lines = found.stdout.splitlines()
    sides = [line.split(maxsplit=2) for line in lines[1:3]]
    assert [side[0] for side in sides] == ["text", "script"]
    assert COERCED[40:60] in sides[0][2]
    assert COERCED[40:60] in sides[1][2]
    matched = json.loads(served.run("script", "match", used, "--json").stdout)
    assert matched["matches"][0]["script_id"] == script_id
    assert matched["matches"][0]["passages"][0]["text_start"] >= 0

    erased = served.run("script", "erase", script_id, "--reason", "申诉成立")
    assert f"script       {script_id}" in erased.stdout
    assert "signature" in erased.stdout
    gone = served.run("script", "show", script_id)
    assert gone.returncode == 1
    assert_one_error_line(gone, script_id, "shengdun script list")


def test_a_script_that_is_there_already_is_told_of(
    served: Served, letter: Path, campaign: str, tmp_path: Path
) -> None:
    """One by one and in a list, and it is registered all the same."""
    options = ("--campaign", campaign)
    first = json.loads(served.run("script", "add", letter, *options, "--json").stdout)
    assert first["near_duplicates"] == []
    again = served.run("script", "add", letter, *options)
    assert again.returncode == 0
    assert f"nearly the same is there already: {first['script_id']}" in again.stderr
    assert "100% of that and 100% of its own" in again.stderr
    manifest, results = tmp_path / "list.csv", tmp_path / "results.csv"
    manifest.write_text(f"path,title\n{letter},third\n", encoding="utf-8")
    listed = served.run(*("script", "add", "--manifest", manifest, "--results", results, *options))
    assert "nearly the same as scr_" in listed.stderr
    with results.open(encoding="utf-8-sig", newline="") as file:
        [row] = csv.DictReader(file)
    assert row["outcome"] == "registered"
    assert first["script_id"] in row["near_duplicates"].split()
    assert len(row["near_duplicates"].split()) == 2
    erase_all(served, campaign)


def test_a_text_from_a_pipe(served: Served) -> None:
    """As other programs hand it over."""
    result = subprocess.run(
        [sys.executable, "-m", "shengdun.service.cli", "script", "match", "-"],
        check=False,
        capture_output=True,
        input=ORDINARY.encode(),
        env=clean_environment(SHENGDUN_SERVER_ADDRESS=served.address),
        timeout=60,
    )
    assert result.returncode == 0, result.stderr


def test_a_list_with_failures_goes_on_and_is_run_again(
    served: Served, campaign: str, tmp_path: Path
) -> None:
    """Every row has its result, those that are in are told by id, and a second run enters nothing twice."""
    manifest, results = tmp_path / "list.csv", tmp_path / "results.csv"
    with manifest.open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("标题", "正文", "类型"))
        rows.writerow(("停息", COERCED, "信件"))
        rows.writerow(("短", "投诉", "信件"))
        rows.writerow(("诗", REFUND, "诗歌"))
        rows.writerow(("退费", REFUND, "聊天"))
    command = (
        "script",
        "add",
        "--manifest",
        manifest,
        "--results",
        results,
        "--campaign",
        campaign,
    )
    seen = []
    for _ in range(2):
        result = served.run(*command)
        assert result.returncode == 1
        assert "2 of 4 scripts are in" in result.stdout
        assert "[4/4]" in result.stderr
        with results.open(encoding="utf-8-sig", newline="") as file:
            found = {row["title"]: row for row in csv.DictReader(file)}
        assert [found[title]["outcome"] for title in ("停息", "短", "诗", "退费")] == [
            "registered", "refused", "not used", "registered",
        ]  # fmt: skip
        assert (found["短"]["reason"], found["诗"]["reason"]) == ("SCRIPT_TOO_SHORT", "BAD_KIND")
        seen.append((found["停息"]["script_id"], found["退费"]["script_id"]))
    assert seen[0] == seen[1]
    listed = served.run("script", "list", "--campaign", campaign, "--json").stdout.splitlines()
    assert sorted(json.loads(line)["script_id"] for line in listed) == sorted(seen[0])
    erase_all(served, campaign)


def test_a_list_of_json_lines(served: Served, campaign: str, tmp_path: Path) -> None:
    """As systems write them."""
    manifest, results = tmp_path / "list.jsonl", tmp_path / "results.csv"
    rows = [
        {"title": f"t{number}", "text": text, "campaign": campaign}
        for number, text in enumerate((COERCED, REFUND))
    ]
    manifest.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    result = served.run("script", "add", "--manifest", manifest, "--results", results)
    assert result.returncode == 0, result.stderr
    assert "2 of 2 scripts are in" in result.stdout
    erase_all(served, campaign)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "is empty"),
        ("诉".encode(), "characters"),
        (COERCED.encode()[:-1], "breaks at byte"),
        (b"\x7fELF\x02\x01\x01\x00\xff\xfe", "not text"),
        (f"{COERCED}\x1b]0;x\x07".encode(), "U+001B"),
        (f"\u202e{COERCED}".encode(), "U+202E"),
        ("投诉银行".encode() * 170_000, "680,000 characters"),
        ("投诉银行".encode() * 400_000, "4,800,000 bytes"),
    ],
)
def test_what_is_no_script_is_one_line(
    served: Served, tmp_path: Path, content: bytes, named: str
) -> None:
    """That says what is wrong."""
    file = tmp_path / "letter.txt"
    file.write_bytes(content)
    for command in ("add", "match"):
        result = served.run("script", command, file)
        assert result.returncode == 1
        assert_one_error_line(result, named)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("add",), "--manifest"),
        (("add", "-"), "--title"),
        (("add", "x.txt", "--kind", "poem"), "letter, chat, transcript, template"),
        (("add", "--manifest", "x.csv"), "--results"),
        (("add", "--manifest", "x.csv", "--results", "x.csv"), "replace"),
        (("erase", "scr_1"), "--reason"),
    ],
)
def test_wrong_usage_is_one_line(served: Served, arguments: tuple[str, ...], named: str) -> None:
    """Before the server is asked."""
    result = served.run("script", *arguments)
    assert result.returncode == 2
    assert_one_error_line(result, named)
