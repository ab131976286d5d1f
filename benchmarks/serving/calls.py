"""Plays calls and keeps what was decided, which the load harness only counts."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.serving.playing import CHUNK_S, CONNECTIONS

from shengdun.service.client import (
    AudioFormat,
    CallConfig,
    Decision,
    DecisionState,
    ShengdunClient,
)
from shengdun.service.client.telephone import chunks
from shengdun.service.load.plan import Plan, PlannedCall
from shengdun.service.load.reel import Reel

_LEAD_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardCall:
    """A call and what was decided.

    Attributes:
        audio_format: its format.
        chunks: what was sent.
        decisions: what came back.
    """

    audio_format: AudioFormat
    chunks: tuple[bytes, ...]
    decisions: tuple[Decision, ...]

    @property
    def length_s(self) -> float:
        """How long it was."""
        return sum(map(len, self.chunks)) / self.audio_format.bytes_per_s

    @property
    def heard_s(self) -> float:
        """Up to where the server had to hear it: to the final decision, or to the end."""
        for decision in self.decisions:
            if decision.state is DecisionState.FINAL and decision.answered_position is not None:
                return decision.answered_position.total_seconds()
        return self.length_s

    @property
    def net_speech_s(self) -> float:
        """Net speech that the last decision rests on."""
        return self.decisions[-1].net_speech.total_seconds()


def play_calls(
    address: str, plan: Plan, reel: Reel, *, end_at_final: bool = False
) -> list[HeardCall]:
    """Makes all calls of a plan in real time; one that fails fails all.

    Args:
        address: of the server.
        plan: the calls.
        reel: what is played.
        end_at_final: whether the media stream ends with the final decision, and not with the call.
    """
    return asyncio.run(_play_all(address, plan, reel, end_at_final=end_at_final))


async def _play_all(address: str, plan: Plan, reel: Reel, *, end_at_final: bool) -> list[HeardCall]:
    run_id, began_at = f"bench-{time.time_ns():x}", time.monotonic() + _LEAD_S
    async with AsyncExitStack() as connections:
        clients = [
            await connections.enter_async_context(
                ShengdunClient.connect(address, own_connection=True)
            )
            for _ in range(CONNECTIONS)
        ]
        playing = [
            _play(
                clients[call.number % CONNECTIONS],
                run_id,
                call,
                began_at,
                reel,
                end_at_final=end_at_final,
            )
            for call in plan.calls
        ]
        return list(await asyncio.gather(*playing))


async def _play(
    client: ShengdunClient,
    run_id: str,
    call: PlannedCall,
    began_at: float,
    reel: Reel,
    *,
    end_at_final: bool,
) -> HeardCall:
    clip = reel.clips[call.clip]
    audio_format = AudioFormat(encoding=clip.encoding)
    sent = tuple(chunks(_cut(reel.file, call, reel), audio_format))
    config = CallConfig(call_id=f"{run_id}-{call.number}", audio_format=audio_format)
    decisions: list[Decision] = []
    is_final = False
    await asyncio.sleep(began_at + call.start_s - time.monotonic())
    async with client.screen_call(config) as stream:

        async def speak() -> None:
            for index, chunk in enumerate(sent, start=1):
                due_at = began_at + call.start_s + index * CHUNK_S
                await asyncio.sleep(due_at - time.monotonic())
                if end_at_final and is_final:
                    break
                await stream.send(chunk)
            await stream.finish()

        speaking = asyncio.create_task(speak())
        async for decision in stream:
            decisions.append(decision)
            is_final = decision.state is DecisionState.FINAL
        await speaking
    return HeardCall(audio_format=audio_format, chunks=sent, decisions=tuple(decisions))


def _cut(audio: Path, call: PlannedCall, reel: Reel) -> bytes:
    """The audio of a call: from its place in the clip on, and again from the clip's beginning."""
    clip = reel.clips[call.clip]
    with audio.open("rb") as opened:
        opened.seek(clip.start)
        whole = opened.read(clip.size)
    rate = clip.size / clip.length_s
    start, size = round(call.offset_s * rate), round(call.length_s * rate)
    rounds = 1 + (start + size) // len(whole)
    return (whole * rounds)[start : start + size]


def together(plan: Plan, *, within_s: float) -> Plan:
    """The same calls, begun within so many seconds one after the other, so that none waits for the others' end."""
    count: int = max(1, len(plan.calls))
    return Plan(
        calls=tuple(
            PlannedCall(
                number=call.number,
                start_s=within_s * call.number / count,
                length_s=call.length_s,
                clip=call.clip,
                offset_s=call.offset_s,
                cut=False,
            )
            for call in plan.calls
        ),
        duration_s=within_s + max((call.length_s for call in plan.calls), default=0.0),
        rate_per_s=count / within_s,
    )


def net_speech(calls: Sequence[HeardCall]) -> float:
    """Mean net speech of the last decisions, in seconds."""
    return sum(call.net_speech_s for call in calls) / len(calls)
