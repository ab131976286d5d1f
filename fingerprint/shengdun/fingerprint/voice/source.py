"""What the audio was like before it was resampled: clipping, and signs of a wrong encoding.

Both are judged on the codec's own samples. Resampling rounds the flat tops that clipping leaves,
and a wrong encoding shows in the codes themselves: neighbouring samples of speech resemble each
other, and they resemble each other less when the codes are read by another law or byte order.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.g711 import Linear

Reread: TypeAlias = Callable[[Linear], Linear]
"""Turns samples into what they would be, had the bytes been read the likeliest wrong way."""

_EVIDENCE_SAMPLES = 80_000
_LEAST_EVIDENCE_SAMPLES = 12_000
_WEIGHED_AT_A_TIME = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatistics:
    """What was found in the source's own samples.

    Attributes:
        samples: source samples seen.
        clipped: samples in runs of two or more at the codec's positive or negative peak.
        misread: whether the audio is much more like speech when its bytes are read as the other
            G.711 law, or in the other byte order. Never true before 12,000 samples.
    """

    samples: int
    clipped: int
    misread: bool

    @property
    def clipped_share(self) -> float:
        """Share of the samples that are clipped, 0 to 1."""
        return self.clipped / self.samples if self.samples else 0.0


class SourceMeter:
    """Gathers source statistics from fixed blocks of samples.

    Args:
        peak: largest sample that the codec can carry.
        reread: the likeliest misreading, or None where there is none.
        least_gain: by how much the neighbour correlation must rise under ``reread``.
        least_drop: by what factor the level must fall under ``reread``.
    """

    def __init__(
        self, *, peak: int, reread: Reread | None, least_gain: float, least_drop: float
    ) -> None:
        self._peak = peak
        self._reread = reread
        self._least_gain = least_gain
        self._least_drop = least_drop
        self._samples = 0
        self._clipped = 0
        self._last: tuple[bool, bool] = (False, False)
        self._unweighed: list[Linear] = []
        self._weighed = 0
        self._as_given = _Resemblance()
        self._as_reread = _Resemblance()
        self._misread = False

    def update_blocks(self, samples: Linear, *, block: int) -> list[SourceStatistics]:
        """Takes the next blocks in at once; gives the statistics after each that changed more than their count.

        Args:
            samples: whole blocks.
            block: samples of one.
        """
        clips = self._reaches_peak(samples)
        changed = []
        at = 0
        while at < len(samples):
            # Nothing changes before the block with which enough has come to be weighed, unless something clips.
            size = block if clips else self._samples_to_weigh(block)
            before = (self._clipped, self._misread)
            self._update(samples[at : at + size], may_clip=clips)
            if (self._clipped, self._misread) != before:
                changed.append(self.report())
            at += size
        return changed

    def update(self, samples: Linear) -> None:
        """Takes the next samples in; the same blocks give the same statistics.

        Args:
            samples: a block.
        """
        if len(samples):
            self._update(samples, may_clip=True)

    def report(self) -> SourceStatistics:
        """Gives what was found so far."""
        return SourceStatistics(samples=self._samples, clipped=self._clipped, misread=self._misread)

    def _update(self, samples: Linear, *, may_clip: bool) -> None:
        weighs = self._weighs_with(samples)
        if may_clip and self._reaches_peak(samples):
            self._count_clipped(samples)
            self._keep(samples)
        else:
            self._take(samples)
        if weighs and self._reread is not None:
            self._weigh(self._reread)

    def _take(self, unclipped: Linear) -> None:
        self._last = (False, False)
        self._keep(unclipped)

    def _keep(self, samples: Linear) -> None:
        self._samples += len(samples)
        if self._is_weighing:
            self._unweighed.append(samples)

    def _reaches_peak(self, samples: Linear) -> bool:
        # The lowest 16-bit sample has no positive counterpart of its own type.
        return int(samples.max()) >= self._peak or -int(samples.min()) >= self._peak

    @property
    def _is_weighing(self) -> bool:
        return self._reread is not None and self._weighed < _EVIDENCE_SAMPLES

    def _weighs_with(self, samples: Linear) -> bool:
        unweighed = self._samples + len(samples) - self._weighed
        return self._is_weighing and unweighed >= _WEIGHED_AT_A_TIME

    def _samples_to_weigh(self, block: int) -> int:
        """Samples of whole blocks with which enough has come to be weighed; very many where nothing is weighed."""
        if not self._is_weighing:
            return sys.maxsize
        missing = _WEIGHED_AT_A_TIME - (self._samples - self._weighed)
        return max(1, -(-missing // block)) * block

    def _count_clipped(self, samples: Linear) -> None:
        high, low = samples >= self._peak, samples <= -self._peak
        self._clipped += _in_runs(high, after=self._last[0]) + _in_runs(low, after=self._last[1])
        self._last = (bool(high[-1]), bool(low[-1]))

    def _weigh(self, reread: Reread) -> None:
        samples = np.concatenate(self._unweighed)
        self._unweighed.clear()
        self._weighed += len(samples)
        self._as_given.update(samples)
        self._as_reread.update(reread(samples))
        self._misread = self._is_misread()

    def _is_misread(self) -> bool:
        if self._weighed < _LEAST_EVIDENCE_SAMPLES:
            return False
        gain = self._as_reread.correlation - self._as_given.correlation
        drop = self._as_given.level / max(self._as_reread.level, 1.0)
        return gain > self._least_gain and drop > self._least_drop


class _Resemblance:
    """Running correlation of neighbouring samples, and their mean magnitude.

    All sums are of whole numbers below 2 to the 53rd, so they are exact in whatever order they are taken.
    """

    def __init__(self) -> None:
        self._count = 0
        self._sum = 0.0
        self._squares = 0.0
        self._products = 0.0
        self._magnitudes = 0.0

    def update(self, samples: Linear) -> None:
        values = samples.astype(np.float64)
        self._count += len(values)
        self._sum += float(values.sum())
        self._squares += float(values @ values)
        self._products += float(values[1:] @ values[:-1])
        self._magnitudes += float(np.abs(values).sum())

    @property
    def level(self) -> float:
        return self._magnitudes / max(self._count, 1)

    @property
    def correlation(self) -> float:
        mean_square = self._sum**2 / max(self._count, 1)
        return (self._products - mean_square) / (self._squares - mean_square + 1.0)


def _in_runs(at_peak: NDArray[np.bool_], *, after: bool) -> int:
    """Counts the samples at the peak whose neighbour is at the peak too."""
    together = at_peak[1:] & at_peak[:-1]
    paired = np.zeros(len(at_peak), dtype=np.bool_)
    paired[1:] = together
    paired[:-1] |= together
    first = bool(at_peak[0]) and after and not paired[0]
    return int(np.count_nonzero(paired)) + int(first)
