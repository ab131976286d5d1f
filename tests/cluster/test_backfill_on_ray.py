"""`shengdun backfill --ray` over a real cluster of two nodes on this machine; `make test-ray` has Ray."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from fixtures.backfilling import archived_ids, begin, journaled, quiet_calls, run
from fixtures.calls import server_settings
from fixtures.command_line import clean_environment
from fixtures.store import until
from shengdun.service.server import Server

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: `make test-ray`"),
    pytest.mark.timeout(400),
]
CALLS = 24
LONG_S = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running cluster.

    Attributes:
        address: as `--ray` takes it.
        second: the process of the node that isn't the head.
    """

    address: str
    second: subprocess.Popen[bytes]


@contextmanager
def node(*options: str) -> Iterator[subprocess.Popen[bytes]]:
    """One node, with every process of it in a session of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(RAY_USAGE_STATS_ENABLED="0"),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def nodes_alive(address: str) -> int:
    """Asked in a process of its own, because a process is in one cluster at most."""
    asked = "import ray,sys; ray.init(address=sys.argv[1], configure_logging=False, log_to_driver=False)\n"
    counted = "print(sum(n['Alive'] for n in ray.nodes()))"
    done = subprocess.run(
        [sys.executable, "-c", asked + counted, address],
        check=False,
        capture_output=True,
        encoding="utf-8",
        env=clean_environment(RAY_USAGE_STATS_ENABLED="0"),
        timeout=LONG_S,
    )
    return int(done.stdout.split()[-1]) if done.returncode == 0 else 0


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Two nodes."""
    address = f"127.0.0.1:{free_port()}"
    # The paths of its sockets may have no more than 107 bytes.
    directory = tempfile.mkdtemp(prefix="ray")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        head = ("--head", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false")
        stack.enter_context(node(*head, "--node-ip-address=127.0.0.1", f"--temp-dir={directory}"))
        while not nodes_alive(address):
            pass
        second = stack.enter_context(node(f"--address={address}", "--node-ip-address=127.0.0.1"))
        while nodes_alive(address) < 2:
            pass
        yield Cluster(address=address, second=second)


def expected() -> list[str]:
    return sorted(f"pbx/{number}" for number in range(CALLS))


async def test_a_list_is_sent_from_all_nodes_and_goes_on_after_a_kill(
    tmp_path: Path, models_dir: Path, cluster: Cluster
) -> None:
    """Every call once, though the driver is killed in the middle."""
    listed = quiet_calls(tmp_path / "calls", CALLS)
    options = ("--ray", cluster.address, "--jobs", "1")
    async with Server(server_settings(tmp_path / "data", models_dir)) as server:
        with begin(server.address, listed, *options) as process:
            await until(lambda: journaled(listed) >= 4, within_s=LONG_S)
            process.kill()
        assert journaled(listed) < CALLS
        done = await asyncio.to_thread(run, server.address, listed, *options)
        assert done.returncode == 0, done.stderr
        assert "24 of 24 calls are in the archive" in done.stdout
        assert await archived_ids(server.address) == expected()
    assert journaled(listed) == CALLS


async def test_a_node_that_goes_away_loses_nothing(
    tmp_path: Path, models_dir: Path, cluster: Cluster
) -> None:
    """Another one does its tasks; what it had archived is not archived twice."""
    listed = quiet_calls(tmp_path / "calls", CALLS)
    async with Server(server_settings(tmp_path / "data", models_dir)) as server:
        with begin(server.address, listed, "--ray", cluster.address, "--jobs", "1") as process:
            await until(lambda: journaled(listed) >= 4, within_s=LONG_S)
            os.killpg(cluster.second.pid, signal.SIGKILL)
            out, complaint = await asyncio.to_thread(process.communicate, timeout=LONG_S)
        assert process.returncode == 0, complaint
        assert "24 of 24" in out
        assert await archived_ids(server.address) == expected()


async def test_a_server_that_takes_no_calls_ends_the_run(
    tmp_path: Path, models_dir: Path, cluster: Cluster
) -> None:
    """What a node is told is told to whoever waits."""
    listed = quiet_calls(tmp_path / "calls", 2)
    settings = server_settings(tmp_path / "data", models_dir, archive__enabled=False)
    async with Server(settings) as server:
        done = await asyncio.to_thread(run, server.address, listed, "--ray", cluster.address)
    assert done.returncode == 3
    assert "archive.enabled" in done.stderr.splitlines()[-1]
    nobody = await asyncio.to_thread(run, "127.0.0.1:1", listed, "--ray", "127.0.0.1:1")
    assert nobody.returncode == 3
    assert "no Ray cluster" in nobody.stderr.splitlines()[-1]
