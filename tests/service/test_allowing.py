"""The allow-list of a server: who is on it may call for many; who isn't any more, may not."""

import asyncio
import io
import json
import subprocess
import wave
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from fixtures.calls import new_watchlist, screen, server_settings
from fixtures.command_line import assert_one_error_line, shengdun
from fixtures.repeating import calls_of, compared, told
from fixtures.store import until
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.archive.receipts import to_json
from shengdun.service.archiving import number_pseudonym
from shengdun.service.client import (
    ClientError,
    NewAllowed,
    OwnVoiceKind,
    Relation,
    ShengdunClient,
)
from shengdun.service.contract.archive import CallSelection
from shengdun.service.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
LAWYER = "S6"
CUSTOMERS = tuple(f"6222-000{number}" for number in range(4))


class Office:
    """A server that has taken calls of one voice for four customers, from one number."""

    def __init__(self, server: Server, client: ShengdunClient, audio: Sequence[bytes]) -> None:
        self.server = server
        self.client = client
        self.audio = audio
        self.calls = 0

    async def is_told(self, customer: str, number: str = "") -> bool:
        """Take another call of the voice, and give whether it is told to call for several."""
        self.calls += 1
        decisions = await screen(
            self.client,
            f"further-{self.calls}",
            self.audio[-1],
            customer_reference=customer,
            calling_number=number,
        )
        return told(decisions) is not None

    async def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command against the server."""
        return await asyncio.to_thread(shengdun, *arguments, "--server", self.server.address)

    async def allow(self, **given: object) -> str:
        """Add an entry for the voice as a lawyer; gives its id."""
        new = NewAllowed(reason="mandate 17", relation=Relation.LAWYER, **given)  # type: ignore[arg-type]
        return (await self.client.add_allowed(new)).entry_id


def content_of(directory: Path) -> bytes:
    return b"\x00".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


async def take_calls(client: ShengdunClient, audio: Sequence[bytes]) -> None:
    for number, customer in enumerate(CUSTOMERS):
        await screen(
            client,
            f"c{number}",
            audio[number],
            customer_reference=customer,
            calling_number="010-1234 5678",
        )
        await compared(client, number + 1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(
    tmp_path_factory: pytest.TempPathFactory,
    models_dir: Path,
    recordings: Sequence[DemoRecording],
) -> AsyncIterator[Office]:
    settings = server_settings(tmp_path_factory.mktemp("office"), models_dir)
    audio = calls_of(recordings, LAWYER, 6)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        await client.create_watchlist(new_watchlist("agents"))
        await take_calls(client, audio)
        yield Office(server, client, audio)


async def suspicion(office: Office) -> float:
    [voice] = (await office.client.list_voices(least_customers=3)).voices
    return voice.suspicion


async def has_voice(office: Office) -> bool:
    """Whether the network links a voice that nobody has enrolled with customers."""
    network = await office.client.get_network()
    return any(node.key.kind.value == "voice" for node in network.nodes)


async def test_a_lawyer_is_let_pass_for_as_long_as_the_entry_holds(office: Office) -> None:
    """In calls, in the order of clusters and in networks, at once; and no more at once when it is removed."""
    assert await office.is_told(CUSTOMERS[0])
    assert await suspicion(office) > 3
    assert await has_voice(office)
    entry_id = await office.allow(customer_references=CUSTOMERS)
    assert not await office.is_told(CUSTOMERS[0])
    assert await suspicion(office) < 0.5
    assert not await has_voice(office)
    await office.client.remove_allowed(entry_id, reason="mandate ended")
    assert await office.is_told(CUSTOMERS[0])
    assert await suspicion(office) > 3
    assert await has_voice(office)


async def test_an_entry_ends_by_itself(office: Office) -> None:
    """Nobody has to remove it, and it says that it has expired."""
    until_when = datetime.now(UTC) + timedelta(seconds=3)
    entry_id = await office.allow(customer_references=CUSTOMERS, expires_at=until_when)
    assert not await office.is_told(CUSTOMERS[1])
    await until(lambda: datetime.now(UTC) > until_when)
    assert await office.is_told(CUSTOMERS[1])
    assert (await office.client.get_allowed(entry_id)).expired
    await office.client.remove_allowed(entry_id)


async def test_calls_from_a_representatives_number_count_for_nobody(office: Office) -> None:
    """However it is written; calls of the voice from elsewhere don't count those either."""
    entry_id = await office.allow(calling_numbers=("01012345678",))
    assert not await office.is_told("another", "010 1234 5678")
    assert not await office.is_told("another", "139")
    assert not await has_voice(office)
    await office.client.remove_allowed(entry_id)
    assert await office.is_told("another", "010 1234 5678")


