"""A voice that nobody has enrolled calls for one customer after the other, and is told; an ordinary caller isn't."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from fixtures.calls import Desk, new_watchlist, screen, server_settings
from fixtures.command_line import shengdun
from fixtures.repeating import calls_of, compared, told
from fixtures.store import until
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.calibration import default_profile
from shengdun.service.client import (
    ClientError,
    PromotedVoice,
    RiskLevel,
    ShengdunClient,
)
from shengdun.service.profile_places import profile_library
from shengdun.service.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
AGENT, STRANGER = "S6", "S4"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path
) -> AsyncIterator[tuple[Desk, Path]]:
    """A server that knows nobody."""
    directory = tmp_path_factory.mktemp("desk")
    async with (
        Server(server_settings(directory, models_dir)) as server,
        ShengdunClient.connect(server.address) as client,
    ):
        await client.create_watchlist(new_watchlist("agents"))
        yield Desk(server=server, client=client, actors={}), directory


async def test_a_voice_is_told_when_it_has_called_for_several(
    desk: tuple[Desk, Path], recordings: Sequence[DemoRecording], models_dir: Path
) -> None:
    """From the third or fourth customer on, with the calls that show it; then promoted, once, and known afterwards."""
    client = desk[0].client
    audio = calls_of(recordings, AGENT, 6)
    first_told = 0
    for number, one in enumerate(audio[:5], start=1):
        flag = told(
            await screen(
                client,
                f"agent-{number}",
                one,
                customer_reference=f"customer-{number}",
                calling_number=f"1390000000{number}",
            )
        )
        await compared(client, number)
        if flag is not None and not first_told:
            first_told = number
    assert first_told in {3, 4}
    assert flag is not None
    assert flag.repeat_voice is not None
    assert {call.call_id for call in flag.repeat_voice.calls} <= {f"agent-{n}" for n in range(1, 5)}
    assert flag.repeat_voice.other_customers >= 3
    assert flag.repeat_voice.probability >= 0.9

    [stranger] = calls_of(recordings, STRANGER, 1)
    assert told(await screen(client, "stranger", stranger, customer_reference="other")) is None
    await compared(client, 6)

    [voice] = (await client.list_voices(least_customers=3)).voices
    assert (voice.customers, voice.calls, voice.numbers) == (5, 5, 5)
    shown = await client.get_voice(voice.voice_id)
    assert [call.call_id for call in shown.members] == [f"agent-{n}" for n in range(1, 6)]

    actor = PromotedVoice(display_name="无名甲", watchlist_ids=("agents",))
    promoted = await client.promote_voice(voice.voice_id, actor)
    assert len(promoted.voiceprints) == 5
    with pytest.raises(ClientError) as again:
        await client.promote_voice(voice.voice_id, actor)
    assert again.value.reason == "VOICE_PROMOTED"
    last = (await screen(client, "agent-6", audio[5], customer_reference="customer-6"))[-1]
    assert last.best is not None
    assert (last.best.actor_id, last.level) == (promoted.actor_id, RiskLevel.HIGH)

    listed = await asyncio.to_thread(
        shengdun, "cluster", "list", "--json", "--server", desk[0].server.address
    )
    assert json.loads(listed.stdout.splitlines()[0])["voice_id"] == voice.voice_id
    network = await client.get_network()
    assert {node.key.kind.value for node in network.nodes} >= {"voice", "actor", "customer"}


async def test_an_unknown_voice_is_told_as_such(desk: tuple[Desk, Path]) -> None:
    with pytest.raises(ClientError) as missing:
        await desk[0].client.get_voice("vce_nobody")
    assert missing.value.reason == "CLUSTER_NOT_FOUND"


async def test_voices_survive_a_restart(
    tmp_path: Path, models_dir: Path, recordings: Sequence[DemoRecording]
) -> None:
    """With their ids, and without putting anything together anew."""
    settings = server_settings(tmp_path, models_dir)
    audio = calls_of(recordings, AGENT, 3)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        for number, one in enumerate(audio):
            await screen(client, f"c{number}", one, customer_reference=f"customer-{number}")
        await compared(client, 3)
        before = (await client.list_voices()).voices
        assert [(voice.calls, voice.customers) for voice in before] == [(3, 3)]
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        await compared(client, 3)
        for _ in range(100):
            if (found := await client.list_voices()).caught_up:
                break
            await asyncio.sleep(0.05)
        assert found.voices == before


async def test_voices_follow_the_calibration_profile(
    tmp_path: Path, models_dir: Path, recordings: Sequence[DemoRecording]
) -> None:
    """When another is activated the calls stay together, are measured by it, and so are those that follow."""
    settings = server_settings(tmp_path, models_dir)
    audio = calls_of(recordings, AGENT, 5)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        application = server._application
        assert application is not None
        voices = application.voices._voices
        assert voices is not None
        for number, one in enumerate(audio[:3]):
            await screen(client, f"c{number}", one, customer_reference=f"customer-{number}")
        await compared(client, 3)
        [before] = (await client.list_voices()).voices
        # A centre elsewhere: whatever is compared under the profile before and this one together has no sense.
        shipped = default_profile(voices.clusters.model_id)
        site = replace(shipped, name="site", mean=-shipped.mean)
        library = profile_library(settings)
        library.keep(site)
        library.activate(site.profile_id, by="ada", reason="t", installed_models=[site.model_id])
        await until(lambda: voices.clusters.profile_id == site.profile_id)
        assert len(voices.clusters.recent) == 3
        [after] = (await client.list_voices()).voices
        assert (after.voice_id, after.calls) == (before.voice_id, before.calls)
        assert after.suspicion != before.suspicion
        library.roll_back(site.model_id, by="ada", reason="t")
        await until(lambda: voices.clusters.profile_id == shipped.profile_id)
        assert (await client.list_voices()).voices == (before,)
        last = await screen(client, "c4", audio[4], customer_reference="customer-4")
        assert told(last) is not None


async def test_what_was_missed_is_learned_anew(
    tmp_path: Path, models_dir: Path, recordings: Sequence[DemoRecording]
) -> None:
    """Calls that came, and some that were erased, while a process couldn't hear of them."""
    server = Server(server_settings(tmp_path, models_dir))
    audio = calls_of(recordings, AGENT, 3)
    async with server, ShengdunClient.connect(server.address) as client:
        application = server._application
        assert application is not None
        assert application.archive is not None
        voices = application.voices._voices
        assert voices is not None
        for number, one in enumerate(audio[:2]):
            await screen(client, f"c{number}", one, customer_reference=f"customer-{number}")
        await compared(client, 2)
        voices.clusters.take(replace(application.archive.get("c1"), call_id="was-erased"))
        voices.clusters.remove(["c0"])
        voices._miss()
        for _ in range(200):
            parts = voices.clusters.recent.parts()
            held = sorted(call_id for part in parts for call_id in part.ids.tolist())
            if held == [b"c0", b"c1"]:
                break
            await asyncio.sleep(0.05)
        assert held == [b"c0", b"c1"]


async def test_a_promoted_voice_is_hunted_where_enrolled_actors_are(
    tmp_path: Path, models_dir: Path, recordings: Sequence[DemoRecording]
) -> None:
    """An unknown voice that is made an actor is enrolled as any other is."""
    settings = server_settings(tmp_path, models_dir, hunts__on_enrolment=True)
    audio = calls_of(recordings, AGENT, 3)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        await client.create_watchlist(new_watchlist("agents"))
        for number, one in enumerate(audio):
            await screen(client, f"c{number}", one, customer_reference=f"customer-{number}")
        await compared(client, 3)
        [voice] = (await client.list_voices()).voices
        actor = PromotedVoice(display_name="无名乙", watchlist_ids=("agents",))
        promoted = await client.promote_voice(voice.voice_id, actor)
        [hunt] = await client.list_hunts()
        assert hunt.quarry.actor_id == promoted.actor_id
