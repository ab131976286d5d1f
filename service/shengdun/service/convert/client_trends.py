"""Trends, between a client's values and the wire."""

from collections.abc import Iterable
from datetime import date

from shengdun.service.contract import trends as values
from shengdun.v1 import script_pb2, trend_pb2


def get_trends_request(
    *, line: str, by_line: bool, days: int, past_days: int, limit: int
) -> script_pb2.GetTrendsRequest:
    """Asks for trends."""
    return script_pb2.GetTrendsRequest(
        line=line, by_line=by_line, days=days, past_days=past_days, limit=limit
    )


def trends_from_wire(wire: script_pb2.GetTrendsResponse) -> values.TextTrends:
    """What customers have begun to say."""
    return values.TextTrends(
        lines=tuple(_line(line) for line in wire.lines),
        first_day=date.fromisoformat(wire.first_day),
        last_day=date.fromisoformat(wire.last_day),
        past_first_day=date.fromisoformat(wire.past_first_day),
    )


def _line(wire: trend_pb2.LineTrends) -> values.LineTrends:
    return values.LineTrends(
        line=wire.line,
        rising=_phrases(wire.rising),
        hot=_phrases(wire.hot),
        texts=wire.texts,
        past_texts=wire.past_texts,
        missed=wire.missed,
    )


def _phrases(wire: Iterable[trend_pb2.PhraseTrend]) -> tuple[values.PhraseTrend, ...]:
    return tuple(
        values.PhraseTrend(
            phrase=trend.phrase,
            texts=trend.texts,
            customers=trend.customers,
            share=trend.share,
            past_share=trend.past_share,
            growth=trend.growth,
            score=trend.score,
        )
        for trend in wire
    )