async def test_own_voices_come_from_recordings_and_from_calls(
    office: Office, recordings: Sequence[DemoRecording], tmp_path: Path
) -> None:
    """Neither is told then; and once it is removed, the calls that were left out meanwhile are compared again."""
    collector = NewAllowed(reason="desk 7", own=OwnVoiceKind.COLLECTOR, call_id="c0")
    entry = await office.client.add_allowed(collector)
    assert (entry.own, entry.net_speech_s > 3) == (OwnVoiceKind.COLLECTOR, True)
    assert not await office.is_told(CUSTOMERS[2])
    assert await suspicion(office) == 0
    assert not await has_voice(office)
    before = (await office.client.list_voices()).calls_compared
    await office.client.remove_allowed(entry.entry_id)
    await compared(office.client, before + 1)

    file = tmp_path / "collector.wav"
    file.write_bytes(max((r for r in recordings if r.speaker == LAWYER), key=_length).read())
    added = await office.run(
        "allow", "add", "--own", "collector", "--recording", file, "--reason", "desk 7", "--json"
    )
    assert added.returncode == 0, added.stderr
    assert not await office.is_told(CUSTOMERS[2])
    await office.client.remove_allowed(json.loads(added.stdout)["entry_id"])
    assert await office.is_told(CUSTOMERS[2])


def _length(recording: DemoRecording) -> float:
    return recording.duration_s


async def test_the_commands_keep_the_list(office: Office, tmp_path: Path) -> None:
    """Customers are given plainly, and nothing but pseudonyms comes back."""
    file = tmp_path / "customers.txt"
    file.write_text("\n".join(CUSTOMERS[1:]) + "\n\n", encoding="utf-8")
    added = await office.run(
        *("allow", "add", "--relation", "consumer-body", "--customer", CUSTOMERS[0]),
        *("--customers", file, "--number", "400", "--expires", "2099-01-01"),
        *("--reason", "消费者协会", "--id", "alw_body"),
    )
    assert added.returncode == 0, added.stderr
    assert "consumer-body" in added.stdout
    shown = json.loads((await office.run("allow", "show", "alw_body", "--json")).stdout)
    pseudonym = office.server._application.registry.keys.pseudonym  # type: ignore[union-attr]
    assert shown["customer_pseudonyms"] == sorted(map(pseudonym, CUSTOMERS))
    assert shown["number_pseudonyms"] == [number_pseudonym("400", pseudonym)]
    listed = await office.run("allow", "list")
    assert "alw_body" in listed.stdout
    assert "消费者协会" in listed.stdout
    assert CUSTOMERS[0] not in listed.stdout + added.stdout
    again = await office.run(
        *("allow", "add", "--relation", "lawyer", "--customer", "1", "--reason", "x"),
        *("--id", "alw_body"),
    )
    assert_one_error_line(again, "'alw_body' already")
    removed = await office.run("allow", "remove", "alw_body", "--reason", "over")
    assert (removed.returncode, "removed alw_body" in removed.stderr) == (0, True)
    assert_one_error_line(await office.run("allow", "show", "alw_body"), "no entry 'alw_body'")
    assert_one_error_line(await office.run("allow", "remove", "alw_body"), "no entry 'alw_body'")
    assert "the allow-list is empty" in (await office.run("allow", "list")).stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "--relation for a representative, or --own"),
        (("--relation", "lawyer", "--own", "prompt", "--customer", "1", "--call", "c"), "or --own"),
        (("--relation", "lawyer"), "say for whom"),
        (("--relation", "friend", "--customer", "1"), "'friend' is no relation"),
        (("--customer", "1"), "go with --relation"),
        (("--own", "collector"), "--recording FILE or --call CALL"),
        (("--own", "robot", "--call", "c0"), "'robot' is no kind of voice"),
        (("--relation", "lawyer", "--customer", "1", "--expires", "2001-01-01"), "in the past"),
        (("--relation", "lawyer", "--customer", " "), "customer_references[0] must have"),
        (("--own", "collector", "--call", "nobody"), "nobody"),
        (("--own", "collector", "--call", "short"), "s of speech, and 3 s are needed"),
        (("--relation", "lawyer", "--customer", "1", "--id", "a/b"), "entry_id"),
    ],
)
async def test_what_can_not_be_added_is_told(
    office: Office, options: Sequence[str], says: str
) -> None:
    """With what to do instead; nothing is changed."""
    if "short" in options:
        await screen(office.client, "short", office.audio[0][:16_000], customer_reference="s")
        application = office.server._application
        assert application is not None
        assert application.archive is not None
        archive = application.archive
        await until(lambda: archive._follower.get("short") is not None)
    failed = await office.run("allow", "add", "--reason", "because", *options)
    assert_one_error_line(failed, says)
    assert (await office.client.list_allowed()).total == 0


