"""The files of the embedded valkey-server: where they are, what is in its configuration, what its log says."""

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shengdun.index.errors import (
    IndexRoomError,
    StoreFull,
    StoreInUse,
    StoreTampered,
    StoreUnavailable,
)

_SOCKET_PATH_BYTES: Final = (
    100  # sun_path holds 107, and the server appends a suffix while it binds
)
_LOG_TAIL_BYTES: Final = 16_384
_DISK_FULL: Final = re.compile(
    r"Error writing to the AOF|Short write while writing to the AOF|No space left on device|"
    r"Can't recover from AOF write error|File too large"
)
_DAMAGED: Final = re.compile(
    r"Bad file format reading the append only file|Unexpected end of file reading the append only file|"
    r"Unrecoverable error reading the append only file|Unable to obtain the AOF file|"
    r"The AOF (?:base )?file \S+ doesn't exist|AOF manifest|Wrong signature trying to load DB|"
    r"Fatal error loading the DB|Internal error in RDB reading"
)
_NAMED_FILE: Final = re.compile(r"appendonly[\w.\-]*")


@dataclass(frozen=True, slots=True)
class ValkeyFiles:
    """The files of one embedded server.

    Attributes:
        directory: where all of them lie, but perhaps the socket.
    """

    directory: Path

    @property
    def configuration(self) -> Path:
        """What the server is started with; its path on the command line tells our server from others."""
        return self.directory / "valkey.conf"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.directory / "valkey.log"

    @property
    def pid(self) -> Path:
        """Written by the server."""
        return self.directory / "valkey.pid"

    @property
    def append_only(self) -> Path:
        """The directory with the data."""
        return self.directory / "appendonlydir"

    @property
    def socket(self) -> Path:
        """The server's socket; in the system's temporary directory where the path would be too long for one."""
        near = self.directory / "socket" / "valkey.sock"
        if len(os.fsencode(near)) <= _SOCKET_PATH_BYTES:
            return near
        # The same for every process that opens this directory.
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"shengdun-{os.getuid()}-{digest}" / "valkey.sock"

    def prepare(self, *, max_memory_bytes: int | None) -> None:
        """Make the directories, private to this user, and write the configuration."""
        for directory in (self.directory, self.socket.parent):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if directory.stat().st_uid != os.getuid():
                raise StoreInUse(
                    f"The directory {directory} belongs to another user; use another one."
                )
            directory.chmod(0o700)
        self.socket.unlink(missing_ok=True)
        self.configuration.write_text(self._configuration(max_memory_bytes), encoding="utf-8")
        self.log.write_bytes(b"")

    def _configuration(self, max_memory_bytes: int | None) -> str:
        settings = {
            "port": "0",
            "unixsocket": _quoted(self.socket),
            "unixsocketperm": "700",
            "dir": _quoted(self.directory),
            "pidfile": _quoted(self.pid),
            "logfile": _quoted(self.log),
            "daemonize": "no",
            "save": '""',
            "appendonly": "yes",
            "appendfsync": "always",
            # A tail that was never acknowledged may be cut; one that was is missed by the journal's anchor.
            "aof-load-truncated": "yes",
            "auto-aof-rewrite-percentage": "100",
            "auto-aof-rewrite-min-size": "16mb",
            "maxmemory": str(max_memory_bytes or 0),
            "maxmemory-policy": "noeviction",
            "maxclients": "1000",
            # Rounds of its own chores in a second. By itself it has ten, a third of what it takes when idle.
            "hz": "4",
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    def server_pid(self) -> int | None:
        """The process id that the last server wrote down."""
        try:
            return int(self.pid.read_text())
        except (OSError, ValueError):
            return None

    def diagnose(self) -> IndexRoomError:
        """Why the server went away, from its log."""
        if self.logged_full_disk():
            return disk_full()
        log = self._log_tail()
        damage = _DAMAGED.search(log)
        if damage:
            named = _NAMED_FILE.search(log, damage.start())
            file = named.group() if named else "appendonly.aof.manifest"
            return StoreTampered.of(f"file {self.append_only.name}/{file}", "is damaged or missing")
        return StoreUnavailable(
            f"The embedded store stopped and is started again; {self.log.name} in its directory says why."
        )

    def logged_full_disk(self) -> bool:
        """Whether the server has logged that it could not write its data."""
        return bool(_DISK_FULL.search(self._log_tail()))

    def _log_tail(self) -> str:
        try:
            return self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
        except OSError:
            return ""


def disk_full() -> StoreFull:
    """What a change gets that the disk refused."""
    return StoreFull(
        "The store's disk is full: free space and repeat; the store recovers by itself."
    )


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
