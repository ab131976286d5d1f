"""An erasure holds while calls stream in and the server is killed with ``kill -9`` before and after its receipt."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis

from fixtures.calls import screen
from fixtures.command_line import clean_environment, serving
from fixtures.repeating import calls_of, compared
from fixtures.store import until
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.archive.partitions import CALLS, call_pseudonym
from shengdun.index.archive.receipts import ArchiveReceipt, to_json
from shengdun.index.archive.stream import ArchiveStream
from shengdun.index.archive.tail import decode_call
from shengdun.index.archive.voiceprints import stored
from shengdun.index.connections import StoreSettings
from shengdun.index.keys import KeyRing
from shengdun.index.store import Store
from shengdun.index.valkey_files import ValkeyFiles
from shengdun.service.client import ClientError, NewAllowed, Relation, ShengdunClient
from shengdun.service.contract.archive import CallSelection
from shengdun.service.contract.hunts import HuntState, Quarry

AGENT = "S6"
GONE = ("erased-before-the-receipt", "erased-and-killed")
STAYS = "nobody-erases"
CALLER = """
import asyncio, itertools, sys
from pathlib import Path
from shengdun.service.client import CallConfig, ClientError, ShengdunClient

address, audio, names = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes(), itertools.count()

async def call_for_ever():
    while True:
        name = f"load-{next(names)}"
        try:
            async with ShengdunClient.connect(address.read_text(), own_connection=True) as client:
                async with client.screen_call(CallConfig(call_id=name, customer_reference=name)) as call:
                    for start in range(0, len(audio), 8000):
                        await call.send(audio[start : start + 8000])
                        await asyncio.sleep(0.05)
                    await call.finish()
                    [last async for last in call]
            print(name, flush=True)
        except ClientError:
            await asyncio.sleep(0.2)

async def main():
    await asyncio.gather(call_for_ever(), call_for_ever())

