"""What a client learns of trends: phrases that customers have begun to say."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseTrend:
    """A phrase of a period.

    Attributes:
        phrase: without punctuation and personal particulars.
        texts: how many texts of the period have it.
        customers: about how many customers they are of.
        share: of the period's texts, 0 to 1.
        past_share: of the texts that it is compared with, 0 to 1.
        growth: how many times as frequent it is as in the past; shrunk towards 1.
        score: how far it stands out, in standard deviations.
    """

    phrase: str
    texts: int
    customers: int
    share: float
    past_share: float
    growth: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTrends:
    """What customers say on a line.

    Attributes:
        line: the line of business; empty for all together.
        rising: phrases that stand out from the past, the most first; none without a past.
        hot: phrases that stand out from what everybody says, the most first.
        texts: texts of the period; of a customer one a day counts.
        past_texts: texts that it is compared with.
        missed: a count of the period may be too low by so many texts.
    """

    line: str
    rising: tuple[PhraseTrend, ...]
    hot: tuple[PhraseTrend, ...]
    texts: int
    past_texts: int
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTrends:
    """What customers have begun to say, as one process of the server counted it.

    Attributes:
        lines: the lines that there are texts of; one without a name if all are taken together.
        first_day: the first day of the period.
        last_day: its last day.
        past_first_day: the first day that it is compared with; the last is the one before the period.
    """

    lines: tuple[LineTrends, ...]
    first_day: date
    last_day: date
    past_first_day: date
