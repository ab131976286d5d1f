"""A voice that nobody has enrolled: caught when it calls for its third customer, made an actor, hunted, and erased."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

import grpc

from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.service.client import (
    CallConfig,
    ClientError,
    Decision,
    Flag,
    FlagType,
    PromotedVoice,
    ShengdunClient,
    UnknownVoice,
)
from shengdun.service.client.telephone import encode_call, play
from shengdun.service.contract.hunts import Hunt, Quarry
from shengdun.service.demo.cast import ENROLLED, KNOWN_AGENTS, LINE, TELEPHONE

CUSTOMERS: Final = 4
_CALL: Final = timedelta(seconds=12)
_WAIT_S: Final = 10.0
_LOOK_S: Final = 0.05


class UnknownAgent:
    """Plays the part of an agent whom nobody knows.

    Args:
        client: of the running server.
        recordings: of all speakers; the agent is the one with the most audio among those who aren't enrolled.
        say: writes one line.
    """

    def __init__(
        self,
        client: ShengdunClient,
        recordings: Sequence[DemoRecording],
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._say = say
        self._speaker, self._calls = _agent(recordings)

    async def run(self) -> bool:
        """Whether it went as it should, from the first call to the erasure."""
        self._say(
            f"an agent whom nobody has enrolled: {self._speaker} calls for {CUSTOMERS} customers, one after the other"
        )
        caught = await self._call_for_all()
        voice = await self._voice()
        if not caught or voice is None:
            self._say("  NOT caught")
            return False
        self._say(
            f"  voice {voice.voice_id}: {voice.calls} calls for {voice.customers} customers, p {voice.probability:.1%}"
        )
        actor_id = await self._promote(voice)
        known = await self._is_known(actor_id)
        hunted = await self._hunt(actor_id)
        erased = await self._erase(actor_id, voice)
        return known and hunted and erased

    async def _call_for_all(self) -> bool:
        caught = False
        for number in range(CUSTOMERS):
            before = (await self._client.list_voices()).calls_compared
            flag = _repeat(await self._play(number))
            shown = "nothing about this voice yet"
            if flag is not None and flag.repeat_voice is not None:
                caught = True
                shown = (
                    f"REPEAT_VOICE: {flag.repeat_voice.other_customers} other customers, "
                    f"p {flag.repeat_voice.probability:.1%}, LLR {flag.llr:+.1f}"
                )
            self._say(f"  {_call_id(number)} for customer {number + 1}: {shown}")
            await self._compared(before + 1)
        return caught

    async def _play(self, number: int) -> Decision:
        config = CallConfig(
            call_id=_call_id(number),
            line=LINE,
            customer_reference=f"demo-customer-{number + 1}",
            audio_format=TELEPHONE,
        )
        async with self._client.screen_call(config) as call:
            await play(call, self._calls[number], paced=False)
        assert call.decision is not None
        return call.decision

    async def _compared(self, calls: int) -> None:
        """Wait until a call that has ended is compared with those that follow."""
        for _ in range(round(_WAIT_S / _LOOK_S)):
            if (await self._client.list_voices()).calls_compared >= calls:
                return
            await asyncio.sleep(_LOOK_S)

    async def _voice(self) -> UnknownVoice | None:
        found = await self._client.list_voices(least_customers=CUSTOMERS - 1)
        return found.voices[0] if found.voices else None

    async def _promote(self, voice: UnknownVoice) -> str:
        actor = PromotedVoice(
            display_name=f"voice of {self._speaker}", watchlist_ids=(KNOWN_AGENTS,)
        )
        promoted = await self._client.promote_voice(voice.voice_id, actor)
        self._say(
            f"  promoted: actor {promoted.actor_id} with {len(promoted.voiceprints)} voiceprints, on {KNOWN_AGENTS}"
        )
        return promoted.actor_id

    async def _is_known(self, actor_id: str) -> bool:
        best = (await self._play(CUSTOMERS)).best
        known = best is not None and best.actor_id == actor_id
        shown = f"known now, LLR {best.llr:+.1f}" if known and best is not None else "NOT known"
        self._say(f"  {_call_id(CUSTOMERS)}, its next call: {shown}")
        return known

    async def _hunt(self, actor_id: str) -> bool:
        last: Hunt | None = None
        hits: dict[str, float] = {}
        async for told in self._client.hunt(Quarry(actor_id=actor_id)):
            last = told
            hits |= {hit.call_id: hit.llr or 0.0 for hit in told.hits}
        assert last is not None
        own = {_call_id(number) for number in range(CUSTOMERS)}
        self._say(
            f"  hunted through {last.calls_read} past calls: {len(hits)} by this voice, "
            f"{len(own & hits.keys())} of the {len(own)} for customers among them"
        )
        return own <= hits.keys()

    async def _erase(self, actor_id: str, voice: UnknownVoice) -> bool:
        receipt = await self._client.erase_actor(actor_id, reason="end of the demonstration")
        calls = [_call_id(number) for number in range(CUSTOMERS + 1)]
        archive = await self._client.erase_calls(calls, reason="end of the demonstration")
        self._say(
            f"  erased: actor (receipt {receipt.receipt_id}) and {len(calls)} calls (receipt {archive.receipt_id})"
        )
        gone = [await self._is_gone(call_id) for call_id in calls]
        forgotten = await self._is_forgotten(voice.voice_id)
        self._say(
            f"  GetCall: {'NOT_FOUND' if all(gone) else 'STILL THERE'}; "
            f"GetVoice: {'NOT_FOUND' if forgotten else 'STILL THERE'}"
        )
        return all(gone) and forgotten

    async def _is_gone(self, call_id: str) -> bool:
        try:
            await self._client.get_call(call_id)
        except ClientError as error:
            return error.status is grpc.StatusCode.NOT_FOUND
        return False

    async def _is_forgotten(self, voice_id: str) -> bool:
        """Other processes hear of an erasure within a second, and so does what compares calls."""
        for _ in range(round(_WAIT_S / _LOOK_S)):
            try:
                left = await self._client.get_voice(voice_id)
            except ClientError as error:
                return error.status is grpc.StatusCode.NOT_FOUND
            if not left.customers:
                return (
                    True  # calls that named no customer are no calls of this demonstration's agent
                )
            await asyncio.sleep(_LOOK_S)
        return False


def _agent(recordings: Sequence[DemoRecording]) -> tuple[str, list[bytes]]:
    speakers = sorted({one.speaker for one in recordings})[ENROLLED:]
    of_all = {
        speaker: [one for one in recordings if one.speaker == speaker] for speaker in speakers
    }
    speaker = max(speakers, key=lambda name: sum(one.duration_s for one in of_all[name]))
    return speaker, _calls(of_all[speaker])


def _calls(recordings: Sequence[DemoRecording]) -> list[bytes]:
    """Calls of 12 s, no audio twice, of as many recordings as there are before a second one of any."""
    length = round(_CALL.total_seconds() * MODEL_RATE_HZ)
    pieces: list[tuple[int, bytes]] = []
    for one in recordings:
        samples = decode_recording(one.read()).samples
        pieces += [
            (place, encode_call(samples[start : start + length], TELEPHONE))
            for place, start in enumerate(range(0, len(samples) - length + 1, length))
        ]
    pieces.sort(key=lambda piece: piece[0])
    return [audio for _, audio in pieces[: CUSTOMERS + 1]]


def _repeat(decision: Decision) -> Flag | None:
    found = [flag for flag in decision.flags if flag.type is FlagType.REPEAT_VOICE]
    return found[0] if found else None


def _call_id(number: int) -> str:
    return f"demo-unknown-{number + 1}"
