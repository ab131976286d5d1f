"""The client of a Shengdun server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from shengdun.service.client.allowing import AllowMethods
from shengdun.service.client.archive import ArchiveMethods
from shengdun.service.client.campaigns import CampaignMethods
from shengdun.service.client.connection import Connection, Credentials, open_channel
from shengdun.service.client.hunts import HuntMethods
from shengdun.service.client.keeping import KeepingMethods
from shengdun.service.client.networks import NetworkMethods
from shengdun.service.client.screening import ScreeningMethods
from shengdun.service.client.scripts import ScriptMethods
from shengdun.service.client.voices import VoiceMethods


class ShengdunClient(
    ScreeningMethods,
    KeepingMethods,
    ScriptMethods,
    CampaignMethods,
    NetworkMethods,
    ArchiveMethods,
    HuntMethods,
    VoiceMethods,
    AllowMethods,
):
    """Talks to one server. Made by ``connect``; safe to use from many tasks of one event loop.

    Every method raises ``ClientError`` when the request is refused or no server answers. What can be repeated
    harmlessly is repeated a few times when the server can't be reached.
    """

    def __init__(self, connection: Connection) -> None:
        ScreeningMethods.__init__(self, connection)
        KeepingMethods.__init__(self, connection)
        ScriptMethods.__init__(self, connection)
        CampaignMethods.__init__(self, connection)
        NetworkMethods.__init__(self, connection)
        ArchiveMethods.__init__(self, connection)
        HuntMethods.__init__(self, connection)
        VoiceMethods.__init__(self, connection)
        AllowMethods.__init__(self, connection)

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        address: str,
        *,
        token: str | None = None,
        ca_certificate: Path | None = None,
        client_certificate: Path | None = None,
        client_key: Path | None = None,
        own_connection: bool = False,
    ) -> AsyncIterator[Self]:
        """Connect to a server, for instance ``async with ShengdunClient.connect("127.0.0.1:50051") as client``.

        Args:
            address: host and port.
            token: the bearer token.
            ca_certificate: PEM file of the authority that signed the server's certificate; none means no TLS.
            client_certificate: PEM file of this client's certificate, where the server asks for one.
            client_key: PEM file of its private key.
            own_connection: share no connection with other clients of this process that go to the same address.

        Raises:
            OSError: a PEM file can't be read.
            ValueError: the files given don't go together.
        """
        credentials = Credentials(
            token=token,
            ca_certificate=ca_certificate,
            client_certificate=client_certificate,
            client_key=client_key,
        )
        channel = open_channel(address, credentials, own_connection=own_connection)
        try:
            yield cls(Connection(channel=channel, address=address, credentials=credentials))
        finally:
            await channel.close()
