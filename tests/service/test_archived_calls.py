"""Investigators list, see and erase finished calls, over the wire and from the command line."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fixtures.calls import Desk, open_desk, screen, server_settings, speech_of, telephone
from fixtures.command_line import shengdun
from fixtures.store import until
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.archive.receipts import from_json, to_json
from shengdun.index.archive.rows import CallQuery
from shengdun.service.client import ClientError, FlagType, RiskLevel, ShengdunClient
from shengdun.service.contract.archive import CallSelection
from shengdun.service.server import Server

LETTER = (
    "我要求你们立即停息挂账，不然我就向监管部门投诉，并且要求征信修复，你们的催收人员违规。" * 2
)
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory,
    models_dir: Path,
    recordings: Sequence[DemoRecording],
) -> AsyncIterator[Desk]:
    """A server that has taken one call of an agent and some silent ones."""
    settings = server_settings(tmp_path_factory.mktemp("desk"), models_dir)
    async with open_desk(settings, recordings, ("S6",)) as desk:
        speech = telephone(speech_of(recordings, "S6"))
        await screen(desk.client, "of-agent", speech, customer_reference="4711")
        for number in range(5):
            await screen(
                desk.client,
                f"silent-{number}",
                bytes([0xFF]) * 8_000,
                calling_number=f"010{number}",
            )
        await archived(desk, f"silent-{number}")
        yield desk


async def silence(desk: Desk, call_id: str, **config: Any) -> None:  # noqa: ANN401 - any field
    """A call of nothing, archived."""
    await screen(desk.client, call_id, bytes([0xFF]) * 8_000, **config)
    await archived(desk, call_id)


async def archived(desk: Desk, call_id: str) -> None:
    """A call is archived just after it was answered."""
    assert desk.server._application is not None
    archive = desk.server._application.archive
    assert archive is not None

    def is_there() -> bool:
        return any(call_id in block.call_ids for block in archive.scan(CallQuery()))

    await until(is_there)


async def run(desk: Desk, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command against the server."""
    done = await asyncio.to_thread(shengdun, *arguments, "--server", desk.server.address)
    assert done.returncode == 0, done.stderr
    return done


async def all_ids(desk: Desk, **selection: object) -> list[str]:
    page = await desk.client.list_calls(CallSelection(**selection))  # type: ignore[arg-type]
    return [call.call_id for call in page.calls]


async def test_calls_are_listed_and_narrowed(desk: Desk) -> None:
    """The latest first; by customer, number, level, flag and actor."""
    assert await all_ids(desk) == [*(f"silent-{n}" for n in reversed(range(5))), "of-agent"]
    assert await all_ids(desk, customer_reference="4711") == ["of-agent"]
    assert await all_ids(desk, calling_number="0103") == ["silent-3"]
    assert await all_ids(desk, flag=FlagType.KNOWN_ACTOR_VOICE) == ["of-agent"]
    assert await all_ids(desk, subject_id=desk.actors["S6"]) == ["of-agent"]
    assert await all_ids(desk, level=RiskLevel.LOW) == []
    assert await all_ids(desk, line="nobody") == []


async def test_pages_follow_each_other(desk: Desk) -> None:
    """Each call once."""
    seen: list[str] = []
    token = ""
    while True:
        page = await desk.client.list_calls(CallSelection(), page_size=4, page_token=token)
        assert page.found == 6
        seen += [call.call_id for call in page.calls]
        token = page.next_page_token
        if not token:
            break
    assert seen == await all_ids(desk)


async def test_a_look_is_journaled_without_the_call_id(desk: Desk) -> None:
    """By keyed hash, as a call id may hold a telephone number."""
    found = await desk.client.get_call("of-agent")
    assert found.level is not None
    assert found.versions["model"] == found.model_id
    application = desk.server._application
    assert application is not None
    entry = (await application.registry.audit())[-1]
    assert entry.kind == "call.looked_at"
    assert "of-agent" not in str(entry.subjects)


async def test_requests_are_checked(desk: Desk) -> None:
    """Unknown calls, everything at once, and tokens that nobody gave."""
    with pytest.raises(ClientError) as unknown:
        await desk.client.get_call("nobody")
    assert unknown.value.reason == "CALL_NOT_ARCHIVED"
    with pytest.raises(ClientError, match="call_ids or a selection"):
        await desk.client.erase_calls([], reason="r")
    with pytest.raises(ClientError, match="reason"):
        await desk.client.erase_calls(["of-agent"], reason="")
    with pytest.raises(ClientError, match="which calls"):
        await desk.client.erase_calls(CallSelection(), reason="r")
    with pytest.raises(ClientError, match="page_token"):
        await desk.client.list_calls(CallSelection(), page_token="?")


