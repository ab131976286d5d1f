"""Screened texts: from domain values to messages."""

from typing import Final

from shengdun.service.convert.campaigns import campaign_flag
from shengdun.service.convert.labels import label_message
from shengdun.service.convert.scripts import match_message, similar_message
from shengdun.service.text_screening import ScreenedText
from shengdun.v1 import decision_pb2, screening_pb2

MOST_LABELS: Final = 1000
"""A text full of them would not fit into a message."""


def screened_text_message(
    screened: ScreenedText, text: str, *, line: str
) -> screening_pb2.ScreenTextResponse:
    """The outcome of a text.

    Args:
        screened: the outcome.
        text: the text.
        line: the line that was named.
    """
    compared = screened.compared
    return screening_pb2.ScreenTextResponse(
        flags=_flags(screened, text),
        scripts_searched=compared.searched,
        line=line,
        partial=compared.stale,
        partial_reasons=[decision_pb2.PARTIAL_REASON_WATCHLISTS_STALE] if compared.stale else [],
        labels=[label_message(found) for found in screened.labels[:MOST_LABELS]],
        labels_found=len(screened.labels),
        label_pack_ids=screened.label_pack_ids,
        similar_scripts=map(similar_message, compared.similar),
    )


def _flags(screened: ScreenedText, text: str) -> list[decision_pb2.Flag]:
    flags = [
        decision_pb2.Flag(
            type=decision_pb2.FLAG_TYPE_SCRIPT_MATCH,
            llr=each.match.llr,
            script_match=match_message(each, text),
        )
        for each in screened.compared.found
        if each.match.llr > 0
    ]
    if screened.followed:
        flags.append(campaign_flag(screened.followed))
    return flags
