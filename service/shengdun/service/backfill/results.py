"""What became of each call of a backfill, as rows of a file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from shengdun.enrollment.call_list_rows import CallProblem
from shengdun.enrollment.manifest_results import ResultWriter


class CallOutcome(Enum):
    """What became of a row of the list."""

    ARCHIVED = "archived"
    KNOWN = "archived before"
    REPEATED = "repeated"
    NOT_USED = "not used"
    REFUSED = "refused"
    FAILED = "failed"

    @property
    def is_in(self) -> bool:
        """Whether the call is in the archive."""
        return self in _IN


_IN = frozenset({CallOutcome.ARCHIVED, CallOutcome.KNOWN, CallOutcome.REPEATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """What became of one call; the fields are the columns of the file.

    Attributes:
        row: the row of the list, or the file's place in the folder.
        path: as the list gives it.
        outcome: what was done.
        call_id: the call's; empty where it never had one.
        started_at: in UTC, ISO 8601; empty where it isn't known.
        level: of the decision; empty without enough speech, or where it was archived before.
        probability: that the caller is a known agent; None where that isn't known.
        flags: type and subject of each flag.
        net_speech_s: net speech in the recording, in seconds; None where it was not heard.
        duration_s: how long the recording is; None where that isn't known.
        reason: a stable name of why it is not in; empty when it is.
        message: the same for people, with what to do.
    """

    row: int
    path: str
    outcome: CallOutcome
    call_id: str = ""
    started_at: str = ""
    level: str = ""
    probability: float | None = None
    flags: str = ""
    net_speech_s: float | None = None
    duration_s: float | None = None
    reason: str = ""
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"outcome": self.outcome.value}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "CallResult":
        """What ``to_json`` made."""
        return cls(**(content | {"outcome": CallOutcome(content["outcome"])}))


def not_used(problem: CallProblem) -> CallResult:
    """The result of a row that can't be used."""
    return CallResult(
        row=problem.row,
        path=problem.name,
        outcome=CallOutcome.NOT_USED,
        reason=problem.reason,
        message=problem.message,
    )


class ResultSink(Protocol):
    """Where results go."""

    def write(self, result: CallResult) -> None:
        """Take one result."""


@contextmanager
def open_results(path: Path | None) -> Iterator[ResultSink]:
    """A file of results as long as the block runs: JSON Lines if its name ends so, CSV otherwise; none for None.

    A file that is there is replaced.

    Raises:
        OSError: it can't be written.
    """
    if path is None:
        yield _Nowhere()
    elif path.suffix.lower() in (".jsonl", ".ndjson"):
        with path.open("w", encoding="utf-8") as file:
            yield _JsonLines(file.write, file.flush)
    else:
        with ResultWriter(path, CallResult) as writer:
            yield writer


class _Nowhere:
    def write(self, result: CallResult) -> None:
        """Leave it."""


class _JsonLines:
    def __init__(self, write: Any, flush: Any) -> None:  # noqa: ANN401 - a file's own
        self._write = write
        self._flush = flush

    def write(self, result: CallResult) -> None:
        """Add a line."""
        self._write(json.dumps(result.to_json(), ensure_ascii=False) + "\n")
        self._flush()
