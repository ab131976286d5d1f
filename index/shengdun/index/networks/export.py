"""A network as a file: GraphML for tools that draw graphs, JSON for everything else.

GraphML (Brandes et al., Graph Drawing 2001) is written with attributes that Gephi, yEd and Cytoscape show.
"""

import json
from datetime import datetime
from io import BytesIO
from typing import Any

import networkx as nx

from shengdun.index.networks.graph import Edge, Evidence, Network, Node


def to_json(network: Network) -> str:
    """The network as one JSON object with ``nodes``, ``edges``, ``communities`` and ``calls``."""
    tree = {
        "calls": network.calls,
        "nodes": [_node(node) for node in network.nodes],
        "edges": [
            _edge(edge) | {"evidence": [_evidence(each) for each in edge.evidence]}
            for edge in network.edges
        ],
        "communities": [
            {
                "number": one.number,
                "members": {kind.value: count for kind, count in one.members.items()},
                "calls": one.calls,
                "llr": round(one.llr, 3),
            }
            for one in network.communities
        ],
    }
    return json.dumps(tree, ensure_ascii=False, indent=1)


def to_graphml(network: Network) -> bytes:
    """The network as a GraphML document in UTF-8; of an edge's evidence it has the kinds and the strongest call."""
    graph: nx.Graph[str] = nx.Graph()
    for node in network.nodes:
        graph.add_node(str(node.key), **_without_none(_node(node)))
    for edge in network.edges:
        best = edge.evidence[0]
        kinds = ", ".join(sorted({each.kind.value for each in edge.evidence}))
        more = {"kinds": kinds, "call": best.call_id, "weight": edge.llr}
        graph.add_edge(str(edge.one), str(edge.other), **_without_none(_edge(edge) | more))
    written = BytesIO()
    nx.write_graphml_xml(graph, written, encoding="utf-8")
    return written.getvalue()


def _node(node: Node) -> dict[str, Any]:
    return {
        "key": str(node.key),
        "kind": node.key.kind.value,
        "id": node.key.node_id,
        "calls": node.calls,
        "first_at": _time(node.first_at),
        "last_at": _time(node.last_at),
        "community": node.community,
    }


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "one": str(edge.one),
        "other": str(edge.other),
        "llr": round(edge.llr, 3),
        "reasons": edge.reasons,
    }


def _evidence(each: Evidence) -> dict[str, Any]:
    return {
        "kind": each.kind.value,
        "llr": round(each.llr, 3),
        "call_id": each.call_id,
        "at": _time(each.at),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


def _without_none(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
