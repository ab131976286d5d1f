"""Durations counted in log-linear buckets, as HdrHistogram does (G. Tene): bounded memory, bounded error, mergeable.

Of our own, because a run keeps one for every second and every process: a dictionary of the buckets that occur takes a
hundredth of the dense arrays that the libraries for Python allocate, and is JSON as it stands.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Self

SUB_BUCKET_BITS: Final = 7
"""Each power of two is cut into so many bits of equal buckets."""
RELATIVE_ERROR: Final = 2.0**-SUB_BUCKET_BITS
"""The width of a bucket over its least value is at most this: 0.8 %."""
_US: Final = 1_000_000


@dataclass(slots=True)
class Histogram:
    """How often which durations occurred, at a resolution of a microsecond or ``RELATIVE_ERROR``.

    Attributes:
        counts: occurrences by bucket.
        longest_us: the longest duration, exact, in microseconds.
        sum_us: all durations together, in microseconds.
    """

    counts: Counter[int] = field(default_factory=Counter)
    longest_us: int = 0
    sum_us: int = 0

    def record(self, duration_s: float) -> None:
        """Count a duration in seconds; one below 0 counts as 0."""
        duration_us = max(0, round(duration_s * _US))
        self.counts[bucket_of(duration_us)] += 1
        self.longest_us = max(self.longest_us, duration_us)
        self.sum_us += duration_us

    def add(self, other: "Histogram") -> None:
        """Count what another histogram counted too."""
        self.counts.update(other.counts)
        self.longest_us = max(self.longest_us, other.longest_us)
        self.sum_us += other.sum_us

    @classmethod
    def merged(cls, parts: Iterable["Histogram"]) -> Self:
        """Everything that the parts counted."""
        whole = cls()
        for part in parts:
            whole.add(part)
        return whole

    @property
    def count(self) -> int:
        """Durations counted."""
        return self.counts.total()

    @property
    def longest_s(self) -> float | None:
        """The longest duration in seconds; None when there is none."""
        return self.longest_us / _US if self.counts else None

    @property
    def mean_s(self) -> float | None:
        """The mean in seconds; None when there is none."""
        return self.sum_us / _US / self.count if self.counts else None

    def percentile_s(self, per_cent: float) -> float | None:
        """The duration in seconds that so many per cent don't exceed (nearest rank), never told shorter than it was.

        None when nothing was counted.
        """
        if not self.counts:
            return None
        # Rounded first: 99.9 % of 1000 is 999 and not 999.0000000000001, which would be the next one.
        rank = max(1, -int(-round(self.count * per_cent / 100, 6) // 1))
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return min(last_of(bucket), self.longest_us) / _US
        return self.longest_s

    def as_json(self) -> dict[str, Any]:
        """As JSON has it; ``from_json`` reads it."""
        return {
            "counts": {str(bucket): self.counts[bucket] for bucket in sorted(self.counts)},
            "longest_us": self.longest_us,
            "sum_us": self.sum_us,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The histogram that ``as_json`` wrote."""
        counts = Counter({int(bucket): count for bucket, count in content["counts"].items()})
        return cls(counts, content["longest_us"], content["sum_us"])


def bucket_of(duration_us: int) -> int:
    """The bucket of a duration in microseconds."""
    shift = max(0, duration_us.bit_length() - SUB_BUCKET_BITS - 1)
    return (shift << SUB_BUCKET_BITS) + (duration_us >> shift)


def last_of(bucket: int) -> int:
    """The longest duration of a bucket, in microseconds."""
    shift = max(0, (bucket >> SUB_BUCKET_BITS) - 1)
    return ((bucket - (shift << SUB_BUCKET_BITS) + 1) << shift) - 1
