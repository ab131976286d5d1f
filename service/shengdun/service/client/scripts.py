"""What a client asks of ``ScriptService``."""

import uuid
from collections.abc import AsyncIterator

from shengdun.service.client.connection import REQUEST_DEADLINE, Connection
from shengdun.service.contract.scripts import MatchedText, NewScript, Script
from shengdun.service.contract.watchlists import ErasureReceipt
from shengdun.service.convert import client_scripts as convert
from shengdun.service.convert.client_stubs import script_stub
from shengdun.service.convert.client_watchlists import receipt_from_wire


class ScriptMethods:
    """The methods of a client that keep scripts; role: investigator."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._scripts = script_stub(connection.channel)

    async def add_script(self, new: NewScript, *, idempotency_key: str = "") -> Script:
        """Register a script; on return it is searched for and durable. Tells of those that are nearly the same.

        Args:
            new: the script.
            idempotency_key: within 24 hours the same key changes nothing and gives the first answer; without one, a
                fresh one is made, so that the client's own repeats are harmless.
        """
        wire = await self._connection.request(
            self._scripts.AddScript,
            convert.add_script_request(new, idempotency_key or uuid.uuid4().hex),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.added_from_wire(wire)

    async def get_script(self, script_id: str) -> Script:
        """One script with its text as it is kept."""
        wire = await self._connection.request(
            self._scripts.GetScript,
            convert.get_script_request(script_id),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.script_from_wire(wire.script, wire.text)

    async def list_scripts(
        self, *, network_id: str = "", campaign: str = "", page_size: int = 0
    ) -> AsyncIterator[Script]:
        """The scripts of a network or campaign, or all, without their texts; pages are fetched as they are needed."""
        token = ""
        while True:
            wire = await self._connection.request(
                self._scripts.ListScripts,
                convert.list_scripts_request(
                    network_id=network_id, campaign=campaign, page_size=page_size, page_token=token
                ),
                deadline=REQUEST_DEADLINE,
                repeat=True,
            )
            for script in wire.scripts:
                yield convert.script_from_wire(script)
            token = wire.next_page_token
            if not token:
                return

    async def erase_script(self, script_id: str, *, reason: str) -> ErasureReceipt:
        """Erase a script.

        Args:
            script_id: the script.
            reason: why, for the audit log; free of personal data.
        """
        wire = await self._connection.request(
            self._scripts.EraseScript,
            convert.erase_script_request(script_id, reason),
            deadline=REQUEST_DEADLINE,
            repeat=False,
        )
        return receipt_from_wire(wire.receipt)

    async def match_text(self, text: str, *, limit: int = 0) -> MatchedText:
        """The scripts that a text may use, also those that little speaks for; at most ``limit``, 0 for 10."""
        wire = await self._connection.request(
            self._scripts.MatchText,
            convert.match_text_request(text, limit),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.matched_from_wire(wire)
