"""The journal of a backfill: which calls of a list are in the archive, so that no run sends one of them again.

A line is written for each call once the server has answered that it is in the archive. A run that is killed between the
two sends the call once more, and is answered that it is there. A line that was being written when the machine went down
is cut off. One run at a time has a journal.
"""

import fcntl
import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from shengdun.enrollment.call_lists import ListedCall
from shengdun.service.backfill.results import CallResult
from shengdun.service.errors import BackfillImpossible

_HEAD: Final = {"journal": "shengdun backfill", "version": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A call that is in the archive.

    Attributes:
        result: what became of it.
        facts: a hash of what was said of it: time, line, customer, number, channel, transcript.
    """

    result: CallResult
    facts: str


class Journal:
    """A journal in a file, while it is entered.

    Args:
        path: of the file; made when it is missing, for its owner's eyes alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, Entry] = {}

    def __enter__(self) -> Self:
        """Take it for this run.

        Raises:
            BackfillImpossible: another run has it, or it is no journal.
            OSError: it can't be read or written.
        """
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(handle, "r+b")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise BackfillImpossible(
                f"another backfill is using {self._path}; wait for it, or name another file with --state"
            ) from None
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.flush()
        with suppress(OSError):
            os.fsync(self._file.fileno())
        self._file.close()

    def __len__(self) -> int:
        return len(self._entries)

    def of(self, call: ListedCall) -> Entry | None:
        """What is known of a call, if its file has not changed since."""
        return self._entries.get(_key(call))

    def add(self, call: ListedCall, result: CallResult) -> None:
        """Write that a call is in the archive.

        Raises:
            OSError: the disk is full.
        """
        entry = Entry(result=result, facts=facts_of(call))
        line = {"key": _key(call), "facts": entry.facts, "result": result.to_json()}
        self._write(line)
        self._entries[_key(call)] = entry

    def _read(self) -> None:
        whole = 0
        for number, line in enumerate(self._file):
            if not line.endswith(b"\n"):
                break
            self._take(number, line)
            whole += len(line)
        self._file.seek(whole)
        self._file.truncate()
        if not whole:
            self._write(_HEAD)

    def _take(self, number: int, line: bytes) -> None:
        try:
            content: Any = json.loads(line)
            if number:
                result = CallResult.from_json(content["result"])
                self._entries[content["key"]] = Entry(result=result, facts=content["facts"])
            is_ours = number > 0 or content == _HEAD
        except (ValueError, KeyError, TypeError):
            is_ours = False
        if not is_ours:
            raise BackfillImpossible(
                f"line {number + 1} of {self._path} is no line of a backfill's journal; name another file with "
                "--state, or remove this one: calls that are in the archive are not archived twice"
            )

    def _write(self, content: object) -> None:
        self._file.write(json.dumps(content, ensure_ascii=False).encode() + b"\n")
        self._file.flush()


def facts_of(call: ListedCall) -> str:
    """A hash of what a list says of a call."""
    said = [call.started_at.isoformat(), call.line, call.customer, call.number, call.channel]
    if call.transcript is not None:
        said.append(str(call.transcript))
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


def _key(call: ListedCall) -> str:
    return f"{call.size}/{call.changed_ns}/{call.call_id}/{call.name}"
