"""Calls of the past are screened from their recordings and archived as of when they were, once each."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from grpc import StatusCode

from fixtures.calls import Desk, open_desk, server_settings, speech_of
from fixtures.scripts import COERCED
from fixtures.signals import ringback, stereo_file, wav_file
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.archive.archive import CallArchive
from shengdun.service.access import Role, TokenFile
from shengdun.service.client import (
    ClientError,
    FlagType,
    NewScript,
    ScriptKind,
    ShengdunClient,
    Speaker,
    TranscriptSegment,
)
from shengdun.service.contract.archive import CallSelection
from shengdun.service.contract.hunts import Quarry
from shengdun.service.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

Recordings = Sequence[DemoRecording]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, recordings: Recordings
) -> AsyncIterator[Desk]:
    """One server for the tests of this module: an agent is enrolled."""
    settings = server_settings(tmp_path_factory.mktemp("desk"), models_dir, archive__days=40)
    async with open_desk(settings, recordings, ("S6",)) as desk:
        yield desk


@pytest.fixture(scope="module")
def speech(recordings: Recordings) -> bytes:
    """A recording of the agent, 12 s."""
    return wav_file(speech_of(recordings, "S6"))


def ago(**duration: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(**duration)


def archive_of(desk: Desk) -> CallArchive:
    assert desk.server._application is not None
    archive = desk.server._application.archive
    assert archive is not None
    return archive


async def refusal(client: ShengdunClient, recording: bytes, **given: object) -> ClientError:
    with pytest.raises(ClientError) as caught:
        await client.screen_recording(recording, **given)  # type: ignore[arg-type]
    return caught.value


async def test_a_call_of_the_past_is_archived_as_of_then(desk: Desk, speech: bytes) -> None:
    """When the answer comes it is there, with everything that a live call leaves, and nobody was alarmed."""
    before = await desk.client.server_info()
    started_at = ago(days=10)
    screened = await desk.client.screen_recording(
        speech,
        call_id="past",
        started_at=started_at,
        customer_reference="4711",
        calling_number="+86 10 1234",
    )
    assert screened.archived
    row = archive_of(desk).get("past")
    assert (row.started_at, row.ended_at) == (started_at, started_at + timedelta(seconds=12))
    assert [flag.subject for flag in row.decision.flags] == [desk.actors["S6"]]
    assert row.decision.probability == pytest.approx(screened.decision.probability)
    assert row.voiceprint is not None
    assert np.linalg.norm(row.voiceprint) == pytest.approx(1.0, abs=1e-3)
    assert (row.line, row.codec, len(row.customer), len(row.number)) == (
        "default",
        "pcm_s16le",
        32,
        32,
    )
    assert "screened_at" in row.decision.versions
    found = await desk.client.list_calls(CallSelection(customer_reference="4711"))
    assert [call.call_id for call in found.calls] == ["past"]
    found = await desk.client.list_calls(
        CallSelection(since=started_at, until=started_at + timedelta(seconds=1))
    )
    assert [call.flags[0].type for call in found.calls] == [FlagType.KNOWN_ACTOR_VOICE]
    after = await desk.client.server_info()
    assert before.load is not None
    assert after.load is not None
    assert after.load.decisions == before.load.decisions
    standing = after.lines[0].standing
    assert standing is not None
    assert standing.calls == 0
    with pytest.raises(ClientError) as unknown:
        await desk.client.get_decision("past")
    assert unknown.value.reason == "CALL_UNKNOWN"


async def test_the_words_of_a_past_call_are_compared_and_can_be_hunted(desk: Desk) -> None:
    """Though nobody speaks in it; those of other customers are not compared with them, and they count for no load."""
    new = NewScript(title="s", kind=ScriptKind.CHAT, text=COERCED, script_id="coerced")
    await desk.client.add_script(new)
    said = [
        TranscriptSegment(text="您好，请讲。", speaker=Speaker.AGENT),
        *(TranscriptSegment(text=COERCED[at : at + 20]) for at in range(0, 100, 20)),
    ]
    recording = wav_file(ringback(2.0))
    for number in range(4):
        screened = await desk.client.screen_recording(
            recording,
            call_id=f"said-{number}",
            started_at=ago(days=2),
            customer_reference=f"customer-{number}",
            words=said,
        )
        (flag,) = screened.decision.flags
        assert flag.script_match is not None
        assert flag.script_match.script_id == "coerced"
    assert archive_of(desk).get("said-0").characters > 90
    hunts = [one async for one in desk.client.hunt(Quarry(script_id="coerced"))]
    assert {hit.call_id for hit in hunts[-1].hits} == {f"said-{number}" for number in range(4)}
    assert not (await desk.client.list_campaigns()).campaigns
    load = (await desk.client.server_info()).load
    assert load is not None
    assert load.calls_with_words == 0


async def test_a_call_that_comes_twice_is_one(desk: Desk) -> None:
    """The first row stays, whatever the second says; also of two that come at the same time."""
    recording, started_at = wav_file(ringback(2.0)), ago(days=3)
    await desk.client.screen_recording(recording, call_id="twice", started_at=started_at)
    again = await refusal(desk.client, recording, call_id="twice", started_at=ago(days=2))
    assert (again.status, again.reason) == (StatusCode.ALREADY_EXISTS, "CALL_ARCHIVED")
    assert archive_of(desk).get("twice").started_at == started_at
    outcomes = await asyncio.gather(
        *(
            desk.client.screen_recording(recording, call_id="both", started_at=started_at)
            for _ in range(2)
        ),
        return_exceptions=True,
    )
    refused = [one.reason for one in outcomes if isinstance(one, ClientError)]
    assert len(refused) == 1
    assert refused[0] in {"CALL_ARCHIVED", "CALL_ALREADY_LIVE"}


async def test_a_time_that_cannot_be_is_refused(desk: Desk) -> None:
    """Before the recording is sent: in the future, beyond retention; and one that would not have ended yet."""
    recording = wav_file(ringback(100.0))
    future = await refusal(desk.client, recording, call_id="f", started_at=ago(hours=-8))
    assert future.reason == "START_TIME_WRONG"
    old = await refusal(desk.client, recording, call_id="o", started_at=ago(days=42))
    assert (old.status, old.reason) == (StatusCode.FAILED_PRECONDITION, "PAST_RETENTION")
    assert "40 days" in old.message
    unended = await refusal(desk.client, recording, call_id="u", started_at=ago(seconds=5))
    assert unended.reason == "START_TIME_WRONG"
    nameless = await refusal(desk.client, recording, started_at=ago(days=1))
    assert "call_id" in nameless.message
    line = await refusal(desk.client, recording, call_id="l", line="x", started_at=ago(days=1))
    assert line.reason == "LINE_UNKNOWN"


async def test_what_is_no_recording_is_refused_and_can_come_again(desk: Desk) -> None:
    """Nothing is archived of it."""
    bad = await refusal(desk.client, b"no recording", call_id="mended", started_at=ago(days=1))
    assert bad.reason == "UNREADABLE_RECORDING"
    good = wav_file(ringback(2.0))
    assert (
        await desk.client.screen_recording(good, call_id="mended", started_at=ago(days=1))
    ).archived


async def test_one_channel_can_be_the_callers(desk: Desk, recordings: Recordings) -> None:
    """In a recording of both sides the employee must not become a part of the caller's voiceprint."""
    stereo = stereo_file(speech_of(recordings, "S4"), speech_of(recordings, "S6"))
    of_caller = await desk.client.screen_recording(
        stereo, call_id="right", started_at=ago(days=1), channel=2
    )
    assert [flag.type for flag in of_caller.decision.flags] == [FlagType.KNOWN_ACTOR_VOICE]
    of_employee = await desk.client.screen_recording(
        stereo, call_id="left", started_at=ago(days=1), channel=1
    )
    assert not of_employee.decision.flags
    missing = await refusal(desk.client, stereo, call_id="third", started_at=ago(days=1), channel=3)
    assert (missing.reason, "2" in missing.message) == ("NO_AUDIO", True)


