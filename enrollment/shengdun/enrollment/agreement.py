"""Whose voice is it: which of several voiceprints are one person's, judged by likelihood ratios."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scoring import QueryStatistics, Scorer, aggregate

_ROUNDS = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Agreement:
    """Which voiceprints are the main voice's.

    Attributes:
        main: (n,) bool, whether each is the main voice's. The main voice has the most net speech.
        llrs: (n,) float64, LLR that each is the voice of the others that are the main voice's, or of all others where
            there are none; NaN for a voiceprint that is the only one.
        others_llr: LLR that all that are not the main voice's, taken together, are the main voice after all; None
            when there are none.
    """

    main: NDArray[np.bool_]
    llrs: NDArray[np.float64]
    others_llr: float | None


def find_agreement(
    scorer: Scorer,
    voiceprints: NDArray[np.float32],
    net_speech_s: NDArray[np.float64],
    *,
    least_llr: float,
) -> Agreement:
    """Finds the main voice among voiceprints.

    It begins with the voiceprint that agrees with the most net speech, and then gathers and drops voiceprints by how
    they agree with all that was gathered, since several together tell voices apart better than any two do.

    Args:
        scorer: of the voiceprints' model.
        voiceprints: (n, d) unit rows, n >= 1, as the voice model gives them.
        net_speech_s: (n,) net speech behind each, in seconds.
        least_llr: LLR from which a voiceprint is the main voice's.
    """
    pairs = pairwise_llrs(scorer, voiceprints, net_speech_s)
    agrees = pairs >= least_llr
    np.fill_diagonal(agrees, val=True)
    weights = agrees @ net_speech_s
    # Among equals, the one that the others are nearest to.
    seed = max(range(len(pairs)), key=lambda row: (weights[row], pairs[row].sum()))
    main = agrees[seed]
    llrs = _llrs_to(scorer, voiceprints, net_speech_s, main)
    for _ in range(_ROUNDS):
        regathered = np.where(np.isnan(llrs), main, llrs >= least_llr)
        if not regathered.any() or (regathered == main).all():
            break
        main = regathered
        llrs = _llrs_to(scorer, voiceprints, net_speech_s, main)
    return Agreement(
        main=main, llrs=llrs, others_llr=_others_llr(scorer, voiceprints, net_speech_s, main)
    )


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


def _others_llr(
    scorer: Scorer,
    voiceprints: NDArray[np.float32],
    net_speech_s: NDArray[np.float64],
    main: NDArray[np.bool_],
) -> float | None:
    if main.all():
        return None
    return scorer.pairwise_llr(
        aggregate(voiceprints[main], net_speech_s[main]),
        aggregate(voiceprints[~main], net_speech_s[~main]),
        net_a_s=float(net_speech_s[main].sum()),
        net_b_s=float(net_speech_s[~main].sum()),
    )
