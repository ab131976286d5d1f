"""What a client asks of ``WatchlistService``."""

import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from shengdun.service.client.connection import REQUEST_DEADLINE, UPLOAD_DEADLINE, Connection
from shengdun.service.client.uploads import as_recordings, check_readable, parts
from shengdun.service.contract.watchlists import (
    Actor,
    ActorChanges,
    AddedVoiceprints,
    DuplicatePolicy,
    Enrollment,
    ErasureReceipt,
    NewActor,
    NewWatchlist,
    Recording,
    Watchlist,
    WatchlistChanges,
)
from shengdun.service.convert import client_requests as requests
from shengdun.service.convert import client_watchlists as answers
from shengdun.service.convert.client_stubs import watchlist_stub


class KeepingMethods:
    """The methods of a client that keep watchlists and actors; role: investigator.

    An idempotency key makes a repeat harmless: within 24 hours the same key changes nothing and gives the first
    answer. Without one given, a fresh one is made, so that the client's own repeats are harmless.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._watchlists = watchlist_stub(connection.channel)

    async def create_watchlist(self, new: NewWatchlist, *, idempotency_key: str = "") -> Watchlist:
        """Make a watchlist."""
        wire = await self._connection.request(
            self._watchlists.CreateWatchlist,
            requests.create_watchlist_request(new, idempotency_key or _fresh_key()),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return answers.watchlist_from_wire(wire.watchlist)

    async def get_watchlist(self, watchlist_id: str) -> Watchlist:
        """One watchlist."""
        wire = await self._connection.request(
            self._watchlists.GetWatchlist,
            requests.get_watchlist_request(watchlist_id),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return answers.watchlist_from_wire(wire.watchlist)

    async def list_watchlists(self) -> tuple[Watchlist, ...]:
        """All watchlists in the order of their ids."""
        wire = await self._connection.request(
            self._watchlists.ListWatchlists,
            requests.list_watchlists_request(),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return tuple(answers.watchlist_from_wire(watchlist) for watchlist in wire.watchlists)

    async def update_watchlist(
        self, watchlist_id: str, changes: WatchlistChanges, *, revision: int = 0
    ) -> Watchlist:
        """Change a watchlist; a revision other than 0 must be the current one."""
        wire = await self._connection.request(
            self._watchlists.UpdateWatchlist,
            requests.update_watchlist_request(watchlist_id, changes, revision),
            deadline=REQUEST_DEADLINE,
            repeat=False,
        )
        return answers.watchlist_from_wire(wire.watchlist)

    async def delete_watchlist(
        self, watchlist_id: str, *, force: bool = False
    ) -> tuple[ErasureReceipt, ...]:
        """Delete a watchlist; one with actors only by force, which erases those that are on no other list."""
        wire = await self._connection.request(
            self._watchlists.DeleteWatchlist,
            requests.delete_watchlist_request(watchlist_id, force=force),
            deadline=REQUEST_DEADLINE,
            repeat=False,
        )
        return answers.receipts_from_wire(wire.receipts)

    async def enroll_actor(
        self,
        actor: NewActor,
        recordings: Sequence[Recording | Path],
        *,
        duplicate_policy: DuplicatePolicy = DuplicatePolicy.REFUSE,
        idempotency_key: str = "",
        assess_only: bool = False,
    ) -> Enrollment:
        """Register an actor from its recordings; on return it is searchable and durable.

        Args:
            actor: who it is.
            recordings: files, or bytes with names, in any common container.
            duplicate_policy: what to do when the voice is already known.
            idempotency_key: makes a repeat harmless.
            assess_only: only say what would be found; change nothing.

        Raises:
            ClientError: refused; ``detail`` then is the report where the recordings were assessed.
            OSError: a file can't be read.
        """
        sent = as_recordings(recordings)
        check_readable(sent)
        key = idempotency_key or _fresh_key()
        wire = await self._connection.attempt(
            lambda: self._watchlists.EnrollActor(
                requests.enrollment_to_wire(
                    parts(sent),
                    actor=actor,
                    idempotency_key=key,
                    duplicate_policy=duplicate_policy,
                    assess_only=assess_only,
                ),
                timeout=UPLOAD_DEADLINE.total_seconds(),
                metadata=self._connection.metadata,
            ),
            repeat=True,
        )
        return answers.enrollment_from_wire(wire)

    async def add_voiceprints(
        self,
        actor_id: str,
        recordings: Sequence[Recording | Path],
        *,
        accept_other_voice: bool = False,
        idempotency_key: str = "",
    ) -> AddedVoiceprints:
        """Add the voiceprints of further recordings to an actor.

        Args:
            actor_id: the actor.
            recordings: files, or bytes with names, in any common container.
            accept_other_voice: add recordings that don't agree with the actor's voiceprints all the same.
            idempotency_key: makes a repeat harmless.

        Raises:
            ClientError: refused; ``detail`` then is the report where the recordings were assessed.
            OSError: a file can't be read.
        """
        sent = as_recordings(recordings)
        check_readable(sent)
        key = idempotency_key or _fresh_key()
        wire = await self._connection.attempt(
            lambda: self._watchlists.AddVoiceprints(
                requests.voiceprints_to_wire(
                    parts(sent),
                    actor_id=actor_id,
                    idempotency_key=key,
                    accept_other_voice=accept_other_voice,
                ),
                timeout=UPLOAD_DEADLINE.total_seconds(),
                metadata=self._connection.metadata,
            ),
            repeat=True,
        )
        return answers.added_from_wire(wire)

    async def remove_voiceprint(self, actor_id: str, voiceprint_id: str) -> Actor:
        """Remove one voiceprint of an actor; the last one can't be removed."""
        wire = await self._connection.request(
            self._watchlists.RemoveVoiceprint,
            requests.remove_voiceprint_request(actor_id, voiceprint_id),
            deadline=REQUEST_DEADLINE,
            repeat=False,
        )
        return answers.actor_from_wire(wire.actor)

    async def get_actor(self, actor_id: str) -> Actor:
        """One actor."""
        wire = await self._connection.request(
            self._watchlists.GetActor,
            requests.get_actor_request(actor_id),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return answers.actor_from_wire(wire.actor)

    async def list_actors(
        self, watchlist_id: str = "", *, page_size: int = 0
    ) -> AsyncIterator[Actor]:
        """The actors of a watchlist, or all; pages are fetched as they are needed."""
        token = ""
        while True:
            wire = await self._connection.request(
                self._watchlists.ListActors,
                requests.list_actors_request(watchlist_id, page_size, token),
                deadline=REQUEST_DEADLINE,
                repeat=True,
            )
            for actor in wire.actors:
                yield answers.actor_from_wire(actor)
            token = wire.next_page_token
            if not token:
                return

    async def update_actor(
        self, actor_id: str, changes: ActorChanges, *, revision: int = 0
    ) -> Actor:
        """Change an actor; a revision other than 0 must be the current one."""
        wire = await self._connection.request(
            self._watchlists.UpdateActor,
            requests.update_actor_request(actor_id, changes, revision),
            deadline=REQUEST_DEADLINE,
            repeat=False,
        )
        return answers.actor_from_wire(wire.actor)

    async def erase_actor(self, actor_id: str, *, reason: str) -> ErasureReceipt:
        """Erase an actor and every voiceprint of it.

        Args:
            actor_id: the actor.
            reason: why, for the audit log; free of personal data.
        """
        wire = await self._connection.request(
            self._watchlists.EraseActor,
            requests.erase_actor_request(actor_id, reason),
            deadline=REQUEST_DEADLINE,
            repeat=False,
        )
        return answers.receipt_from_wire(wire.receipt)


def _fresh_key() -> str:
    return uuid.uuid4().hex
