"""Who and what belongs together, with the evidence for it, and nobody else."""

import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from io import BytesIO

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.index.archive.rows import ArchivedFlag
from shengdun.index.networks.building import REGISTERED_LLR, NetworkBuilder
from shengdun.index.networks.communities import network_of
from shengdun.index.networks.export import to_graphml, to_json
from shengdun.index.networks.graph import EvidenceKind, Network, NodeKey, NodeKind
from shengdun.index.networks.sightings import Sighting

START = datetime(2026, 11, 1, 8, tzinfo=UTC)
ACTOR_A, ACTOR_B = (NodeKey(NodeKind.ACTOR, name) for name in ("act_a", "act_b"))
SCRIPT = NodeKey(NodeKind.SCRIPT, "scr_1")


def call(
    number: int,
    customer: str,
    *flags: tuple[str, float, str],
    calling_number: str = "",
) -> Sighting:
    """A finished call; ``flags`` are type, LLR and subject."""
    return Sighting(
        call_id=f"call-{number}",
        started_at=START + timedelta(hours=number),
        customer=customer,
        number=calling_number,
        flags=tuple(ArchivedFlag(kind=kind, llr=llr, subject=who) for kind, llr, who in flags),
    )


def by(actor: NodeKey, llr: float = 5.0) -> tuple[str, float, str]:
    """The flag of a known agent."""
    return "KNOWN_ACTOR_VOICE", llr, actor.node_id


def words(llr: float = 4.0) -> tuple[str, float, str]:
    """The flag of a known script."""
    return "SCRIPT_MATCH", llr, SCRIPT.node_id


def taken(calls: Iterable[Sighting]) -> NetworkBuilder:
    builder = NetworkBuilder()
    builder.take(calls)
    return builder


def network(calls: Iterable[Sighting]) -> Network:
    """Of these calls alone."""
    return network_of(taken(calls))


def customer(name: str) -> NodeKey:
    return NodeKey(NodeKind.CUSTOMER, name)


def llrs(found: Network) -> dict[frozenset[NodeKey], float]:
    """The LLR of each edge by its two nodes."""
    return {frozenset((edge.one, edge.other)): edge.llr for edge in found.edges}


TWO_GANGS = [
    *(call(i, f"c{i}", by(ACTOR_A), words(), calling_number="n-gang") for i in range(4)),
    *(call(10 + i, f"d{i}", by(ACTOR_B)) for i in range(3)),
    *(call(20 + i, f"e{i}", calling_number="n-switchboard") for i in range(30)),
    call(60, "c0", calling_number="n-switchboard"),
]


def test_two_gangs_are_two_communities() -> None:
    """Each with its customers; customers in whose calls nobody was recognised are in neither."""
    found = network(TWO_GANGS)
    community_of = {node.key: node.community for node in found.nodes}
    assert found.calls == len(TWO_GANGS)
    assert {community_of[ACTOR_A], community_of[SCRIPT], community_of[customer("c3")]} == {0}
    assert {community_of[ACTOR_B], community_of[customer("d2")]} == {1}
    assert not any(key.node_id.startswith("e") for key in community_of)
    first = found.communities[0]
    assert (first.members[NodeKind.CUSTOMER], first.members[NodeKind.ACTOR], first.calls) == (
        4,
        1,
        4,
    )


def test_an_edge_is_as_sure_as_its_best_evidence_and_names_its_calls() -> None:
    """Three calls of one voice are not three times as sure."""
    found = network([call(i, "c", by(ACTOR_A, llr)) for i, llr in enumerate((2.0, 6.5, 3.0))])
    [edge] = found.edges
    assert (edge.llr, edge.reasons) == (6.5, 3)
    assert [each.call_id for each in edge.evidence] == ["call-1", "call-2", "call-0"]
    assert {each.kind for each in edge.evidence} == {EvidenceKind.VOICE_OF_CALL}
    [actor] = [node for node in found.nodes if node.key == ACTOR_A]
    assert (actor.calls, actor.first_at, actor.last_at) == (3, START, START + timedelta(hours=2))


def test_a_voice_and_a_script_in_one_call_are_as_sure_as_the_weaker() -> None:
    found = network([call(1, "c", by(ACTOR_A, 5.0), words(1.5))])
    assert llrs(found)[frozenset((ACTOR_A, SCRIPT))] == 1.5


