"""Memory and processor time of a server that runs on this machine, from outside of it (Linux, /proc)."""

import ipaddress
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_LISTEN: Final = "0A"
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUsage:
    """What all processes of a server used.

    Attributes:
        at_s: when, from the beginning of the run.
        memory_bytes: resident memory of all of them; pages that they share count for each.
        cpu_s: processor time since they were started.
    """

    at_s: float
    memory_bytes: int
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWatch:
    """Reads the usage of the processes that listen on an address of this machine.

    Attributes:
        pids: those processes; none when the server is elsewhere, or another user's.
    """

    pids: tuple[int, ...]

    def look(self, at_s: float) -> ServerUsage | None:
        """What they use now; None when none of them is there."""
        read = [usage for pid in self.pids if (usage := _usage(pid)) is not None]
        if not read:
            return None
        return ServerUsage(
            at_s=at_s,
            memory_bytes=sum(memory for memory, _ in read),
            cpu_s=sum(cpu_s for _, cpu_s in read),
        )


def watch_server(address: str) -> ServerWatch:
    """A watch over the server at an address, ``HOST:PORT``; one without processes when it isn't on this machine."""
    host, _, port = address.rpartition(":")
    if not (_is_here(host.strip("[]")) and _PROC.is_dir()):
        return ServerWatch(pids=())
    sockets = _listening(int(port))
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    return ServerWatch(pids=tuple(sorted(pid for pid in pids if _sockets(pid) & sockets)))


def _is_here(host: str) -> bool:
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return any(ipaddress.ip_address(each).is_loopback or each in _own() for each in map(str, found))


def _own() -> set[str]:
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None)}
    except OSError:
        return set()


def _listening(port: int) -> set[str]:
    """The sockets that listen on a port, as /proc/PID/fd names them."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            local, state, inode = columns[1], columns[3], columns[9]
            if state == _LISTEN and int(local.rpartition(":")[2], 16) == port:
                found.add(f"socket:[{inode}]")
    return found


def _sockets(pid: int) -> set[str]:
    found = set()
    # The process may have ended or be another user's, and what it has open may be closed meanwhile.
    with suppress(OSError):
        for link in (_PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                found.add(str(link.readlink()))
    return found


def _usage(pid: int) -> tuple[int, float] | None:
    try:
        pages = (_PROC / str(pid) / "statm").read_text(encoding="ascii").split()[1]
        stat = (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name of the program, in brackets, may hold blanks; utime and stime are fields 14 and 15 (proc(5)).
    fields = stat.rpartition(")")[2].split()
    return int(pages) * _PAGE_BYTES, (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
