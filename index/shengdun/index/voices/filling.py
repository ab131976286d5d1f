"""Filling the window from the archive at a start: by columns, a whole part at a time.

Each part of the window is sketched once then, and no object is made for a call.
"""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.blocks import CallBlock
from shengdun.index.voices.clusters import VoiceClusters
from shengdun.index.voices.columns import CallColumns
from shengdun.index.voices.recent import PART_ROWS


class Filling:
    """Takes archived calls into the window of some clusters, without putting them together; the last when it is left.

    Args:
        clusters: of the voice model of the calls.
    """

    def __init__(self, clusters: VoiceClusters) -> None:
        self._clusters = clusters
        self._waiting: list[CallColumns] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._fill()

    def take(self, block: CallBlock, rows: NDArray[np.int64]) -> None:
        """Take some calls of a block, (n,) rows; a block of another voice model has none to be taken.

        Raises:
            PartitionDamaged: what the scan hasn't read of the block can't be read.
        """
        recent = self._clusters.recent
        if not len(rows) or block.model_id != recent.model_id:
            return
        self._waiting.append(recent.coder.columns_in(block, rows))
        if sum(len(columns) for columns in self._waiting) >= PART_ROWS:
            self._fill()

    def _fill(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._clusters.fill_columns(CallColumns.concatenate(waiting))
