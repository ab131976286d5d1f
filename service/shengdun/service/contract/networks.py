"""What a client learns of networks: the values of the index, which have nothing of the wire or of the store."""

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

__all__ = [
    "Community",
    "Edge",
    "Evidence",
    "EvidenceKind",
    "Network",
    "Node",
    "NodeKey",
    "NodeKind",
]
