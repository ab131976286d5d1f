"""Every call that was screened leaves one row in the archive, and never waits for it."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from fixtures.calls import Desk, open_desk, screen, server_settings, speech_of, telephone
from fixtures.scripts import COERCED
from fixtures.signals import ringback, wav_file
from fixtures.store import until
from shengdun.fingerprint.text.normalise import normalise
from shengdun.fingerprint.text.pinyin import syllables
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.errors import CallNotArchived
from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.scripts.probes import probes_of
from shengdun.service.client import (
    CallConfig,
    NewScript,
    ScriptKind,
    TranscriptSegment,
    TranscriptUse,
)
from shengdun.service.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

Recordings = Sequence[DemoRecording]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, recordings: Recordings
) -> AsyncIterator[Desk]:
    """One server for the tests of this module: an agent is enrolled, and a script is known."""
    settings = server_settings(tmp_path_factory.mktemp("desk"), models_dir)
    async with open_desk(settings, recordings, ("S6",)) as desk:
        new = NewScript(title="s", kind=ScriptKind.CHAT, text=COERCED, script_id="coerced")
        await desk.client.add_script(new)
        yield desk


def archive_of(server: Server) -> CallArchive:
    """The archive of a running server."""
    assert server._application is not None
    assert server._application.archive is not None
    return server._application.archive


async def archived(desk: Desk, call_id: str) -> ArchivedCall:
    """The row of a call, once it is there."""
    archive = archive_of(desk.server)

    def is_there() -> bool:
        try:
            return bool(archive.get(call_id))
        except CallNotArchived:
            return False

    await until(is_there)
    return archive.get(call_id)


async def test_a_call_leaves_its_row(desk: Desk, recordings: Recordings) -> None:
    """Who was flagged, with the voiceprint that the decision rests on, and nobody's name."""
    speech = speech_of(recordings, "S6")
    decisions = await screen(
        desk.client,
        "with-speech",
        telephone(speech),
        customer_reference="account 4711",
        calling_number="+86 10 1234-5678",
    )
    row = await archived(desk, "with-speech")
    last = decisions[-1]
    assert row.decision.level == last.level.value  # type: ignore[union-attr]
    assert row.decision.probability == pytest.approx(last.probability)
    (flag,) = row.decision.flags
    assert (flag.kind, flag.subject) == ("KNOWN_ACTOR_VOICE", desk.actors["S6"])
    assert row.decision.versions["model"] == row.model_id
    assert row.voiceprint is not None
    assert np.linalg.norm(row.voiceprint) == pytest.approx(1.0, abs=1e-3)
    assert row.net_speech_s == pytest.approx(last.net_speech.total_seconds(), abs=0.01)
    assert (row.line, row.codec) == ("default", "PCMU")
    assert "4711" not in row.customer
    assert len(row.customer) == len(row.number) == 32
    assert row.ended_at >= row.started_at


async def test_a_call_of_words_leaves_their_signature(desk: Desk) -> None:
    """By it the script is found again, and no words are kept."""
    config = CallConfig(call_id="with-words", transcript_use=TranscriptUse.INSTEAD_OF_AUDIO)
    async with desk.client.screen_call(config) as call:
        for place in range(0, len(COERCED), 30):
            await call.send_words(
                TranscriptSegment(text=COERCED[place : place + 30], segment_id=f"u{place}")
            )
        await call.finish()
        _ = [decision async for decision in call]
    row = await archived(desk, "with-words")
    assert row.voiceprint is None
    assert [flag.kind for flag in row.decision.flags] == ["SCRIPT_MATCH"]
    of_script = probes_of(syllables(normalise(COERCED).text))[1]
    assert np.isin(of_script, row.signature).mean() > 0.95
    assert row.characters > 100


async def test_calls_without_speech_and_broken_off_leave_their_rows(
    desk: Desk, recordings: Recordings
) -> None:
    """They were screened all the same."""
    await screen(desk.client, "silent", bytes([0xFF]) * 16_000)
    silent = await archived(desk, "silent")
    assert (silent.voiceprint, silent.decision.level) == (None, "")
    audio = telephone(speech_of(recordings, "S6"))
    async with desk.client.screen_call(CallConfig(call_id="broken")) as call:
        await call.send(audio[:40_000])
        async for decision in call:
            if decision.net_speech > timedelta(seconds=2):
                break
    broken = await archived(desk, "broken")
    assert broken.voiceprint is not None


async def test_a_recording_with_an_id_is_a_call(desk: Desk) -> None:
    """One without is a file that somebody tries."""
    content = wav_file(ringback(2.0))
    before = archive_of(desk.server).health
    await desk.client.screen_recording(content)
    await desk.client.screen_recording(content, call_id="recorded")
    row = await archived(desk, "recorded")
    assert row.codec
    after = archive_of(desk.server).health
    assert after.calls + after.tail == before.calls + before.tail + 1
