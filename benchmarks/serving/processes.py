"""A server as a process of its own: started, watched from outside, and ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_STOPS_WITHIN_S: Final = 30
_LISTENING: Final = "listening on "


class ServerFailed(Exception):
    """A server did not start; the message names its command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that takes calls.

    Attributes:
        address: host and port.
        pid: of the process that was started; its children, such as a store, belong to it.
    """

    address: str
    pid: int

    def cpu_s(self) -> float:
        """Processor time that it and its children have used."""
        return sum(_cpu_s(pid) for pid in family(self.pid))

    def memory_bytes(self) -> int:
        """Resident memory of it and its children; pages that they share count for each."""
        return sum(_memory_bytes(pid) for pid in family(self.pid))


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Running]:
    """A server while it is used.

    Args:
        command: what starts it; it says ``listening on HOST:PORT`` on standard output once it takes calls.
        environment: is added to this process's own.

    Raises:
        ServerFailed: it said something else, or nothing.
    """
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line.startswith(_LISTENING):
                raise ServerFailed(f"{' '.join(command)} did not start; run it to see why")
            yield Running(address=line.removeprefix(_LISTENING).strip(), pid=process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()


def shengdun_command() -> str:
    """The product's command line in this environment."""
    return str(Path(sys.executable).with_name("shengdun"))


def family(pid: int) -> list[int]:
    """A process and its descendants that are there now."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(entry)):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, [])
    return found


def thread_cpu_s(pid: int, thread: int) -> float:
    """Processor time of one thread of a process; the main one has the id of the process."""
    return _used_s(_stat(_PROC / str(pid) / "task" / str(thread)))


def _stat(entry: Path) -> list[str]:
    try:
        content = (entry / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    # The name of the program, in brackets, may hold blanks; what follows begins with field 3 (proc(5)).
    return content.rpartition(")")[2].split()


def _cpu_s(pid: int) -> float:
    return _used_s(_stat(_PROC / str(pid)))


def _used_s(fields: list[str]) -> float:
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S if fields else 0.0


def _memory_bytes(pid: int) -> int:
    fields = _stat(_PROC / str(pid))
    return int(fields[21]) * _PAGE_BYTES if fields else 0
