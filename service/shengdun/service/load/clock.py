"""Notices that the wall clock was set during a run. Nothing is measured by it; the reader of other logs should know."""

import time
from dataclasses import dataclass, field
from typing import Final

NOTICED_S: Final = 0.25
"""The smallest step that is noticed; clocks that are slewed stay below it."""


def _difference() -> float:
    return time.time() - time.monotonic()


@dataclass(slots=True)
class WallClock:
    """Compares the wall clock with the monotonic one.

    Attributes:
        difference_s: between the two when last looked at.
        steps_s: by how much the wall clock was set, each time.
    """

    difference_s: float = field(default_factory=_difference)
    steps_s: list[float] = field(default_factory=list)

    def look(self, difference_s: float | None = None) -> None:
        """Compare again; call it once a second.

        Args:
            difference_s: between the clocks; None reads them.
        """
        now_s = _difference() if difference_s is None else difference_s
        if abs(now_s - self.difference_s) >= NOTICED_S:
            self.steps_s.append(now_s - self.difference_s)
        self.difference_s = now_s
