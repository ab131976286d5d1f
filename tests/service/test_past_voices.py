"""Calls of the past are known to whatever looks at calls afterwards, as live ones are."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from fixtures.calls import (
    in_meeting,
    meetings_of,
    screen,
    server_settings,
    telephone,
)
from fixtures.signals import wav_file
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.service.client import FlagType, ShengdunClient
from shengdun.service.contract.hunts import HuntState, Quarry
from shengdun.service.server import Server
from shengdun.service.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENT = "S6"
Recordings = Sequence[DemoRecording]


def speech_of_calls(recordings: Recordings, count: int) -> list[Samples]:
    """Speech of so many calls of the agent, of 12 s each."""
    chosen = [
        recording
        for meeting in meetings_of(recordings, AGENT)
        for recording in in_meeting(recordings, AGENT, meeting)
    ]
    cut = [
        samples[start : start + 12 * MODEL_RATE_HZ]
        for samples in (decode_recording(recording.read()).samples for recording in chosen)
        for start in range(0, len(samples) - 12 * MODEL_RATE_HZ + 1, 12 * MODEL_RATE_HZ)
    ]
    assert len(cut) >= count
    return cut[:count]


def ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


async def compared(client: ShengdunClient, calls: int) -> None:
    """Wait until so many calls are compared with those that follow."""
    async with asyncio.timeout(30):
        while True:
            voices = await client.list_voices()
            if voices.caught_up and voices.calls_compared >= calls:
                return
            await asyncio.sleep(0.05)


async def past_call(
    client: ShengdunClient, call_id: str, speech: Samples, *, days: float, customer: str
) -> None:
    await client.screen_recording(
        wav_file(speech), call_id=call_id, started_at=ago(days), customer_reference=customer
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, recordings: Recordings
) -> AsyncIterator[ShengdunClient]:
    """Of a server that has been given two calls of the past by a voice that nobody knows, for two customers."""
    settings = server_settings(tmp_path_factory.mktemp("desk"), models_dir)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        one, other, third, _ = speech_of_calls(recordings, 4)
        await past_call(client, "past-1", one, days=9, customer="A")
        await past_call(client, "past-2", other, days=4, customer="B")
        # Of before the window that is compared.
        await past_call(client, "old", third, days=60, customer="Z")
        await compared(client, 2)
        yield client


async def test_a_live_call_for_a_third_customer_is_told(
    client: ShengdunClient, recordings: Recordings
) -> None:
    """With the calls of the past and their times, as one voice, and in the network; none from before the window."""
    audio = telephone(speech_of_calls(recordings, 4)[3])
    decisions = await screen(client, "live-3", audio, customer_reference="C")
    (flag,) = (f for f in decisions[-1].flags if f.type is FlagType.REPEAT_VOICE)
    assert flag.repeat_voice is not None
    assert {call.call_id for call in flag.repeat_voice.calls} == {"past-1", "past-2"}
    first = min(call.started_at for call in flag.repeat_voice.calls)
    assert abs(first - ago(9)) < timedelta(minutes=10)
    await compared(client, 3)
    (voice,) = (await client.list_voices()).voices
    assert (voice.calls, voice.customers) == (3, 3)
    network = await client.get_network()
    assert {node.key.kind.value for node in network.nodes} >= {"voice", "customer"}


async def test_a_hunt_finds_them(client: ShengdunClient, recordings: Recordings) -> None:
    """Also the one from before the window."""
    recording = wav_file(speech_of_calls(recordings, 4)[0])
    hunts = [hunt async for hunt in client.hunt(Quarry(recording_name="one.wav"), recording)]
    assert hunts[-1].state is HuntState.DONE
    found = {hit.call_id for hit in hunts[-1].hits}
    assert found >= {"past-1", "past-2", "old"}


async def test_what_came_after_the_last_save_is_put_together(
    tmp_path: Path, models_dir: Path, recordings: Recordings
) -> None:
    """A call of the past ended before it, and is none of those that the file knows."""
    settings: Settings = server_settings(tmp_path, models_dir)
    one, other, *_ = speech_of_calls(recordings, 4)
    server = Server(settings)
    async with server, ShengdunClient.connect(server.address) as client:
        await past_call(client, "one", one, days=3, customer="A")
        await compared(client, 1)
        application = server._application
        assert application is not None
        voices = application.voices._voices
        assert voices is not None
        voices._save()
        kept = voices._file._path.read_bytes()
        await past_call(client, "other", other, days=2, customer="B")
        await compared(client, 2)
    # As after a crash: the file is that of the last save.
    voices._file._path.write_bytes(kept)
    async with Server(settings) as again, ShengdunClient.connect(again.address) as client:
        await compared(client, 2)
        (voice,) = (await client.list_voices()).voices
        assert (voice.calls, voice.customers) == (2, 2)
