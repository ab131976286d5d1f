"""Receipts of erasures are checked against what there is, by investigators and auditors."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from fixtures.calls import Desk, open_desk, screen, server_settings, speech_of, telephone
from fixtures.command_line import shengdun
from fixtures.store import until
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.archive.receipts import to_json
from shengdun.index.archive.rows import CallQuery
from shengdun.index.voices.kept import VoicesFile
from shengdun.service.contract.hunts import Quarry

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory,
    models_dir: Path,
    recordings: Sequence[DemoRecording],
) -> AsyncIterator[Desk]:
    """A server that has taken a call of an agent."""
    settings = server_settings(tmp_path_factory.mktemp("desk"), models_dir)
    async with open_desk(settings, recordings, ("S6", "S4")) as desk:
        await screen(desk.client, "of-agent", telephone(speech_of(recordings, "S6")))
        yield desk


async def run(desk: Desk, *arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(shengdun, *arguments, "--server", desk.server.address)


async def archived(desk: Desk, call_id: str) -> None:
    """Wait until a call is in the archive."""
    application = desk.server._application
    assert application is not None
    archive = application.archive
    assert archive is not None
    await until(lambda: any(call_id in block.call_ids for block in archive.scan(CallQuery())))


async def test_an_actor_that_was_erased_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    """And a receipt that was altered, or says so of somebody who is there, doesn't hold."""
    erased = await run(desk, "actor", "erase", desk.actors["S6"], "--reason", "asked", "--json")
    receipt = tmp_path / "receipt.json"
    receipt.write_text(erased.stdout, encoding="utf-8")
    done = await run(desk, "verify-erasure", str(receipt))
    assert (done.returncode, "holds" in done.stdout) == (0, True), done.stderr
    altered = json.loads(erased.stdout) | {"actor_id": "act_somebody"}
    receipt.write_text(json.dumps(altered), encoding="utf-8")
    failed = await run(desk, "verify-erasure", str(receipt))
    assert (failed.returncode, "NOT signed" in failed.stdout) == (1, True)


async def test_calls_that_were_erased_leave_nothing(desk: Desk, tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.json"
    await run(desk, "calls", "erase", "of-agent", "--reason", "asked", "--receipt", str(receipt))
    check = await desk.client.verify_erasure(receipt.read_text(encoding="utf-8"))
    assert (check.holds, check.found, check.problems) == (True, (), ())
    done = await run(desk, "verify-erasure", str(receipt), "--json")
    assert json.loads(done.stdout)["is_journaled"] is True


async def test_what_hunts_and_voices_still_say_is_found(
    desk: Desk, recordings: Sequence[DemoRecording]
) -> None:
    """In their files, also of another voice model, or left half-way; what can't be opened is named."""
    client, application = desk.client, desk.server._application
    assert application is not None
    data, keys = application.settings.data_dir, application.registry.keys
    await screen(client, "hunted", telephone(speech_of(recordings, "S1")), customer_reference="h")
    await archived(desk, "hunted")
    recording = max((r for r in recordings if r.speaker == "S1"), key=lambda r: r.duration_s)
    quarry = Quarry(recording_name="voice.wav")
    hunts = [one async for one in client.hunt(quarry, recording.read())]
    assert "hunted" in [hit.call_id for hit in hunts[-1].hits]
    file = data / "hunts" / f"{hunts[-1].hunt_id}.hunt"
    before = file.read_bytes()
    receipt = to_json(await client.erase_calls(["hunted"], reason="asked"))
    assert (await client.verify_erasure(receipt)).holds

    file.with_name(f".{file.name}.0123abcd").write_bytes(before)
    VoicesFile(data / "voices", "another@0123456789ab", keys).write({"vce_1": ("hunted", "other")})
    (data / "voices" / "damaged.clusters").write_bytes(b"nothing")
    check = await client.verify_erasure(receipt)
    assert not check.holds
    assert sorted(check.found) == [
        f"the file of hunt {hunts[-1].hunt_id} has 1 of the calls",
        "the file of voices another@0123456789ab.clusters has 1 of the calls",
    ]
    assert check.problems == ("the file of voices damaged.clusters can't be opened",)

    for path in (data / "voices").glob("*.clusters"):
        path.unlink()
    # The next erasure takes what was left away.
    await screen(client, "next", telephone(speech_of(recordings, "S1")), customer_reference="n")
    await archived(desk, "next")
    await client.erase_calls(["next"], reason="asked")
    assert (await client.verify_erasure(receipt)).holds


async def test_a_hunt_for_an_actor_who_was_erased_is_found(
    desk: Desk, recordings: Sequence[DemoRecording]
) -> None:
    """Were it still there: it is deleted with the actor."""
    application = desk.server._application
    assert application is not None
    await screen(desk.client, "any", telephone(speech_of(recordings, "S1")))
    await archived(desk, "any")
    actor_id = desk.actors["S4"]
    hunts = [one async for one in desk.client.hunt(Quarry(actor_id=actor_id))]
    file = application.settings.data_dir / "hunts" / f"{hunts[-1].hunt_id}.hunt"
    before = file.read_bytes()
    erased = await run(desk, "actor", "erase", actor_id, "--reason", "asked", "--json")
    await until(lambda: not file.exists())
    assert (await desk.client.verify_erasure(erased.stdout)).holds
    file.with_name(f".{file.name}.0123abcd").write_bytes(before)
    check = await desk.client.verify_erasure(erased.stdout)
    assert check.found == (f"the file of hunt {file.stem} is after actor {actor_id}",)


async def test_what_is_no_receipt_is_told_as_such(desk: Desk, tmp_path: Path) -> None:
    for number, text in enumerate(("", "{}", "[]", '{"call_hashes": 1}', "no receipt")):
        file = tmp_path / f"{number}.json"
        file.write_text(text, encoding="utf-8")
        failed = await run(desk, "verify-erasure", str(file))
        assert failed.returncode == 1
        assert "no receipt of an erasure" in failed.stderr