asyncio.run(main())
"""


@dataclass(slots=True, kw_only=True)
class Known:
    """What must be nowhere in the end.

    Attributes:
        forms: bytes, each with what it is.
        partitions: the end of every file of calls that there was before, by its name.
    """

    forms: list[tuple[str, bytes]] = field(default_factory=list)
    partitions: dict[str, bytes] = field(default_factory=dict)


@contextmanager
def calling(address: Path, audio: bytes, log: Path) -> Iterator[None]:
    """A process that calls, two calls at once, whoever serves; what was answered to its end is in the log."""
    sound = address.with_name("audio")
    sound.write_bytes(audio)
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-c", CALLER, str(address), str(sound)],
            stdout=output,
            env=clean_environment(),
        ) as process,
    ):
        try:
            yield
        finally:
            process.kill()


def forms_of(keys: KeyRing, call_id: str, voiceprint: np.ndarray[Any, Any]) -> Iterator[bytes]:
    """A call as it might lie somewhere: its voiceprint plain and protected, and what else stands for it."""
    matrix = keys.rotation(keys.active_key_id, len(voiceprint))
    rotated = (voiceprint.astype(np.float64) @ matrix.T).astype(np.float32)
    for vector in (voiceprint, rotated):
        yield vector.tobytes()
        yield vector.astype(np.float16).tobytes()
    yield stored(voiceprint[None], matrix).tobytes()
    yield call_id.encode()
    yield call_pseudonym(keys, call_id)
    yield keys.pseudonym(f"call/{call_id}").encode()


@asynccontextmanager
async def store_of(data: Path) -> AsyncIterator[Store]:
    """The store of a server that runs, beside it."""
    socket = ValkeyFiles(data / "store").socket
    store = await Store.connect(StoreSettings(url=f"unix://{socket}"))
    try:
        yield store
    finally:
        await store.close()


async def forms_in_store(data: Path, call_id: str) -> list[tuple[str, bytes]]:
    """The forms, readable and sealed, in which a call may lie somewhere that was archived just now."""
    keys = KeyRing.load(data / "keys.json")
    async with store_of(data) as store:
        _, entries = await ArchiveStream(store, keys).read(0)
        rows = (await store._client.hgetall(store.key("archive/rows"))).values()
    calls = [decode_call(entry.content, keys) for entry in entries if entry.pseudonym]
    [voiceprint] = [call.voiceprint for call in calls if call.call_id == call_id]
    assert voiceprint is not None
    mine = call_pseudonym(keys, call_id)
    [sealed] = [row[26:] for row in rows if row.startswith(mine)]
    readable = [(call_id, form) for form in forms_of(keys, call_id, voiceprint)]
    return [*readable, (f"sealed {call_id}", sealed)]


async def what_else_is_known(data: Path, customers: Sequence[str]) -> Known:
    """The forms in which customers, and what names their calls, lie in the store and in files now."""
    keys = KeyRing.load(data / "keys.json")
    async with store_of(data) as store:
        names = await store.scan("record/allow/")
        allowed = [await store.get(store.key(name)) for name in names]
    known = Known()
    known.forms += [("customer", keys.pseudonym(one).encode()) for one in customers]
    known.forms += [("sealed entry", one[-48:]) for one in allowed if one is not None]
    for what, pattern in (("sealed hunt", "*.hunt"), ("sealed voices", "*.clusters")):
        known.forms += [(what, each.read_bytes()[-48:]) for each in files(data, pattern)]
    known.partitions = {
        str(each.relative_to(data / "archive").with_suffix("")): each.read_bytes()[-200:]
        for each in files(data, f"*{CALLS}")
    }
    return known


def files(data: Path, pattern: str) -> list[Path]:
    return [path for path in data.rglob(pattern) if path.is_file()]


async def everything(data: Path) -> dict[str, bytes]:
    """The content of every file under a data directory, with a dump of the store's memory among them."""
    redis: Any = Redis(unix_socket_path=str(ValkeyFiles(data / "store").socket), protocol=2)
    await redis.save()
    await redis.aclose()
    found = await asyncio.to_thread(files, data, "*")
    return {str(path.relative_to(data)): path.read_bytes() for path in found if path.exists()}


async def take_calls(
    client: ShengdunClient, audio: Sequence[bytes], data: Path
) -> dict[str, list[tuple[str, bytes]]]:
    """Two calls of a voice for each of three customers; gives their forms, by call id."""
    forms = {}
    for number, customer in enumerate((*GONE, STAYS) * 2):
        call_id = f"of-{customer}-{number}"
        await screen(client, call_id, audio[number], customer_reference=customer)
        await compared(client, number + 1)
        # At once: what is moved to a partition leaves the store some time later.
        forms[call_id] = await forms_in_store(data, call_id)
    return forms


async def hunt(client: ShengdunClient, recording: bytes) -> None:
    """Have the voice hunted, so that a file of the hunt names its calls."""
    quarry = Quarry(recording_name="agent.wav")
    hunts = [one async for one in client.hunt(quarry, recording)]
    assert hunts[-1].state is HuntState.DONE
    assert len(hunts[-1].hits) >= 6


async def erase(client: ShengdunClient, customer: str) -> ArchiveReceipt:
    return await client.erase_calls(CallSelection(customer_reference=customer), reason="asked")


async def finished(log: Path, more: int) -> None:
    """Wait until so many more calls of the load were answered to their end."""
    before = answered(log)
    await until(lambda: answered(log) >= before + more, within_s=60)


def answered(log: Path) -> int:
    return log.read_bytes().count(b"\n")


