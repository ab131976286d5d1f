"""Several servers over one store: who answers for a call, who sees an enrolment, what a lost store changes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from grpc import StatusCode

from fixtures.calls import (
    WATCHLIST,
    enrol,
    evidence,
    new_watchlist,
    screen,
    server_settings,
    speech_of,
    telephone,
)
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.embedded import EmbeddedStore
from shengdun.service.client import (
    CallConfig,
    CallDecision,
    ClientError,
    DecisionState,
    PartialReason,
    ShengdunClient,
)
from shengdun.service.server import Server

Recordings = Sequence[DemoRecording]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Two servers on one store, as two machines would be, and a client of each."""

    store: EmbeddedStore
    one: ShengdunClient
    other: ShengdunClient


@pytest.fixture
async def site(tmp_path: Path, models_dir: Path) -> AsyncIterator[Site]:
    """A store that neither server owns; they share the keys, as machines of one installation do."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(EmbeddedStore(tmp_path / "store"))
        clients = []
        for name in ("one", "other"):
            settings = server_settings(
                tmp_path / name,
                models_dir,
                store__url=store.url,
                store__keys_file=tmp_path / "keys.json",
            )
            server = await stack.enter_async_context(Server(settings))
            clients.append(await stack.enter_async_context(ShengdunClient.connect(server.address)))
        yield Site(store=store, one=clients[0], other=clients[1])


async def _until_published(client: ShengdunClient, call_id: str, decision_id: str) -> CallDecision:
    """Ask until the decision has reached this server; decisions are shared beside the call, not in its way."""
    async with asyncio.timeout(30):
        while True:
            with suppress(ClientError):
                answer = await client.get_decision(call_id)
                if answer.decision.decision_id == decision_id:
                    return answer


async def test_any_server_answers_for_a_call(site: Site, recordings: Recordings) -> None:
    """The IVR asks another machine than the one that holds the media stream, during the call and after it."""
    await site.one.create_watchlist(new_watchlist(WATCHLIST))
    actor_id = await enrol(site.one, recordings, "S6")
    audio = telephone(speech_of(recordings, "S6", seconds=7))
    async with site.one.screen_call(CallConfig(call_id="shared")) as call:
        # One window and no more: a decision that is overtaken before the other server is asked is never seen there.
        await call.send(audio[:28_000])
        decision = await anext(call)
        while decision.state is not DecisionState.PROVISIONAL:
            decision = await anext(call)
        answer = await _until_published(site.other, "shared", decision.decision_id)
        assert answer.live
        assert evidence(answer.decision) == evidence(decision)
        await call.send(audio[28_000:])
    assert call.decision is not None
    ended = await _until_published(site.other, "shared", call.decision.decision_id)
    assert not ended.live
    best = ended.decision.watchlists[0].best
    assert best is not None
    assert best.actor_id == actor_id


async def test_a_call_id_is_live_once_on_all_servers(site: Site) -> None:
    """A second stream of the same call is refused by the other machine too."""
    async with site.one.screen_call(CallConfig(call_id="once")):
        with pytest.raises(ClientError) as caught:
            await screen(site.other, "once", b"")
    assert (caught.value.status, caught.value.reason) == (
        StatusCode.ALREADY_EXISTS,
        "CALL_ALREADY_LIVE",
    )
    assert await screen(site.other, "once", b"")


async def test_an_enrolment_is_screened_and_an_erasure_forgotten_on_the_other_server(
    site: Site, recordings: Recordings
) -> None:
    """Within moments, and without a restart."""
    await site.one.create_watchlist(new_watchlist(WATCHLIST))
    actor_id = await enrol(site.one, recordings, "S6")
    audio = telephone(speech_of(recordings, "S6", seconds=7))
    async with asyncio.timeout(30):
        while (await _best(site.other, audio)) != actor_id:
            pass
    await site.one.erase_actor(actor_id, reason="test")
    async with asyncio.timeout(30):
        while (await _best(site.other, audio)) is not None:
            pass


async def _best(client: ShengdunClient, audio: bytes) -> str | None:
    last = (await screen(client, "probe", audio))[-1]
    best = [outcome.best for outcome in last.watchlists if outcome.best]
    return best[0].actor_id if best else None


async def test_calls_outlive_the_store(site: Site, recordings: Recordings) -> None:
    """With the store gone the last snapshot is screened and said to be stale, enrolment fails; then all is well."""
    await site.one.create_watchlist(new_watchlist(WATCHLIST))
    actor_id = await enrol(site.one, recordings, "S6")
    audio = telephone(speech_of(recordings, "S6", seconds=7))
    async with site.one.screen_call(CallConfig(call_id="outlives")) as call:
        await call.send(audio[:28_000])
        await site.store.stop()
        async with asyncio.timeout(30):
            while not (await site.one.server_info()).watchlists_stale:
                pass
        with pytest.raises(ClientError) as caught:
            await site.one.create_watchlist(new_watchlist("second"))
        assert caught.value.status is StatusCode.UNAVAILABLE
        await call.send(audio[28_000:])
    last = call.decision
    assert last is not None
    assert last.state is DecisionState.FINAL
    assert PartialReason.WATCHLISTS_STALE in last.partial_reasons
    best = last.watchlists[0].best
    assert best is not None
    assert best.actor_id == actor_id
    await site.store.start()
    async with asyncio.timeout(30):
        while (await site.one.server_info()).watchlists_stale:
            pass
    assert (await site.one.get_actor(actor_id)).actor_id == actor_id
    await _until_published(site.other, "outlives", last.decision_id)


async def test_the_embedded_store_is_restarted_when_it_is_killed(
    tmp_path: Path, models_dir: Path, recordings: Recordings
) -> None:
    """Kill -9 of valkey-server: nothing acknowledged is lost, and enrolment works again by itself."""
    settings = server_settings(tmp_path / "data", models_dir)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        await client.create_watchlist(new_watchlist(WATCHLIST))
        actor_id = await enrol(client, recordings, "S6")
        _kill_valkey(tmp_path / "data")
        async with asyncio.timeout(60):
            while not await _is_writable(client):
                pass
        assert (await client.get_actor(actor_id)).display_name == "S6"


async def _is_writable(client: ShengdunClient) -> bool:
    try:
        await client.create_watchlist(new_watchlist("after"))
    except ClientError as error:
        if error.status is not StatusCode.UNAVAILABLE:
            raise
        return False
    return True


def _kill_valkey(data_dir: Path) -> None:
    """Kill the valkey-server whose working directory is in this data directory."""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            name, place = (process / "comm").read_text().strip(), (process / "cwd").resolve()
        except OSError:
            continue
        if name.startswith("valkey-server") and place.is_relative_to(data_dir.resolve()):
            os.kill(int(process.name), signal.SIGKILL)
            return
    raise AssertionError("no valkey-server runs in the data directory")
