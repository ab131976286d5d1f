"""VoiceService: tells the voices that nobody has enrolled, and makes actors of them."""

from typing import Final

from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.errors import CallNotArchived
from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.errors import ActorExists
from shengdun.index.registry import Registry
from shengdun.index.voices.cluster import Cluster
from shengdun.index.watchlists import Actor, Template
from shengdun.service.access import current_principal
from shengdun.service.convert import voice_requests as requests
from shengdun.service.convert import voices as messages
from shengdun.service.convert.watchlists import actor_message
from shengdun.service.errors import VoiceHasNoCalls, VoicePromoted, VoicesOff
from shengdun.service.hunt_opening import Enrolled
from shengdun.service.pages import within_a_message
from shengdun.service.texts import Run
from shengdun.service.unknown_voices import UnknownVoices
from shengdun.v1 import voice_pb2 as pb
from shengdun.v1 import voice_pb2_grpc

_TEMPLATES: Final = 10
"""More voiceprints of one voice tell it no better, and each is searched."""


class VoiceServicer(voice_pb2_grpc.VoiceServiceServicer):
    """What investigators ask about unknown voices. Every look at one, and every promotion, is journaled.

    Args:
        registry: what is registered.
        archive: the finished calls; None where none are kept.
        voices: of these calls; None likewise.
        run: where voices are gone through.
        enrolled: told of every actor that a voice was made; None if nobody wants to know.
    """

    def __init__(
        self,
        registry: Registry,
        archive: CallArchive | None,
        voices: UnknownVoices | None,
        run: Run,
        enrolled: Enrolled | None = None,
    ) -> None:
        self._registry = registry
        self._archive = archive
        self._voices = voices
        self._run = run
        self._enrolled = enrolled

    async def ListVoices(  # noqa: N802 - the contract's name, here and below
        self,
        request: pb.ListVoicesRequest,
        context: object,  # noqa: ARG002 - gRPC hands it over, here and below
    ) -> pb.ListVoicesResponse:
        """The voices that called for several customers, the most suspicious first."""
        voices, asked = self._known(), requests.voice_query(request)
        found = await self._run(lambda: voices.clusters.clusters(customers=asked.least_customers))
        shown = [messages.voice_message(each) for each in found[: asked.limit]]
        return pb.ListVoicesResponse(
            voices=within_a_message(shown),
            voices_found=len(found),
            calls_compared=len(voices.clusters.recent),
            caught_up=voices.is_caught_up,
        )

    async def GetVoice(  # noqa: N802
        self,
        request: pb.GetVoiceRequest,
        context: object,  # noqa: ARG002
    ) -> pb.GetVoiceResponse:
        """One voice with its calls."""
        cluster = await self._cluster(requests.voice_id(request.voice_id))
        await self._record("voice.looked_at", f"voice/{cluster.cluster_id}")
        return messages.whole_voice_message(cluster)

    async def PromoteVoice(  # noqa: N802
        self,
        request: pb.PromoteVoiceRequest,
        context: object,  # noqa: ARG002
    ) -> pb.PromoteVoiceResponse:
        """Makes an actor of a voice."""
        cluster = await self._cluster(requests.voice_id(request.voice_id))
        actor = await self._promoted(request, cluster)
        await self._record(
            "voice.promoted", f"voice/{cluster.cluster_id}", f"actor/{actor.actor_id}"
        )
        if self._enrolled is not None:
            await self._enrolled(actor.actor_id)
        return pb.PromoteVoiceResponse(actor=actor_message(actor))

    async def _promoted(self, request: pb.PromoteVoiceRequest, cluster: Cluster) -> Actor:
        # One id for one voice, so that two people can't make two actors of it.
        actor_id = f"act_{cluster.cluster_id}"
        new = requests.promoted_actor(
            request, actor_id, cluster.cluster_id, registered_by=current_principal().name
        )
        templates = [_template(call) for call in await self._run(lambda: self._calls(cluster))]
        if not templates:
            raise VoiceHasNoCalls(
                f"no call of voice {cluster.cluster_id} is in the archive any more; enrol it from a recording"
            )
        try:
            return await self._registry.register_actor(
                new, templates, principal=current_principal().name
            )
        except ActorExists as error:
            raise VoicePromoted(
                f"voice {cluster.cluster_id} was promoted before; it is actor {actor_id}"
            ) from error

    def _calls(self, cluster: Cluster) -> list[ArchivedCall]:
        assert self._archive is not None
        calls = []
        for member in cluster.members:
            try:
                calls.append(self._archive.get(member.call_id))
            except CallNotArchived:
                continue
        able = [call for call in calls if call.voiceprint is not None]
        return sorted(able, key=lambda call: -call.net_speech_s)[:_TEMPLATES]

    async def _cluster(self, voice_id: str) -> Cluster:
        voices = self._known()
        return await self._run(lambda: voices.clusters.cluster(voice_id))

    def _known(self) -> UnknownVoices:
        if self._voices is None:
            raise VoicesOff
        return self._voices

    async def _record(self, kind: str, *subjects: str) -> None:
        await self._registry.record_event(
            principal=current_principal().name, kind=kind, subjects=subjects
        )


def _template(call: ArchivedCall) -> Template:
    assert call.voiceprint is not None
    return Template.new(
        call.voiceprint,
        model_id=call.model_id,
        net_speech_s=call.net_speech_s,
        snr_db=call.snr_db,
        codec=call.codec,
        source=f"call {call.call_id}",
    )