@pytest.mark.timeout(400)
async def test_an_erasure_holds_under_load_and_kill_9(
    tmp_path: Path, models_dir: Path, recordings: Sequence[DemoRecording]
) -> None:
    """Killed amid one erasure and just after the receipt of another: no form of either customer's calls is anywhere."""
    data, address, log = tmp_path / "data", tmp_path / "address", tmp_path / "log"
    config = tmp_path / "settings.toml"
    config.write_text("[archive]\nflush_s = 5\n")
    start = ("--data-dir", data, "--models-dir", models_dir, "--port", "0", "--config", config)
    audio = calls_of(recordings, AGENT, 6)
    recording = max((r for r in recordings if r.speaker == AGENT), key=lambda r: r.duration_s)

    with serving(*start) as (at, process):
        address.write_text(at)
        async with ShengdunClient.connect(at) as client:
            of_calls = await take_calls(client, audio, data)
            mandate = NewAllowed(
                reason="mandate", relation=Relation.LAWYER, customer_references=(*GONE, STAYS)
            )
            entry_id = (await client.add_allowed(mandate)).entry_id
            await hunt(client, recording.read())
            gone = [call_id for call_id in of_calls if STAYS not in call_id]
            with calling(address, audio[0][:80_000], log):
                await finished(log, 2)
                known = await what_else_is_known(data, GONE)
                before = b"".join((await everything(data)).values())
                sealed = [one for what, one in known.forms if what.startswith("sealed")]
                assert len(sealed) >= 3
                assert all(one in before for one in sealed)
                known.forms += [form for call_id in gone for form in of_calls[call_id]]
                await killed_amid_an_erasure(client, process)

        with_load = calling(address, audio[0][:80_000], log)
        with serving(*start) as (again, second), with_load:
            address.write_text(again)
            async with ShengdunClient.connect(again) as client:
                await finished(log, 1)
                await erased_at_last(client)
                receipt = await erase(client, GONE[1])
                second.send_signal(signal.SIGKILL)
                second.wait()

    with serving(*start) as (last, _), calling(address, audio[0][:80_000], log):
        address.write_text(last)
        async with ShengdunClient.connect(last) as client:
            await finished(log, 2)
            check = await client.verify_erasure(to_json(receipt))
            assert (check.holds, check.found, check.problems) == (True, (), ())
            assert (len(receipt.call_hashes), receipt.allow_entries) == (2, 1)
            assert (await client.get_allowed(entry_id)).customers == 1
            calls = (await client.list_calls(CallSelection(), page_size=1000)).calls
            assert not {call.call_id for call in calls} & set(gone)
            assert {call.call_id for call in calls} >= of_calls.keys() - set(gone)
            assert await last_decision(client, gone[-1]) == "CALL_UNKNOWN"
            content = await everything(data)
    assert_nowhere(known, receipt, content)


def assert_nowhere(known: Known, receipt: ArchiveReceipt, content: Mapping[str, bytes]) -> None:
    """No form is in any file, nor is a partition that the receipt says was replaced."""
    named = {name: end for name, end in known.partitions.items() if name in receipt.partitions}
    assert len(known.forms) >= 4 * 9
    for name, one in content.items():
        for what, form in (*known.forms, *named.items()):
            assert form not in one, f"{what} is in {name}"


async def last_decision(client: ShengdunClient, call_id: str) -> str:
    """Why a call has no decision that can be asked for; empty if it has one."""
    told = await asyncio.gather(client.get_decision(call_id), return_exceptions=True)
    return told[0].reason if isinstance(told[0], ClientError) else ""


async def killed_amid_an_erasure(client: ShengdunClient, process: subprocess.Popen[str]) -> None:
    erasing = asyncio.ensure_future(erase(client, GONE[0]))
    await asyncio.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    await asyncio.gather(erasing, return_exceptions=True)


async def erased_at_last(client: ShengdunClient) -> None:
    """Ask again for the erasure that was cut off; if all of it was done, there is nothing left to erase."""
    told = await asyncio.gather(erase(client, GONE[0]), return_exceptions=True)
    refused = [one.reason for one in told if isinstance(one, ClientError)]
    assert refused in ([], ["CALL_NOT_ARCHIVED"])
