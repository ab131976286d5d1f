"""Whether another voice takes over in a call, and when: detection of a change in the voiceprints of its windows.

Two ways in which two voices can share the windows of a call are looked at: one after the other, for every time at which
the second could begin, and in turns. The likeliest division of either kind is the one whose two groups point most
firmly into two directions (the greatest sum of the lengths of their weighted sums, as the likelihood of two von
Mises-Fisher directions of one concentration has it). How much unlike its groups are is then asked of the profile's own
likelihood ratios, and what it takes to be a handover was fitted on calls of one voice and of two, so that the best of
many divisions, which chance makes better the more there are, is no evidence by itself (decision note 0035).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scoring import QueryStatistics, Scorer, aggregate

LEAST_WINDOWS: Final = 2
"""Of either voice: a single window can be a cough, a shout or a codec at its worst."""
_ROUNDS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverMap:
    """From how unlike two groups of windows are to a natural-log likelihood ratio of "another voice took over".

    With ``c`` the LLR that both groups are one voice, as the calibration data would have it without limits, and ``n``
    windows, ``offset + across c - ln(n)``, held between ``floor`` and ``cap``. The logarithm is the price of looking at
    so many change times; likelihood ratios go in and not cosines, so it holds under any profile of a voice model.

    Attributes:
        offset: as above.
        across: as above; negative.
        floor: the least LLR that is told, below 0.
        cap: the greatest, above 0: as far as the speakers that it was fitted on can vouch for.
    """

    offset: float = 4.21
    across: float = -0.85
    floor: float = -5.0
    cap: float = 5.0

    def __post_init__(self) -> None:
        if self.across >= 0.0 or not self.floor < 0.0 < self.cap:
            raise ValueError("likeness must speak against a handover, and 0 lie between the limits")

    def llr(self, one_voice: float, windows: int) -> float:
        """The LLR of a handover.

        Args:
            one_voice: LLR that both groups are one voice, without limits.
            windows: of both.
        """
        told = self.offset + self.across * one_voice - float(np.log(windows))
        return min(max(told, self.floor), self.cap)


FITTED: Final = HandoverMap()
"""Fitted on half of the speakers of the development recordings (decision note 0035)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Division:
    """The windows of a call in two groups.

    Attributes:
        second: (n,) bool, the windows of the voice that came later.
        one_voice: LLR that both groups are one voice, without limits.
        shift: where the change is within the two windows around it, by what they are like: from -1, at the end of the
            second voice's first window, over 0, between the two, to 1, at the beginning of the window before.
    """

    second: NDArray[np.bool_]
    one_voice: float
    shift: float

    @property
    def first_window(self) -> int:
        """Index of the first window of the second voice."""
        return int(np.argmax(self.second))

    @property
    def in_turns(self) -> bool:
        """Whether the first voice came back."""
        return not bool(self.second[self.first_window :].all())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Handover:
    """The likeliest handover of a call.

    Attributes:
        division: which windows are whose.
        llr: natural-log LLR of "another voice took over" against "one voice throughout".
    """

    division: Division
    llr: float


def find_handover(
    scorer: Scorer,
    voiceprints: NDArray[np.float32],
    net_speech_s: NDArray[np.float64],
    *,
    fitted: HandoverMap = FITTED,
) -> Handover | None:
    """The likeliest handover of a call so far; None while there are too few windows for two voices.

    It takes time in proportion to the windows; what comes of it depends on them alone.

    Args:
        scorer: of the voiceprints' model.
        voiceprints: (n, d) unit rows, one for each window, in their order.
        net_speech_s: (n,) net speech in each, in seconds.
        fitted: makes LLRs.
    """
    found = [
        Handover(division=division, llr=fitted.llr(division.one_voice, len(voiceprints)))
        for division in divisions(scorer, voiceprints, net_speech_s)
    ]
    return max(found, key=lambda each: each.llr, default=None)


