"""Figures of several systems on the same trials, and by how much one is ahead, with intervals over the same draws.

Speakers are drawn again with everything that they said, the same ones for every system, so what is hard for all of
them cancels out of the difference (paired bootstrap: Efron & Tibshirani 1993, chapter 16; Bisani & Ney, ICASSP 2004).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.accuracy.bootstrap import CONFIDENCE, Figure
from shengdun.index.accuracy.identification import LinePolicy, Searches, rates_of
from shengdun.index.accuracy.measures import DetCurve
from shengdun.index.accuracy.verification import (
    MIN_SPEAKERS,
    BinnedTrials,
    Trials,
    curve_of,
    exact_figures,
)

Floats = NDArray[np.float64]
Values = dict[str, float]

MEASURES: Final = ("eer", "heard_eer", "mean_eer", "min_dcf", "min_cllr", "fnir_at_fpir")
"""What systems are compared by. ``heard_eer`` is of the trials that every system heard, so that it says nothing about
what a system refuses; ``mean_eer`` is the mean of the EERs of the corpora."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What one system made of all trials and searches of a cell.

    Attributes:
        pooled: the trials of all corpora, under one threshold.
        heard: of the pooled trials, those that every system heard.
        corpora: those of each corpus that has speakers enough.
        searches: in lists of 100, of all corpora.
        calibrated: whether the scores are likelihood ratios.
    """

    pooled: Trials
    heard: Trials
    corpora: tuple[Trials, ...]
    searches: Searches
    calibrated: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standing:
    """One system in a cell.

    Attributes:
        figures: ``MEASURES``, and ``cllr`` of a calibrated system, as far as there is data for them.
        det: the curve of the pooled trials.
    """

    figures: dict[str, Figure]
    det: DetCurve


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contest:
    """All systems in a cell.

    Attributes:
        standings: by system.
        relative: by the system that is ours, the peer, and the measure: ours over the peer's, less 1. Below 0 ours is
            ahead.
    """

    standings: dict[str, Standing]
    relative: dict[tuple[str, str], dict[str, Figure]]


def contest(
    evidence: Mapping[str, Evidence], policy: LinePolicy, draws: Floats, *, ours: Sequence[str]
) -> Contest:
    """The figures of every system and how those of ours stand to the others.

    Args:
        evidence: by system, on the same trials.
        policy: of the line; only its share of callers on the list enters.
        draws: (replicates, speakers) how often each speaker is drawn.
        ours: the systems that are the product.
    """
    whole: dict[str, Values] = {}
    drawn: dict[str, list[Values]] = {}
    for name, each in evidence.items():
        measured = _Measured(each, policy)
        whole[name] = measured.whole(np.ones(draws.shape[1]))
        drawn[name] = [measured.drawn(draw) for draw in draws]
    return Contest(
        standings={
            name: Standing(
                figures={
                    measure: _figure(value, [draw.get(measure, np.nan) for draw in drawn[name]])
                    for measure, value in whole[name].items()
                },
                det=curve_of(each.pooled),
            )
            for name, each in evidence.items()
        },
        relative={
            (our, peer): _relative(whole[our], whole[peer], drawn[our], drawn[peer])
            for our in ours
            for peer in evidence
            if peer not in ours
        },
    )


def has_enough(trials: Trials) -> bool:
    """Whether figures of these trials say something."""
    return trials.target_speakers >= MIN_SPEAKERS and bool((~trials.is_target).any())


class _Measured:
    """One system's figures, on everybody and on draws."""

    def __init__(self, evidence: Evidence, policy: LinePolicy) -> None:
        self._evidence = evidence
        self._policy = policy
        self._pooled = BinnedTrials(evidence.pooled)
        self._heard = BinnedTrials(evidence.heard)
        self._corpora = [BinnedTrials(trials) for trials in evidence.corpora]

    def whole(self, everybody: Floats) -> Values:
        own = [exact_figures(trials)["eer"] for trials in self._evidence.corpora]
        pooled, heard = exact_figures(self._evidence.pooled), exact_figures(self._evidence.heard)
        return self._chosen(pooled, heard, own, everybody)

    def drawn(self, draw: Floats) -> Values:
        corpora = [found["eer"] for trials in self._corpora if (found := trials.drawn(draw))]
        pooled, heard = self._pooled.drawn(draw) or {}, self._heard.drawn(draw) or {}
        return self._chosen(pooled, heard, corpora, draw)

    def _chosen(self, pooled: Values, heard: Values, corpora: list[float], draw: Floats) -> Values:
        found = {
            name: value
            for name, value in pooled.items()
            if name != "cllr" or self._evidence.calibrated
        }
        if "eer" in heard:
            found["heard_eer"] = heard["eer"]
        if corpora:
            found["mean_eer"] = float(np.mean(corpora))
        rates = rates_of(self._evidence.searches, self._policy, draw) or {}
        if "fnir_at_fpir" in rates:
            found["fnir_at_fpir"] = rates["fnir_at_fpir"]
        return found


def _relative(
    ours: Values, peer: Values, our_draws: list[Values], peer_draws: list[Values]
) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    for measure in MEASURES:
        if measure in ours and peer.get(measure, 0.0) > 0.0:
            ratios = [
                _ratio(our.get(measure, np.nan), their.get(measure, np.nan))
                for our, their in zip(our_draws, peer_draws, strict=True)
            ]
            found[measure] = _figure(_ratio(ours[measure], peer[measure]), ratios)
    return found


def _ratio(our: float, their: float) -> float:
    return our / their - 1.0 if their > 0.0 else float("nan")


def _figure(value: float, samples: Sequence[float]) -> Figure:
    known = [sample for sample in samples if np.isfinite(sample)] or [value]
    tail = 100.0 * (1.0 - CONFIDENCE) / 2.0
    low, high = np.percentile(known, (tail, 100.0 - tail)).tolist()
    return Figure(value=value, low=min(low, value), high=max(high, value))
