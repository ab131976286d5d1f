"""Communities of a network, and parts of it, by networkx.

Communities are those of the Louvain method (Blondel, Guillaume, Lambiotte, Lefebvre, J. Stat. Mech. 2008, P10008) with
the edges' LLRs as weights. Its moves are drawn with a fixed seed, so the same calls give the same communities.

networkx takes 50 MB, so this module is imported where somebody looks at networks, and not before.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import networkx as nx

from shengdun.index.networks.building import Appearances, NetworkBuilder
from shengdun.index.networks.graph import Community, Edge, Network, Node, NodeKey, NodeKind

_SEED: Final = 1
_LEAST_WEIGHT: Final = 1e-3


def network_of(
    builder: NetworkBuilder,
    *,
    around: NodeKey | None = None,
    steps: int = 3,
    limit: int = 100_000,
) -> Network:
    """The network of what a builder has taken in.

    Args:
        builder: of the calls and records.
        around: only what is within ``steps`` links of this node; None for all. A node that isn't there has nothing
            around it.
        steps: how many links, 1 or more. Two agents who called for one customer are two links apart.
        limit: at most so many nodes, those of the strongest edges.
    """
    edges = sorted(builder.edges(), key=lambda edge: (-edge.llr, str(edge.one), str(edge.other)))
    graph = _graph(builder.nodes, edges)
    if around is not None:
        graph = _around(graph, around, steps)
        edges = _within(edges, graph)
    found = len(graph)
    if found > limit:
        graph = graph.subgraph(_strongest(graph, edges, limit))
        edges = _within(edges, graph)
    groups = _communities(graph)
    number_of = {key: number for number, group in enumerate(groups) for key in group}
    return Network(
        nodes=_nodes(builder.nodes, number_of),
        edges=tuple(edges),
        communities=tuple(_described(groups, builder.nodes, edges, number_of)),
        calls=builder.calls,
        nodes_found=found,
    )


def _within(edges: Iterable[Edge], graph: "nx.Graph[NodeKey]") -> list[Edge]:
    return [edge for edge in edges if edge.one in graph and edge.other in graph]


def _strongest(graph: "nx.Graph[NodeKey]", edges: Iterable[Edge], limit: int) -> list[NodeKey]:
    in_order = (key for edge in edges for key in (edge.one, edge.other))
    # What has no edge comes last.
    return list(dict.fromkeys((*in_order, *graph)))[:limit]


def _graph(nodes: Iterable[NodeKey], edges: Iterable[Edge]) -> "nx.Graph[NodeKey]":
    graph: nx.Graph[NodeKey] = nx.Graph()
    # In a fixed order, on which the communities depend where several are as good.
    graph.add_nodes_from(sorted(nodes, key=str))
    graph.add_weighted_edges_from(
        (edge.one, edge.other, max(edge.llr, _LEAST_WEIGHT)) for edge in edges
    )
    return graph


def _around(graph: "nx.Graph[NodeKey]", around: NodeKey, steps: int) -> "nx.Graph[NodeKey]":
    if around not in graph:
        return graph.subgraph(())
    reached = nx.single_source_shortest_path_length(graph, around, cutoff=steps)
    return graph.subgraph(sorted(reached, key=str))


def _communities(graph: "nx.Graph[NodeKey]") -> list[set[NodeKey]]:
    if not graph:
        return []
    found = nx.community.louvain_communities(graph, weight="weight", seed=_SEED)
    weights = {min(group, key=str): graph.subgraph(group).size(weight="weight") for group in found}
    return sorted(found, key=lambda group: (-weights[min(group, key=str)], min(map(str, group))))


def _nodes(
    appear: Mapping[NodeKey, Appearances], number_of: Mapping[NodeKey, int]
) -> tuple[Node, ...]:
    nodes = [
        Node(
            key=key,
            calls=appear[key].calls,
            first_at=appear[key].first_at,
            last_at=appear[key].last_at,
            community=number,
        )
        for key, number in number_of.items()
    ]
    return tuple(sorted(nodes, key=lambda node: (node.community, -node.calls, str(node.key))))


def _described(
    groups: list[set[NodeKey]],
    appear: Mapping[NodeKey, Appearances],
    edges: Iterable[Edge],
    number_of: Mapping[NodeKey, int],
) -> Iterable[Community]:
    llrs: dict[int, float] = defaultdict(float)
    for edge in edges:
        if number_of[edge.one] == number_of[edge.other]:
            llrs[number_of[edge.one]] += edge.llr
    for number, group in enumerate(groups):
        yield Community(
            number=number,
            members=_counted(group),
            calls=sum(appear[key].calls for key in group if key.kind is NodeKind.CUSTOMER),
            llr=llrs[number],
        )


def _counted(group: Iterable[NodeKey]) -> dict[NodeKind, int]:
    counts = Counter(key.kind for key in group)
    return {kind: counts[kind] for kind in NodeKind if kind in counts}
