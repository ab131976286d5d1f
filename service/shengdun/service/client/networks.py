"""What a client asks of ``NetworkService``."""

from datetime import datetime

from shengdun.service.client.connection import REQUEST_DEADLINE, Connection
from shengdun.service.contract.networks import Network, NodeKey
from shengdun.service.convert import networks as convert
from shengdun.service.convert.client_stubs import network_stub


class NetworkMethods:
    """The methods of a client that ask about networks; role: investigator."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._networks = network_stub(connection.channel)

    async def get_network(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        line: str = "",
        around: NodeKey | None = None,
        steps: int = 0,
        limit: int = 0,
    ) -> Network:
        """Which agents, voices, customers, numbers and scripts the archived calls of a time link.

        Args:
            since: only calls that started then or later.
            until: only calls that started before.
            line: only calls of this line of business; empty for any.
            around: only what is within ``steps`` links of this node.
            steps: how many links; 0 for 3.
            limit: at most so many nodes; 0 for 1,000, and 5,000 are the most.
        """
        query = convert.NetworkQuery(
            since=since, until=until, line=line, around=around, steps=steps, limit=limit
        )
        wire = await self._connection.request(
            self._networks.GetNetwork,
            convert.get_network_request(query),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.network_from_wire(wire)
