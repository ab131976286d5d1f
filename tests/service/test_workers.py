"""Several processes on one port: real processes, a real store, real calls; seen from outside, as a site sees them."""

import asyncio
import dataclasses
import os
import shutil
import signal
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from grpc import StatusCode

from fixtures.calls import WATCHLIST, enrol, evidence, new_watchlist, screen, speech_of, telephone
from fixtures.command_line import TOO_LONG_S, assert_one_error_line, shengdun
from fixtures.store import until
from fixtures.workers import Crewed, crew, is_worker
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.calibration import default_profile
from shengdun.index.profile_library import ProfileLibrary
from shengdun.service.background import available_cores
from shengdun.service.client import (
    CallConfig,
    CallStream,
    ClientError,
    Decision,
    DecisionState,
    PartialReason,
    ShengdunClient,
)

pytestmark = pytest.mark.skipif(available_cores() < 2, reason="there is a worker for each core")
Recordings = Sequence[DemoRecording]


async def _provisional(call: CallStream) -> Decision:
    """The first decision that rests on a window."""
    async for decision in call:
        if decision.state is DecisionState.PROVISIONAL:
            return decision
    raise AssertionError("the call ended")


async def _ended(crewed: Crewed) -> int:
    return await asyncio.to_thread(crewed.process.wait, TOO_LONG_S)


async def test_whichever_worker_is_reached_the_answers_are_the_same(
    tmp_path: Path, models_dir: Path, recordings: Recordings
) -> None:
    """Who is enrolled through one is found by both, either answers for a call, and the log says who did what."""
    async with crew(tmp_path, models_dir) as crewed, crewed.clients(1, 2) as (one, other):
        assert {(await each.server_info()).workers for each in (one, other)} == {2}
        await one.create_watchlist(new_watchlist(WATCHLIST))
        actor_id = await enrol(one, recordings, "S6")
        audio = telephone(speech_of(recordings, "S6", seconds=7))
        here = (await screen(one, "here", audio))[-1]
        async with asyncio.timeout(30):
            while not await _knows(other, actor_id):
                pass
        there = (await screen(other, "there", audio))[-1]
        assert here.watchlists[0].best is not None
        assert here.watchlists[0].best.actor_id == actor_id
        assert evidence(here) == evidence(there)
        async with asyncio.timeout(30):
            while (await _latest(one, "there")) != there.decision_id:
                pass
    serving = {event["worker"] for event in crewed.events() if event["event"] == "listening"}
    assert serving == {1, 2}
    assert crewed.process.returncode == 0


async def test_metrics_tell_of_every_worker(tmp_path: Path, models_dir: Path) -> None:
    """Each by its number, whichever of them the connections of the command reach."""
    async with crew(tmp_path, models_dir) as crewed:
        done = await asyncio.to_thread(shengdun, "metrics", "--server", crewed.address)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    for number in (1, 2):
        assert f'shengdun_live_calls{{worker="{number}"}} 0' in done.stdout
    assert done.stdout.count("# TYPE shengdun_live_calls gauge") == 1


async def _knows(client: ShengdunClient, actor_id: str) -> bool:
    try:
        return (await client.get_actor(actor_id)).actor_id == actor_id
    except ClientError:
        return False


async def _latest(client: ShengdunClient, call_id: str) -> str | None:
    try:
        return (await client.get_decision(call_id)).decision.decision_id
    except ClientError:
        return None


async def test_an_activated_profile_is_taken_up_by_every_worker(
    tmp_path: Path, models_dir: Path
) -> None:
    """Without a restart, as by a server of one process."""
    async with crew(tmp_path, models_dir) as crewed, crewed.clients(1, 2) as clients:
        info = await clients[0].server_info()
        site = dataclasses.replace(default_profile(info.model_id), name="site")
        library = ProfileLibrary.of(tmp_path / "data")
        library.keep(site)
        library.activate(site.profile_id, by="ada", reason="test", installed_models=[info.model_id])
        async with asyncio.timeout(30):
            for client in clients:
                while (await client.server_info()).calibration_profile_id != site.profile_id:
                    pass


async def test_a_call_id_that_comes_to_both_at_once_is_screened_once(
    tmp_path: Path, models_dir: Path
) -> None:
    """Of two streams of one call exactly one is taken, whoever was faster."""
    async with crew(tmp_path, models_dir) as crewed, crewed.clients(1, 2) as clients:
        for number in range(10):
            together = asyncio.Barrier(2)
            outcomes = await asyncio.gather(
                *(_try_call(client, f"c-{number}", together) for client in clients)
            )
            assert sorted(outcomes) == ["ALREADY_EXISTS", "OK"]


async def _try_call(client: ShengdunClient, call_id: str, together: asyncio.Barrier) -> str:
    await together.wait()
    try:
        async with client.screen_call(CallConfig(call_id=call_id)) as call:
            await anext(call)
            await (
                together.wait()
            )  # the other one's refusal must not come from a call that has ended
    except ClientError as error:
        await together.wait()
        return error.status.name
    return "OK"


async def test_a_killed_worker_is_replaced_and_its_calls_can_go_on_elsewhere(
    tmp_path: Path, models_dir: Path
) -> None:
    """Its call fails with UNAVAILABLE, is taken by the other one at once, and a new process takes its place."""
    async with crew(tmp_path, models_dir) as crewed, crewed.clients(1, 2) as (one, other):
        before = crewed.pids()
        doomed = _pid_of(crewed, 1)
        with pytest.raises(ClientError) as caught:
            await _killed_under(one, doomed)
        assert caught.value.status is StatusCode.UNAVAILABLE
        await until(lambda: not is_worker(doomed))
        assert await screen(other, "moves", bytes(800))
        async with crewed.client(1) as replaced:
            assert await screen(replaced, "next", bytes(800))
        after = crewed.pids()
    assert len(before) == len(after) == 2
    assert before - after == {doomed}


