"""Plays the calls, several at once, and notes every decision."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final

from shengdun.service.client import CallConfig, ClientError, Decision, ShengdunClient
from shengdun.service.client.telephone import converse
from shengdun.service.demo.cast import LINE, TELEPHONE, PlannedCall

STAGGER: Final = timedelta(milliseconds=300)
"""Time between the beginnings of two calls; people don't all call in the same instant."""

PATIENCE: Final = timedelta(minutes=2)
"""How long a call is opened again when the server has no room for it; a slow machine holds fewer at once."""


class Outcome(Enum):
    """What became of a call, by what is known about its speaker."""

    DETECTED = "detected"
    WRONG_ACTOR = "flagged as another actor"
    MISSED = "missed"
    PASSED = "rightly not flagged"
    FALSE_FLAG = "FALSE FLAG"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedCall:
    """A call after it was played.

    Attributes:
        plan: what was planned.
        decisions: every decision, in order.
        outcome: what became of it.
        problem: why it failed; empty if it did not.
    """

    plan: PlannedCall
    decisions: tuple[Decision, ...]
    outcome: Outcome
    problem: str = ""


async def play_calls(
    client: ShengdunClient,
    plans: Sequence[PlannedCall],
    actors: dict[str, str],
    *,
    paced: bool,
    on_decision: Callable[[PlannedCall, Decision], Awaitable[None]],
    on_end: Callable[[PlayedCall], None],
) -> list[PlayedCall]:
    """Play all calls at once, each a little after the one before.

    Args:
        client: where to.
        plans: the calls.
        actors: the actor of each enrolled speaker.
        paced: at the pace of speech, or as fast as the server takes it.
        on_decision: told every decision as it comes.
        on_end: told every call when it has ended.
    """
    audio = [await asyncio.to_thread(plan.audio) for plan in plans]

    async def one(place: int) -> PlayedCall:
        await asyncio.sleep(place * STAGGER.total_seconds() if paced else 0)
        plan = plans[place]
        played = await _play(client, plan, audio[place], actors, paced=paced, tell=on_decision)
        on_end(played)
        return played

    return list(await asyncio.gather(*(one(place) for place in range(len(plans)))))


async def _play(
    client: ShengdunClient,
    plan: PlannedCall,
    audio: bytes,
    actors: dict[str, str],
    *,
    paced: bool,
    tell: Callable[[PlannedCall, Decision], Awaitable[None]],
) -> PlayedCall:
    decisions: list[Decision] = []
    config = CallConfig(call_id=plan.call_id, line=LINE, audio_format=TELEPHONE)
    problem = ""
    give_up_at = time.monotonic() + PATIENCE.total_seconds()
    while not decisions and not problem:
        try:
            async with client.screen_call(config) as call:
                async for decision in converse(call, audio, paced=paced):
                    decisions.append(decision)
                    await tell(plan, decision)
        except ClientError as error:
            patient = error.reason == "OVERLOADED" and time.monotonic() < give_up_at
            if decisions or not patient or error.retry_after is None:
                problem = str(error)
            else:
                await asyncio.sleep(error.retry_after.total_seconds())
    outcome = Outcome.FAILED if problem else judge(plan, decisions[-1], actors)
    return PlayedCall(plan=plan, decisions=tuple(decisions), outcome=outcome, problem=problem)


def judge(plan: PlannedCall, last: Decision, actors: dict[str, str]) -> Outcome:
    """What became of a call, by the flags of its last decision; a flag is raised at MEDIUM and at HIGH."""
    if not last.flags:
        return Outcome.MISSED if plan.known else Outcome.PASSED
    if not plan.known:
        return Outcome.FALSE_FLAG
    voice = next((flag.known_actor_voice for flag in last.flags if flag.known_actor_voice), None)
    right = (
        voice is not None
        and plan.speaker is not None
        and voice.actor_id == actors.get(plan.speaker)
    )
    return Outcome.DETECTED if right else Outcome.WRONG_ACTOR
