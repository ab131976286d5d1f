"""Investigators hunt for voices and scripts in finished calls, over the wire and from the command line."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from fixtures.calls import Desk, enrol, open_desk, screen, server_settings, speech_of, telephone
from fixtures.command_line import assert_one_error_line, shengdun
from fixtures.store import until
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.rows import CallQuery
from shengdun.service import hunt_opening
from shengdun.service.client import ClientError
from shengdun.service.contract.hunts import Hunt, HuntState, Quarry

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENT, OTHER = "S6", "S1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory,
    models_dir: Path,
    recordings: Sequence[DemoRecording],
) -> AsyncIterator[Desk]:
    """A server that has taken two calls of an agent, one of somebody else, and a silent one."""
    settings = server_settings(tmp_path_factory.mktemp("desk"), models_dir)
    async with open_desk(settings, recordings, (AGENT,)) as desk:
        for number in range(2):
            speech = telephone(speech_of(recordings, AGENT))
            await screen(
                desk.client, f"of-agent-{number}", speech, customer_reference=f"471{number}"
            )
        await screen(desk.client, "of-other", telephone(speech_of(recordings, OTHER)))
        await screen(desk.client, "silent", bytes([0xFF]) * 8_000)
        await archived(desk, "of-agent-0", "of-agent-1", "of-other", "silent")
        yield desk


def archive_of(desk: Desk) -> CallArchive:
    assert desk.server._application is not None
    archive = desk.server._application.archive
    assert archive is not None
    return archive


async def archived(desk: Desk, *call_ids: str) -> None:
    """Wait until some calls are in the archive."""

    def are_there() -> bool:
        found = {name for block in archive_of(desk).scan(CallQuery()) for name in block.call_ids}
        return found >= set(call_ids)

    await until(are_there)


async def hunted(told: AsyncIterator[Hunt]) -> Hunt:
    """A hunt when it is over."""
    hunts = [hunt async for hunt in told]
    assert hunts
    return hunts[-1]


async def run(desk: Desk, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command against the server."""
    return await asyncio.to_thread(shengdun, *arguments, "--server", desk.server.address)


def ids(hunt: Hunt) -> set[str]:
    return {hit.call_id for hit in hunt.hits}


async def test_every_call_of_an_actor_is_told(desk: Desk) -> None:
    """Best first, with its evidence, its probability, and what chance would bring."""
    hunt = await hunted(desk.client.hunt(Quarry(actor_id=desk.actors[AGENT])))
    assert hunt.state is HuntState.DONE
    assert ids(hunt) == {"of-agent-0", "of-agent-1"}
    assert hunt.calls_read >= 3
    assert hunt.profile_id
    assert hunt.expected_by_chance is not None
    for hit in hunt.hits:
        assert hit.llr is not None
        assert hit.llr > 3.0
        assert hit.probability is not None
        assert hit.probability > 0.1
        assert hit.expected_by_chance is not None
        assert hit.expected_by_chance < hunt.expected_by_chance
        assert hit.customer_pseudonym
        assert hit.script_share is None
    again = await desk.client.get_hunt(hunt.hunt_id)
    assert again.hits == hunt.hits
    assert hunt.hunt_id in {one.hunt_id for one in await desk.client.list_hunts()}


