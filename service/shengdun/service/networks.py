"""NetworkService: shows which agents, voices, customers, numbers and scripts belong together."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial

from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.rows import CallQuery
from shengdun.index.networks.building import NetworkBuilder
from shengdun.index.networks.graph import Network, NodeKey, NodeKind
from shengdun.index.networks.lawful import REPEAT_VOICE, Lawful, lawful
from shengdun.index.networks.sightings import sightings
from shengdun.index.registry import Registry
from shengdun.index.snapshot import Snapshot
from shengdun.index.voices.clusters import VoiceClusters
from shengdun.service.access import current_principal
from shengdun.service.convert import networks as convert
from shengdun.service.errors import ArchiveOff
from shengdun.service.texts import Run
from shengdun.service.unknown_voices import UnknownVoices
from shengdun.v1 import network_pb2 as pb
from shengdun.v1 import network_pb2_grpc

_COLUMNS = (
    "call_id",
    "started_us",
    "customer",
    "number",
    "flag_kinds",
    "flag_subjects",
    "flag_llrs",
)


class NetworkServicer(network_pb2_grpc.NetworkServiceServicer):
    """What investigators ask about networks. Every look is journaled.

    Args:
        registry: what is registered.
        archive: the finished calls; None where none are kept.
        voices: of these calls; None where they aren't compared.
        run: where calls are gone through.
    """

    def __init__(
        self,
        registry: Registry,
        archive: CallArchive | None,
        voices: UnknownVoices | None,
        run: Run,
    ) -> None:
        self._registry = registry
        self._archive = archive
        self._voices = voices
        self._run = run

    async def GetNetwork(  # noqa: N802 - the contract's name
        self,
        request: pb.GetNetworkRequest,
        context: object,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.GetNetworkResponse:
        """The network of the archived calls of a time."""
        asked = convert.network_query(request)
        if self._archive is None:
            raise ArchiveOff
        snapshot = self._registry.snapshot
        clusters = None if self._voices is None else self._voices.clusters
        network = await self._run(partial(_network, self._archive, snapshot, clusters, asked))
        await self._registry.record_event(
            principal=current_principal().name,
            kind="network.looked_at",
            subjects=[str(asked.around)] if asked.around is not None else [],
        )
        return convert.network_message(network)


def _network(
    archive: CallArchive,
    snapshot: Snapshot,
    clusters: VoiceClusters | None,
    asked: convert.NetworkQuery,
) -> Network:
    # networkx takes 50 MB, which only a server has to have that is asked for networks.
    from shengdun.index.networks.communities import network_of  # noqa: PLC0415

    builder = NetworkBuilder(_lawful(archive, snapshot, clusters))
    query = CallQuery(since=asked.since, until=asked.until, line=asked.line)
    for block in archive.scan(query, voiceprints=False, columns=_COLUMNS):
        builder.take(sightings(block))
    for member, network_id in _registered(snapshot):
        builder.register(member, network_id)
    network = network_of(builder, around=asked.around, steps=asked.steps, limit=asked.limit)
    return convert.with_problems(network, archive.problems)


def _lawful(archive: CallArchive, snapshot: Snapshot, clusters: VoiceClusters | None) -> Lawful:
    if clusters is None or not len(snapshot.allowed.entries):
        return Lawful()
    now = datetime.now(UTC)
    flagged = archive.scan(CallQuery(flag=REPEAT_VOICE), voiceprints=False, columns=_COLUMNS)
    return lawful(
        (call for block in flagged for call in sightings(block)),
        snapshot.allowed.entries,
        at=now,
        others=clusters.policy.others,
        own=clusters.own(now),
    )


def _registered(snapshot: Snapshot) -> Iterable[tuple[NodeKey, str]]:
    for actor_id in snapshot.actor_ids:
        if network_id := snapshot.actor(actor_id).network_id:
            yield NodeKey(NodeKind.ACTOR, actor_id), network_id
    for script_id, held in snapshot.scripts.items():
        if held.network_id:
            yield NodeKey(NodeKind.SCRIPT, script_id), held.network_id
