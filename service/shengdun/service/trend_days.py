"""Which days the trends of a period are made of."""

from datetime import date

from shengdun.index.trends.daily import Period


def periods(last: date, *, days: int, past_days: int) -> tuple[Period, Period]:
    """The days that are told of, and those right before them that they are compared with.

    Args:
        last: the last day that is told of.
        days: how many, 1 or more.
        past_days: how many of the past, 1 or more.
    """
    period = Period(first=last, last=last)
    if days > 1:
        period = Period(first=period.before(days - 1).first, last=last)
    return period, period.before(past_days)
