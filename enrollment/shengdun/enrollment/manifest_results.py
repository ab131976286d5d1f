"""The result file of a bulk registration: a CSV row for every row of the manifest, whatever became of it.

Written with a byte order mark, because Excel takes CSV without one for the system's code page.
"""

import csv
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Result = TypeVar("Result", bound="DataclassInstance")

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


class RowOutcome(Enum):
    """What became of a row of a manifest."""

    REGISTERED = "registered"
    MERGED = "merged"
    SKIPPED = "skipped"
    ASSESSED = "assessed"
    REFUSED = "refused"
    NOT_USED = "not used"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """What became of one row; the fields are the columns of the file.

    Attributes:
        line: the line of the manifest.
        path: the recording as the row gives it.
        actor: the actor's key.
        outcome: what was done.
        actor_id: the actor that the recording now belongs to; empty when there is none.
        reason: a stable name of why the recording was not used; empty when it was.
        message: the same for people, with what to do.
        net_speech_s: net speech in the recording, in seconds; None where it was not heard.
        snr_db: its signal-to-noise ratio in dB; None where it was not measured.
    """

    line: int
    path: str
    actor: str
    outcome: RowOutcome
    actor_id: str = ""
    reason: str = ""
    message: str = ""
    net_speech_s: float | None = None
    snr_db: float | None = None


class ScriptOutcome(Enum):
    """What became of a row of a list of scripts."""

    REGISTERED = "registered"
    REFUSED = "refused"
    NOT_USED = "not used"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRowResult:
    """What became of one row of a list of scripts; the fields are the columns of the file.

    Attributes:
        line: the line of the list.
        title: the script's title.
        outcome: what was done.
        script_id: the script that was registered; empty when none was.
        reason: a stable name of why it was not; empty when it was.
        message: the same for people, with what to do.
        near_duplicates: ids of scripts that were there already and have nearly the same wording, by blanks.
    """

    line: int
    title: str
    outcome: ScriptOutcome
    script_id: str = ""
    reason: str = ""
    message: str = ""
    near_duplicates: str = ""


class ResultWriter(Generic[Result]):
    """Writes results as they come, so that a run that is stopped leaves those it had."""

    def __init__(self, path: Path, kind: type[Result]) -> None:
        """Begin the file.

        Args:
            path: where; a file that is there is replaced.
            kind: what is written: a dataclass whose fields are the columns.

        Raises:
            OSError: it can't be written.
        """
        self._columns = [field.name for field in fields(kind)]
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow(self._columns)

    def __enter__(self) -> Self:
        """Nothing more than the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def write(self, result: Result) -> None:
        """Add one row.

        Raises:
            OSError: the disk is full.
        """
        self._rows.writerow(_cell(getattr(result, name)) for name in self._columns)
        self._file.flush()


def _cell(value: str | float | Enum | None) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        # A spreadsheet would run a name that begins like a formula.
        return f"'{value}"
    return "" if value is None else str(value)