async def test_calls_are_erased_by_id_and_selection(desk: Desk) -> None:
    """The receipt is one that the archive can check."""
    await silence(desk, "gone-0")
    await silence(desk, "gone-1", calling_number="099")
    receipt = await desk.client.erase_calls(["gone-0"], reason="asked")
    assert receipt.is_complete
    await desk.client.erase_calls(CallSelection(calling_number="0-99"), reason="asked")
    assert not {"gone-0", "gone-1"} & set(await all_ids(desk))
    application = desk.server._application
    assert application is not None
    assert application.archive is not None
    assert (await application.archive.verify(receipt)).holds


async def test_the_command_line_lists_shows_and_erases(desk: Desk, tmp_path: Path) -> None:
    """With a receipt in a file."""
    await silence(desk, "gone-2")
    listed = await run(desk, "calls", "list")
    assert "of-agent" in listed.stdout
    assert "known_actor_voice" in listed.stdout
    shown = await run(desk, "calls", "show", "of-agent")
    assert "voice model" in shown.stdout
    file = tmp_path / "receipt.json"
    erased = await run(
        desk, "calls", "erase", "gone-2", "--reason", "asked", "--receipt", str(file)
    )
    assert "signature" in erased.stdout
    assert len(from_json(file.read_text()).call_hashes) == 1
    assert "gone-2" not in await all_ids(desk)


async def test_the_server_says_how_its_archive_is(desk: Desk) -> None:
    """To monitoring as well."""
    state = (await desk.client.server_info()).archive
    assert state is not None
    assert state.calls + state.unmoved_calls == 6
    assert (state.lost_calls, state.problems) == (0, 0)
    metrics = await run(desk, "metrics")
    assert "shengdun_archive_lost_calls_total" in metrics.stdout


async def test_with_all_calls_of_a_customer_the_customers_texts_are_forgotten(desk: Desk) -> None:
    """Letters and words are remembered for campaigns, which is of no use for somebody who is to be forgotten."""
    for customer in ("4712", "4713"):
        await desk.client.screen_text(LETTER, customer_reference=customer)
    await silence(desk, "of-4712", customer_reference="4712")
    before = (await desk.client.list_campaigns()).texts_remembered
    receipt = await desk.client.erase_calls(
        CallSelection(customer_reference="4712"), reason="asked"
    )
    assert (await desk.client.list_campaigns()).texts_remembered == before - 1
    assert receipt.texts is not None
    assert (len(receipt.call_hashes), receipt.texts.count) == (1, 1)
    assert (await desk.client.verify_erasure(to_json(receipt))).holds


async def test_a_customer_who_only_wrote_letters_is_forgotten_too(
    desk: Desk, tmp_path: Path
) -> None:
    """With a receipt that can be checked; a second time there is nothing, and the answer says so."""
    await desk.client.screen_text(LETTER, customer_reference="only-letters")
    await desk.client.screen_text(f"{LETTER}尽快处理", customer_reference="only-letters")
    file = tmp_path / "receipt.json"
    asked = ("calls", "erase", "--customer", "only-letters", "--reason", "asked")
    erased = await run(desk, *asked, "--receipt", str(file))
    assert "letters and words 2" in erased.stdout
    receipt = from_json(file.read_text())
    assert receipt.texts is not None
    assert (receipt.call_hashes, receipt.texts.count) == ((), 2)
    assert "only-letters" not in file.read_text()
    check = await desk.client.verify_erasure(file.read_text())
    assert (check.holds, check.found) == (True, ())
    altered = to_json(replace(receipt, texts=replace(receipt.texts, count=3)))
    assert not (await desk.client.verify_erasure(altered)).is_signed
    with pytest.raises(ClientError) as nothing:
        await desk.client.erase_calls(
            CallSelection(customer_reference="only-letters"), reason="asked"
        )
    assert nothing.value.reason == "CALL_NOT_ARCHIVED"
    # A letter that comes later is another matter.
    await desk.client.screen_text(LETTER, customer_reference="only-letters")
    assert (await desk.client.verify_erasure(file.read_text())).holds


async def test_letters_are_erased_where_no_calls_are_kept(tmp_path: Path, models_dir: Path) -> None:
    """The receipt is of the same kind, and is checked in the same way."""
    settings = server_settings(tmp_path / "data", models_dir, archive__enabled=False)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        await client.screen_text(LETTER, customer_reference="4711")
        selection = CallSelection(customer_reference="4711")
        receipt = await client.erase_calls(selection, reason="asked")
        assert receipt.texts is not None
        assert (receipt.texts.count, receipt.store_compacted) == (1, True)
        assert (await client.verify_erasure(to_json(receipt))).holds
        with pytest.raises(ClientError, match="nothing was erased"):
            await client.erase_calls(selection, reason="asked")
        with pytest.raises(ClientError) as off:
            await client.erase_calls(["a-call"], reason="asked")
        assert off.value.reason == "ARCHIVE_OFF"
