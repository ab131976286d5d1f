"""What is told of networks: nodes, edges with their evidence, and the communities that they form."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple


class NodeKind(Enum):
    """What a node stands for."""

    ACTOR = "actor"
    VOICE = "voice"
    SCRIPT = "script"
    CAMPAIGN = "campaign"
    CUSTOMER = "customer"
    NUMBER = "number"
    NETWORK = "network"


class NodeKey(NamedTuple):
    """Which node: its kind, and its id among those of the kind (for customers and numbers a keyed pseudonym)."""

    kind: NodeKind
    node_id: str

    def __str__(self) -> str:
        return f"{self.kind.value}/{self.node_id}"


class EvidenceKind(Enum):
    """Why two nodes are linked."""

    VOICE_OF_CALL = "voice_of_call"
    """The voice of a call in the customer's name was recognised."""
    WORDS_OF_CALL = "words_of_call"
    """The words of such a call follow a script or a campaign."""
    SAME_CALL = "same_call"
    """A voice and a script were recognised in one call."""
    SHARED_NUMBER = "shared_number"
    """Calls in the customer's name came from the number, from which few customers' calls come."""
    REGISTERED = "registered"
    """An investigator has written it into the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One reason for an edge.

    Attributes:
        kind: of what sort it is.
        llr: natural-log likelihood ratio of "they belong together" against "by chance".
        call_id: the call that shows it; empty where it is no call.
        at: when that was; None where it is no call.
    """

    kind: EvidenceKind
    llr: float
    call_id: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node.

    Attributes:
        key: which.
        calls: the calls that it appears in.
        first_at: the first of them; None without any.
        last_at: the last of them.
        community: number of its community, from 0; the largest is the first.
    """

    key: NodeKey
    calls: int
    first_at: datetime | None
    last_at: datetime | None
    community: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Two nodes that belong together, as far as is known.

    Attributes:
        one: a node.
        other: another.
        llr: natural-log likelihood ratio for the link: that of its best evidence, for calls of one voice err together
            and their sum would claim too much.
        reasons: how many there are.
        evidence: the strongest of them, the best first.
    """

    one: NodeKey
    other: NodeKey
    llr: float
    reasons: int
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """Nodes that are linked among themselves more than with others.

    Attributes:
        number: which, from 0.
        members: how many nodes of each kind it has.
        calls: the calls that its customers appear in.
        llr: the sum of its edges' LLRs; puts communities in order and is no likelihood ratio itself.
    """

    number: int
    members: Mapping[NodeKind, int]
    calls: int
    llr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The graph, or a part of it.

    Attributes:
        nodes: by community, then by how many calls they appear in, most first.
        edges: the strongest first.
        communities: the strongest first.
        calls: how many calls were looked through.
        nodes_found: how many nodes there are; more than ``nodes`` where a limit has cut them.
        problems: what of the archive could not be read, in words.
    """

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    communities: tuple[Community, ...] = ()
    calls: int = 0
    nodes_found: int = 0
    problems: tuple[str, ...] = ()