async def test_more_than_can_be_held_are_told_to_come_later(desk: Desk) -> None:
    """With the time after which to try again."""
    recording = wav_file(ringback(30.0))
    outcomes = await asyncio.gather(
        *(
            desk.client.screen_recording(recording, call_id=f"many-{n}", started_at=ago(days=1))
            for n in range(12)
        ),
        return_exceptions=True,
    )
    refused = [one for one in outcomes if isinstance(one, ClientError)]
    assert refused
    assert {one.reason for one in refused} == {"OVERLOADED"}
    assert all(one.retry_after for one in refused)
    assert len(refused) < len(outcomes)


async def test_what_was_erased_comes_back_for_an_investigator_alone(
    tmp_path: Path, models_dir: Path
) -> None:
    """Who may only screen can't undo an erasure."""
    settings = server_settings(tmp_path / "data", models_dir, access__required=True)
    tokens = TokenFile(settings.tokens_file)
    telephony = tokens.issue("ivr", [Role.TELEPHONY])
    both = tokens.issue("desk", [Role.TELEPHONY, Role.INVESTIGATOR])
    given: dict[str, Any] = {"call_id": "gone", "started_at": ago(days=1)}
    recording = wav_file(ringback(2.0))
    async with (
        Server(settings) as server,
        ShengdunClient.connect(server.address, token=telephony) as ivr,
        ShengdunClient.connect(server.address, token=both) as desk,
    ):
        await ivr.screen_recording(recording, **given)
        await desk.erase_calls(["gone"], reason="asked")
        assert (await refusal(ivr, recording, **given)).reason == "CALL_ERASED"
        denied = await refusal(ivr, recording, **given, even_if_erased=True)
        assert denied.reason == "PERMISSION_DENIED"
        assert (await desk.screen_recording(recording, **given, even_if_erased=True)).archived


async def test_where_no_calls_are_kept_none_are_taken(tmp_path: Path, models_dir: Path) -> None:
    settings = server_settings(tmp_path / "data", models_dir, archive__enabled=False)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        off = await refusal(client, wav_file(ringback(2.0)), call_id="c", started_at=ago(days=1))
    assert off.reason == "ARCHIVE_OFF"
