"""Where time went and how much a server is doing, between the wire and the client's values."""

from shengdun.service.contract import decisions as values
from shengdun.service.contract import servers
from shengdun.service.convert.client_enums import from_wire
from shengdun.v1 import decision_pb2, screening_pb2


def timings_from_wire(wire: decision_pb2.StageTimings) -> values.StageTimings:
    """Where the latency of a decision went."""
    return values.StageTimings(
        listening=wire.listening.ToTimedelta(),
        waiting=wire.waiting.ToTimedelta(),
        voiceprint=wire.voiceprint.ToTimedelta(),
        search=wire.search.ToTimedelta(),
        deciding=wire.deciding.ToTimedelta(),
    )


def load_from_wire(wire: screening_pb2.ServerLoad) -> servers.ServerLoad:
    """How much a server is doing."""
    return servers.ServerLoad(
        undecided_calls=wire.undecided_calls,
        calls_with_words=wire.calls_with_words,
        words_share=wire.words_share,
        load=wire.load,
        load_limit=wire.load_limit,
        wait=wire.wait.ToTimedelta(),
        refused_calls=wire.refused_calls,
        decisions=wire.decisions,
        decisions_over_budget=wire.decisions_over_budget,
        final_decisions_over_budget=wire.final_decisions_over_budget,
        stages=tuple(
            servers.StageLoad(
                stage=from_wire(servers.Stage, screening_pb2.Stage.Name, "STAGE_", stage.stage),
                total=stage.total.ToTimedelta(),
                bounds_s=tuple(stage.bounds),
                counts=tuple(stage.counts),
            )
            for stage in wire.stages
        ),
    )


def archive_state_from_wire(wire: screening_pb2.ArchiveState) -> servers.ArchiveState:
    """How the archive of finished calls is."""
    return servers.ArchiveState(
        calls=wire.calls,
        unmoved_calls=wire.unmoved_calls,
        waiting_calls=wire.waiting_calls,
        lost_calls=wire.lost_calls,
        problems=wire.problems,
    )
