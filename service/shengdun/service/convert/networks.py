"""Networks, between the wire and domain values; for servers and, as the values are the same, for clients."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from shengdun.index.networks.graph import (
    Community,
    Edge,
    Evidence,
    EvidenceKind,
    Network,
    Node,
    NodeKey,
    NodeKind,
)
from shengdun.service.convert.times import timestamp
from shengdun.service.errors import InvalidRequest
from shengdun.v1 import network_pb2 as pb

_STEPS: Final = 3
_NODES: Final = 1000
_MOST_NODES: Final = 5000
_KIND: Final = "NETWORK_NODE_KIND_"
_EVIDENCE: Final = "NETWORK_EVIDENCE_KIND_"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkQuery:
    """Which network is asked for.

    Attributes:
        since: of calls that started then or later; None for any.
        until: of calls that started before; None for any.
        line: of calls of this line of business; empty for any.
        around: only what is near this node; None for all.
        steps: how many links away that is, at most.
        limit: how many nodes at most.
    """

    since: datetime | None = None
    until: datetime | None = None
    line: str = ""
    around: NodeKey | None = None
    steps: int = _STEPS
    limit: int = _NODES


def network_query(request: pb.GetNetworkRequest) -> NetworkQuery:
    """Which network is asked for.

    Raises:
        InvalidRequest: the node is no kind and id, or the time ends before it begins.
    """
    since = _instant(request.since) if request.HasField("since") else None
    until = _instant(request.until) if request.HasField("until") else None
    if since is not None and until is not None and until <= since:
        raise InvalidRequest("until must be after since")
    return NetworkQuery(
        since=since,
        until=until,
        line=request.line,
        around=_node_key(request.around) if request.around else None,
        steps=request.steps or _STEPS,
        limit=min(request.limit or _NODES, _MOST_NODES),
    )


def _node_key(text: str) -> NodeKey:
    kind, _, node_id = text.partition("/")
    kinds = [each.value for each in NodeKind]
    if kind not in kinds or not node_id:
        raise InvalidRequest(
            f"around must be a kind and an id, as actor/act_01jd; the kinds are {', '.join(kinds)}"
        )
    return NodeKey(NodeKind(kind), node_id)


def with_problems(network: Network, problems: tuple[str, ...]) -> Network:
    """The network, with what of the archive could not be read."""
    return replace(network, problems=problems)


def network_message(network: Network) -> pb.GetNetworkResponse:
    """A network as a message."""
    places = {node.key: place for place, node in enumerate(network.nodes)}
    return pb.GetNetworkResponse(
        nodes=[_node_message(node) for node in network.nodes],
        edges=[
            pb.NetworkEdge(
                one=places[edge.one],
                other=places[edge.other],
                llr=edge.llr,
                reasons=edge.reasons,
                evidence=[_evidence_message(each) for each in edge.evidence],
            )
            for edge in network.edges
        ],
        communities=[
            pb.NetworkCommunity(number=one.number, calls=one.calls, llr=one.llr)
            for one in network.communities
        ],
        calls=network.calls,
        nodes_found=network.nodes_found,
        problems=network.problems,
    )


def get_network_request(query: NetworkQuery) -> pb.GetNetworkRequest:
    """Asks for a network."""
    return pb.GetNetworkRequest(
        since=None if query.since is None else timestamp(query.since),
        until=None if query.until is None else timestamp(query.until),
        line=query.line,
        around="" if query.around is None else str(query.around),
        steps=query.steps,
        limit=query.limit,
    )


def network_from_wire(wire: pb.GetNetworkResponse) -> Network:
    """A network as it was told; what has a kind that this client doesn't know is left out."""
    nodes = {
        place: node
        for place, each in enumerate(wire.nodes)
        if (node := _node_from_wire(each)) is not None
    }
    members: dict[int, dict[NodeKind, int]] = {}
    for node in nodes.values():
        counts = members.setdefault(node.community, {})
        counts[node.key.kind] = counts.get(node.key.kind, 0) + 1
    return Network(
        nodes=tuple(nodes.values()),
        edges=tuple(
            Edge(
                one=nodes[each.one].key,
                other=nodes[each.other].key,
                llr=each.llr,
                reasons=each.reasons,
                evidence=tuple(_evidence_from_wire(one) for one in each.evidence),
            )
            for each in wire.edges
            if each.one in nodes and each.other in nodes
        ),
        communities=tuple(
            Community(
                number=one.number,
                members=members.get(one.number, {}),
                calls=one.calls,
                llr=one.llr,
            )
            for one in wire.communities
        ),
        calls=wire.calls,
        nodes_found=wire.nodes_found,
        problems=tuple(wire.problems),
    )


def _node_message(node: Node) -> pb.NetworkNode:
    return pb.NetworkNode(
        kind=pb.NetworkNodeKind.Value(_KIND + node.key.kind.name),
        id=node.key.node_id,
        calls=node.calls,
        first_time=None if node.first_at is None else timestamp(node.first_at),
        last_time=None if node.last_at is None else timestamp(node.last_at),
        community=node.community,
    )


def _node_from_wire(wire: pb.NetworkNode) -> Node | None:
    try:
        kind = NodeKind[pb.NetworkNodeKind.Name(wire.kind).removeprefix(_KIND)]
    except (KeyError, ValueError):
        return None
    return Node(
        key=NodeKey(kind, wire.id),
        calls=wire.calls,
        first_at=_instant(wire.first_time) if wire.HasField("first_time") else None,
        last_at=_instant(wire.last_time) if wire.HasField("last_time") else None,
        community=wire.community,
    )


def _evidence_message(each: Evidence) -> pb.NetworkEvidence:
    return pb.NetworkEvidence(
        kind=pb.NetworkEvidenceKind.Value(_EVIDENCE + each.kind.name),
        llr=each.llr,
        call_id=each.call_id,
        time=None if each.at is None else timestamp(each.at),
    )


def _evidence_from_wire(wire: pb.NetworkEvidence) -> Evidence:
    return Evidence(
        kind=EvidenceKind[pb.NetworkEvidenceKind.Name(wire.kind).removeprefix(_EVIDENCE)],
        llr=wire.llr,
        call_id=wire.call_id,
        at=_instant(wire.time) if wire.HasField("time") else None,
    )


def _instant(wire: Timestamp) -> datetime:
    return wire.ToDatetime(UTC)
