"""ScreeningService: screens calls, recordings and texts, and answers for decisions."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractContextManager, aclosing
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import TypeVar
from uuid import uuid4

import grpc

from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, encode
from shengdun.fingerprint.voice.recordings import Recording, decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.service.admission import Admission, Permit
from shengdun.service.archiving import Archiving, Ended, now
from shengdun.service.background import BackgroundLane
from shengdun.service.calls import LiveCall, LiveCalls
from shengdun.service.contract.servers import MAX_RECORDING_BYTES, TAKEN
from shengdun.service.convert.calls import (
    CallRequest,
    call_request,
    check_call_id,
    chunk_audio,
    recording_request,
)
from shengdun.service.convert.decisions import decision_message
from shengdun.service.convert.lines import standing_message
from shengdun.service.convert.load import archive_message, load_message
from shengdun.service.convert.script_requests import MOST_MATCHES, check_customer
from shengdun.service.convert.texts import screened_text_message
from shengdun.service.convert.transcripts import segment_of
from shengdun.service.decision import Decision, PartialReason
from shengdun.service.errors import MessageTooLarge, ProtocolViolation
from shengdun.service.inbox import Inbox
from shengdun.service.meters import Meters
from shengdun.service.past_calls import BUDGET as PAST_BUDGET
from shengdun.service.past_calls import PastCalls
from shengdun.service.receiving import Receiver, idle_error
from shengdun.service.screener import Screener
from shengdun.service.session import CallSession, Chunk
from shengdun.service.settings import ServerSettings
from shengdun.service.text_screening import TextScreening
from shengdun.v1 import decision_pb2, screening_pb2, screening_pb2_grpc

# Nobody is on the line, so live calls go first.
_RECORDING_BUDGET = timedelta(minutes=1)
_RECORDING_FORMAT = AudioFormat(encoding=Encoding.L16, sample_rate_hz=MODEL_RATE_HZ)
_NO_AUDIO_FORMAT = AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8_000)

_Message = TypeVar(
    "_Message", screening_pb2.ScreenCallRequest, screening_pb2.ScreenRecordingRequest
)
CallContext = grpc.aio.ServicerContext[
    screening_pb2.ScreenCallRequest, screening_pb2.ScreenCallResponse
]
RecordingContext = grpc.aio.ServicerContext[
    screening_pb2.ScreenRecordingRequest, screening_pb2.ScreenRecordingResponse
]


class ScreeningServicer(screening_pb2_grpc.ScreeningServiceServicer):
    """The service that telephony meets.

    Args:
        screener: opens call sessions.
        admission: says which calls are taken.
        calls: the live calls.
        settings: limits on calls and recordings.
        texts: screens texts.
        past_calls: takes calls of the past.
        archiving: has finished calls archived; None where none are kept.
    """

    def __init__(
        self,
        screener: Screener,
        admission: Admission,
        calls: LiveCalls,
        settings: ServerSettings,
        texts: TextScreening,
        past_calls: PastCalls,
        archiving: Archiving | None = None,
    ) -> None:
        self._screener = screener
        self._admission = admission
        self._meters = Meters()
        self._calls = calls
        self._settings = settings
        self._texts = texts
        self._past_calls = past_calls
        self._archiving = archiving
        self._decoding = asyncio.Semaphore(1)

    async def drain(self) -> None:
        """Take no new calls, and give every live one a partial final decision; returns when all have ended."""
        await self._calls.drain()

    async def ScreenCall(  # noqa: N802 - the contract's name
        self,
        request_iterator: AsyncIterator[screening_pb2.ScreenCallRequest],
        context: CallContext,  # noqa: ARG002 - gRPC hands it over
    ) -> AsyncIterator[screening_pb2.ScreenCallResponse]:
        """Screen one call while it runs."""
        request = call_request((await self._first(request_iterator)).config)
        budget = self._screener.budget_of(request)
        with self._admit(request, budget) as permit:
            session = self._screener.session(
                request,
                permit=permit,
                call_id=request.call_id,
                audio_format=request.audio_format or _NO_AUDIO_FORMAT,
                budget=budget,
            )
            async with (
                self._calls.open(request.call_id) as call,
                aclosing(self._answer(session, call, request_iterator, request)) as responses,
            ):
                async for response in responses:
                    yield response

    async def GetDecision(  # noqa: N802
        self,
        request: screening_pb2.GetDecisionRequest,
        context: object,  # noqa: ARG002
    ) -> screening_pb2.GetDecisionResponse:
        """The current decision of a call, whichever process holds it."""
        payload, live = await self._calls.latest(check_call_id(request.call_id))
        response = screening_pb2.GetDecisionResponse.FromString(payload)
        response.live = live
        return response

    async def ScreenRecording(  # noqa: N802
        self,
        request_iterator: AsyncIterator[screening_pb2.ScreenRecordingRequest],
        context: RecordingContext,
    ) -> screening_pb2.ScreenRecordingResponse:
        """Screen a whole recording, of a call of the past or of nothing in particular."""
        request = recording_request((await self._first(request_iterator)).config)
        if request.is_past:
            return await self._answer_past_call(request, request_iterator, context)
        call_id = request.call_id or f"recording-{uuid4().hex}"
        with self._admission.admit_unpaced() as permit:
            session = self._screener.session(
                request,
                permit=permit,
                call_id=call_id,
                audio_format=_RECORDING_FORMAT,
                budget=_RECORDING_BUDGET,
            )
            return await self._answer_recording(session, request, call_id, request_iterator)

    async def ScreenText(  # noqa: N802
        self,
        request: screening_pb2.ScreenTextRequest,
        context: object,  # noqa: ARG002
    ) -> screening_pb2.ScreenTextResponse:
        """Screen a letter, a work order or a chat."""
        check_customer(request)
        line = self._screener.lines.get(request.line)
        screened = await self._texts.screen(
            request.text,
            line=line.name,
            customer_reference=request.customer_reference,
            limit=MOST_MATCHES,
        )
        return screened_text_message(screened, request.text, line=line.name)

    async def GetServerInfo(  # noqa: N802
        self,
        request: screening_pb2.GetServerInfoRequest,  # noqa: ARG002
        context: object,  # noqa: ARG002
    ) -> screening_pb2.GetServerInfoResponse:
        """What this server is and which lines it serves."""
        lines = []
        for line in self._screener.lines:
            info = screening_pb2.LineInfo(
                line=line.name,
                watchlist_ids=line.policy.watchlists,
                policy_id=line.policy_id,
                standing=standing_message(line, self._screener.promises.figures(line)),
            )
            info.budget.FromTimedelta(line.budget)
            lines.append(info)
        return screening_pb2.GetServerInfoResponse(
            version=version("shengdun"),
            model_id=self._screener.model.model_id,
            calibration_profile_id=self._screener.scorer.profile_id,
            lines=lines,
            live_calls=len(self._calls),
            watchlists_stale=self._screener.registry.health.stale,
            load=load_message(
                self._admission.standing(
                    budget_s=self._screener.lines.get("").budget.total_seconds()
                ),
                self._meters,
            ),
            worker=self._calls.place.number,
            workers=self._calls.place.workers,
            voice_precision=self._screener.model.precision,
            archive=archive_message(self._archiving.standing if self._archiving else None),
        )

    def _admit(self, request: CallRequest, budget: timedelta) -> AbstractContextManager[Permit]:
        return self._admission.admit(
            budget_s=budget.total_seconds(),
            has_audio=request.audio_format is not None,
            has_words=request.awaits_words,
        )

    async def _answer(
        self,
        session: CallSession,
        call: LiveCall,
        requests: AsyncIterator[screening_pb2.ScreenCallRequest],
        request: CallRequest,
    ) -> AsyncGenerator[screening_pb2.ScreenCallResponse]:
        started_at, audio_format = now(), request.audio_format

        def audio_of(message: screening_pb2.ScreenCallRequest) -> bytes:
            if message.WhichOneof("message") != "segment":
                return chunk_audio(message, has_audio=audio_format is not None)
            session.read(segment_of(message.segment))
            return b""

        async with Receiver(
            requests, audio_of, audio_format or _NO_AUDIO_FORMAT, self._settings
        ) as receiver:
            session.tell(receiver.inbox.ring)
            try:
                async with aclosing(self._screen(session, call, receiver.inbox)) as decisions:
                    async for decision in decisions:
                        yield screening_pb2.ScreenCallResponse(
                            decision=self._publish(call, decision, live=True)
                        )
            finally:
                if not session.is_concluded:
                    self._publish(call, session.abandon(), live=False)
                codec = audio_format.encoding.value if audio_format else ""
                self._archive(session, request, started_at, codec)

    def _archive(
        self, session: CallSession, request: CallRequest, started_at: datetime, codec: str
    ) -> None:
        if self._archiving is not None:
            self._archiving.take(
                Ended(
                    request=request,
                    finished=session.finished,
                    started_at=started_at,
                    ended_at=now(),
                    codec=codec,
                )
            )

    async def _answer_recording(
        self,
        session: CallSession,
        request: CallRequest,
        call_id: str,
        requests: AsyncIterator[screening_pb2.ScreenRecordingRequest],
    ) -> screening_pb2.ScreenRecordingResponse:
        async with self._calls.open(call_id) as call:
            started_at = now()
            data = await self._recording_bytes(requests, session)
            recording = await self._decoded(data, request.channel)
            try:
                decision = await self._screen_recording(session, call, recording)
            finally:
                session.close()
            message = self._publish(call, decision, live=False)
            if request.call_id:
                # Without an id it is a file that somebody tries, and no call.
                self._archive(session, request, started_at, recording.codec)
            return _recording_response(message, recording)

    async def _answer_past_call(
        self,
        request: CallRequest,
        requests: AsyncIterator[screening_pb2.ScreenRecordingRequest],
        context: RecordingContext,
    ) -> screening_pb2.ScreenRecordingResponse:
        await self._past_calls.check(request)
        with self._past_calls.admit(), self._admission.admit_unpaced() as permit:
            session = self._screener.session(
                request,
                permit=permit,
                call_id=request.call_id,
                audio_format=_RECORDING_FORMAT,
                budget=PAST_BUDGET,
            )
            async with self._calls.open(request.call_id) as call:
                await context.send_initial_metadata(TAKEN)
                data = await self._recording_bytes(requests, session)
                recording = await self._decoded(data, request.channel)
                length_s = recording.duration_s
                self._past_calls.check_end(request, duration_s=length_s)
                try:
                    decision = await self._screen_recording(session, call, recording)
                finally:
                    session.close()
                # Published nowhere, and not counted: nobody waits for it, and it says nothing of live calls.
                await self._past_calls.archive(
                    request, session.finished, duration_s=length_s, codec=recording.codec
                )
                return _recording_response(decision_message(decision), recording, archived=True)

    async def _screen(
        self, session: CallSession, call: LiveCall, inbox: Inbox
    ) -> AsyncGenerator[Decision]:
        yield session.begin()
        call.stopping.add_done_callback(inbox.ring)
        while (chunks := await _next(inbox, call, session)) is not None:
            if (caught_up := session.catch_up()) is not None:
                yield caught_up
            if (by_words := session.by_words()) is not None:
                yield by_words
            hears = chunks and not session.is_settled and not call.stopping.done()
            if hears and (arrivals := await session.listen(chunks)):
                async with aclosing(session.answers(arrivals)) as decisions:
                    async for decision in decisions:
                        yield decision
                        if call.stopping.done():
                            break
            if session.is_settled:
                inbox.keep_nothing()
        if call.stopping.done() and not session.is_concluded:
            yield session.abandon(PartialReason.SERVER_STOPPING)
        async with aclosing(session.finish()) as decisions:
            async for decision in decisions:
                yield decision

    async def _first(self, requests: AsyncIterator[_Message]) -> _Message:
        message = await self._receive(requests)
        if message is None:
            raise ProtocolViolation(
                "the stream ended before its configuration; send the configuration first"
            )
        if message.WhichOneof("message") != "config":
            raise ProtocolViolation(
                "the first message must be the configuration; send it before any audio or data"
            )
        return message

    async def _receive(self, requests: AsyncIterator[_Message]) -> _Message | None:
        try:
            async with asyncio.timeout(self._settings.call_idle_s):
                return await anext(requests, None)
        except TimeoutError:
            raise idle_error(self._settings) from None

    async def _recording_bytes(
        self, requests: AsyncIterator[screening_pb2.ScreenRecordingRequest], session: CallSession
    ) -> bytes:
        """The file; words go to the session as they come."""
        data = bytearray()
        while (message := await self._receive(requests)) is not None:
            kind = message.WhichOneof("message")
            if kind == "segment":
                session.read(segment_of(message.segment))
                continue
            if kind != "data":
                raise ProtocolViolation(
                    "after the configuration every message must carry data of the file or words"
                )
            data += message.data
            if len(data) > MAX_RECORDING_BYTES:
                raise MessageTooLarge(
                    f"the recording is larger than {MAX_RECORDING_BYTES >> 20} MiB; send it compressed or in parts"
                )
        return bytes(data)

    async def _decoded(self, data: bytes, channel: int) -> Recording:
        # Decoding takes seconds, and in a lane of the live calls every one of them would wait for it.
        async with self._decoding, BackgroundLane(workers=1) as lane:
            return await lane.run(
                lambda: decode_recording(
                    data, limit_s=self._settings.recording_max_s, channel=channel
                )
            )

    async def _screen_recording(
        self, session: CallSession, call: LiveCall, recording: Recording
    ) -> Decision:
        decision = session.begin()
        step = MODEL_RATE_HZ
        for start in range(0, len(recording.samples), step):
            if session.is_settled or call.stopping.done():
                break
            data = encode(recording.samples[start : start + step], _RECORDING_FORMAT)
            end_s = min(start + step, len(recording.samples)) / MODEL_RATE_HZ
            chunk = Chunk(data=data, received_at=_now(), end_s=end_s)
            async for latest in session.answers(await session.listen([chunk])):
                decision = latest
        if call.stopping.done() and not session.is_concluded:
            return session.abandon(PartialReason.SERVER_STOPPING)
        async for latest in session.finish():
            decision = latest
        return decision

    def _publish(self, call: LiveCall, decision: Decision, *, live: bool) -> decision_pb2.Decision:
        self._meters.count(decision)
        message = decision_message(decision)
        payload = screening_pb2.GetDecisionResponse(decision=message, live=live)
        self._calls.publish(call, payload.SerializeToString())
        return message


def _recording_response(
    decision: decision_pb2.Decision, recording: Recording, *, archived: bool = False
) -> screening_pb2.ScreenRecordingResponse:
    response = screening_pb2.ScreenRecordingResponse(
        decision=decision,
        codec=recording.codec,
        sample_rate_hz=recording.sample_rate_hz,
        archived=archived,
    )
    response.duration.FromTimedelta(timedelta(seconds=recording.duration_s))
    return response


async def _next(inbox: Inbox, call: LiveCall, session: CallSession) -> Sequence[Chunk] | None:
    """What has arrived, if it is of use, or nothing if what was late is ready; None when the call ends or is to."""
    late = session.late
    if late is not None:
        late.add_done_callback(inbox.ring)
    try:
        has_some = await inbox.wait(session.bytes_to_hear)
    finally:
        if late is not None:
            late.remove_done_callback(inbox.ring)
    if call.stopping.done():
        return None
    return (await inbox.take() or None) if has_some else ()


def _now() -> float:
    return asyncio.get_running_loop().time()
