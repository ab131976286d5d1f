"""Score drift: whether callers still score as those did whom the calibration profile was made from.

A caller is compared with a panel of the profile's strangers, not with a watchlist, so that a list may change without
looking like drift. Two numbers stand for a call, taken once, at about as much net speech as in the reference: its
cosine to the panel's mean before projection, which noise and codecs move, and the mean of its nearest tenth of the
panel after projection, which is what false flags come from. The last calls are tested against the reference by the
two-sample test of Kolmogorov and Smirnov (Hodges, Arkiv för Matematik 3(43), 1958), again and again as calls come in;
the level of each test is so small that a false alarm is to be expected less than once in a million calls of the same
kind. Numbers are all that is kept of a call.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scoring import Scorer, unit_rows
from shengdun.index.strangers import Strangers

Floats = NDArray[np.float64]

LOOK_S: Final = 6.0
"""Net speech at which a call is compared; a shorter call is not."""

WINDOW_CALLS: Final = 500
FEWEST_CALLS: Final = 100
"""A coarse change is noticed as soon as so many calls have come; a slight one takes the whole window."""
TEST_EVERY_CALLS: Final = 100
FALSE_ALARM_RATE: Final = 1e-4
"""Of one test of both numbers, when nothing has changed."""

_LOOKS_ALIKE_S: Final = (4.5, 8.0)
FEWEST_REFERENCE_CALLS: Final = 100
"""A profile with fewer calls of about ``LOOK_S`` can't tell whether callers score as its own did."""
_LARGEST_PANEL: Final = 256
_NEAREST_SHARE: Final = 0.1
_OVER_RATE: Final = 0.05


def _critical(rate: float) -> float:
    """The scaled distance that is exceeded at this rate: Kolmogorov's distribution, its leading term."""
    return float(np.sqrt(-np.log(rate / 2.0) / 2.0))


_ALARM: Final = _critical(FALSE_ALARM_RATE / 2.0)
_OVER: Final = _critical(_OVER_RATE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DriftReference:
    """How the calls of a calibration profile score.

    Attributes:
        scorer: of the profile.
        panel: (p, d) float32, projected voiceprints of half of its calls.
        centre: (d,) float32, unit length, the mean of the panel before projection.
        values: (2, n) float64, ascending in each row: what the other half scores against them.
    """

    scorer: Scorer
    panel: NDArray[np.float32]
    centre: NDArray[np.float32]
    values: Floats

    @classmethod
    def of(cls, scorer: Scorer, strangers: Strangers) -> Self | None:
        """None when the profile has too few calls to tell."""
        chosen = _looked_at(strangers)
        if len(chosen) < FEWEST_REFERENCE_CALLS:
            return None
        voiceprints = strangers.voiceprints[chosen]
        panel, centre = voiceprints[::2][:_LARGEST_PANEL], voiceprints[::2].mean(axis=0)
        empty = cls(
            scorer=scorer,
            panel=scorer.project(panel),
            centre=unit_rows(centre[np.newaxis, :])[0],
            values=np.empty((2, 0)),
        )
        values = np.stack([empty.score(row) for row in voiceprints[1::2]], axis=1)
        return replace(empty, values=np.sort(values, axis=1))

    def score(self, voiceprint: NDArray[np.float32]) -> Floats:
        """The two numbers of a caller, (2,), whose voiceprint is (d,) as the voice model gives it."""
        cosines = np.sort(self.panel @ self.scorer.project(voiceprint[np.newaxis, :])[0])
        nearest = max(1, round(_NEAREST_SHARE * len(cosines)))
        return np.array([voiceprint @ self.centre, cosines[-nearest:].mean()], dtype=np.float64)

    def distance(self, calls: Floats) -> float:
        """How far some calls, (2, k), are from the reference: 1 is the alarm."""
        scaled = [_scaled_distance(*rows) for rows in zip(self.values, calls, strict=True)]
        return max(scaled) / _ALARM


def reference_calls(strangers: Strangers) -> int:
    """How many calls of a profile drift could be told by."""
    return len(_looked_at(strangers))


def _looked_at(strangers: Strangers) -> NDArray[np.int64]:
    """One row for each call that was looked at after about ``LOOK_S``."""
    shortest, longest = _LOOKS_ALIKE_S
    alike = (strangers.net_speech_s >= shortest) & (strangers.net_speech_s <= longest)
    _, rows = np.unique(strangers.calls[alike], return_index=True)
    return np.flatnonzero(alike)[rows]


class DriftMonitor:
    """Follows the calls of a server; not safe to share between threads without a lock.

    Args:
        reference: of the profile in use.
    """

    def __init__(self, reference: DriftReference) -> None:
        self.reference = reference
        self.drifted = False
        """Whether callers score differently from the reference."""
        self.distance = 0.0
        """At the last test; at 1 the alarm is raised."""
        self._calls: deque[Floats] = deque(maxlen=WINDOW_CALLS)
        self._untested = 0

    @property
    def calls(self) -> int:
        """Calls that the next test would rest on."""
        return len(self._calls)

    def add(self, values: Floats) -> bool:
        """Take in a call, (2,) as ``DriftReference.score`` gives it; returns whether ``drifted`` has changed.

        An alarm ends when the last calls could well be of the reference.
        """
        self._calls.append(values)
        self._untested += 1
        if len(self._calls) < FEWEST_CALLS or self._untested < TEST_EVERY_CALLS:
            return False
        self._untested = 0
        self.distance = self.reference.distance(np.stack(self._calls, axis=1))
        before = self.drifted
        self.drifted = self.distance >= (_OVER / _ALARM if before else 1.0)
        return self.drifted != before


def _scaled_distance(reference: Floats, calls: Floats) -> float:
    """The Kolmogorov-Smirnov distance of two samples, the first ascending, times the root of their effective size."""
    ordered = np.sort(calls)
    places = np.concatenate([reference, ordered])
    apart = np.abs(
        np.searchsorted(reference, places, side="right") / len(reference)
        - np.searchsorted(ordered, places, side="right") / len(ordered)
    )
    effective = len(reference) * len(ordered) / (len(reference) + len(ordered))
    return float(apart.max() * np.sqrt(effective))
