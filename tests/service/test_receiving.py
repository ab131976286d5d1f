"""What a caller sends, on its way into the inbox of its call."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding
from shengdun.service.convert.calls import chunk_audio
from shengdun.service.errors import CallIdle, ProtocolViolation
from shengdun.service.receiving import Receiver
from shengdun.service.settings import ServerSettings
from shengdun.v1.screening_pb2 import CallConfig, ScreenCallRequest

PCMU = AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8000)
CHUNK = ScreenCallRequest(audio=bytes(800))
SECOND = ScreenCallRequest(audio=bytes(8000))


async def _sent(
    messages: Sequence[ScreenCallRequest], *, ends: bool = True
) -> AsyncIterator[ScreenCallRequest]:
    for message in messages:
        yield message
    if not ends:
        await asyncio.Event().wait()


async def test_chunks_come_in_order_with_their_place_in_the_call() -> None:
    """Each says where it ends in the call's audio."""
    long = ScreenCallRequest(audio=bytes(16_000))
    async with Receiver(_sent([CHUNK, long]), chunk_audio, PCMU, ServerSettings()) as receiver:
        await asyncio.sleep(0)
        chunks = [*await receiver.inbox.take(), *await receiver.inbox.take()]
        assert await receiver.inbox.take() == ()
    assert sum(len(chunk.data) for chunk in chunks) == 16_800
    assert [chunk.end_s for chunk in chunks] == [0.1, 2.1, 2.1]


async def test_a_call_on_which_nothing_comes_is_ended() -> None:
    """What came before is heard all the same."""
    settings = ServerSettings(call_idle_s=0.05)
    async with Receiver(_sent([CHUNK], ends=False), chunk_audio, PCMU, settings) as receiver:
        [chunk] = await receiver.inbox.take()
        assert chunk.end_s == 0.1
        with pytest.raises(CallIdle, match=r"0\.05 s"):
            await receiver.inbox.take()


async def test_a_caller_who_is_kept_waiting_is_not_idle() -> None:
    """While the inbox is full it is the server that does nothing."""
    settings = ServerSettings(call_idle_s=0.05, call_queue_s=1.0)
    requests = _sent([SECOND] * 3, ends=False)
    async with Receiver(requests, chunk_audio, PCMU, settings) as receiver:
        # Several times as long as a caller may be idle, in which nothing is taken.
        await asyncio.sleep(0.3)
        for end_s in (1.0, 2.0, 3.0):
            [chunk] = await receiver.inbox.take()
            assert chunk.end_s == end_s


async def test_after_the_final_decision_nothing_is_kept_and_the_end_is_seen() -> None:
    """More than an inbox holds passes through one that keeps nothing, until the caller ends the stream."""
    settings = ServerSettings(call_queue_s=1.0)
    async with Receiver(_sent([SECOND] * 20), chunk_audio, PCMU, settings) as receiver:
        receiver.inbox.keep_nothing()
        assert await receiver.inbox.take() == ()


async def test_after_the_final_decision_chunks_gather_and_the_end_is_seen() -> None:
    """Of chunks that come one by one each is received, however many at once."""

    async def spoken() -> AsyncIterator[ScreenCallRequest]:
        for index in range(15):
            await asyncio.sleep(max(0.0, begun_at + 0.1 * (index + 1) - loop.time()))
            yield CHUNK

    loop = asyncio.get_running_loop()
    begun_at = loop.time()
    async with Receiver(spoken(), chunk_audio, PCMU, ServerSettings()) as receiver:
        receiver.inbox.keep_nothing()
        assert await receiver.inbox.take() == ()


async def test_after_the_final_decision_what_is_wrong_is_still_answered() -> None:
    """A second configuration ends a call whose audio is not kept any more."""
    messages = [CHUNK, ScreenCallRequest(config=CallConfig(call_id="again"))]
    async with Receiver(_sent(messages), chunk_audio, PCMU, ServerSettings()) as receiver:
        receiver.inbox.keep_nothing()
        with pytest.raises(ProtocolViolation, match="second configuration"):
            await receiver.inbox.take()
