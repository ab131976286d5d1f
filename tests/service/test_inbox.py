"""What of a call has arrived and has not been heard yet."""

import asyncio

import pytest

from shengdun.service.inbox import Inbox
from shengdun.service.session import Chunk


def _chunk(data: bytes, at: float = 0.0) -> Chunk:
    return Chunk(data=data, received_at=at, end_s=at)


async def test_everything_that_arrived_is_taken_in_order() -> None:
    """One take gives all that waits."""
    inbox = Inbox(100, portion_bytes=100)
    await inbox.put(_chunk(b"a"))
    await inbox.put(_chunk(b"b"))
    assert [chunk.data for chunk in await inbox.take()] == [b"a", b"b"]


async def test_a_full_inbox_slows_the_sender_down_and_loses_nothing() -> None:
    """Adding waits until the session has taken what is there."""
    inbox = Inbox(4, portion_bytes=100)
    await inbox.put(_chunk(b"1234"))
    sender = asyncio.create_task(inbox.put(_chunk(b"5678")))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not sender.done()
    assert [chunk.data for chunk in await inbox.take()] == [b"1234"]
    await sender
    assert [chunk.data for chunk in await inbox.take()] == [b"5678"]


async def test_the_end_comes_after_everything_before_it() -> None:
    """Chunks that arrived before the end are heard, then take gives nothing."""
    inbox = Inbox(100, portion_bytes=100)
    await inbox.put(_chunk(b"last"))
    inbox.close()
    assert [chunk.data for chunk in await inbox.take()] == [b"last"]
    assert await inbox.take() == ()


async def test_an_error_comes_after_everything_before_it() -> None:
    """What was wrong with the stream is raised once the good audio has been heard."""
    inbox = Inbox(100, portion_bytes=100)
    await inbox.put(_chunk(b"good"))
    inbox.close(ValueError("bad"))
    assert [chunk.data for chunk in await inbox.take()] == [b"good"]
    with pytest.raises(ValueError, match="bad"):
        await inbox.take()


async def test_closing_releases_a_waiting_sender() -> None:
    """A sender never waits for a session that has ended."""
    inbox = Inbox(1, portion_bytes=100)
    await inbox.put(_chunk(b"x"))
    sender = asyncio.create_task(inbox.put(_chunk(b"y")))
    await asyncio.sleep(0)
    inbox.close()
    await asyncio.wait_for(sender, 10)


async def test_what_came_in_one_message_is_taken_in_portions() -> None:
    """A chunk of minutes is given in parts that arrived when it did, so that other calls are heard in between."""
    inbox = Inbox(100, portion_bytes=4)
    await inbox.put(_chunk(b"ab", at=1.0))
    await inbox.put(_chunk(b"cdefghi", at=2.0))
    inbox.close()
    assert await inbox.take() == (_chunk(b"ab", at=1.0), _chunk(b"cd", at=2.0))
    assert await inbox.take() == (_chunk(b"efgh", at=2.0),)
    assert await inbox.take() == (_chunk(b"i", at=2.0),)
    assert await inbox.take() == ()


async def test_chunks_without_audio_are_not_kept() -> None:
    """However many come, they take no room and are no audio."""
    inbox = Inbox(4, portion_bytes=4)
    for _ in range(100):
        await inbox.put(_chunk(b""))
    await inbox.put(_chunk(b"a"))
    assert await inbox.take() == (_chunk(b"a"),)


async def test_a_ring_wakes_whoever_waits() -> None:
    """Something other than audio has come; audio that comes later is waited for again."""
    inbox = Inbox(4, portion_bytes=4)
    waiting = asyncio.create_task(inbox.wait())
    await asyncio.sleep(0)
    inbox.ring()
    assert not await waiting
    inbox.ring()
    assert not await inbox.wait()
    await inbox.put(_chunk(b"a"))
    assert await inbox.wait()


async def test_nobody_is_woken_for_less_than_is_of_use() -> None:
    """Chunks gather until there are as many bytes as are waited for."""
    inbox = Inbox(100, portion_bytes=100)
    waiting = asyncio.create_task(inbox.wait(4))
    for data in (b"a", b"b", b"c"):
        await inbox.put(_chunk(data))
        await asyncio.sleep(0)
    assert not waiting.done()
    await inbox.put(_chunk(b"d"))
    assert await waiting
    assert [chunk.data for chunk in await inbox.take()] == [b"a", b"b", b"c", b"d"]


@pytest.mark.parametrize("then", ["end", "full", "odd"])
async def test_what_will_not_be_more_is_taken_as_it_is(then: str) -> None:
    """At the end of the call, when no more has room, and when a chunk ends inside a sample."""
    inbox = Inbox(4, portion_bytes=100, sample_bytes=2)
    waiting = asyncio.create_task(inbox.wait(100))
    await inbox.put(_chunk(b"12"))
    await asyncio.sleep(0)
    assert not waiting.done()
    if then == "end":
        inbox.close()
    else:
        await inbox.put(_chunk(b"34" if then == "full" else b"3"))
    assert await asyncio.wait_for(waiting, 10)


async def test_what_is_not_kept_leaves_the_end_alone() -> None:
    """A sender who was waiting goes on, and nothing that was there or follows is taken."""
    inbox = Inbox(1, portion_bytes=4)
    await inbox.put(_chunk(b"x"))
    sender = asyncio.create_task(inbox.put(_chunk(b"y")))
    await asyncio.sleep(0)
    inbox.keep_nothing()
    await sender
    inbox.close()
    assert await inbox.take() == ()


async def test_only_the_first_end_counts() -> None:
    """An error after the end changes nothing."""
    inbox = Inbox(1, portion_bytes=4)
    inbox.close()
    inbox.close(ValueError("late"))
    assert await inbox.take() == ()
