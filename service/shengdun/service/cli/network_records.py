"""How networks look in a terminal."""

from shengdun.service.cli.output import note, say, table
from shengdun.service.cli.records import moment
from shengdun.service.contract.networks import Edge, Network

_NOTHING = "no recognised voice or script in {calls} archived calls"


def show_network(network: Network) -> None:
    """Write the communities, and under each its nodes and the links that most speaks for."""
    if not network.nodes:
        note(_NOTHING.format(calls=network.calls))
        return
    community_of = {node.key: node.community for node in network.nodes}
    for community in network.communities:
        counted = ", ".join(f"{count} {kind.value}" for kind, count in community.members.items())
        say(f"community {community.number}: {counted}; {community.calls} calls")
        rows = [
            (
                str(node.key),
                str(node.calls),
                moment(node.first_at) if node.first_at else "",
                moment(node.last_at) if node.last_at else "",
            )
            for node in network.nodes
            if node.community == community.number
        ]
        say(table(("NODE", "CALLS", "FIRST", "LAST"), rows))
        say()
        own = [edge for edge in network.edges if community_of[edge.one] == community.number]
        if own:
            say(
                table(("LLR", "LINK", "TO", "WHY", "REASONS", "CALL"), [_row(edge) for edge in own])
            )
            say()
    if network.nodes_found > len(network.nodes):
        note(f"these are {len(network.nodes)} of {network.nodes_found} nodes; --limit shows more")


def _row(edge: Edge) -> tuple[str, ...]:
    best = edge.evidence[0]
    return (
        f"{edge.llr:+.1f}",
        str(edge.one),
        str(edge.other),
        best.kind.value.replace("_", " "),
        str(edge.reasons),
        best.call_id,
    )
