"""Which file a row of a manifest means, and whether it may be used."""

from pathlib import Path, PureWindowsPath

from shengdun.enrollment.manifest_cells import Column
from shengdun.enrollment.manifest_rows import Row, RowProblem, RowProblemReason


class RecordingFinder:
    """Finds the recordings of a manifest in one folder, and remembers which rows have named them.

    Attributes:
        root: the folder that every recording must be in; relative paths start there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._taken: dict[Path, int] = {}

    def find(self, row: Row) -> Path | RowProblem:
        """The file that a row names, or why it can't be used."""
        text = row.text(Column.PATH)
        if not text:
            return _problem(row, RowProblemReason.EMPTY_PATH, "The path is empty. Fill it in.")
        try:
            path = located(self.root, text)
        except (OSError, ValueError) as error:
            return _problem(row, RowProblemReason.MISSING_FILE, f"{text!r} is no path: {error}.")
        return self._checked(row, path) or path

    def _checked(self, row: Row, path: Path) -> RowProblem | None:
        text = row.text(Column.PATH)
        if not path.is_relative_to(self.root):
            message = (
                f"{text!r} is outside {self.root}. Put the recording there, or name another folder."
            )
            return _problem(row, RowProblemReason.PATH_OUTSIDE, message)
        if not path.exists():
            message = f"There is no file {text!r} in {self.root}. Correct the path."
            return _problem(row, RowProblemReason.MISSING_FILE, message)
        if not path.is_file():
            return _problem(
                row,
                RowProblemReason.NOT_A_FILE,
                f"{text!r} is not a regular file. Name a recording.",
            )
        if path.stat().st_size == 0:
            message = f"{text!r} is an empty file. Copy the recording again."
            return _problem(row, RowProblemReason.EMPTY_FILE, message)
        first = self._taken.setdefault(path, row.line)
        if first != row.line:
            message = f"{text!r} is already named in line {first}. Remove one of the two lines."
            return _problem(row, RowProblemReason.DUPLICATE_PATH, message)
        return None


def located(root: Path, text: str) -> Path:
    """The file that a path means which was perhaps written on Windows; relative ones start at the root.

    Raises:
        OSError, ValueError: it is no path.
    """
    path = (root / text).resolve()
    if not path.exists() and "\\" in text:
        path = (root / PureWindowsPath(text).as_posix()).resolve()
    return path


def _problem(row: Row, reason: RowProblemReason, message: str) -> RowProblem:
    return RowProblem(line=row.line, column=Column.PATH, reason=reason, message=message)
