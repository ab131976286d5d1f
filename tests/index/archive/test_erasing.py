"""What was erased is nowhere any more: not in what is asked, in files, in the store, or in another process."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis

from fixtures.archive import BY_HAND, NOON, OpenArchive, call, ids
from fixtures.store import until, voice
from shengdun.index.archive.archive import ArchiveSettings, CallArchive
from shengdun.index.archive.errors import CallNotArchived
from shengdun.index.archive.partitions import CALLS, call_pseudonym
from shengdun.index.archive.receipts import ArchiveReceipt, from_json, to_json
from shengdun.index.archive.rows import CallQuery
from shengdun.index.archive.voiceprints import stored
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.errors import InvalidRecord
from shengdun.index.keys import KeyRing
from shengdun.index.registry import Registry

ERASED = 3


def forms(keys: KeyRing, seed: int) -> Iterator[bytes]:
    """A voiceprint as it might lie somewhere, readable or protected; and what else stands for its call."""
    plain = voice(seed)
    matrix = keys.rotation(keys.active_key_id, len(plain))
    rotated = (plain.astype(np.float64) @ matrix.T).astype(np.float32)
    yield plain.tobytes()
    yield plain.astype(np.float16).tobytes()
    yield rotated.tobytes()
    yield rotated.astype(np.float16).tobytes()
    yield stored(plain[None], matrix).tobytes()
    yield call(seed).call_id.encode()
    yield call_pseudonym(keys, call(seed).call_id)


async def everything(data: Path, embedded: EmbeddedStore) -> bytes:
    """All files under the data directory, with a dump of the store's memory among them."""
    redis: Any = Redis(unix_socket_path=str(embedded.files.socket), protocol=2)
    await redis.save()
    await redis.aclose()
    return await asyncio.to_thread(content_of, data, "*")


def content_of(data: Path, pattern: str) -> bytes:
    """The content of all files."""
    return b"\x00".join(path.read_bytes() for path in data.rglob(pattern) if path.is_file())


async def sealed_forms(archive: CallArchive, seed: int, data: Path) -> list[bytes]:
    """The encrypted forms of a call as they lie in the store and in partitions now."""
    rows = (await archive._store._client.hgetall("{shengdun}:archive/rows")).values()
    mine = call_pseudonym(archive._keys, call(seed).call_id)
    files = await asyncio.to_thread(lambda: sorted(data.rglob(f"*{CALLS}")))
    return [
        *(row[26:] for row in rows if row.startswith(mine)),
        *(path.read_bytes()[-200:] for path in files),
    ]


@pytest.mark.parametrize("moved", [0, 4, 8])
async def test_an_erased_call_is_nowhere_any_more(
    archive: CallArchive,
    embedded_store: EmbeddedStore,
    registry: Registry,
    tmp_path: Path,
    *,
    moved: int,
) -> None:
    """Whether it was in the store, in partitions or in both; in no form, readable or sealed."""
    data = tmp_path / "data"
    for number in range(8):
        await archive.add(call(number))
        if number + 1 == moved:
            await archive._keeper.reload()
            async with archive._keeper.changing():
                await archive._mover.move()
    before = await everything(data, embedded_store)
    sealed = await sealed_forms(archive, ERASED, data)
    assert sealed
    assert all(form in before for form in sealed)
    receipt = await archive.erase([call(ERASED).call_id], reason="asked to", principal="t")
    after = await everything(data, embedded_store)
    for form in (*forms(registry.keys, ERASED), *sealed):
        assert form not in after
    assert receipt.is_complete
    assert receipt.in_store + receipt.in_partitions == 1
    assert receipt.store_compacted
    assert len(ids(archive)) == 7
    with pytest.raises(CallNotArchived):
        archive.get(call(ERASED).call_id)


async def test_erasures_are_complete_amid_other_work(
    archive: CallArchive, open_archive: OpenArchive, embedded_store: EmbeddedStore, tmp_path: Path
) -> None:
    """While others add, move and scan: nothing of the others is lost or counted twice."""
    other = await open_archive(ArchiveSettings(flush_s=0.02, linger_s=0.0))
    for number in range(60):
        await archive.add(call(number))
    gone = [call(number).call_id for number in range(0, 60, 2)]

    async def add_more() -> None:
        for number in range(60, 120):
            await other.add(call(number))

    async def scan_all() -> None:
        for _ in range(10):
            seen = await asyncio.to_thread(ids, other)
            assert len(seen) == len(set(seen))

    adding, scanning = asyncio.create_task(add_more()), asyncio.create_task(scan_all())
    for start in range(0, len(gone), 10):
        receipt = await archive.erase(gone[start : start + 10], reason="", principal="t")
        assert receipt.is_complete
        assert (await archive.verify(receipt)).holds
        assert not set(ids(other)) & set(gone[: start + 10])
    await asyncio.gather(adding, scanning)
    await archive.flush()
    expected = sorted(call(number).call_id for number in range(120) if number >= 60 or number % 2)
    assert ids(archive) == expected
    content = await everything(tmp_path / "data", embedded_store)
    assert all(form not in content for form in forms(archive._keys, 10))