def test_a_number_says_the_less_the_more_customers_call_from_it() -> None:
    """And nothing when everybody does."""
    rare = network(TWO_GANGS)
    number = NodeKey(NodeKind.NUMBER, "n-gang")
    everybody = len({one.customer for one in TWO_GANGS})
    assert llrs(rare)[frozenset((customer("c1"), number))] == pytest.approx(math.log(everybody / 4))
    common = network([call(i, f"c{i}", by(ACTOR_A), calling_number="n") for i in range(5)])
    assert all(NodeKind.NUMBER not in {key.kind for key in ends} for ends in llrs(common))


def test_what_speaks_against_is_no_link() -> None:
    """Nor is a flag without a subject, or a call without a customer."""
    flags = (by(ACTOR_A, -1.0), ("SPEAKER_HANDOVER", 3.0, ""))
    assert network([call(1, "c", *flags)]).nodes == ()
    alone = network([call(1, "", by(ACTOR_A))])
    assert ([node.key for node in alone.nodes], alone.edges) == ([ACTOR_A], ())


def test_only_what_is_near_is_shown_around_a_node() -> None:
    """Two agents of one customer are two links apart; a node that isn't there has nothing around it."""
    calls = [*TWO_GANGS, call(90, "c0", by(ACTOR_B))]
    near = network_of(taken(calls), around=ACTOR_B, steps=1)
    assert {node.key.kind for node in near.nodes} == {NodeKind.ACTOR, NodeKind.CUSTOMER}
    wider = network_of(taken(calls), around=ACTOR_B, steps=2)
    assert ACTOR_A in {node.key for node in wider.nodes}
    nobody = network_of(taken(calls), around=NodeKey(NodeKind.ACTOR, "nobody"))
    assert (nobody.nodes, nobody.edges, nobody.communities) == ((), (), ())


def test_a_limit_keeps_what_most_speaks_for() -> None:
    """And says how much there is."""
    calls = [call(i, f"c{i}", by(ACTOR_A, 1.0 + i)) for i in range(9)]
    found = network_of(taken(calls), limit=4)
    assert {node.key for node in found.nodes} == {ACTOR_A, *map(customer, ("c8", "c7", "c6"))}
    assert (found.nodes_found, len(found.edges)) == (10, 3)


def test_records_of_investigators_link_too() -> None:
    """An actor who has not called yet is in its gang all the same."""
    builder = taken(TWO_GANGS)
    builder.register(ACTOR_A, "gang-1")
    builder.register(NodeKey(NodeKind.ACTOR, "act_c"), "gang-1")
    found = network_of(builder)
    gang = NodeKey(NodeKind.NETWORK, "gang-1")
    assert llrs(found)[frozenset((ACTOR_A, gang))] == REGISTERED_LLR
    silent = next(node for node in found.nodes if node.key.node_id == "act_c")
    assert (silent.calls, silent.first_at) == (0, None)


def test_files_have_what_is_shown() -> None:
    """GraphML can be read by what it is made for; JSON has the evidence."""
    builder = taken(TWO_GANGS)
    builder.register(ACTOR_B, "团伙 & <2>")
    found = network_of(builder)
    graph = nx.read_graphml(BytesIO(to_graphml(found)))
    assert set(graph) == {str(node.key) for node in found.nodes}
    assert graph.number_of_edges() == len(found.edges)
    assert graph.nodes["actor/act_a"]["calls"] == 4
    assert graph.edges["customer/c1", "actor/act_a"]["call"] == "call-1"
    tree = json.loads(to_json(found))
    assert len(tree["edges"]) == len(found.edges)
    assert {each["kind"] for edge in tree["edges"] for each in edge["evidence"]} >= {
        "voice_of_call",
        "words_of_call",
        "shared_number",
        "registered",
    }
    assert to_json(network_of(NetworkBuilder()))
    assert to_graphml(network_of(NetworkBuilder()))


@given(st.permutations(TWO_GANGS))
def test_the_order_of_calls_changes_nothing(calls: list[Sighting]) -> None:
    assert to_json(network(calls)) == to_json(network(TWO_GANGS))
