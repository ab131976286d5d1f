"""Verification: one call against one enrolled recording (ISO/IEC 19795-1, one to one).

An enrolment or a call in which nothing could be heard counts: every trial of one voice with it is a miss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.samples import Seconds
from shengdun.index.accuracy import measures
from shengdun.index.accuracy.bootstrap import Figure, figures, speaker_draws
from shengdun.index.accuracy.sides import Calls, Enrolments, may_be_compared
from shengdun.index.scoring import Scorer

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

OTHER_TRIALS: Final = 100_000
MIN_SPEAKERS: Final = 5
"""With fewer speakers a figure says more about them than about the system."""
_BINS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trials:
    """Scored trials.

    Attributes:
        llrs: (t,) natural-log LLR; 0 where nothing was heard.
        is_target: (t,) whether both sides are one voice.
        failed: (t,) whether nothing was heard on one of the sides; only trials of one voice are kept of those.
        enrolled: (t,) row of the enrolled speaker in the corpus.
        calling: (t,) row of the caller in the corpus.
    """

    llrs: Floats
    is_target: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    enrolled: Rows
    calling: Rows

    def among(self, speakers: NDArray[np.bool_]) -> "Trials":
        """The trials both of whose sides are of these speakers, (s,) a flag for each speaker of the corpus."""
        chosen = speakers[self.enrolled] & speakers[self.calling]
        return Trials(
            llrs=self.llrs[chosen],
            is_target=self.is_target[chosen],
            failed=self.failed[chosen],
            enrolled=self.enrolled[chosen],
            calling=self.calling[chosen],
        )

    @classmethod
    def joined(cls, parts: "Sequence[Trials]") -> "Trials":
        """All trials of some parts, at least one, in order."""
        return cls(
            llrs=np.concatenate([part.llrs for part in parts]),
            is_target=np.concatenate([part.is_target for part in parts]),
            failed=np.concatenate([part.failed for part in parts]),
            enrolled=np.concatenate([part.enrolled for part in parts]),
            calling=np.concatenate([part.calling for part in parts]),
        )

    @property
    def target_speakers(self) -> int:
        """Speakers with a trial of their own voice."""
        return len(np.unique(self.enrolled[self.is_target]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verification:
    """Figures of some trials.

    Attributes:
        speakers: those with trials of their own voice.
        targets: trials of one voice.
        others: trials of strangers.
        failed: trials of one voice in which nothing was heard.
        figures: ``eer``, ``min_dcf``, ``cllr`` and ``min_cllr``; empty where there are too few speakers.
        det: the curve; None where there are too few speakers.
    """

    speakers: int
    targets: int
    others: int
    failed: int
    figures: dict[str, Figure]
    det: measures.DetCurve | None


def trials_of(
    enrolments: Enrolments,
    calls: Calls,
    scorer: Scorer,
    seconds: Seconds,
    *,
    seed: int,
) -> Trials:
    """Score every call of so much net speech against the enrolments of its corpus."""
    templates = scorer.project(enrolments.voiceprints)
    statistics = scorer.template_statistics(templates)
    part_of = np.array([recording.corpus for recording in enrolments.recordings])
    parts = []
    for call in calls.ready(seconds):
        own = may_be_compared(enrolments, calls, call)
        near = part_of == calls.recordings[call][0].corpus
        others = near & ~enrolments.failed & (enrolments.speakers != calls.speakers[call])
        rows = np.flatnonzero(own | others)
        heard = calls.heard[call]
        query = scorer.project(heard.voiceprints[seconds][np.newaxis, :])[0]
        llrs = scorer.llr(
            templates[rows] @ query,
            statistics.take(rows),
            scorer.query_statistics(query),
            net_speech_s=heard.net_speech_s[seconds],
            template_net_speech_s=enrolments.net_speech_s[rows],
            snr_db=heard.snr_db,
            template_snr_db=enrolments.snr_db[rows],
        )
        failed = enrolments.failed[rows]
        parts.append((np.where(failed, 0.0, llrs), own[rows], failed, rows, call))
    for call in calls.failed(seconds):
        rows = np.flatnonzero(may_be_compared(enrolments, calls, call))
        yes = np.ones(len(rows), dtype=bool)
        parts.append((np.zeros(len(rows)), yes, yes, rows, call))
    return _thinned(_together(parts, enrolments, calls), seed)


def verify(trials: Trials, *, speakers: int, replicates: int, seed: int) -> Verification:
    """The figures of some trials with their intervals.

    Args:
        trials: the trials.
        speakers: in the corpus.
        replicates: of the bootstrap.
        seed: of the bootstrap.
    """
    enough = trials.target_speakers >= MIN_SPEAKERS and bool((~trials.is_target).any())
    binned = BinnedTrials(trials) if enough else None
    draws = speaker_draws(speakers, replicates=replicates, seed=seed)
    return Verification(
        speakers=trials.target_speakers,
        targets=int(trials.is_target.sum()),
        others=int((~trials.is_target).sum()),
        failed=int(trials.failed.sum()),
        figures=figures(exact_figures(trials), binned.drawn, draws) if binned else {},
        det=curve_of(trials) if binned else None,
    )


def _together(
    parts: list[tuple[Floats, NDArray[np.bool_], NDArray[np.bool_], Rows, int]],
    enrolments: Enrolments,
    calls: Calls,
) -> Trials:
    rows = np.concatenate([np.empty(0, np.int64), *(part[3] for part in parts)])
    callers = [np.full(len(part[3]), calls.speakers[part[4]]) for part in parts]
    return Trials(
        llrs=np.concatenate([np.empty(0), *(part[0] for part in parts)]),
        is_target=np.concatenate([np.empty(0, bool), *(part[1] for part in parts)]),
        failed=np.concatenate([np.empty(0, bool), *(part[2] for part in parts)]),
        enrolled=enrolments.speakers[rows],
        calling=np.concatenate([np.empty(0, np.int64), *callers]),
    )


def _thinned(trials: Trials, seed: int) -> Trials:
    """All trials of one voice, and as many of strangers as are worth their time."""
    others = np.flatnonzero(~trials.is_target)
    if len(others) <= OTHER_TRIALS:
        return trials
    kept = np.random.default_rng(seed).choice(others, size=OTHER_TRIALS, replace=False)
    rows = np.sort(np.concatenate([np.flatnonzero(trials.is_target), kept]))
    return Trials(
        llrs=trials.llrs[rows],
        is_target=trials.is_target[rows],
        failed=trials.failed[rows],
        enrolled=trials.enrolled[rows],
        calling=trials.calling[rows],
    )


def curve_of(trials: Trials) -> measures.DetCurve:
    """The curve of some trials; where nothing was heard is below every threshold."""
    scores = np.where(trials.failed, -np.inf, trials.llrs)
    _, rows = np.unique(scores, return_inverse=True)
    return measures.det_curve(
        _counted(rows, trials.is_target),
        _counted(rows, ~trials.is_target),
    )


def _counted(rows: Rows, chosen: NDArray[np.bool_]) -> Floats:
    return np.bincount(rows, weights=chosen).astype(np.float64)


def exact_figures(trials: Trials) -> dict[str, float]:
    """``eer``, ``min_dcf``, ``cllr`` and ``min_cllr`` of some trials of one voice and of strangers."""
    curve = curve_of(trials)
    targets, others = trials.llrs[trials.is_target], trials.llrs[~trials.is_target]
    heard = trials.llrs[trials.is_target & ~trials.failed]
    failed = float(trials.failed.sum() / trials.is_target.sum())
    return {
        "eer": curve.eer,
        "min_dcf": curve.min_dcf(),
        "cllr": measures.cllr(targets, others),
        "min_cllr": _with_failures(measures.min_cllr(heard, others) if len(heard) else 1.0, failed),
    }


def _with_failures(min_cllr: float, failed: float) -> float:
    """Failures cost a bit each, which no recalibration takes away; half of Cllr is about trials of one voice."""
    return min_cllr * (1.0 - failed / 2.0) + failed / 2.0


class BinnedTrials:
    """Trials by their rank, so that a replicate is a few sums instead of a sort."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self._bits = np.logaddexp(0.0, np.where(trials.is_target, -1.0, 1.0) * trials.llrs)
        scores = np.where(trials.failed, -np.inf, trials.llrs)
        edges = np.unique(np.quantile(trials.llrs, np.linspace(0.0, 1.0, _BINS)))
        self._bins = np.where(trials.failed, 0, 1 + np.searchsorted(edges, scores, side="right"))
        self._size = len(edges) + 2

    def drawn(self, draw: Floats) -> dict[str, float] | None:
        """The figures when speakers count as often as they were drawn, (s,); None if no trial is left."""
        trials = self._trials
        # A trial of one voice comes with its speaker, one of strangers with both.
        weights = draw[trials.enrolled] * np.where(trials.is_target, 1.0, draw[trials.calling])
        of_targets = np.where(trials.is_target, weights, 0.0)
        targets, others = of_targets.sum(), weights.sum() - of_targets.sum()
        heard = self._counts(np.where(trials.failed, 0.0, of_targets))
        if heard.sum() <= 0 or others <= 0:
            return None
        strangers = self._counts(weights - of_targets)
        curve = measures.det_curve(self._counts(of_targets), strangers)
        costs = weights * self._bits
        of_target_costs = np.where(trials.is_target, costs, 0.0).sum()
        cllr = (of_target_costs / targets + (costs.sum() - of_target_costs) / others) / 2.0
        failed = float(1.0 - heard.sum() / targets)
        return {
            "eer": curve.eer,
            "min_dcf": curve.min_dcf(),
            "cllr": float(cllr / np.log(2.0)),
            "min_cllr": _with_failures(measures.min_cllr_of_counts(heard, strangers), failed),
        }

    def _counts(self, weights: Floats) -> Floats:
        return np.bincount(self._bins, weights=weights, minlength=self._size).astype(np.float64)
