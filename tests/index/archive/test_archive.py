"""Calls are archived once, and found again as they were."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from fixtures.archive import NOON, OpenArchive, call, ids, same, windows
from fixtures.store import MODEL, until, voice
from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.errors import CallNotArchived
from shengdun.index.archive.following import Listener
from shengdun.index.archive.rows import ArchivedCall, CallQuery, CallWindows
from shengdun.index.errors import InvalidRecord


async def test_a_call_is_found_as_it_was(archive: CallArchive) -> None:
    """From the tail and from a partition alike."""
    first = call(8)
    assert await archive.add(first)
    assert same(archive.get(first.call_id), first)
    await archive.flush()
    assert archive.health.tail == 0
    assert archive.health.calls == 1
    assert same(archive.get(first.call_id), first)


async def test_a_call_without_speech_and_words_is_found_as_it_was(archive: CallArchive) -> None:
    """It has neither voiceprint nor signature."""
    silent = ArchivedCall(call_id="c", started_at=NOON, ended_at=NOON, line="l")
    await archive.add(silent)
    assert same(archive.get("c"), silent)
    await archive.flush()
    assert same(archive.get("c"), silent)
    (block,) = archive.scan(CallQuery())
    assert block.voiceprints.shape == (1, 0)


async def test_windows_are_found_as_they_were(archive: CallArchive) -> None:
    """Of the calls that were drawn, and of no other; from the tail, a partition, and merged ones."""
    calls = [call(n, windows=windows(n, 1 + n % 7) if n % 3 else None) for n in range(24)]
    for number, one in enumerate(calls):
        await archive.add(one)
        assert same(archive.get(one.call_id), one)
        if number % 5 == 4:
            await archive.flush()
    assert all(same(archive.get(one.call_id), one) for one in calls)
    await archive.flush()
    await archive.erase([calls[1].call_id], reason="test", principal="me")
    kept = [one for one in calls if one is not calls[1]]
    assert all(same(archive.get(one.call_id), one) for one in kept)


async def test_partitions_without_windows_are_read(archive: CallArchive, tmp_path: Path) -> None:
    """They were written before there were any, and are merged with others."""
    old = call(1, windows=windows(1, 3))
    await archive.add(old)
    await archive.flush()
    (file,) = (tmp_path / "data" / "archive").glob("*/*.calls")
    file.write_bytes(file.read_bytes().replace(b'{"format":2', b'{"format":1', 1))
    assert same(archive.get(old.call_id), replace(old, windows=None))
    new = call(2, windows=windows(2, 2))
    await archive.add(new)
    await archive.flush()
    assert same(archive.get(old.call_id), replace(old, windows=None))
    assert same(archive.get(new.call_id), new)


@pytest.mark.parametrize("count", [0, 8])
def test_windows_without_or_beyond_bounds_are_refused(count: int) -> None:
    """Or of another dimension than the voiceprint."""
    rows = np.zeros((count, 4), np.float32)
    with pytest.raises(InvalidRecord, match="1 to 7 windows"):
        CallWindows(voiceprints=rows, net_speech_s=np.ones(count))
    with pytest.raises(InvalidRecord, match="same dimension"):
        call(
            1, windows=CallWindows(voiceprints=np.ones((1, 4), np.float32), net_speech_s=np.ones(1))
        )


async def test_a_call_is_archived_once(archive: CallArchive, open_archive: OpenArchive) -> None:
    """Whoever adds it, wherever it is by then, and whatever else the second one says."""
    assert await archive.add(call(1))
    assert not await archive.add(call(1))
    later = replace(call(1), started_at=NOON + timedelta(days=3), ended_at=NOON + timedelta(days=3))
    assert not await archive.add(later)
    await archive.flush()
    assert not await archive.add(later)
    other = await open_archive()
    assert not await other.add(call(1))
    assert ids(archive) == [call(1).call_id]


async def test_a_scan_gives_tail_and_partitions(archive: CallArchive) -> None:
    """Each call once, with its columns in step."""
    calls = [call(number) for number in range(40)]
    for one in calls[:25]:
        await archive.add(one)
    await archive.flush()
    for one in calls[25:]:
        await archive.add(one)
    found = [block.row(i) for block in archive.scan(CallQuery()) for i in range(len(block))]
    by_id = {one.call_id: one for one in found}
    assert len(found) == 40
    assert all(same(by_id[one.call_id], one) for one in calls)
    for block in archive.scan(CallQuery(), signatures=True):
        for i in range(len(block)):
            row = by_id[block.call_ids[i]]
            assert block.customers[i] == row.customer
            assert block.numbers[i] == row.number
            assert block.lines[i] == row.line
            assert block.model_ids[i] == MODEL
            assert row.voiceprint is not None
            assert np.array_equal(block.voiceprints[i], row.voiceprint)
            assert np.array_equal(block.signatures[i], row.signature)
            assert block.net_speech_s[i] == np.float32(row.net_speech_s)
            assert np.isnan(block.snr_db[i]) == (row.snr_db is None)


@pytest.mark.parametrize("moved", [False, True])
async def test_queries_narrow(archive: CallArchive, *, moved: bool) -> None:
    """By time, line, customer, number, level, flag, actor and model, and by several at once."""
    calls = [call(number) for number in range(30)]
    for one in calls:
        await archive.add(one)
    if moved:
        await archive.flush()
    since = NOON + timedelta(seconds=10)
    assert len(ids(archive, since=since, until=since + timedelta(seconds=5))) == 5
    assert len(ids(archive, line="complaints")) == 15
    assert len(ids(archive, customer=f"{3:032x}")) == 4
    assert len(ids(archive, number=f"{3:032x}")) == 3
    assert len(ids(archive, level="high")) == 8
    assert len(ids(archive, flag="KNOWN_ACTOR_VOICE")) == 8
    assert len(ids(archive, actor="act-0")) == 3
    assert len(ids(archive, model_id=MODEL)) == 30
    assert ids(archive, model_id="other") == []
    assert ids(archive, line="nobody") == []
    assert ids(archive, level="high", line="complaints") == []
    assert ids(archive, since=NOON + timedelta(days=1)) == []


async def test_small_partitions_are_merged(archive: CallArchive) -> None:
    """Many moves leave few partitions, and late calls go to their own day."""
    for number in range(24):
        await archive.add(call(number))
        await archive.flush()
    assert len(archive._keeper.manifest.partitions) <= 4
    late = replace(call(99), started_at=NOON - timedelta(days=9))
    await archive.add(late)
    await archive.flush()
    assert len(ids(archive)) == 25
    days = [block.day for block in archive.scan(CallQuery())]
    assert days == sorted(days)
    assert days[0] == "2026-11-11"


async def test_other_processes_hear_of_calls_and_erasures(
    archive: CallArchive, open_archive: OpenArchive
) -> None:
    """Within a moment, in order, with what was added by whoever."""
    other = await open_archive()
    added: list[str] = []
    erased: list[str] = []
    other.follow(
        Listener(
            added=lambda calls: added.extend(one.call_id for one in calls), erased=erased.extend
        )
    )
    await archive.add(call(1))
    await other.add(call(2))
    await until(lambda: len(added) == 2)
    await archive.erase([call(1).call_id], reason="asked", principal="t")
    assert added == [call(1).call_id, call(2).call_id]
    assert erased == [call(1).call_id]
    assert ids(other) == [call(2).call_id]


async def test_voiceprints_keep_their_cosines(archive: CallArchive) -> None:
    """Within 1e-4, and rotated ones have the same as those that aren't."""
    for seed in range(50):
        await archive.add(call(seed))
    await archive.flush()
    (block,) = archive.scan(CallQuery())
    probe = voice(7) + 0.1 * voice(60)
    probe /= np.linalg.norm(probe)
    expected = [
        float(call(int(one[4:].split("@")[0])).voiceprint @ probe) for one in block.call_ids
    ]
    assert np.abs(block.voiceprints @ probe - expected).max() < 1e-4
    rotated = block.stored_voiceprints @ (block.rotation @ probe) / 32767
    assert np.abs(rotated - expected).max() < 1e-4


async def test_an_unknown_call_is_named(archive: CallArchive) -> None:
    """In the error of who asks for it."""
    with pytest.raises(CallNotArchived, match="'nobody'"):
        archive.get("nobody")


async def test_an_archive_is_there_after_a_restart(
    archive: CallArchive, open_archive: OpenArchive
) -> None:
    """What is in partitions and what isn't."""
    await archive.add(call(1))
    await archive.flush()
    await archive.add(call(2))
    await archive.close()
    again = await open_archive()
    assert ids(again) == [call(1).call_id, call(2).call_id]
    await again.flush()
    assert ids(again) == [call(1).call_id, call(2).call_id]
