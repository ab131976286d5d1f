"""What is taken for granted about callers before their voices are heard, and what is asked of evidence."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VoicePolicy:
    """How calls are put together into voices, and when a voice is told.

    Attributes:
        repeating: share of calls whose caller has called for another customer before; in (0, 1).
        same_customer: probability that two calls for one customer are by one voice; in (0, 1).
        others: customers besides the present one for whom a voice must have called; 1 or more.
        household: customers who share a calling number count as one while they are at most so many; 1 counts all.
        founding_s: net speech from which a call may found or move a voice, in seconds. Shorter ones are only matched.
        lookalikes: how many times likelier than the spread of voices has it that calls for several customers are by
            several people who sound like one; 1 or more. Decision note 0033 says where it comes from.
        join: probability of one voice from which calls are put together; in (0, 1).
        sure: probability from which a call is named as the voice's; in (0, 1).
        least_window: calls that the window counts as at least, so that the first calls of a line prove nothing.
        neighbours: nearest calls that are looked at.
    """

    repeating: float = 0.05
    same_customer: float = 0.5
    others: int = 2
    household: int = 1
    founding_s: float = 2.9
    lookalikes: float = 400.0
    join: float = 0.5
    sure: float = 0.99
    least_window: int = 100
    neighbours: int = 64

    def __post_init__(self) -> None:
        for name in ("repeating", "same_customer", "join", "sure"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f"{name} must be above 0 and below 1")
        if self.others < 1 or self.household < 1:
            raise ValueError("others and household must be at least 1")
        if self.least_window < 1 or self.neighbours < 1:
            raise ValueError("least_window and neighbours must be at least 1")
        if not self.lookalikes >= 1.0:
            raise ValueError("lookalikes must be at least 1")
        if self.founding_s <= 0.0:
            raise ValueError("founding_s must be above 0")

    @property
    def join_log_odds(self) -> float:
        """``join`` as natural log odds."""
        return log_odds(self.join)

    @property
    def repeating_log_odds(self) -> float:
        """``repeating`` as natural log odds."""
        return log_odds(self.repeating)


def log_odds(probability: float) -> float:
    """The natural log odds of a probability; infinite at 0 and 1."""
    if probability <= 0.0:
        return -math.inf
    if probability >= 1.0:
        return math.inf
    return math.log(probability) - math.log1p(-probability)
