"""What was erased doesn't come back by itself, while an erased day can be archived anew."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from fixtures.archive import BY_HAND, NOON, OpenArchive, call, ids
from shengdun.index.archive.archive import ArchiveSettings, CallArchive
from shengdun.index.archive.errors import CallErased, CallNotArchived
from shengdun.index.archive.marks import Origin
from shengdun.index.archive.retention import Retention
from shengdun.index.archive.rows import ArchivedCall, CallQuery

Erase = Callable[[CallArchive, ArchivedCall], Awaitable[object]]


def origin_of(row: ArchivedCall) -> Origin:
    return Origin(
        call_id=row.call_id, customer=row.customer, number=row.number, started_at=row.started_at
    )


async def again(archive: CallArchive, row: ArchivedCall) -> bool:
    """Archive it as a call of the past."""
    return await archive.add(row, origin=origin_of(row))


async def test_a_call_that_was_erased_by_name_does_not_come_back(archive: CallArchive) -> None:
    """Wherever it was; another one of the same customer does."""
    one, other = call(1), call(8)
    assert one.customer == other.customer
    await archive.add(one)
    await archive.flush()
    await archive.erase([one.call_id], reason="asked to", principal="t")
    with pytest.raises(CallErased):
        await again(archive, one)
    assert await archive.is_erased(origin_of(one))
    assert await again(archive, other)
    assert ids(archive) == [other.call_id]


async def test_nor_does_any_call_of_a_customer_or_number(archive: CallArchive) -> None:
    """Also one that was never there; those that start afterwards are others."""
    for query, seed in (
        (CallQuery(customer=call(1).customer), 1),
        (CallQuery(number=call(2).number), 2),
    ):
        await archive.add(call(seed))
        await archive.erase(query, reason="asked to", principal="t")
        unseen = call(seed, call_id=f"unseen-{seed}")
        with pytest.raises(CallErased):
            await again(archive, unseen)
        assert await again(archive, call(seed + 2))
        later = call(
            seed,
            call_id=f"later-{seed}",
            started_at=NOON + timedelta(days=4000),
            ended_at=NOON + timedelta(days=4000, seconds=9),
        )
        assert await again(archive, later)


async def test_calls_of_a_day_can_be_archived_anew(archive: CallArchive) -> None:
    """As when its file was damaged; a part of a customer's calls is only itself."""
    row = call(3)
    await archive.add(row)
    day = CallQuery(since=NOON, until=NOON + timedelta(days=1))
    await archive.erase(day, reason="damaged", principal="t")
    assert await again(archive, row)
    part = CallQuery(customer=row.customer, since=NOON)
    await archive.erase(part, reason="asked to", principal="t")
    with pytest.raises(CallErased):
        await again(archive, row)
    assert await again(archive, call(3, call_id="another"))


async def test_live_calls_are_not_asked(archive: CallArchive) -> None:
    """A customer who was forgotten may call again."""
    await archive.add(call(4))
    await archive.erase(CallQuery(customer=call(4).customer), reason="asked to", principal="t")
    assert await archive.add(call(4))


async def test_where_nothing_was_erased_nothing_is_marked(archive: CallArchive) -> None:
    with pytest.raises(CallNotArchived):
        await archive.erase(CallQuery(customer=call(5).customer), reason="r", principal="t")
    assert await again(archive, call(5))


async def test_marks_go_when_no_such_call_would_be_kept(open_archive: OpenArchive) -> None:
    """They are no register of the forgotten."""
    settings = ArchiveSettings(
        flush_s=None, linger_s=0.0, erase_wait_s=10.0, retention=Retention(days=1)
    )
    archive = await open_archive(settings)
    await archive.add(call(6))
    await archive.erase([call(6).call_id], reason="asked to", principal="t")
    key = "{shengdun}:archive/erased"
    assert await archive._store._client.zcard(key) == 1
    days_before = await archive._store._client.zrange(key, 0, -1, withscores=True)
    ((mark, erased_ms),) = days_before
    await archive._store._client.zadd(key, {mark: erased_ms - 3 * 86_400_000})
    await archive.add(call(7))
    await archive.erase([call(7).call_id], reason="asked to", principal="t")
    assert await archive._store._client.zscore(key, mark) is None
    assert BY_HAND.forget_s == 0.0
