"""HuntService: searches the archived calls for one voice or one script."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

from shengdun.enrollment.assessed import NamedRecording
from shengdun.enrollment.assessment import RecordingAssessor
from shengdun.enrollment.errors import EnrollmentRefused
from shengdun.enrollment.hunting import wanted_voice
from shengdun.index.hunts.hunt import Hunt, HuntRequest, HuntState, Quarry
from shengdun.index.hunts.hunts import Hunts
from shengdun.index.hunts.subject import WantedVoice
from shengdun.index.registry import Registry
from shengdun.service.access import current_principal
from shengdun.service.convert import hunts as convert
from shengdun.service.convert.watchlists import report_detail
from shengdun.service.errors import ArchiveOff, LineUnknown, ProtocolViolation
from shengdun.service.lines import Lines
from shengdun.service.watchlist_uploads import Upload, UploadLimits
from shengdun.v1 import hunt_pb2 as pb
from shengdun.v1 import hunt_pb2_grpc

_STARTED: Final = "hunt.started"
_LOOKED_AT: Final = "hunt.looked_at"


class HuntServicer(hunt_pb2_grpc.HuntServiceServicer):
    """What investigators hunt. Every start, end and look is journaled with what is hunted.

    Args:
        registry: of actors and scripts.
        hunts: of this machine; None where no finished calls are kept.
        lines: give the prior.
        assessor: hears recordings.
        model_id: the server's voice model.
        limits: how much a recording may be.
    """

    def __init__(
        self,
        registry: Registry,
        hunts: Hunts | None,
        *,
        lines: Lines,
        assessor: RecordingAssessor,
        model_id: str,
        limits: UploadLimits,
    ) -> None:
        self._registry = registry
        self._kept = hunts
        self._lines = lines
        self._assessor = assessor
        self._model_id = model_id
        self._limits = limits

    async def StartHunt(  # noqa: N802 - the contract's name, here and below
        self,
        request_iterator: AsyncIterator[pb.StartHuntRequest],
        context: object,  # noqa: ARG002 - gRPC hands it over, here and below
    ) -> AsyncIterator[pb.StartHuntResponse]:
        """Starts a hunt and tells how it goes."""
        hunts = self._hunts
        upload = Upload(request_iterator, self._limits)
        request = convert.hunt_request((await upload.first()).config)
        async with aclosing(upload.recordings()) as recordings:
            given = [recording async for recording in recordings]
        voice = await self._voice(request, given)
        hunt = await hunts.start(request, started_by=_principal(), voice=voice)
        await self._record(_STARTED, hunt)
        async for now in hunts.watch(hunt.hunt_id):
            yield pb.StartHuntResponse(hunt=convert.hunt_message(now), hits=self._shown(now))

    async def GetHunt(  # noqa: N802
        self,
        request: pb.GetHuntRequest,
        context: object,  # noqa: ARG002
    ) -> pb.GetHuntResponse:
        """One hunt with what it found."""
        hunt = await self._hunts.get(convert.hunt_id(request.hunt_id))
        await self._record(_LOOKED_AT, hunt)
        hits = convert.hit_messages(hunt, self._prior)
        return pb.GetHuntResponse(hunt=convert.hunt_message(hunt), hits=hits)

    async def CancelHunt(  # noqa: N802
        self,
        request: pb.CancelHuntRequest,
        context: object,  # noqa: ARG002
    ) -> pb.CancelHuntResponse:
        """Ends a hunt."""
        hunt = await self._hunts.cancel(convert.hunt_id(request.hunt_id))
        await self._record("hunt.cancelled", hunt)
        return pb.CancelHuntResponse(hunt=convert.hunt_message(hunt))

    async def ResumeHunt(  # noqa: N802
        self,
        request: pb.ResumeHuntRequest,
        context: object,  # noqa: ARG002
    ) -> AsyncIterator[pb.ResumeHuntResponse]:
        """Goes on with a hunt and tells how it goes."""
        hunt = await self._hunts.resume(convert.hunt_id(request.hunt_id))
        await self._record("hunt.resumed", hunt)
        async for now in self._hunts.watch(hunt.hunt_id):
            yield pb.ResumeHuntResponse(hunt=convert.hunt_message(now), hits=self._shown(now))

    async def ListHunts(  # noqa: N802
        self,
        request: pb.ListHuntsRequest,  # noqa: ARG002
        context: object,  # noqa: ARG002
    ) -> pb.ListHuntsResponse:
        """All hunts."""
        hunts = await self._hunts.list()
        return pb.ListHuntsResponse(hunts=[convert.hunt_message(hunt) for hunt in hunts])

    @property
    def _hunts(self) -> Hunts:
        if self._kept is None:
            raise ArchiveOff
        return self._kept

    async def _voice(
        self, request: HuntRequest, given: Sequence[NamedRecording]
    ) -> WantedVoice | None:
        if (request.quarry is Quarry.RECORDING) != (len(given) == 1):
            raise ProtocolViolation(
                "a hunt for the voice of a recording sends that one recording, and no other hunt sends any"
            )
        if not given:
            return None
        try:
            return await wanted_voice(self._assessor, given[0], self._model_id)
        except EnrollmentRefused as refused:
            refused.detail = report_detail(refused.report)
            raise

    def _shown(self, hunt: Hunt) -> list[pb.HuntHit]:
        limit = convert.SHOWN_MEANWHILE if hunt.state is HuntState.RUNNING else None
        return convert.hit_messages(hunt, self._prior, limit=limit)

    def _prior(self, line: str) -> float:
        """The prior of a line's watchlists, shared evenly by the actors on them."""
        try:
            policy = self._lines.get(line).policy
        except LineUnknown:
            policy = self._lines.get("").policy
        snapshot = self._registry.snapshot
        names = policy.watchlists or [one.watchlist_id for one in snapshot.watchlists]
        actors = {
            actor_id
            for name in names
            if snapshot.has_watchlist(name)
            for actor_id in snapshot.members(name)
        }
        return policy.prior / max(1, len(actors))

    async def _record(self, kind: str, hunt: Hunt) -> None:
        subjects = [f"hunt/{hunt.hunt_id}"]
        if hunt.request.quarry is not Quarry.RECORDING:
            subjects.append(hunt.subject_key)
        await self._registry.record_event(principal=_principal(), kind=kind, subjects=subjects)


def _principal() -> str:
    return current_principal().name
