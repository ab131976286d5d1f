"""How long calls are."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

SHORTEST_S: Final = 1.0
"""The shortest call that is planned."""
_FORM: Final = re.compile(r"(exp:)?(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?")


class LengthKind(Enum):
    """The distribution of call lengths."""

    FIXED = "fixed"
    UNIFORM = "uniform"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLengths:
    """A distribution of call lengths.

    Attributes:
        kind: which one.
        low_s: the length, the least length, or the mean length, by its kind.
        high_s: the greatest length of a uniform one, otherwise the same as ``low_s``.

    Raises:
        ValueError: a length is shorter than ``SHORTEST_S``, or the least is above the greatest.
    """

    kind: LengthKind
    low_s: float
    high_s: float

    def __post_init__(self) -> None:
        if not SHORTEST_S <= self.low_s <= self.high_s:
            raise ValueError(
                f"calls must last at least {SHORTEST_S:g} s, and the least length stands first"
            )

    @property
    def mean_s(self) -> float:
        """The mean length."""
        return (self.low_s + self.high_s) / 2

    def draw(self, rng: np.random.Generator) -> float:
        """A length in seconds."""
        if self.kind is LengthKind.EXPONENTIAL:
            return max(SHORTEST_S, float(rng.exponential(self.low_s)))
        return float(rng.uniform(self.low_s, self.high_s))

    def __str__(self) -> str:
        if self.kind is LengthKind.EXPONENTIAL:
            return f"exp:{self.low_s:g}"
        span = f"{self.low_s:g}"
        return span if self.kind is LengthKind.FIXED else f"{span}-{self.high_s:g}"


def parse_lengths(text: str) -> CallLengths:
    """A distribution from its form: ``30`` fixed, ``20-40`` uniform, ``exp:60`` exponential with that mean.

    Raises:
        ValueError: it has none of these forms, or a length is out of range.
    """
    form = _FORM.fullmatch(text)
    if form is None or (form[1] and form[3]):
        raise ValueError(f"{text!r} is no length of calls; write 30, 20-40 or exp:60 (seconds)")
    low_s, high_s = float(form[2]), float(form[3] or form[2])
    kind = (
        LengthKind.EXPONENTIAL if form[1] else LengthKind.UNIFORM if form[3] else LengthKind.FIXED
    )
    return CallLengths(kind=kind, low_s=low_s, high_s=high_s)