def divisions(
    scorer: Scorer, voiceprints: NDArray[np.float32], net_speech_s: NDArray[np.float64]
) -> Iterator[Division]:
    """The likeliest way of each kind in which the windows of a call could be two voices'.

    The arguments are those of ``find_handover``.
    """
    if len(voiceprints) < 2 * LEAST_WINDOWS:
        return
    weighted = scorer.project(voiceprints).astype(np.float64) * net_speech_s[:, np.newaxis]
    after = np.arange(len(weighted)) >= _change(weighted)
    turns = _in_turns(weighted, after)
    for second in (after, turns):
        if second is not None:
            yield Division(
                second=second,
                one_voice=_one_voice(scorer, voiceprints, net_speech_s, second),
                shift=_shift(weighted, second),
            )


def _change(weighted: NDArray[np.float64]) -> int:
    """Index of the first window of the second of two voices, one after the other."""
    before = np.cumsum(weighted, axis=0)[LEAST_WINDOWS - 1 : -LEAST_WINDOWS]
    after = weighted.sum(axis=0) - before
    firmness = np.linalg.norm(before, axis=1) + np.linalg.norm(after, axis=1)
    return int(np.argmax(firmness)) + LEAST_WINDOWS


def _in_turns(weighted: NDArray[np.float64], after: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """The windows of a second voice after which the first came back; None where nothing looks like that."""
    grouped = [_regrouped(weighted, start) for start in (after, _opposites(weighted))]
    turns = [
        second for second in grouped if second is not None and np.any(second[:-1] > second[1:])
    ]
    return max(turns, key=lambda second: _firmness(weighted, second), default=None)


def _opposites(weighted: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The windows nearer to the one least like all others than to the one least like that."""
    rows = weighted / np.linalg.norm(weighted, axis=1, keepdims=True)
    farthest = rows[int(np.argmin(rows @ weighted.sum(axis=0)))]
    opposite = rows[int(np.argmin(rows @ farthest))]
    nearer: NDArray[np.bool_] = rows @ farthest > rows @ opposite
    return nearer


def _regrouped(
    weighted: NDArray[np.float64], second: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    for _ in range(_ROUNDS):
        if second.all() or not second.any():
            return None
        one, other = (weighted[group].sum(axis=0) for group in (~second, second))
        nearer = weighted @ (other / np.linalg.norm(other)) > weighted @ (one / np.linalg.norm(one))
        if (nearer == second).all():
            break
        second = nearer
    if min(second.sum(), (~second).sum()) < LEAST_WINDOWS:
        return None
    return ~second if second[0] else second


def _firmness(weighted: NDArray[np.float64], second: NDArray[np.bool_]) -> float:
    return float(
        np.linalg.norm(weighted[second].sum(axis=0)) + np.linalg.norm(weighted[~second].sum(axis=0))
    )


def _shift(weighted: NDArray[np.float64], second: NDArray[np.bool_]) -> float:
    one, other = (weighted[group].sum(axis=0) for group in (~second, second))
    axis = other / np.linalg.norm(other) - one / np.linalg.norm(one)
    likeness = (weighted / np.linalg.norm(weighted, axis=1, keepdims=True)) @ axis
    low, high = float(np.median(likeness[~second])), float(np.median(likeness[second]))
    if high <= low:
        return 0.0
    # The share of the second voice in the window before the change and in the one behind it.
    at = int(np.argmax(second))
    shares = np.clip((likeness[at - 1 : at + 1] - low) / (high - low), 0.0, 1.0)
    return float(shares.sum()) - 1.0


def _one_voice(
    scorer: Scorer,
    voiceprints: NDArray[np.float32],
    net_speech_s: NDArray[np.float64],
    second: NDArray[np.bool_],
) -> float:
    first = ~second
    pair = np.stack([aggregate(voiceprints[one], net_speech_s[one]) for one in (first, second)])
    projected = scorer.project(pair)
    statistics = scorer.template_statistics(projected)
    [llr] = scorer.unlimited_llr(
        np.array([projected[0].astype(np.float64) @ projected[1].astype(np.float64)]),
        statistics.take(np.array([0])),
        QueryStatistics(mean=float(statistics.mean[1]), deviation=float(statistics.deviation[1])),
        net_speech_s=float(net_speech_s[second].sum()),
        template_net_speech_s=np.array([net_speech_s[first].sum()]),
    )
    return float(llr)
