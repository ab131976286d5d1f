"""Which windows of a call hold two people talking at once, and so are no good as evidence about one of them.

A network tells it, but to ask it about every window would cost each call a third more of computation. A window with two
voices in it is seldom much like the call's other windows, and a window of one voice seldom unlike them. So it is asked
about suspicious windows alone, about each at most once (decision note 0026). What comes of it depends on the call's
windows and on nothing else, least of all on how busy the server is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.samples import Samples
from shengdun.index.scoring import Scorer, aggregate

OverlapShare: TypeAlias = Callable[[Samples], float]
"""Tells in what share of some speech two people talk at once, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapPolicy:
    """Which windows are asked about, and which are left out.

    Attributes:
        least_llr: LLR of "one voice" between a window and the call's others, below which it is asked about.
        most_share: share of two voices at once above which it is left out, 0 to 1.
        least_windows: windows that remain, if there are as many, however much overlap is in them: of one window alone
            less is known than of two with a little of another voice.
        first_again: windows behind the first one with which it is compared again. It has none before it.
    """

    least_llr: float = 5.0
    most_share: float = 0.2
    least_windows: int = 2
    first_again: int = 2

    def __post_init__(self) -> None:
        if not 0.0 <= self.most_share < 1.0:
            raise ValueError("a share lies between 0 and 1")
        if self.least_windows < 1 or self.first_again < 1:
            raise ValueError("at least one window remains, and is compared with the first")


class CallOverlap:
    """Finds the windows of one call in which two people talk at once, given in their order; for one thread at a time.

    Args:
        share_of: tells how much two people talk at once; without it no window is found.
        policy: which windows are asked about, and which are left out.
    """

    def __init__(self, share_of: OverlapShare | None, policy: OverlapPolicy | None = None) -> None:
        self._share_of = share_of
        self._policy = policy or OverlapPolicy()
        self._shares: list[float | None] = []
        self._first: Samples | None = None

    @property
    def is_heard(self) -> bool:
        """Whether two people talk at once in any of the windows, left out or not."""
        return bool(self._overlapped().any())

    def left_out(
        self,
        scorer: Scorer,
        samples: Samples,
        *,
        voiceprints: NDArray[np.float32],
        net_speech_s: NDArray[np.float64],
        near: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Which windows are to be left out, now that there is another one.

        Args:
            scorer: of the profile in use.
            samples: of the window that is new.
            voiceprints: (n, d) of all windows so far, the new one last.
            net_speech_s: (n,) net speech in each, in seconds.
            near: (n,) whether each may be evidence at all; the others are neither asked about nor compared with.

        Returns:
            (n,) bool; of those that are near at least one remains.
        """
        new = len(self._shares)
        self._shares.append(None)
        if self._share_of is None:
            return np.zeros(new + 1, np.bool_)
        if new == 0:
            self._first = samples
        candidates = {new: samples} if self._first is None else {0: self._first, new: samples}
        for index, speech in candidates.items():
            others = near & ~self._chosen(near)
            others[index] = False
            if near[index] and self._shares[index] is None and others.any():
                llr = scorer.pairwise_llr(
                    voiceprints[index],
                    aggregate(voiceprints[others], net_speech_s[others]),
                    net_a_s=float(net_speech_s[index]),
                    net_b_s=float(net_speech_s[others].sum()),
                )
                if llr < self._policy.least_llr:
                    self._shares[index] = self._share_of(speech)
        if new == self._policy.first_again:
            self._first = None
        return self._chosen(near)

    def _overlapped(self) -> NDArray[np.bool_]:
        return np.array(
            [(share or 0.0) > self._policy.most_share for share in self._shares], np.bool_
        )

    def _chosen(self, near: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(n,) the windows that are left out: those with most overlap first, as long as enough remain."""
        chosen = near & self._overlapped()
        shares = np.array([share or 0.0 for share in self._shares])
        most = max(0, int(near.sum()) - self._policy.least_windows)
        worst = np.argsort(np.where(chosen, -shares, 0.0), kind="stable")[:most]
        left_out = np.zeros(len(near), np.bool_)
        left_out[worst] = chosen[worst]
        return left_out
