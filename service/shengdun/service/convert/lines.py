"""Lines of business: from domain values to messages."""

from datetime import timedelta

from shengdun.service.convert.decisions import advisory_reason_messages, levels_message
from shengdun.service.lines import Line
from shengdun.service.promises import LineFigures
from shengdun.v1 import screening_pb2


def standing_message(line: Line, figures: LineFigures) -> screening_pb2.LineStanding:
    """Where a line stands, as a message."""
    standing = line.standing
    message = screening_pb2.LineStanding(
        levels=levels_message(standing.levels),
        advisory=standing.advisory,
        advisory_reasons=advisory_reason_messages(standing.reasons),
        promised_false_flags_per_10000_calls=line.policy.false_flags_per_10000_calls,
        explanation=standing.why,
        calls=figures.calls,
        flagged_calls=figures.flagged,
        score_drift=figures.drift,
    )
    if figures.derivation_s is not None:
        message.derivation_time.FromTimedelta(timedelta(seconds=figures.derivation_s))
    return message
