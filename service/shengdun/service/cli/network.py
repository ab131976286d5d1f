"""``shengdun network``."""

import importlib
from pathlib import Path
from typing import Annotated

import typer

from shengdun.service.cli.actor import parse_expiry
from shengdun.service.cli.network_records import show_network
from shengdun.service.cli.output import note, say
from shengdun.service.cli.target import Target, with_server
from shengdun.service.contract.networks import Network, NodeKey, NodeKind

app = typer.Typer()

_EXPORT = "shengdun.index.networks.export"
When = Annotated[
    str, typer.Option(metavar="WHEN", help="ISO 8601 date or time (UTC without a zone).")
]


@app.callback()
def _network() -> None:
    """Show which agents, voices, customers, numbers and scripts belong together."""


@app.command()
@with_server
async def show(
    target: Target,
    around: Annotated[
        str,
        typer.Option(
            metavar="KIND/ID",
            help="Only what is near this node, for instance actor/act_01jd or customer/PSEUDONYM.",
        ),
    ] = "",
    steps: Annotated[int, typer.Option(min=1, max=20, help="How many links away.")] = 3,
    since: When = "never",
    until: When = "never",
    line: Annotated[str, typer.Option(help="Only calls of this line.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=5000, help="So many nodes at most.")] = 1000,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write it to a file: GraphML, or JSON if it ends in .json."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write it as one JSON value.")] = False,
) -> None:
    """Show the network of the archived calls, with what speaks for every link."""
    node = parse_node(around) if around else None
    async with target.connect() as client:
        network = await client.get_network(
            since=parse_expiry(since),
            until=parse_expiry(until),
            line=line,
            around=node,
            steps=steps,
            limit=limit,
        )
    for problem in network.problems:
        note(f"not all of the archive could be read: {problem}")
    if export is not None:
        export.write_bytes(exported(network, as_json=export.suffix == ".json"))
        note(f"wrote {len(network.nodes)} nodes and {len(network.edges)} edges to {export}")
    elif json:
        say(exported(network, as_json=True).decode())
    else:
        show_network(network)


def exported(network: Network, *, as_json: bool) -> bytes:
    """The network as JSON, or else as GraphML."""
    module = importlib.import_module(_EXPORT)  # loads networkx, which only this needs
    content: bytes = module.to_json(network).encode() if as_json else module.to_graphml(network)
    return content


def parse_node(text: str) -> NodeKey:
    """The node that an option states.

    Raises:
        BadParameter: it is no kind and id.
    """
    kind, _, node_id = text.partition("/")
    kinds = [each.value for each in NodeKind]
    if kind not in kinds or not node_id:
        raise typer.BadParameter(f"{text!r} is no KIND/ID; the kinds are {', '.join(kinds)}")
    return NodeKey(NodeKind(kind), node_id)
