"""What a killed process left of a file is told from what another process is writing."""

import os
from pathlib import Path

from shengdun.index.durable_files import _open_aside, remove_left_aside, replace_file


def test_only_what_was_left_is_removed(tmp_path: Path) -> None:
    """What is being written is locked, and stays."""
    (tmp_path / ".one.hunt.0123abcd").write_bytes(b"left")
    (tmp_path / "one.hunt").write_bytes(b"whole")
    writing, descriptor = _open_aside(tmp_path / "two.hunt")
    assert remove_left_aside(tmp_path) == 1
    assert sorted(tmp_path.iterdir()) == [writing, tmp_path / "one.hunt"]
    os.close(descriptor)
    assert remove_left_aside(tmp_path) == 1
    replace_file(tmp_path / "two.hunt", b"new")
    assert (tmp_path / "two.hunt").read_bytes() == b"new"
    assert remove_left_aside(tmp_path / "missing") == 0
