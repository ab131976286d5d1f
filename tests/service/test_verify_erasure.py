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
from shengdun.fingerprint.voice.demo_recordings import DemoRecording

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory,
    models_dir: Path,
    recordings: Sequence[DemoRecording],
) -> AsyncIterator[Desk]:
    """A server that has taken a call of an agent."""
    settings = server_settings(tmp_path_factory.mktemp("desk"), models_dir)
    async with open_desk(settings, recordings, ("S6",)) as desk:
        await screen(desk.client, "of-agent", telephone(speech_of(recordings, "S6")))
        yield desk


async def run(desk: Desk, *arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(shengdun, *arguments, "--server", desk.server.address)


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


async def test_what_is_no_receipt_is_told_as_such(desk: Desk, tmp_path: Path) -> None:
    for number, text in enumerate(("", "{}", "[]", '{"call_hashes": 1}', "no receipt")):
        file = tmp_path / f"{number}.json"
        file.write_text(text, encoding="utf-8")
        failed = await run(desk, "verify-erasure", str(file))
        assert failed.returncode == 1
        assert "no receipt of an erasure" in failed.stderr
