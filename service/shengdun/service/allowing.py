"""AllowService: keeps who may lawfully call for many customers, and which voices are the institution's own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.enrollment.assessed import NamedRecording
from shengdun.enrollment.assessment import RecordingAssessor
from shengdun.enrollment.errors import EnrollmentRefused
from shengdun.enrollment.own_voices import own_voice
from shengdun.index.archive.archive import CallArchive
from shengdun.index.errors import InvalidRecord
from shengdun.index.registry import Registry
from shengdun.index.voices.allowed import Entry, OwnVoice, Representative
from shengdun.index.voices.errors import OwnVoiceTooShort
from shengdun.service.access import current_principal
from shengdun.service.convert import allow_requests as requests
from shengdun.service.convert import allowing as messages
from shengdun.service.convert.watchlists import report_detail
from shengdun.service.errors import ArchiveOff, ProtocolViolation
from shengdun.service.texts import Run
from shengdun.service.watchlist_uploads import Upload, UploadLimits
from shengdun.v1 import allow_pb2 as pb
from shengdun.v1 import allow_pb2_grpc

_LEAST_S: Final = 3.0
"""Net speech of a call that an own voice is taken from: as much as an enrolment asks of a recording."""


class AllowServicer(allow_pb2_grpc.AllowServiceServicer):
    """What investigators keep on the allow-list. Every change and every look is journaled.

    Args:
        registry: has it.
        archive: the finished calls; None where none are kept.
        assessor: hears recordings.
        run: where calls are looked up.
        model_id: the server's voice model.
        limits: how much a recording may be.
    """

    def __init__(
        self,
        registry: Registry,
        archive: CallArchive | None,
        *,
        assessor: RecordingAssessor,
        run: Run,
        model_id: str,
        limits: UploadLimits,
    ) -> None:
        self._registry = registry
        self._archive = archive
        self._assessor = assessor
        self._run = run
        self._model_id = model_id
        self._limits = limits

    async def AddAllowed(  # noqa: N802 - the contract's name, here and below
        self,
        request_iterator: AsyncIterator[pb.AddAllowedRequest],
        context: object,  # noqa: ARG002 - gRPC hands it over, here and below
    ) -> pb.AddAllowedResponse:
        """Adds an entry."""
        upload = Upload(request_iterator, self._limits)
        config = (await upload.first()).config
        asked = requests.new_entry(config, self._registry.keys.pseudonym, principal=_principal())
        async with aclosing(upload.recordings()) as recordings:
            given = [recording async for recording in recordings]
        entry = await self._entry(asked, given)
        await self._registry.allowed.add(entry, principal=_principal())
        return pb.AddAllowedResponse(entry=messages.entry_message(entry, datetime.now(UTC)))

    async def GetAllowed(  # noqa: N802
        self,
        request: pb.GetAllowedRequest,
        context: object,  # noqa: ARG002
    ) -> pb.GetAllowedResponse:
        """One entry with the pseudonyms that it names."""
        entry = await self._registry.allowed.get(requests.entry_id_of(request.entry_id))
        await self._look("allow.looked_at", f"allow/{entry.entry_id}")
        message = messages.entry_message(entry, datetime.now(UTC), whole=True)
        return pb.GetAllowedResponse(entry=message)

    async def ListAllowed(  # noqa: N802
        self,
        request: pb.ListAllowedRequest,
        context: object,  # noqa: ARG002
    ) -> pb.ListAllowedResponse:
        """A page of entries."""
        size, token = requests.page(request)
        page = await self._registry.allowed.list(page_size=size, page_token=token)
        await self._look("allow.listed")
        return messages.page_message(page, datetime.now(UTC))

    async def RemoveAllowed(  # noqa: N802
        self,
        request: pb.RemoveAllowedRequest,
        context: object,  # noqa: ARG002
    ) -> pb.RemoveAllowedResponse:
        """Removes an entry for good."""
        entry_id, reason = requests.removal(request)
        await self._registry.allowed.remove(entry_id, reason=reason, principal=_principal())
        return pb.RemoveAllowedResponse()

    async def _entry(
        self,
        asked: Representative | requests.OwnVoiceRequest,
        given: Sequence[NamedRecording],
    ) -> Entry:
        awaits_recording = isinstance(asked, requests.OwnVoiceRequest) and not asked.call_id
        if awaits_recording != (len(given) == 1) or len(given) > 1:
            raise ProtocolViolation(
                "an own voice of a recording sends that one recording, and no other entry sends any"
            )
        if isinstance(asked, Representative):
            return asked
        voiceprint, net_speech_s = (
            await self._recorded(given[0]) if given else await self._called(asked.call_id)
        )
        return OwnVoice(
            entry_id=asked.entry_id,
            kind=asked.kind,
            model_id=self._model_id,
            voiceprint=voiceprint,
            net_speech_s=net_speech_s,
            granted=asked.granted,
        )

    async def _recorded(self, recording: NamedRecording) -> tuple[NDArray[np.float32], float]:
        try:
            voice = await own_voice(self._assessor, recording)
        except EnrollmentRefused as refused:
            refused.detail = report_detail(refused.report)
            raise
        return voice.voiceprint, voice.net_speech_s

    async def _called(self, call_id: str) -> tuple[NDArray[np.float32], float]:
        archive = self._archive
        if archive is None:
            raise ArchiveOff
        call = await self._run(lambda: archive.get(call_id))
        if call.voiceprint is None or call.net_speech_s < _LEAST_S:
            raise OwnVoiceTooShort(
                f"call '{call_id}' has {call.net_speech_s:.1f} s of speech, and {_LEAST_S:g} s are needed; name a "
                f"longer call, or give a recording"
            )
        if call.model_id != self._model_id:
            raise InvalidRecord(
                f"call '{call_id}' was heard with voice model {call.model_id}, and this server compares voiceprints of "
                f"{self._model_id}; name a call since the change, or give a recording"
            )
        return call.voiceprint, call.net_speech_s

    async def _look(self, kind: str, *subjects: str) -> None:
        await self._registry.record_event(principal=_principal(), kind=kind, subjects=subjects)


def _principal() -> str:
    return current_principal().name
