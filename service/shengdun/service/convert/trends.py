"""Trends: from domain values to messages."""

from collections.abc import Sequence

from shengdun.index.trends.ranking import Trend, Trends
from shengdun.v1 import trend_pb2


def trends_message(line: str, trends: Trends) -> trend_pb2.LineTrends:
    """What customers say on a line.

    Args:
        line: the line of business; empty for all together.
        trends: its phrases.
    """
    return trend_pb2.LineTrends(
        line=line,
        rising=_phrases(trends.rising),
        hot=_phrases(trends.hot),
        texts=trends.texts,
        past_texts=trends.past_texts,
        missed=trends.missed,
    )


def _phrases(trends: Sequence[Trend]) -> list[trend_pb2.PhraseTrend]:
    return [
        trend_pb2.PhraseTrend(
            phrase=trend.phrase,
            texts=trend.texts,
            customers=trend.customers,
            share=trend.share,
            past_share=trend.past_share,
            growth=trend.growth,
            score=trend.score,
        )
        for trend in trends
    ]
