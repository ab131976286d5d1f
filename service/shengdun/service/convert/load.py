"""How much a server is doing: from domain values to messages."""

from datetime import timedelta

from shengdun.service.admission import Standing
from shengdun.service.archiving import ArchivingStanding
from shengdun.service.costs import Stage
from shengdun.service.meters import BOUNDS_S, Meters
from shengdun.v1 import screening_pb2

_STAGES = {
    Stage.LISTENING: screening_pb2.STAGE_LISTENING,
    Stage.WAITING: screening_pb2.STAGE_WAITING,
    Stage.VOICEPRINT: screening_pb2.STAGE_VOICEPRINT,
    Stage.SEARCH: screening_pb2.STAGE_SEARCH,
    Stage.DECIDING: screening_pb2.STAGE_DECIDING,
}


def load_message(standing: Standing, meters: Meters) -> screening_pb2.ServerLoad:
    """How much a server is doing, as a message."""
    message = screening_pb2.ServerLoad(
        undecided_calls=standing.undecided,
        calls_with_words=standing.with_words,
        words_share=standing.words_share,
        load=standing.load,
        load_limit=standing.limit,
        refused_calls=standing.refused,
        decisions=meters.decisions,
        decisions_over_budget=meters.over_budget,
        final_decisions_over_budget=meters.final_over_budget,
    )
    message.wait.FromTimedelta(timedelta(seconds=standing.wait_s))
    for stage, histogram in meters.stages.items():
        of_stage = message.stages.add(
            stage=_STAGES[stage], bounds=BOUNDS_S, counts=histogram.counts
        )
        of_stage.total.FromTimedelta(timedelta(seconds=histogram.total_s))
    return message


def archive_message(standing: ArchivingStanding | None) -> screening_pb2.ArchiveState | None:
    """How the archive of finished calls is, as a message."""
    if standing is None:
        return None
    return screening_pb2.ArchiveState(
        calls=standing.archive.calls,
        unmoved_calls=standing.archive.tail,
        waiting_calls=standing.waiting,
        lost_calls=standing.lost,
        problems=len(standing.archive.problems),
    )
