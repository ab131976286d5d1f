import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from fixtures.store import until
from shengdun.index.attached import AttachedStore
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.errors import StoreFull, StoreInUse, StoreTampered, StoreUnavailable
from shengdun.index.store import Store, StoreSettings

OWNER = """
import asyncio, sys
from pathlib import Path
from shengdun.index.embedded import EmbeddedStore

async def main():
    embedded = EmbeddedStore(Path(sys.argv[1]))
    await embedded.start()
    print(embedded.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def connect(embedded: EmbeddedStore) -> Store:
    return await Store.connect(StoreSettings(url=embedded.url), guard=embedded)


async def answers(store: Store) -> None:
    """Return when the store answers; the test's own timeout is the deadline."""
    while True:
        try:
            await store.ping()
        except StoreUnavailable:
            await asyncio.sleep(0.01)
        else:
            return


def running(pid: int) -> bool:
    """Whether a process exists and is not a zombie that nobody has reaped."""
    command_line = Path(f"/proc/{pid}/cmdline")
    return command_line.exists() and command_line.read_bytes() != b""


@pytest.mark.parametrize("name", ["store", 'with spaces, ümlaut and "quotes" # 100%', "x" * 120])
async def test_it_keeps_what_it_was_given_over_a_restart(tmp_path: Path, name: str) -> None:
    """In any directory, also one whose socket path would be too long for the system."""
    async with EmbeddedStore(tmp_path / name) as embedded:
        store = await connect(embedded)
        await store.put_all({store.key("x"): b"1"}, ttl_ms=1_000_000)
        await store.close()
    async with EmbeddedStore(tmp_path / name) as embedded:
        store = await connect(embedded)
        assert await store.get(store.key("x")) == b"1"
        await store.close()


async def test_nobody_else_can_reach_it(embedded_store: EmbeddedStore) -> None:
    """No TCP port, and a socket in a directory of the user's own."""
    socket = embedded_store.files.socket
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert socket.stat().st_mode & 0o077 == 0
    assert "port 0\n" in embedded_store.files.configuration.read_text()


async def test_a_second_owner_is_refused(embedded_store: EmbeddedStore) -> None:
    """Two services never share a directory."""
    second = EmbeddedStore(embedded_store.files.directory)
    with pytest.raises(StoreInUse, match="data directory of its own"):
        await second.start()
    await second.stop()


async def test_other_processes_of_the_service_may_connect(embedded_store: EmbeddedStore) -> None:
    """Workers use the owner's URL."""
    stores = [await connect(embedded_store) for _ in range(3)]
    await stores[0].put_all({"k": b"v"}, ttl_ms=10_000)
    assert [await each.get("k") for each in stores] == [b"v"] * 3
    for each in stores:
        await each.close()


async def test_another_process_sees_why_it_cannot_be_written_to(
    embedded_store: EmbeddedStore,
) -> None:
    """From the disk and the log that both can read; a full disk stays the explanation when the log begins anew."""
    directory = embedded_store.files.directory
    attached = AttachedStore(directory)
    assert attached.url == embedded_store.url
    assert attached.failure() is None
    assert attached.explanation() is None
    assert isinstance(AttachedStore(directory, reserve_bytes=1 << 62).failure(), StoreFull)
    embedded_store.files.log.write_text("# Error writing to the AOF file: No space left on device")
    assert isinstance(attached.explanation(), StoreFull)
    embedded_store.files.log.write_text("")
    assert isinstance(attached.explanation(), StoreFull)


async def test_it_is_started_again_when_it_is_killed(
    embedded_store: EmbeddedStore, store: Store
) -> None:
    """Nothing that was acknowledged is lost, and clients reconnect by themselves."""
    await store.put_all({"k": b"v"}, ttl_ms=100_000)
    killed = embedded_store.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await answers(store)
    assert await store.get("k") == b"v"
    assert embedded_store.pid != killed


async def test_it_is_started_again_once_its_directory_can_be_used_again(
    embedded_store: EmbeddedStore, store: Store
) -> None:
    """A lock file that can't be opened for a while, as when descriptors run out, is not the end of the supervision."""
    lock = embedded_store.files.directory / "server.lock"
    killed = embedded_store.pid
    assert killed is not None
    lock.unlink()
    lock.mkdir()
    os.kill(killed, signal.SIGKILL)
    await until(lambda: "can't be started" in str(embedded_store.failure()))
    lock.rmdir()
    await answers(store)


async def test_an_orphan_of_a_killed_service_is_stopped(tmp_path: Path) -> None:
    """After ``kill -9`` of the service its valkey-server lives on; the next service takes over."""
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER, str(tmp_path / "store")), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    orphan = int(await owner.stdout.readline())
    owner.kill()
    await owner.wait()
    assert running(orphan)
    async with EmbeddedStore(tmp_path / "store") as embedded:
        assert not running(orphan)
        store = await connect(embedded)
        await store.ping()
        await store.close()


async def test_a_stale_pid_file_harms_nobody(tmp_path: Path) -> None:
    """A pid that belongs to another process by now is not signalled."""
    directory = tmp_path / "store"
    async with EmbeddedStore(directory):
        pass
    bystander = await asyncio.create_subprocess_exec("sleep", "60")
    (directory / "valkey.pid").write_text(str(bystander.pid))
    async with EmbeddedStore(directory):
        assert bystander.returncode is None
    bystander.kill()
    await bystander.wait()


async def test_stopping_and_starting_are_idempotent(tmp_path: Path) -> None:
    """Also in the wrong order."""
    embedded = EmbeddedStore(tmp_path / "store")
    await embedded.stop()
    await embedded.start()
    pid = embedded.pid
    await embedded.start()
    assert embedded.pid == pid
    await embedded.stop()
    await embedded.stop()
    assert embedded.pid is None


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("*.manifest", b"garbage\n"),
        ("*.base.rdb", b"garbage garbage garbage"),
        ("*.incr.aof", b"*3\r\n$3\r\nSET\r\n$1\r\ngarbage in the middle\r\n*1\r\n$4\r\nPING\r\n"),
        ("*.base.rdb", None),
    ],
)
async def test_damaged_files_are_named_at_start(
    tmp_path: Path, pattern: str, damage: bytes | None
) -> None:
    """What valkey-server refuses to load is named, file by file."""
    directory = tmp_path / "store"
    async with EmbeddedStore(directory) as embedded:
        store = await connect(embedded)
        await store.put_all({"k": b"v"}, ttl_ms=100_000)
        await store.close()
    (file,) = (directory / "appendonlydir").glob(pattern)
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    embedded = EmbeddedStore(directory)
    with pytest.raises(StoreTampered, match=r"appendonlydir/appendonly\.aof") as caught:
        await embedded.start()
    assert file.name in caught.value.what
    assert embedded.pid is None


async def test_the_temporary_socket_directory_must_be_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's directory at the predictable place is refused."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    embedded = EmbeddedStore(tmp_path / ("x" * 120))
    squatted = embedded.files.socket.parent
    squatted.mkdir()
    if os.getuid() != 0:
        pytest.skip("only root can give a directory away")
    os.chown(squatted, 65534, 65534)
    with pytest.raises(StoreInUse, match="another user"):
        await embedded.start()
