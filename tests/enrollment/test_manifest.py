"""The manifest of a bulk enrolment, as people write it and as Excel saves it."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shengdun.enrollment.errors import ManifestUnreadable
from shengdun.enrollment.manifest import Manifest, read_manifest
from shengdun.enrollment.manifest_cells import parse_expiry
from shengdun.enrollment.manifest_results import ResultWriter, RowOutcome, RowResult
from shengdun.enrollment.manifest_rows import RowProblemReason as Reason

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CHINA = timezone(timedelta(hours=8))

Read = Callable[..., Manifest]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a manifest beside the recordings a.wav, b.wav and c.wav."""
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).write_bytes(b"RIFF")

    def read(text: str, encoding: str = "utf-8", **rules: object) -> Manifest:
        path = tmp_path / "manifest.csv"
        path.write_bytes(text.encode(encoding))
        given = {
            "root": tmp_path,
            "zone": CHINA,
            "now": NOW,
            "default_watchlists": ("agents",),
        } | rules
        return read_manifest(path, **given)  # type: ignore[arg-type]

    return read


def reasons(manifest: Manifest) -> dict[int, Reason]:
    return {problem.line: problem.reason for problem in manifest.problems}


def test_rows_of_one_actor_are_its_recordings(read: Read) -> None:
    """Rows with the same key make one actor whose details come from whichever row states them."""
    manifest = read(
        "path,actor,name,watchlists,aliases,network,source,case_reference,legal_basis,notes,expires_at\n"
        'a.wav,A1,王五,agents,老王;王哥,net-7,complaint,C-9,"PIPL art. 13, consent",x,2027-03-31\n'
        "b.wav,A1,,collections,,,,,,,\n"
        "c.wav,A2,李四,,,,,,,,\n"
    )
    assert not manifest.problems
    first, second = manifest.actors
    assert [recording.name for recording in first.recordings] == ["a.wav", "b.wav"]
    assert [recording.line for recording in first.recordings] == [2, 3]
    assert first.details.display_name == "王五"
    assert first.details.watchlist_ids == ("agents", "collections")
    assert first.details.aliases == ("老王", "王哥")
    assert first.details.legal_basis == "PIPL art. 13, consent"
    assert first.details.expires_at == datetime(2027, 4, 1, tzinfo=CHINA)
    assert second.details.watchlist_ids == ("agents",)
    assert second.details.expires_at is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_chinese_excel_files_are_read(read: Read, encoding: str) -> None:
    """Chinese headers and cells are understood in every encoding that Excel saves."""
    manifest = read("录音文件,姓名,名单,备注\r\na.wav,张三,agents,投诉热线\r\n", encoding)
    assert not manifest.problems
    assert manifest.actors[0].details.display_name == "张三"
    assert manifest.actors[0].details.notes == "投诉热线"


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_recognised(read: Read, delimiter: str) -> None:
    """European Excel separates with semicolons, and tables that are pasted with tabs."""
    manifest = read(
        delimiter.join(["Path", "Display Name"]) + "\n" + delimiter.join(["a.wav", "Wang"])
    )
    assert manifest.actors[0].details.display_name == "Wang"


def test_windows_paths_are_found(read: Read, tmp_path: Path) -> None:
    """A path with backslashes means the file in the folder."""
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "d.wav").write_bytes(b"RIFF")
    manifest = read("path,name\ncalls\\d.wav,Wang\n")
    assert manifest.actors[0].recordings[0].path == (tmp_path / "calls" / "d.wav").resolve()


def test_bad_recordings_cost_only_themselves(read: Read, tmp_path: Path) -> None:
    """Every recording that can't be used is reported with its line, and the actor keeps the others."""
    (tmp_path / "empty.wav").touch()
    (tmp_path / "folder").mkdir()
    manifest = read(
        "path,name\na.wav,Wang\nmissing.wav,Wang\n../secret.wav,Wang\na.wav,Li\nempty.wav,Wang\nfolder,Wang\n,Wang\n"
        "/etc/passwd,Wang\n"
    )
    assert reasons(manifest) == {
        3: Reason.MISSING_FILE,
        4: Reason.PATH_OUTSIDE,
        5: Reason.DUPLICATE_PATH,
        6: Reason.EMPTY_FILE,
        7: Reason.NOT_A_FILE,
        8: Reason.EMPTY_PATH,
        9: Reason.PATH_OUTSIDE,
    }
    assert [(actor.key, len(actor.recordings)) for actor in manifest.actors] == [("Wang", 1)]