async def test_a_scan_under_way_gives_nothing_that_was_erased(archive: CallArchive) -> None:
    """Also of a partition that it had opened."""
    for number in range(6):
        await archive.add(replace(call(number), started_at=NOON - timedelta(days=number % 2)))
    await archive.flush()
    blocks = archive.scan(CallQuery())
    first = next(blocks)
    gone = [call(number).call_id for number in range(0, 6, 2)]
    assert not set(first.call_ids) & set(gone)
    await archive.erase(gone, reason="", principal="t")
    assert [one for block in blocks for one in block.call_ids] == []


async def test_selections_are_erased(archive: CallArchive) -> None:
    """A customer's calls, those with an actor flagged, a day."""
    for number in range(28):
        await archive.add(call(number))
    await archive.add(replace(call(50), started_at=NOON - timedelta(days=1)))
    await archive.flush()
    customer = await archive.erase(CallQuery(customer=f"{3:032x}"), reason="", principal="t")
    assert customer.in_partitions == 4
    actor = await archive.erase(CallQuery(actor="act-1"), reason="", principal="t")
    assert actor.in_partitions == 2
    assert len(ids(archive)) == 23
    await archive.erase(CallQuery(until=NOON), reason="", principal="t")
    assert len(ids(archive)) == 22


async def test_what_is_not_there_is_not_erased(archive: CallArchive) -> None:
    """Nothing is changed then, and an empty query is not everything."""
    await archive.add(call(1))
    for which in ([call(1).call_id, "nobody"], CallQuery(line="none"), []):
        with pytest.raises(CallNotArchived):
            await archive.erase(which, reason="", principal="t")
    with pytest.raises(InvalidRecord):
        await archive.erase(CallQuery(), reason="", principal="t")
    assert ids(archive) == [call(1).call_id]
    await archive.erase([call(1).call_id], reason="", principal="t")
    with pytest.raises(CallNotArchived):
        await archive.erase([call(1).call_id], reason="", principal="t")


async def test_an_erasure_is_journaled_without_names(
    archive: CallArchive, registry: Registry
) -> None:
    """The journal knows the receipt and who asked for it."""
    await archive.add(call(1))
    receipt = await archive.erase([call(1).call_id], reason="x", principal="li")
    entry = (await registry.audit())[-1]
    assert (entry.kind, entry.principal) == ("archive.erased", "li")
    assert entry.subjects == (f"receipt/{receipt.receipt_id}",)


async def test_a_receipt_is_checked(archive: CallArchive, embedded_store: EmbeddedStore) -> None:
    """Its signature, its entry, and that what it names is gone."""
    for number in range(4):
        await archive.add(call(number))
    await archive.flush()
    receipt = await archive.erase([call(2).call_id], reason="x", principal="li")
    assert (await archive.verify(receipt)).holds
    read = from_json(to_json(receipt))
    assert read == receipt
    assert not (await archive.verify(replace(receipt, reason="y"))).is_signed
    assert not (await archive.verify(replace(receipt, journal_hash="00"))).is_journaled
    forged: ArchiveReceipt = replace(
        receipt, call_hashes=(call_pseudonym(archive._keys, call(1).call_id).hex(),)
    )
    assert "has 1 of the calls" in (await archive.verify(forged)).found[0]


async def test_another_machine_is_waited_for(
    archive: CallArchive, open_archive: OpenArchive
) -> None:
    """Its partitions are rewritten as well; one that is down is named, and does it when it comes back."""
    running = ArchiveSettings(flush_s=0.05, linger_s=0.0)
    second = await open_archive(running, machine="second")
    third = await open_archive(running, machine="third")
    for number in range(6):
        await archive.add(call(number))
    await archive.flush()
    await until(lambda: second.health.calls == third.health.calls == 6)
    await third.close()
    impatient = await open_archive(replace(BY_HAND, erase_wait_s=1.5))
    receipt = await impatient.erase([call(3).call_id], reason="", principal="t")
    assert set(receipt.machines) == {archive._keeper.machine, second._keeper.machine}
    assert receipt.machines_to_come == (third._keeper.machine,)
    assert not receipt.is_complete
    assert len(ids(second)) == 5
    again = await open_archive(running, machine="third")
    assert len(ids(again)) == 5
    await until(lambda: again.health.calls == 5)
