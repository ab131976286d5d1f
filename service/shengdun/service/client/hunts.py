"""What a client asks of ``HuntService``."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import grpc.aio

from shengdun.service.client.connection import REQUEST_DEADLINE, Connection
from shengdun.service.client.uploads import pieces
from shengdun.service.contract.hunts import Hunt, Quarry
from shengdun.service.convert import client_hunts as convert
from shengdun.service.convert.client_stubs import hunt_stub

_END_WITHIN: Final = timedelta(minutes=2)


class HuntMethods:
    """The methods of a client that hunt; role: investigator."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._hunts = hunt_stub(connection.channel)

    async def hunt(
        self, quarry: Quarry, recording: Path | bytes | None = None
    ) -> AsyncIterator[Hunt]:
        """Hunt through the archived calls, and tell how it goes, to the end; it goes on when nobody listens.

        Args:
            quarry: what is hunted.
            recording: the recording, where the voice of one is hunted.

        Raises:
            ClientError: it was refused, or the server can't be reached any more.
            OSError: the recording can't be read.
        """
        messages = convert.hunt_to_wire(quarry, None if recording is None else pieces(recording))
        call = self._hunts.StartHunt(messages, metadata=self._connection.metadata)
        async for hunt in self._told(call):
            yield hunt

    async def resume_hunt(self, hunt_id: str) -> AsyncIterator[Hunt]:
        """Go on with a hunt that was cancelled or interrupted, and tell how it goes, to the end.

        Raises:
            ClientError: it was refused, or the server can't be reached any more.
        """
        call = self._hunts.ResumeHunt(
            convert.resume_request(hunt_id), metadata=self._connection.metadata
        )
        async for hunt in self._told(call):
            yield hunt

    async def get_hunt(self, hunt_id: str) -> Hunt:
        """A hunt as it stands, with what it found."""
        wire = await self._connection.request(
            self._hunts.GetHunt,
            convert.get_request(hunt_id),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.hunt_from_wire(wire.hunt, wire.hits)

    async def cancel_hunt(self, hunt_id: str) -> Hunt:
        """End a hunt; it can be resumed."""
        wire = await self._connection.request(
            self._hunts.CancelHunt,
            convert.cancel_request(hunt_id),
            deadline=_END_WITHIN,
            repeat=False,
        )
        return convert.hunt_from_wire(wire.hunt)

    async def list_hunts(self) -> tuple[Hunt, ...]:
        """All hunts of the machine, the latest first, without what they found."""
        wire = await self._connection.request(
            self._hunts.ListHunts,
            convert.list_request(),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return tuple(convert.hunt_from_wire(each) for each in wire.hunts)

    async def _told(self, call: Any) -> AsyncIterator[Hunt]:  # noqa: ANN401 - gRPC's calls have no common type
        try:
            async for wire in call:
                yield convert.hunt_from_wire(wire.hunt, wire.hits)
        except grpc.aio.AioRpcError as error:
            raise self._connection.translate(error) from None
        finally:
            call.cancel()
