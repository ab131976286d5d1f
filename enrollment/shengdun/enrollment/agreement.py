"""Whose voice is it: which voiceprints are one person's, judged by likelihood ratios.

Two questions, two ways. Recordings are brought by somebody who says that they are of one person, a few at a time: the
voice that most of them agree on is looked for. The windows of one recording are many and short: they are parted into
the two groups that are least alike, and the groups, which hold more speech than any window, are compared. (Gathering
windows round a first one instead ends in a mixture that both voices resemble.)
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scoring import QueryStatistics, Scorer, aggregate

_ROUNDS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Agreement:
    """Which recordings are the voice that most of them agree on.

    Attributes:
        main: (n,) bool, whether each is that voice's.
        llrs: (n,) float64, LLR that each is the voice of the others that are the main voice's, or of all others where
            there are none; NaN for a recording that is the only one.
    """

    main: NDArray[np.bool_]
    llrs: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parting:
    """The two groups of windows that are least alike.

    Attributes:
        main: (n,) bool, the group with more net speech.
        llr: LLR that both groups are one voice; None when there is only one group.
    """

    main: NDArray[np.bool_]
    llr: float | None


def find_agreement(
    scorer: Scorer,
    voiceprints: NDArray[np.float32],
    net_speech_s: NDArray[np.float64],
    *,
    least_llr: float,
) -> Agreement:
    """Finds the voice that most recordings agree on.

    It begins with the recording that most others agree with, and then gathers and drops recordings by how they agree
    with all that was gathered, since several together tell voices apart better than any two do.

    Args:
        scorer: of the voiceprints' model.
        voiceprints: (n, d) unit rows, n >= 1, one for each recording, as the voice model gives them.
        net_speech_s: (n,) net speech behind each, in seconds.
        least_llr: LLR from which a recording is the main voice's.
    """
    main = _first_group(pairwise_llrs(scorer, voiceprints, net_speech_s), least_llr)
    llrs = _llrs_to(scorer, voiceprints, net_speech_s, main)
    for _ in range(_ROUNDS):
        regathered = np.where(np.isnan(llrs), main, llrs >= least_llr)
        if not regathered.any() or (regathered == main).all():
            break
        main = regathered
        llrs = _llrs_to(scorer, voiceprints, net_speech_s, main)
    return Agreement(main=main, llrs=llrs)


def part_windows(
    scorer: Scorer, voiceprints: NDArray[np.float32], net_speech_s: NDArray[np.float64]
) -> Parting:
    """Parts the windows of a recording into the two groups that are least alike, and compares the groups.

    Args:
        scorer: of the voiceprints' model.
        voiceprints: (n, d) unit rows, n >= 1, one for each window, as the voice model gives them.
        net_speech_s: (n,) net speech in each, in seconds.
    """
    main = _farthest_groups(scorer.project(voiceprints).astype(np.float64), net_speech_s)
    if net_speech_s[main].sum() < net_speech_s[~main].sum():
        main = ~main
    if main.all():
        return Parting(main=main, llr=None)
    llr = scorer.pairwise_llr(
        aggregate(voiceprints[main], net_speech_s[main]),
        aggregate(voiceprints[~main], net_speech_s[~main]),
        net_a_s=float(net_speech_s[main].sum()),
        net_b_s=float(net_speech_s[~main].sum()),
    )
    return Parting(main=main, llr=llr)


def pairwise_llrs(
    scorer: Scorer, voiceprints: NDArray[np.float32], net_speech_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """LLR of "one voice" for each pair of voiceprints, (n, n) float64; the diagonal means nothing."""
    projected = scorer.project(voiceprints)
    statistics = scorer.template_statistics(projected)
    rows = [
        scorer.llr(
            projected.astype(np.float64) @ one.astype(np.float64),
            statistics,
            QueryStatistics(
                mean=float(statistics.mean[row]), deviation=float(statistics.deviation[row])
            ),
            net_speech_s=float(net_speech_s[row]),
            template_net_speech_s=net_speech_s,
        )
        for row, one in enumerate(projected)
    ]
    return np.stack(rows)


def _first_group(pairs: NDArray[np.float64], least_llr: float) -> NDArray[np.bool_]:
    agrees = pairs >= least_llr
    np.fill_diagonal(agrees, val=True)
    counts = agrees.sum(axis=1)
    # Among equals, the one that the others are nearest to.
    seed = max(range(len(pairs)), key=lambda row: (counts[row], pairs[row].sum()))
    group: NDArray[np.bool_] = agrees[seed]
    return group


def _farthest_groups(
    projected: NDArray[np.float64], net_speech_s: NDArray[np.float64]
) -> NDArray[np.bool_]:
    cosines = projected @ projected.T
    one, other = np.unravel_index(np.argmin(cosines), cosines.shape)
    group = cosines[one] >= cosines[other]
    for _ in range(_ROUNDS):
        if group.all():
            break
        first = _direction(projected[group], net_speech_s[group])
        second = _direction(projected[~group], net_speech_s[~group])
        regrouped = projected @ first >= projected @ second
        if (regrouped == group).all() or not regrouped.any():
            break
        group = regrouped
    parted: NDArray[np.bool_] = group
    return parted


def _direction(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = weights @ rows
    return total / np.linalg.norm(total)


def _llrs_to(
    scorer: Scorer,
    voiceprints: NDArray[np.float32],
    net_speech_s: NDArray[np.float64],
    main: NDArray[np.bool_],
) -> NDArray[np.float64]:
    llrs = np.full(len(main), np.nan)
    for row in range(len(main)):
        alone = np.arange(len(main)) == row
        others = main & ~alone if (main & ~alone).any() else ~alone
        if others.any():
            llrs[row] = scorer.pairwise_llr(
                voiceprints[row],
                aggregate(voiceprints[others], net_speech_s[others]),
                net_a_s=float(net_speech_s[row]),
                net_b_s=float(net_speech_s[others].sum()),
            )
    return llrs