async def _killed_under(client: ShengdunClient, worker: int) -> None:
    async with client.screen_call(CallConfig(call_id="moves")) as call:
        await anext(call)
        os.kill(worker, signal.SIGKILL)
        async for _ in call:
            pass


def _pid_of(crewed: Crewed, number: int) -> int:
    """The process of a worker, as its parent logged it."""
    return int(
        next(
            event["pid"]
            for event in reversed(crewed.events())
            if event["event"] == "worker serves" and event["number"] == number
        )
    )


async def test_sigterm_gives_the_calls_of_all_workers_a_partial_final_decision(
    tmp_path: Path, models_dir: Path, recordings: Recordings
) -> None:
    """And nothing is left running: no worker and no store; the exit code is 0."""
    audio = telephone(speech_of(recordings, "S6", seconds=7))  # three windows would make it final
    async with crew(tmp_path, models_dir) as crewed, AsyncExitStack() as stack:
        assert _store_is_running(tmp_path)
        clients = await stack.enter_async_context(crewed.clients(1, 2))
        calls = [
            await stack.enter_async_context(client.screen_call(CallConfig(call_id=f"c-{number}")))
            for number, client in enumerate(clients)
        ]
        for call in calls:
            await call.send(audio)
            await _provisional(call)
        pids = crewed.pids()
        crewed.process.send_signal(signal.SIGTERM)
        for call in calls:
            last = [decision async for decision in call][-1]
            assert last.state is DecisionState.FINAL
            assert PartialReason.SERVER_STOPPING in last.partial_reasons
        assert await _ended(crewed) == 0
        assert not any(is_worker(pid) for pid in pids)
    assert not _store_is_running(tmp_path)


def _store_is_running(directory: Path) -> bool:
    """Whether a valkey-server works in this directory."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name, place = (process / "comm").read_text(), (process / "cwd").resolve(strict=True)
        except OSError:
            continue
        if name.startswith("valkey-server") and place.is_relative_to(directory.resolve()):
            return True
    return False


async def test_no_worker_outlives_its_parent(tmp_path: Path, models_dir: Path) -> None:
    """After ``kill -9`` of the parent they stop in order by themselves, calls included, and the next start works."""
    async with crew(tmp_path, models_dir) as crewed, crewed.clients(1) as (one,):
        pids = crewed.pids()
        async with one.screen_call(CallConfig(call_id="c-1")) as call:
            await anext(call)
            crewed.process.kill()
            assert [decision async for decision in call][-1].partial
        await until(lambda: not any(is_worker(pid) for pid in pids), within_s=60)
    async with crew(tmp_path, models_dir) as again, again.clients(1, 2):
        pass


def _serve(directory: Path, models_dir: Path, *arguments: str) -> tuple[str | Path, ...]:
    places = ("--data-dir", directory / "data", "--models-dir", models_dir)
    return ("serve", *places, "--log-level", "error", *arguments)


def test_a_start_that_fails_is_told_once(tmp_path: Path) -> None:
    """Every worker misses the models; one line says so, and the store is stopped."""
    failed = shengdun(*_serve(tmp_path, tmp_path / "none", "--port", "0", "--workers", "2"))
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert_one_error_line(failed, "is not installed", "shengdun models install")
    assert not _store_is_running(tmp_path)


def test_more_workers_than_cores_are_refused(tmp_path: Path, models_dir: Path) -> None:
    too_many = str(available_cores() + 1)
    failed = shengdun(*_serve(tmp_path, models_dir, "--port", "0", "--workers", too_many))
    assert failed.returncode == 1
    assert_one_error_line(failed, "server.workers", "cores")


async def test_the_port_of_workers_is_nobody_elses(tmp_path: Path, models_dir: Path) -> None:
    """Neither another server of several processes shares it unnoticed, nor one of one process."""
    async with crew(tmp_path, models_dir) as crewed:
        port = crewed.address.rpartition(":")[2]
        for workers in ("1", "2"):
            failed = await asyncio.to_thread(
                shengdun,
                *_serve(tmp_path / "other", models_dir, "--port", port, "--workers", workers),
            )
            assert failed.returncode == 1
            assert_one_error_line(failed, f"port {port}", "in use")
    with socket.create_server(("127.0.0.1", int(port))):
        pass


async def test_a_worker_that_cannot_be_started_again_matters_once_nobody_serves(
    tmp_path: Path, models_dir: Path
) -> None:
    """While the other one takes calls it is tried again and again; when that one is gone too, the parent gives up."""
    models = tmp_path / "models"
    shutil.copytree(models_dir, models)
    async with crew(tmp_path, models) as crewed, crewed.clients(2) as (other,):
        models.rename(tmp_path / "away")
        os.kill(_pid_of(crewed, 1), signal.SIGKILL)
        await until(lambda: crewed.log.read_text().count("is not installed") > 1, within_s=60)
        assert await screen(other, "c-1", bytes(800))
        os.kill(_pid_of(crewed, 2), signal.SIGKILL)
        assert await _ended(crewed) == 1
        last = crewed.log.read_text().splitlines()[-1]
        assert last.startswith("error: ")
        assert "is not installed" in last
    assert not _store_is_running(tmp_path)
