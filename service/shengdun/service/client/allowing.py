"""What a client asks of ``AllowService``."""

from pathlib import Path

from shengdun.service.client.connection import REQUEST_DEADLINE, UPLOAD_DEADLINE, Connection
from shengdun.service.client.uploads import pieces
from shengdun.service.contract.allowing import AllowedEntry, AllowedPage, NewAllowed
from shengdun.service.convert import client_allowing as convert
from shengdun.service.convert.client_stubs import allow_stub


class AllowMethods:
    """The methods of a client that keep the allow-list; role: investigator."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._allow = allow_stub(connection.channel)

    async def add_allowed(
        self, new: NewAllowed, recording: Path | bytes | None = None
    ) -> AllowedEntry:
        """Add an entry; it counts when this returns.

        Args:
            new: the entry.
            recording: the recording, where an own voice comes from one.

        Raises:
            ClientError: it was refused, or the server can't be reached.
            OSError: the recording can't be read.
        """
        wire = await self._connection.attempt(
            lambda: self._allow.AddAllowed(
                convert.entry_to_wire(new, None if recording is None else pieces(recording)),
                timeout=UPLOAD_DEADLINE.total_seconds(),
                metadata=self._connection.metadata,
            ),
            repeat=False,
        )
        return convert.entry_from_wire(wire.entry)

    async def get_allowed(self, entry_id: str) -> AllowedEntry:
        """One entry, with the pseudonyms that it names."""
        wire = await self._connection.request(
            self._allow.GetAllowed,
            convert.get_request(entry_id),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.entry_from_wire(wire.entry)

    async def list_allowed(self, *, page_size: int = 0, page_token: str = "") -> AllowedPage:
        """A page of entries, ended ones among them, without pseudonyms.

        Args:
            page_size: at most so many; 0 for 100, and 1,000 are the most.
            page_token: of the page before; empty for the first one.
        """
        wire = await self._connection.request(
            self._allow.ListAllowed,
            convert.list_request(page_size, page_token),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.page_from_wire(wire)

    async def remove_allowed(self, entry_id: str, *, reason: str = "") -> None:
        """Remove an entry for good; it counts no more when this returns."""
        await self._connection.request(
            self._allow.RemoveAllowed,
            convert.remove_request(entry_id, reason),
            deadline=REQUEST_DEADLINE,
            repeat=False,
        )
