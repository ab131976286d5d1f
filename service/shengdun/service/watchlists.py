"""WatchlistService: keeps watchlists and the actors on them."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

from shengdun.enrollment.enroller import Enroller
from shengdun.enrollment.errors import EnrollmentRefused
from shengdun.enrollment.reports import EnrollmentReport
from shengdun.index.errors import WatchlistNotFound
from shengdun.index.identifiers import check_record_id, check_watchlist_id
from shengdun.index.registry import Registry
from shengdun.index.snapshot import Snapshot
from shengdun.index.watchlists import ActorPage, Watchlist
from shengdun.service.access import current_principal
from shengdun.service.convert import watchlist_requests as requests
from shengdun.service.convert import watchlists as messages
from shengdun.service.pages import within_a_message
from shengdun.service.watchlist_uploads import Upload, UploadLimits
from shengdun.v1 import watchlist_pb2 as pb
from shengdun.v1 import watchlist_pb2_grpc

_LOOKED_AT: Final = "actor.looked_at"


class WatchlistServicer(watchlist_pb2_grpc.WatchlistServiceServicer):
    """The service that investigators meet. Every change carries who made it; every look at a person is journaled.

    Args:
        registry: what is registered.
        enroller: registers actors from recordings.
        model_id: the server's voice model; new watchlists are for it.
        limits: how much one enrolment may send.
        enrolled: told of every actor that was enrolled; None if nobody wants to know.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        enroller: Enroller,
        model_id: str,
        limits: UploadLimits,
        enrolled: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._registry = registry
        self._enroller = enroller
        self._model_id = model_id
        self._limits = limits
        self._enrolled = enrolled

    async def CreateWatchlist(  # noqa: N802 - the contract's name, here and below
        self,
        request: pb.CreateWatchlistRequest,
        context: object,  # noqa: ARG002 - gRPC hands it over, here and below
    ) -> pb.CreateWatchlistResponse:
        """Makes a watchlist."""
        new, key = requests.new_watchlist(request, model_id=self._model_id)
        watchlist = await self._registry.create_watchlist(
            new, principal=_principal(), idempotency_key=key
        )
        return pb.CreateWatchlistResponse(watchlist=self._message(watchlist))

    async def GetWatchlist(  # noqa: N802
        self,
        request: pb.GetWatchlistRequest,
        context: object,  # noqa: ARG002
    ) -> pb.GetWatchlistResponse:
        """One watchlist."""
        watchlist = await self._registry.get_watchlist(check_watchlist_id(request.watchlist_id))
        return pb.GetWatchlistResponse(watchlist=self._message(watchlist))

    async def ListWatchlists(  # noqa: N802
        self,
        request: pb.ListWatchlistsRequest,  # noqa: ARG002
        context: object,  # noqa: ARG002
    ) -> pb.ListWatchlistsResponse:
        """All watchlists."""
        watchlists = await self._registry.list_watchlists()
        return pb.ListWatchlistsResponse(watchlists=[self._message(one) for one in watchlists])

    async def UpdateWatchlist(  # noqa: N802
        self,
        request: pb.UpdateWatchlistRequest,
        context: object,  # noqa: ARG002
    ) -> pb.UpdateWatchlistResponse:
        """Changes the fields named in the mask."""
        update = requests.watchlist_update(request)
        watchlist = await self._registry.update_watchlist(
            update.watchlist_id,
            update.changes,
            expected_revision=update.expected_revision,
            principal=_principal(),
        )
        return pb.UpdateWatchlistResponse(watchlist=self._message(watchlist))

    async def DeleteWatchlist(  # noqa: N802
        self,
        request: pb.DeleteWatchlistRequest,
        context: object,  # noqa: ARG002
    ) -> pb.DeleteWatchlistResponse:
        """Deletes a watchlist, by force with the actors that are then on no other."""
        receipts = await self._registry.delete_watchlist(
            check_watchlist_id(request.watchlist_id), force=request.force, principal=_principal()
        )
        return pb.DeleteWatchlistResponse(
            receipts=[messages.receipt_message(receipt) for receipt in receipts]
        )

    async def EnrollActor(  # noqa: N802
        self,
        request_iterator: AsyncIterator[pb.EnrollActorRequest],
        context: object,  # noqa: ARG002
    ) -> pb.EnrollActorResponse:
        """Registers an actor from recordings, or only assesses them."""
        upload = Upload(request_iterator, self._limits)
        config = (await upload.first()).config
        async with aclosing(upload.recordings()) as recordings, self._reported():
            if config.assess_only:
                report = await self._enroller.assess(recordings)
                await self._record_duplicates(report)
                return messages.assessment_message(report)
            request = requests.enrollment_request(config, registered_by=_principal())
            result = await self._enroller.enroll(request, recordings, principal=_principal())
            await self._record_duplicates(result.report)
            if self._enrolled is not None:
                await self._enrolled(result.actor.actor_id)
            return messages.result_message(result)

    async def AddVoiceprints(  # noqa: N802
        self,
        request_iterator: AsyncIterator[pb.AddVoiceprintsRequest],
        context: object,  # noqa: ARG002
    ) -> pb.AddVoiceprintsResponse:
        """Adds the voiceprints of further recordings to an actor."""
        upload = Upload(request_iterator, self._limits)
        request = requests.addition_request((await upload.first()).config)
        async with aclosing(upload.recordings()) as recordings, self._reported():
            result = await self._enroller.add_voiceprints(
                request, recordings, principal=_principal()
            )
            return messages.addition_message(result)

    async def RemoveVoiceprint(  # noqa: N802
        self,
        request: pb.RemoveVoiceprintRequest,
        context: object,  # noqa: ARG002
    ) -> pb.RemoveVoiceprintResponse:
        """Removes one voiceprint of an actor, but not the last."""
        actor = await self._registry.remove_voiceprint(
            requests.actor_id(request.actor_id),
            requests.voiceprint_id(request.voiceprint_id),
            principal=_principal(),
        )
        return pb.RemoveVoiceprintResponse(actor=messages.actor_message(actor))

    async def GetActor(  # noqa: N802
        self,
        request: pb.GetActorRequest,
        context: object,  # noqa: ARG002
    ) -> pb.GetActorResponse:
        """One actor."""
        actor = await self._registry.get_actor(requests.actor_id(request.actor_id))
        await self._record_look([actor.actor_id])
        return pb.GetActorResponse(actor=messages.actor_message(actor))

    async def ListActors(  # noqa: N802
        self,
        request: pb.ListActorsRequest,
        context: object,  # noqa: ARG002
    ) -> pb.ListActorsResponse:
        """The actors of a watchlist, or of all, in pages."""
        page = await self._page(request)
        actors = within_a_message([messages.actor_message(actor) for actor in page.actors])
        await self._record_look([actor.actor_id for actor in actors])
        cut = len(actors) < len(page.actors)
        return pb.ListActorsResponse(
            actors=actors,
            # A token is the last id of its page, so a page that was cut goes on after its last actor.
            next_page_token=actors[-1].actor_id if cut else page.next_page_token,
        )

    async def UpdateActor(  # noqa: N802
        self,
        request: pb.UpdateActorRequest,
        context: object,  # noqa: ARG002
    ) -> pb.UpdateActorResponse:
        """Changes the fields named in the mask."""
        update = requests.actor_update(request)
        expected, current = update.expected_revision, None
        if update.rests_on_current:
            current = await self._registry.get_actor(update.actor_id)
            # What is kept of the provenance must still be what is there when the change is written.
            expected = expected or current.revision
        actor = await self._registry.update_actor(
            update.actor_id,
            update.changes(current),
            expected_revision=expected,
            principal=_principal(),
        )
        return pb.UpdateActorResponse(actor=messages.actor_message(actor))

    async def EraseActor(  # noqa: N802
        self,
        request: pb.EraseActorRequest,
        context: object,  # noqa: ARG002
    ) -> pb.EraseActorResponse:
        """Erases an actor and every voiceprint of it."""
        receipt = await self._registry.erase_actor(
            requests.actor_id(request.actor_id),
            reason=requests.erasure_reason(request),
            principal=_principal(),
        )
        return pb.EraseActorResponse(receipt=messages.receipt_message(receipt))

    def _message(self, watchlist: Watchlist) -> pb.Watchlist:
        snapshot, watchlist_id = self._registry.snapshot, watchlist.watchlist_id
        try:
            actors = len(snapshot.members(watchlist_id))
            lacking = len(snapshot.without_voiceprint(watchlist_id, self._model_id))
        except WatchlistNotFound:
            # Somebody deleted it after it was read; the answer is about the moment before.
            actors, lacking = 0, 0
        return messages.watchlist_message(watchlist, actor_count=actors, without_voiceprint=lacking)

    async def _page(self, request: pb.ListActorsRequest) -> ActorPage:
        size, token = requests.page_of(request)
        if request.watchlist_id:
            return await self._registry.list_actors(
                check_watchlist_id(request.watchlist_id), page_size=size, page_token=token
            )
        return await asyncio.to_thread(_page_of_all, self._registry.snapshot, size, token)

    @asynccontextmanager
    async def _reported(self) -> AsyncIterator[None]:
        """Gives the refusal of an enrolment its report, and journals that the actors in it were looked at."""
        try:
            yield
        except EnrollmentRefused as refused:
            refused.detail = messages.report_detail(refused.report)
            await self._record_duplicates(refused.report)
            raise

    async def _record_duplicates(self, report: EnrollmentReport) -> None:
        await self._record_look([found.actor_id for found in report.likely_duplicates])

    async def _record_look(self, actor_ids: Sequence[str]) -> None:
        if actor_ids:
            await self._registry.record_event(
                principal=_principal(),
                kind=_LOOKED_AT,
                subjects=[f"actor/{actor_id}" for actor_id in actor_ids],
            )


def _page_of_all(snapshot: Snapshot, size: int, token: str) -> ActorPage:
    ids = snapshot.actor_ids
    start = bisect_right(ids, check_record_id("page_token", token)) if token else 0
    page = ids[start : start + size]
    more = start + size < len(ids)
    return ActorPage(
        actors=tuple(snapshot.actor(actor_id) for actor_id in page),
        next_page_token=page[-1] if more else "",
        total=len(ids),
    )


def _principal() -> str:
    return current_principal().name