async def test_the_voice_of_a_recording_is_hunted(
    desk: Desk, recordings: Sequence[DemoRecording], tmp_path: Path
) -> None:
    """From the command line, as JSON."""
    file = tmp_path / "她.wav"
    longest = max(
        (one for one in recordings if one.speaker == AGENT), key=lambda one: one.duration_s
    )
    file.write_bytes(longest.read())
    done = await run(desk, "hunt", "--recording", file, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["quarry"]["recording_name"] == "她.wav"
    assert {hit["call_id"] for hit in told["hits"]} >= {"of-agent-0", "of-agent-1"}
    shown = await run(desk, "hunt", "show", told["hunt_id"])
    assert "of-agent-0" in shown.stdout
    assert "BY CHANCE" in shown.stdout
    listed = await run(desk, "hunt", "list")
    assert told["hunt_id"] in listed.stdout


async def test_a_recording_without_speech_is_refused(desk: Desk, tmp_path: Path) -> None:
    """With what is wrong with it."""
    file = tmp_path / "silent.wav"
    file.write_bytes(b"RIFF")
    done = await run(desk, "hunt", "--recording", file)
    assert done.returncode == 1
    assert_one_error_line(done, "silent.wav")


async def test_bad_questions_are_refused(desk: Desk) -> None:
    """Each with a reason."""
    for quarry, reason in (
        (Quarry(actor_id="act_nobody"), "ACTOR_NOT_FOUND"),
        (Quarry(script_id="scr_none"), "SCRIPT_NOT_FOUND"),
        (Quarry(actor_id=desk.actors[AGENT], line="nowhere"), "NOTHING_TO_HUNT"),
        (Quarry(actor_id=desk.actors[AGENT], least_score=99.0), "INVALID_RECORD"),
        (Quarry(recording_name="a.wav"), "PROTOCOL_VIOLATION"),
    ):
        with pytest.raises(ClientError) as refused:
            await hunted(desk.client.hunt(quarry))
        assert refused.value.reason == reason
    with pytest.raises(ClientError) as unknown:
        await desk.client.cancel_hunt("hunt_none")
    assert unknown.value.reason == "HUNT_NOT_FOUND"
    wrong = await run(desk, "hunt", "--actor", "a", "--script", "b")
    assert wrong.returncode == 2


async def test_a_hunt_that_is_over_is_neither_cancelled_nor_resumed(desk: Desk) -> None:
    """It has been through everything."""
    hunt = await hunted(desk.client.hunt(Quarry(actor_id=desk.actors[AGENT])))
    with pytest.raises(ClientError) as ended:
        await desk.client.cancel_hunt(hunt.hunt_id)
    assert ended.value.reason == "HUNT_ENDED"
    with pytest.raises(ClientError) as over:
        await hunted(desk.client.resume_hunt(hunt.hunt_id))
    assert over.value.reason == "HUNT_ENDED"


async def test_looks_are_journaled(desk: Desk) -> None:
    """Who started a hunt after whom, and who looked at it."""
    hunt = await hunted(desk.client.hunt(Quarry(actor_id=desk.actors[AGENT])))
    await desk.client.get_hunt(hunt.hunt_id)
    assert desk.server._application is not None
    registry = desk.server._application.registry
    entries = [
        entry
        for entry in await registry.audit(limit=1000)
        if f"hunt/{hunt.hunt_id}" in entry.subjects
    ]
    assert [entry.kind for entry in entries] == ["hunt.started", "hunt.looked_at"]
    assert f"actor/{desk.actors[AGENT]}" in entries[0].subjects


async def test_erased_calls_and_actors_are_found_no_more(
    desk: Desk, recordings: Sequence[DemoRecording]
) -> None:
    """Neither in what was found before nor in what is hunted after."""
    await screen(desk.client, "of-gone", telephone(speech_of(recordings, OTHER)))
    await archived(desk, "of-gone")
    actor_id = await enrol(desk.client, recordings, OTHER)
    hunt = await hunted(desk.client.hunt(Quarry(actor_id=actor_id)))
    assert ids(hunt) == {"of-other", "of-gone"}
    await desk.client.erase_calls(["of-gone"], reason="asked")
    assert ids(await desk.client.get_hunt(hunt.hunt_id)) == {"of-other"}
    await desk.client.erase_actor(actor_id, reason="asked")
    with pytest.raises(ClientError) as gone:
        await desk.client.get_hunt(hunt.hunt_id)
    assert gone.value.reason == "HUNT_NOT_FOUND"
    assert hunt.hunt_id not in {one.hunt_id for one in await desk.client.list_hunts()}


async def test_an_enrolled_actor_is_hunted_by_itself(
    tmp_path: Path, models_dir: Path, recordings: Sequence[DemoRecording]
) -> None:
    """Where the settings say so."""
    settings = server_settings(tmp_path, models_dir)
    eager = settings.model_copy(
        update={"hunts": settings.hunts.model_copy(update={"on_enrolment": True})}
    )
    async with open_desk(eager, recordings, ()) as desk:
        await screen(desk.client, "before", telephone(speech_of(recordings, AGENT)))
        await archived(desk, "before")
        actor_id = await enrol(desk.client, recordings, AGENT)
        (hunt,) = await desk.client.list_hunts()
        assert hunt.quarry.actor_id == actor_id
        found = hunt
        while found.state is HuntState.RUNNING:
            found = await desk.client.get_hunt(hunt.hunt_id)
        found = await desk.client.get_hunt(hunt.hunt_id)
        assert ids(found) == {"before"}


async def test_each_line_decides_whether_enrolled_actors_are_hunted(
    tmp_path: Path, models_dir: Path, recordings: Sequence[DemoRecording]
) -> None:
    """Only the calls of lines that want it, and that screen a list which the actor is on, are hunted through."""
    lines = {
        "complaints": {"hunts": {"on_enrolment": True}},
        "collections": {"hunts": {"on_enrolment": False}},
        "other-lists": {"hunts": {"on_enrolment": True}, "watchlists": ["others"]},
    }
    settings = server_settings(tmp_path, models_dir, lines=lines)
    async with open_desk(settings, recordings, ()) as desk:
        for line in lines:
            speech = telephone(speech_of(recordings, AGENT))
            await screen(desk.client, f"on-{line}", speech, line=line)
        await archived(desk, *(f"on-{line}" for line in lines))
        await enrol(desk.client, recordings, AGENT)
        (hunt,) = await desk.client.list_hunts()
        assert hunt.quarry.line == "complaints"
        found = await desk.client.get_hunt(hunt.hunt_id)
        while found.state is HuntState.RUNNING:
            found = await desk.client.get_hunt(hunt.hunt_id)
        assert ids(found) == {"on-complaints"}


async def test_what_a_line_says_of_hunts_comes_before_what_the_server_says(
    tmp_path: Path, models_dir: Path
) -> None:
    """Where no line says otherwise all calls are hunted through, also those of lines that there aren't any more."""

    def decided(*, everywhere: bool, **lines: bool | None) -> dict[str, bool]:
        of_lines = {name: {"hunts": {"on_enrolment": one}} for name, one in lines.items()}
        settings = server_settings(
            tmp_path, models_dir, hunts__on_enrolment=everywhere, lines=of_lines
        )
        return hunt_opening.decided(settings)

    assert decided(everywhere=False, a=None) == {"default": False, "a": False}
    assert decided(everywhere=False, a=True, b=None) == {"default": False, "a": True, "b": False}
    assert decided(everywhere=True, a=False, b=None) == {"default": True, "a": False, "b": True}
