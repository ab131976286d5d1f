"""Voices of a site's own callers, by which levels are derived and drift is noticed."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strangers:
    """Calls of a site, taken to be by people who are on no watchlist; a few per cent may be by listed agents.

    Attributes:
        voiceprints: (m, d) float32 unit rows as the voice model gives them.
        net_speech_s: (m,) float64, net speech behind each row, in seconds.
        calls: (m,) int64; rows with the same number are one call at growing net speech.
        snr_db: (m,) float64, speech over noise; NaN where it isn't known.
    """

    voiceprints: NDArray[np.float32]
    net_speech_s: NDArray[np.float64]
    calls: NDArray[np.int64]
    snr_db: NDArray[np.float64]

    def __post_init__(self) -> None:
        rows = len(self.calls)
        if self.voiceprints.ndim != 2 or not len(self.voiceprints) == rows > 0:
            raise ValueError("voiceprints must be (m, d), one row for each of at least one look")
        if self.calls.ndim != 1 or not self.net_speech_s.shape == self.snr_db.shape == (rows,):
            raise ValueError("net_speech_s, calls and snr_db must be vectors of the same length")
        if not np.isfinite(self.voiceprints).all():
            raise ValueError("voiceprints must be finite")
        if not (np.isfinite(self.net_speech_s).all() and (self.net_speech_s > 0.0).all()):
            raise ValueError("net speech must be finite and above 0")
        for array in (self.voiceprints, self.net_speech_s, self.calls, self.snr_db):
            array.setflags(write=False)

    @property
    def call_count(self) -> int:
        """How many calls there are."""
        return len(np.unique(self.calls))

    @property
    def looks_per_call(self) -> float:
        """How many rows a call has on average."""
        return len(self.calls) / self.call_count

    def some(self, calls: int) -> Self:
        """At most so many of the calls, with all of their rows: always the same ones, spread over the whole."""
        numbers = np.unique(self.calls)
        if calls >= len(numbers):
            return self
        chosen = numbers[np.linspace(0, len(numbers) - 1, max(calls, 1)).round().astype(np.int64)]
        rows = np.isin(self.calls, chosen)
        return type(self)(
            voiceprints=self.voiceprints[rows],
            net_speech_s=self.net_speech_s[rows],
            calls=self.calls[rows],
            snr_db=self.snr_db[rows],
        )

    def longest_rows(self) -> NDArray[np.int64]:
        """The row of each call that has the most net speech, by the numbers of the calls."""
        order = np.lexsort((self.net_speech_s, self.calls))
        rows: NDArray[np.int64] = order[np.append(np.diff(self.calls[order]) != 0, True)]
        return rows
