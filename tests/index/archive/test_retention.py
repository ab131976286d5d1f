"""Calls are kept for as many days as their line says, and no longer."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from fixtures.archive import BY_HAND, NOON, OpenArchive, call, ids
from fixtures.store import until
from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.errors import ClockJumped
from shengdun.index.archive.retention import Retention
from shengdun.index.errors import InvalidRecord


async def fill(archive: CallArchive, days: int) -> None:
    """Two calls on each of some days, one for each line."""
    for number in range(2 * days):
        at = NOON - timedelta(days=number // 2)
        await archive.add(replace(call(number), started_at=at, ended_at=at))
    await archive.flush()


def days_left(archive: CallArchive, line: str) -> int:
    return len(ids(archive, line=line))


async def test_each_line_has_its_days(archive: CallArchive) -> None:
    """A day that is past for all lines is dropped whole, with its key."""
    await fill(archive, 10)
    kept = await archive.retain({"complaints": 3}, NOON, days=7)
    assert days_left(archive, "complaints") == 4  # today and three days
    assert days_left(archive, "collections") == 8
    assert kept.calls == 8
    assert await archive._stream.key_names() >= {
        archive._keeper.key_name(one.name) for one in archive._keeper.manifest.partitions
    }
    assert not {archive._keeper.key_name(name) for name in kept.partitions} & (
        await archive._stream.key_names()
    )
    assert not (await archive.retain({"complaints": 3}, NOON, days=7)).calls


async def test_retention_runs_by_itself(archive: CallArchive, open_archive: OpenArchive) -> None:
    """Soon after the start, and every hour."""
    await fill(archive, 3)
    settings = replace(BY_HAND, flush_s=0.02, retention=Retention(days=1))
    running = await open_archive(settings)
    await until(lambda: running.health.calls == 0)


@pytest.mark.parametrize("jump", [timedelta(days=3650), timedelta(days=-3650)])
async def test_a_clock_that_jumps_deletes_nothing(archive: CallArchive, jump: timedelta) -> None:
    """Unless it goes on from there for a day."""
    await fill(archive, 3)
    await archive.retain({}, NOON, days=30)
    with pytest.raises(ClockJumped):
        await archive.retain({}, NOON + jump, days=30)
    assert len(ids(archive)) == 6
    await archive.retain({}, NOON + timedelta(hours=1), days=30)
    assert len(ids(archive)) == 6


async def test_a_standstill_holds_retention_up_for_a_day(archive: CallArchive) -> None:
    """A machine that was off for a year deletes what is past a day later."""
    await fill(archive, 3)
    await archive.retain({}, NOON, days=30)
    later = NOON + timedelta(days=365)
    for hours in (0, 12):
        with pytest.raises(ClockJumped):
            await archive.retain({}, later + timedelta(hours=hours), days=30)
    await archive.retain({}, later + timedelta(hours=25), days=30)
    assert ids(archive) == []


async def test_calls_of_a_future_day_are_kept(archive: CallArchive) -> None:
    """A clock of the telephony system that is ahead loses nothing."""
    ahead: datetime = NOON + timedelta(days=400)
    await archive.add(replace(call(1), started_at=ahead, ended_at=ahead))
    await archive.flush()
    await archive.retain({}, NOON, days=1)
    assert ids(archive) == [call(1).call_id]


def test_calls_are_kept_for_a_day_at_least() -> None:
    """Not for none, of any line."""
    with pytest.raises(InvalidRecord, match="'l'"):
        Retention(days=3, days_by_line={"l": 0})
