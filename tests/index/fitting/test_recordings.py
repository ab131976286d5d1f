"""Finding a site's recorded calls in a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shengdun.index.fitting.recordings import CallsInvalid, read_calls


def test_what_can_not_be_read_is_named_and_the_rest_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a file nor a folder that is closed to us ends hours of work, or goes missing without a word."""
    for name in ("day1/a.wav", "day2/b.wav", ".trash/c.wav", "day1/.d.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    scandir = os.scandir

    def closed(path: str) -> Iterator[os.DirEntry[str]]:
        # Tests may run as root, to whom nothing is closed.
        if Path(path).name == "day2":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    found = read_calls(tmp_path)
    assert [each.name for each in found.recordings] == ["day1/a.wav"]
    (warning,) = found.warnings
    assert "gone.wav (No such file or directory)" in warning
    assert "day2 (Permission denied)" in warning


def test_a_folder_of_which_nothing_can_be_read_says_why(tmp_path: Path) -> None:
    """And not only that it holds no recording."""
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    with pytest.raises(CallsInvalid, match=r"gone\.wav \(No such file"):
        read_calls(tmp_path)
