"""How trends look in a terminal."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date

from shengdun.index.trends.ranking import Trends
from shengdun.service.cli.output import say, say_json, table
from shengdun.service.client import LineTrends, PhraseTrend


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    first_day: str
    last_day: str
    trends: LineTrends


def of_line(line: str, trends: Trends) -> LineTrends:
    """Trends that were told on this machine, as a server tells them.

    Args:
        line: the line of business; empty for all together.
        trends: its phrases.
    """
    return LineTrends(
        line=line,
        rising=tuple(PhraseTrend(**asdict(trend)) for trend in trends.rising),
        hot=tuple(PhraseTrend(**asdict(trend)) for trend in trends.hot),
        texts=trends.texts,
        past_texts=trends.past_texts,
        missed=trends.missed,
    )


def show_trends(trends: LineTrends, first_day: date, last_day: date, *, json: bool) -> None:
    """Write the rising and the hot phrases of a line.

    Args:
        trends: the phrases.
        first_day: the first day of the period.
        last_day: its last day.
        json: as JSON.
    """
    first, last = first_day.isoformat(), last_day.isoformat()
    if json:
        say_json(_Told(first_day=first, last_day=last, trends=trends))
        return
    of = f"line {trends.line}: " if trends.line else ""
    say(f"{of}{first} to {last}, {trends.texts} texts, compared with {trends.past_texts} of before")
    _show("rising", trends.rising)
    _show("hot", trends.hot)


def _show(title: str, trends: Sequence[PhraseTrend]) -> None:
    if not trends:
        say(f"{title}: none")
        return
    say(title)
    rows = [
        (
            trend.phrase,
            str(trend.texts),
            str(trend.customers),
            f"{trend.share:.1%}",
            f"{trend.past_share:.1%}",
            f"x{trend.growth:.1f}",
            f"{trend.score:.1f}",
        )
        for trend in trends
    ]
    headers = ("PHRASE", "TEXTS", "CUSTOMERS", "SHARE", "BEFORE", "GROWTH", "SCORE")
    say("\n".join(f"  {line}" for line in table(headers, rows).splitlines()))