async def test_a_recording_with_too_little_speech_is_told(office: Office, tmp_path: Path) -> None:
    """As it is when an actor is enrolled."""
    file = tmp_path / "short.ul"
    new = NewAllowed(reason="x", own=OwnVoiceKind.PROMPT, recording_name=file.name)
    with pytest.raises(ClientError) as refused:
        await office.client.add_allowed(new, _wave(np.zeros(8000, np.int16)))
    assert refused.value.reason == "RECORDINGS_UNFIT"
    with pytest.raises(ClientError) as missing:
        await office.client.add_allowed(new)
    assert missing.value.reason == "PROTOCOL_VIOLATION"


def _wave(samples: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


async def test_every_change_and_look_is_journaled(office: Office) -> None:
    application = office.server._application
    assert application is not None
    before = application.registry.snapshot.journal_sequence
    entry_id = await office.allow(customer_references=CUSTOMERS)
    await office.client.get_allowed(entry_id)
    await office.client.list_allowed()
    await office.client.remove_allowed(entry_id)
    entries = await application.registry.audit(after=before)
    assert [(entry.kind, entry.subjects, entry.principal) for entry in entries] == [
        ("allow.added", (f"allow/{entry_id}",), "local"),
        ("allow.looked_at", (f"allow/{entry_id}",), "local"),
        ("allow.listed", (), "local"),
        ("allow.removed", (f"allow/{entry_id}",), "local"),
    ]


async def test_the_list_survives_a_restart_and_a_customer_leaves_it(
    tmp_path: Path, models_dir: Path, recordings: Sequence[DemoRecording]
) -> None:
    """Erasing all of a customer's calls takes the customer out of every entry and file, and the receipt says so."""
    settings = server_settings(tmp_path, models_dir)
    audio = calls_of(recordings, LAWYER, 6)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        await take_calls(client, audio)
        entry_id = await Office(server, client, audio).allow(customer_references=CUSTOMERS)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        await compared(client, len(CUSTOMERS))
        office = Office(server, client, audio)
        assert not await office.is_told(CUSTOMERS[0])
        application = server._application
        assert application is not None
        keys = application.registry.keys
        gone, stays = keys.pseudonym(CUSTOMERS[1]), keys.pseudonym(CUSTOMERS[2])
        receipt = await client.erase_calls(
            CallSelection(customer_reference=CUSTOMERS[1]), reason="asked"
        )
        assert (receipt.allow_entries, len(receipt.call_hashes)) == (1, 1)
        named = (await client.get_allowed(entry_id)).customer_pseudonyms
        assert gone not in named
        assert stays in named
        check = await client.verify_erasure(to_json(receipt))
        assert (check.holds, check.found, check.problems) == (True, (), ())
        altered = to_json(receipt).replace('"allow_entries": 1', '"allow_entries": 0')
        assert not (await client.verify_erasure(altered)).is_signed
        await office.allow(customer_references=("another", "never-called"))
        selection = CallSelection(customer_reference="never-called")
        with pytest.raises(ClientError, match="taken out of 1 entries"):
            await client.erase_calls(selection, reason="asked")
    content = await asyncio.to_thread(content_of, tmp_path)
    assert gone.encode() not in content
