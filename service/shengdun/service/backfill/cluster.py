"""Sending the calls of a backfill from the nodes of a Ray cluster.

The machine that runs the command reads the list and keeps the journal. Each node reads its files itself, at the same
path, and sends them to the server at the address that it was given: with a loopback address to a server of its own.
Ray is an extra and is imported here alone.
"""

import asyncio
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from shengdun.enrollment.call_lists import ListedCall
from shengdun.service.backfill.results import CallResult
from shengdun.service.backfill.run import Sender, Take
from shengdun.service.backfill.sending import Destination, send_to
from shengdun.service.client import ShengdunClient
from shengdun.service.errors import BackfillImpossible

BATCH: Final = 4
"""Calls of one task: a driver that is killed asks again about no more of them than are under way."""
_KNOCK_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """What became of the calls of one task.

    Attributes:
        calls: those that were seen to.
        results: what became of each.
        problem: why no more can be sent; empty if they can.
    """

    calls: tuple[ListedCall, ...]
    results: tuple[CallResult, ...]
    problem: str = ""


def send_batch(destination: Destination, calls: Sequence[ListedCall]) -> BatchOutcome:
    """Send some calls, one after the other; runs on a node."""
    return asyncio.run(_send_batch(destination, calls))


async def _send_batch(destination: Destination, calls: Sequence[ListedCall]) -> BatchOutcome:
    done = BatchOutcome(calls=(), results=())
    async with ShengdunClient.connect(destination.address, **destination.options) as client:
        for call in calls:
            try:
                result = await send_to(client, call, destination)
            except BackfillImpossible as error:
                return replace(done, problem=error.message)
            done = BatchOutcome(calls=(*done.calls, call), results=(*done.results, result))
    return done


def send_from_cluster(destination: Destination, address: str, *, jobs: int) -> Sender:
    """A sender from the nodes of a cluster.

    Args:
        destination: where each node sends to.
        address: of the cluster, as Ray knows it: ``auto``, ``HOST:PORT``, ``ray://HOST:PORT``, or ``local`` for one
            that is started on this machine for the run.
        jobs: calls at once from each node.
    """

    def run(calls: Sequence[ListedCall], take: Take) -> None:
        ray = _joined(address)
        try:
            nodes = sum(bool(node["Alive"]) for node in ray.nodes())
            for outcome in _outcomes(ray, destination, calls, at_once=jobs * nodes):
                for call, result in zip(outcome.calls, outcome.results, strict=True):
                    take(call, result)
                if outcome.problem:
                    raise BackfillImpossible(outcome.problem)
        finally:
            ray.shutdown()

    return run


def _joined(address: str) -> Any:  # noqa: ANN401 - Ray isn't there when types are checked
    # It would tell its makers over the network that it is used.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # noqa: PLC0415 - an extra
    except ImportError:
        raise BackfillImpossible(
            "--ray needs Ray on this machine and on every node: install `shengdun[ray]`, or leave --ray out to send "
            "the calls from here"
        ) from None
    try:
        _knock(address)
        ray.init(
            address=address,
            configure_logging=False,
            log_to_driver=False,
            # Nothing of this process's environment or folder is sent: nodes have Shengdun installed.
            runtime_env={},
        )
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise BackfillImpossible(
            f"no Ray cluster can be joined at {address}: {str(error).splitlines()[0]}"
        ) from None
    return ray


def _knock(address: str) -> None:
    """Raise ``OSError`` if nobody listens at an address: Ray by itself tries it for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()


def _outcomes(
    ray: Any,  # noqa: ANN401 - as above
    destination: Destination,
    calls: Sequence[ListedCall],
    *,
    at_once: int,
) -> Iterator[BatchOutcome]:
    # Tasks send and wait; what computes is the server. A node that goes away has its tasks done by another.
    task = ray.remote(num_cpus=0, max_retries=5, scheduling_strategy="SPREAD")(send_batch)
    waiting = iter(calls[start : start + BATCH] for start in range(0, len(calls), BATCH))
    running: list[Any] = []
    while True:
        while len(running) < at_once and (batch := next(waiting, None)) is not None:
            running.append(task.remote(destination, batch))
        if not running:
            return
        ready, running = ray.wait(running, num_returns=1)
        try:
            yield ray.get(ready[0])
        except ray.exceptions.RayError as error:
            raise BackfillImpossible(
                f"a task failed on the cluster: {str(error).strip().splitlines()[-1]}; run the same command again when "
                "that is mended"
            ) from None
