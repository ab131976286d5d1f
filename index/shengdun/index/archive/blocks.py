"""Blocks: what a scan of the archive gives, some thousand calls at a time."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.columns import Rows, Words
from shengdun.index.archive.rows import NO_SIGNATURE, ArchivedCall, ArchivedFlag, CallWindows
from shengdun.index.archive.tables import (
    SIGNATURES,
    WINDOWS,
    CallSource,
    call_at,
    flags_at,
    number_lists,
    numbers,
    windows_at,
    words,
)
from shengdun.index.archive.voiceprints import Stored, restored

BLOCK_ROWS: Final = 8192
"""Voiceprints that are sealed together: 3 MB with 192 dimensions."""


class CallBlock:
    """Calls of one day with voiceprints of one model; never altered.

    What is asked for is read then, unless the scan has read it; a partition that turns out to be damaged then raises
    ``PartitionDamaged``.

    Args:
        source: has them.
        rows: (n,) which of them.
        day: on which they started, as ``2026-11-28``.

    Attributes:
        day: as given.
    """

    def __init__(self, source: CallSource, rows: Rows, day: str) -> None:
        self.day = day
        self._source = source
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, number: int) -> ArchivedCall:
        """One call, whole."""
        return call_at(self._source, int(self._rows[number]))

    @property
    def model_id(self) -> str:
        """The voice model of all of them; empty if they have no voiceprints."""
        return self._source.model_id

    @property
    def model_ids(self) -> Sequence[str]:
        """The same for each call."""
        return Words(np.zeros(len(self), np.uint8), (self.model_id,))

    @property
    def call_ids(self) -> Sequence[str]:
        """The telephony system's ids."""
        return self._words("call_id")

    @property
    def lines(self) -> Sequence[str]:
        """The lines of business."""
        return self._words("line")

    @property
    def customers(self) -> Sequence[str]:
        """Pseudonyms of the customers; empty ones where none was given."""
        return self._words("customer")

    @property
    def numbers(self) -> Sequence[str]:
        """Pseudonyms of the calling numbers; empty ones where none was given."""
        return self._words("number")

    @property
    def levels(self) -> Sequence[str]:
        """The levels of the last decisions."""
        return self._words("level")

    @property
    def flags(self) -> Sequence[tuple[ArchivedFlag, ...]]:
        """The flags of the last decisions."""
        return [flags_at(self._source, row) for row in self._rows.tolist()]

    @property
    def started_us(self) -> NDArray[np.int64]:
        """(n,) when they started, in UTC microseconds since 1970."""
        return np.asarray(numbers(self._source, "started_us")[self._rows], np.int64)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(n,) of the last decisions."""
        return np.asarray(numbers(self._source, "probability")[self._rows], np.float64)

    @property
    def net_speech_s(self) -> NDArray[np.float32]:
        """(n,) net speech behind the voiceprints, in seconds."""
        return np.asarray(numbers(self._source, "net_speech_s")[self._rows], np.float32)

    @property
    def snr_db(self) -> NDArray[np.float32]:
        """(n,) speech over noise; NaN where it isn't known."""
        return np.asarray(numbers(self._source, "snr_db")[self._rows], np.float32)

    @cached_property
    def stored_voiceprints(self) -> Stored:
        """(n, d) int16 as they are kept: rotated by ``rotation``, times 32,767; d is 0 where there are none.

        A voiceprint that is looked for is rotated once instead, ``rotation @ voiceprint``, and its cosine with these
        rows is the same.
        """
        if not self.model_id:
            return np.zeros((len(self), 0), np.int16)
        first, last = int(self._rows[0]), int(self._rows[-1]) + 1
        rows = self._source.voices(first, last)
        return rows if len(rows) == len(self) else rows[self._rows - first]

    @property
    def rotation(self) -> NDArray[np.float64]:
        """(d, d) the keyed matrix that the stored voiceprints are rotated by."""
        return self._source.matrix

    @cached_property
    def voiceprints(self) -> NDArray[np.float32]:
        """(n, d) of unit length within 1e-4, not rotated; d is 0 where there are none."""
        if not self.model_id:
            return np.zeros((len(self), 0), np.float32)
        return restored(self.stored_voiceprints, self.rotation)

    @property
    def with_windows(self) -> list[int]:
        """The numbers of the calls whose windows were kept."""
        return np.flatnonzero(number_lists(self._source, WINDOWS).lengths[self._rows]).tolist()

    def windows(self, number: int) -> CallWindows | None:
        """The windows of one call; None if they weren't kept."""
        return windows_at(self._source, int(self._rows[number]))

    @cached_property
    def signatures(self) -> list[NDArray[np.uint64]]:
        """The sampled hashes of the words of each call, sorted."""
        lists = number_lists(self._source, SIGNATURES)
        values, starts = lists.inner.values, lists.starts
        return [
            values[starts[row] : starts[row + 1]] if lists.lengths[row] else NO_SIGNATURE
            for row in self._rows.tolist()
        ]

    def _words(self, name: str) -> Words:
        return words(self._source, name).view(self._rows)