def test_a_link_out_of_the_folder_is_outside(read: Read, tmp_path: Path) -> None:
    """A symbolic link can't smuggle in a file from elsewhere."""
    (tmp_path / "link.wav").symlink_to("/etc/passwd")
    assert reasons(read("path,name\nlink.wav,Wang\n")) == {2: Reason.PATH_OUTSIDE}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.wav,,,agents,,,", Reason.EMPTY_NAME),
        ("a.wav,A1,Wang,agents,soon,,", Reason.BAD_DATE),
        ("a.wav,A1,Wang,agents,2027-02-30,,", Reason.BAD_DATE),
        ("a.wav,A1,Wang,agents,2020-01-01,,", Reason.PAST_DATE),
        ("a.wav,A1,Wang,Not A Slug,,,", Reason.BAD_VALUE),
        (f"a.wav,A1,Wang,agents,,{'团' * 201},", Reason.BAD_VALUE),
        (f"a.wav,A1,{'n' * 201},agents,,,", Reason.BAD_VALUE),
        ("a.wav,A1,Wa\x07ng,agents,,,", Reason.BAD_VALUE),
        ("a.wav,A1,Wang,agents,,,,surplus", Reason.TOO_MANY_CELLS),
    ],
)
def test_wrong_details_hold_the_actor_back(read: Read, row: str, reason: Reason) -> None:
    """A row that states details wrongly is reported, and the actors of other rows are still there."""
    manifest = read(
        f"path,actor,name,watchlists,expires_at,network,notes\n{row}\nb.wav,B1,Li,agents,,,\n"
    )
    assert reasons(manifest) == {2: reason}
    assert [actor.key for actor in manifest.actors] == ["B1"]


def test_other_rows_of_a_wrong_actor_say_why(read: Read) -> None:
    """Rows that are right themselves name the line that holds their actor back."""
    manifest = read("path,name,expires_at\na.wav,Wang,2027-01-01\nb.wav,Wang,2028-01-01\n")
    assert reasons(manifest) == {2: Reason.ACTOR_HELD_BACK, 3: Reason.CONTRADICTION}
    assert "line 3" in manifest.problems[0].message
    assert not manifest.actors


def test_an_actor_needs_a_watchlist(read: Read) -> None:
    """Without a watchlist in the row or for the whole manifest, there is nothing to register on."""
    assert reasons(read("path,name\na.wav,Wang\n", default_watchlists=())) == {
        2: Reason.NO_WATCHLIST
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("path,name\n", "no rows"),
        ("path,name,colour\na.wav,Wang,red\n", "'colour'"),
        ("path,file,name\na.wav,a.wav,Wang\n", "twice"),
        ("name\nWang\n", "path column"),
        ("path\na.wav\n", "name column"),
        ('path,name\na.wav,"Wang\n', "quotation"),
    ],
)
def test_an_unusable_manifest_is_refused_whole(read: Read, text: str, says: str) -> None:
    """What makes the file as a whole meaningless is one error that says what to do."""
    with pytest.raises(ManifestUnreadable, match=says):
        read(text)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    """An .xlsx file renamed to .csv, and a path that isn't there, are named as such."""
    path = tmp_path / "manifest.csv"
    with pytest.raises(ManifestUnreadable, match="Check the path"):
        read_manifest(path, root=tmp_path, zone=UTC, now=NOW)
    path.write_bytes(b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00")
    with pytest.raises(ManifestUnreadable, match="xlsx"):
        read_manifest(path, root=tmp_path, zone=UTC, now=NOW)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2027-03-31", datetime(2027, 4, 1, tzinfo=CHINA)),
        ("2027/3/1", datetime(2027, 3, 2, tzinfo=CHINA)),
        ("2027年12月31日", datetime(2028, 1, 1, tzinfo=CHINA)),
        ("2027-03-31T08:00:00Z", datetime(2027, 3, 31, 8, tzinfo=UTC)),
        ("2027/3/31 18:30", datetime(2027, 3, 31, 18, 30, tzinfo=CHINA)),
    ],
)
def test_dates_are_read_as_people_write_them(cell: str, expected: datetime) -> None:
    """A date alone holds until its end; a time without a zone is local."""
    assert parse_expiry(cell, CHINA) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=st.lists(st.lists(st.text(max_size=12), max_size=6), max_size=8))
def test_no_cells_break_the_reader(read: Read, rows: list[list[str]]) -> None:
    """Whatever the cells hold, every row comes out as part of an actor or with a problem."""
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    text = "\n".join(["path,name,watchlists,expires_at", *lines])
    try:
        manifest = read(text.encode("utf-8", "replace").decode())
    except ManifestUnreadable:
        return
    used = {recording.line for actor in manifest.actors for recording in actor.recordings}
    problems = {problem.line for problem in manifest.problems}
    assert used | problems == {row.line for row in manifest.rows}
    assert not used & problems


def test_the_result_file_opens_in_excel(tmp_path: Path) -> None:
    """Results have a byte order mark and a header, and no cell can run as a formula."""
    path = tmp_path / "results.csv"
    with ResultWriter(path, RowResult) as writer:
        writer.write(
            RowResult(
                line=2,
                path="a.wav",
                actor="=cmd()",
                outcome=RowOutcome.REGISTERED,
                net_speech_s=12.34,
            )
        )
        assert path.read_text(encoding="utf-8-sig").count("\n") == 2
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        [row] = csv.DictReader(file)
    assert row["actor"] == "'=cmd()"
    assert row["net_speech_s"] == "12.3"
    assert row["outcome"] == "registered"
