"""Fit the default calibration profile, and find out how honest it is on corpora that it has never met.

    python benchmarks/calibration/fit.py WINDOWS PROFILE REPORT [--compare]

``WINDOWS`` is what ``extract.py`` wrote. Only corpora of the licence class ``open`` are fitted on; the others are
scored by the profile that ships. Every figure of an open corpus comes from a fit without it (leave one corpus out).

How much ordinary calls weigh is chosen in the same way: every fit, also one without a corpus, holds out each of its own
corpora in turn and takes the weight whose worst condition loses least.

The fit is cross-fitted: a training corpus is centred with the mean of the *other* training corpora and normalised
against their speakers only. Centred with a mean that it's part of, a corpus looks better than any site will.

The profile also holds the map for sites. For that every corpus plays a site: it is centred on its own callers, but a
trial never on the speakers of either of its sides.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import identification
import numpy as np
from numpy.typing import NDArray
from report import write_report
from trials import (
    ENROLLED,
    Corpus,
    Trials,
    compared_pairs,
    draw_trials,
    load_compared,
    load_corpora,
)

from shengdun.fingerprint.voice.conditions import Condition
from shengdun.index.accuracy import measures
from shengdun.index.calibration import CalibrationProfile, LlrCoefficients
from shengdun.index.fitting.coefficients import (
    LONGEST_S,
    SHORTEST_S,
    Limits,
    ScoredTrials,
    fit_coefficients,
)
from shengdun.index.llr import Sides
from shengdun.index.scoring import Scorer, normalised, unit_rows

Floats = NDArray[np.float64]

SEED: Final = 20260101
TARGET_TRIALS: Final = 2_000
OTHER_TRIALS: Final = 12_000
MIN_LIST_SPEAKERS: Final = 9
MIN_SITE_SPEAKERS: Final = 9
"""A site is made of a corpus' other speakers; with fewer of them there's nothing to be learnt from it."""
SCORED_AT_ONCE: Final = 20_000
ORDINARY: Final = Condition.PCMU.value
ORDINARY_WEIGHTS: Final = (2.0, 4.0, 8.0)
"""It stands for PCMA, packet loss, GSM, AMR at 12.2 kb/s and faint noise too, hardly told from it (note 0016). How
much it weighs is chosen with the fit, on corpora that are held out of it in turn."""
JUDGED_S: Final = ((2.3, 3.7), (8.5, 12.0))
"""Calls of about 3 and of about 10 s, by which the weight is chosen."""
LEAST_TARGETS: Final = 20
SHOWN_APART: Final = {
    "emodb": "acted emotion, the same ten sentences of under 2 s from everybody",
    "librispeech_voicefilter": "one of its speakers is probably two people",
}
"""Left out of the tables that put all corpora under one threshold. They stay in the fit: without them it exaggerates.
Strangers of pbx_prompts then reach LLR 7 3.4 times as often as honest ones may, and the mean Cllr is 0.24 for 0.22."""
CREATED_AT: Final = "2026-11-28T06:00:00Z"
UNFITTED: Final = LlrCoefficients(
    offset=0.0,
    slope=1.0,
    shortest_net_speech_s=SHORTEST_S,
    longest_net_speech_s=LONGEST_S,
    floor=-20.0,
    cap=20.0,
)
"""Stands in a profile that only projects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A way to score that is compared.

    Attributes:
        label: in the report.
        centred: whether voiceprints are centred.
        own: whether on the corpus' own other callers, as a site is, and not on other corpora.
        cohort_nearest: nearest strangers for AS-Norm; 0 for none.
        shrinkage: of within-speaker whitening towards none, in (0, 1); None for no whitening.
    """

    label: str
    centred: bool = True
    own: bool = False
    cohort_nearest: int = 0
    shrinkage: float | None = None


SHIPPED: Final = Variant(label="centred + whitening 0.5", shrinkage=0.5)
SITE: Final = Variant(label="centred on its own site + whitening 0.5", shrinkage=0.5, own=True)
VARIANTS: Final = (
    Variant(label="raw cosine", centred=False),
    Variant(label="centred"),
    Variant(label="centred + AS-Norm 100", cohort_nearest=100),
    SHIPPED,
    Variant(label="centred on its own site", own=True),
    SITE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """The corpora with their trials, and what was worked out of them.

    Attributes:
        corpora: by name.
        trials: of each.
        compared: the corpora in sides as the product compares them (``load_compared``).
        scores: of each variant and corpus, by the background that was left out.
        weights: of ordinary calls, for maps of sites and others, by what was left out.
    """

    corpora: dict[str, Corpus]
    trials: dict[str, Trials]
    compared: dict[str, Corpus]
    scores: dict[tuple[str, str, tuple[str, ...]], Floats] = field(default_factory=dict)
    weights: dict[tuple[bool, frozenset[str]], float] = field(default_factory=dict)

    @property
    def open_names(self) -> list[str]:
        """Corpora that may be fitted on."""
        return [name for name, corpus in self.corpora.items() if corpus.licence_class == "open"]

    def without(self, *names: str) -> list[Corpus]:
        """The open corpora but these."""
        return [self.corpora[name] for name in self.open_names if name not in names]

    def plays_site(self, name: str) -> bool:
        """Whether a corpus has speakers enough to be a site."""
        return self.corpora[name].speaker_count >= MIN_SITE_SPEAKERS

    def scored(self, variant: Variant, name: str, *left_out: str) -> Floats:
        """Scores of a corpus' trials before the map to LLRs, by a background without it and without some others."""
        key = (variant.label, name, tuple(sorted({name, *left_out})))
        if key not in self.scores:
            profile = blank_profile(variant, self.without(*key[2]), UNFITTED)
            corpus, trials = self.corpora[name], self.trials[name]
            self.scores[key] = (
                scored_as_site(profile, corpus, trials)
                if variant.own
                else scored(profile, corpus, trials)
            )
        return self.scores[key]

    def ordinary_weight(self, *left_out: str, own: bool) -> float:
        """How much ordinary calls weigh in a fit without some corpora, by nothing but the others."""
        key = own, frozenset(left_out) & frozenset(self.open_names)
        if key not in self.weights:
            variant = SITE if own else SHIPPED
            self.weights[key] = min(
                ORDINARY_WEIGHTS,
                key=lambda weight: worst_loss(self, variant, *left_out, ordinary_weight=weight),
            )
        return self.weights[key]


def blank_profile(
    variant: Variant, background: Sequence[Corpus], coefficients: LlrCoefficients
) -> CalibrationProfile:
    """A profile whose centre, whitening and cohort come from ``background``; every corpus counts the same."""
    means = [corpus.speaker_means() for corpus in background]
    centre = np.mean([mean.mean(axis=0) for mean in means], axis=0) * variant.centred
    whitening = _whitening(background, variant.shrinkage) if variant.shrinkage is not None else None
    cohort = np.concatenate(means) - centre
    cohort /= np.linalg.norm(cohort, axis=1, keepdims=True)
    return CalibrationProfile(
        name="default",
        model_id=background[0].model_id,
        created_at=CREATED_AT,
        provenance=_provenance(background),
        mean=centre.astype(np.float32),
        whitening=whitening,
        cohort=cohort.astype(np.float16) if variant.cohort_nearest else None,
        cohort_nearest=variant.cohort_nearest,
        coefficients=coefficients,
    )


def scored(profile: CalibrationProfile, corpus: Corpus, trials: Trials) -> Floats:
    """The score of each trial before the map to LLRs."""
    scorer = Scorer(profile)
    needed, places = np.unique(np.concatenate([trials.left, trials.right]), return_inverse=True)
    left, right = np.split(places, 2)
    projected = scorer.project(corpus.voiceprints[needed])
    statistics = scorer.template_statistics(projected)
    one, other = statistics.take(left), statistics.take(right)
    cosines = np.einsum("td,td->t", projected[left], projected[right])
    return normalised(
        cosines.astype(np.float64), one.mean, one.deviation, other.mean, other.deviation
    )


def scored_as_site(
    base: CalibrationProfile, corpus: Corpus, trials: Trials, *, site: Corpus | None = None
) -> Floats:
    """What it says with the corpus as a site: every trial centred on its speakers but the trial's own two.

    Args:
        base: whitens.
        corpus: has the sides.
        trials: of ``corpus``.
        site: the same speakers, whose calls make the centre; None for ``corpus``.
    """
    whitening = np.eye(base.dimension) if base.whitening is None else base.whitening
    rows = unit_rows(corpus.voiceprints).astype(np.float64) @ whitening
    centres = _Centres.of(site or corpus, whitening)
    scores = np.empty(len(trials.left))
    for start in range(0, len(scores), SCORED_AT_ONCE):
        at = slice(start, start + SCORED_AT_ONCE)
        left, right = trials.left[at], trials.right[at]
        centre = centres.without(corpus.speakers[left], corpus.speakers[right])
        one, other = rows[left] - centre, rows[right] - centre
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        scores[at] = (one * other).sum(axis=1) / lengths
    return scores


@dataclass(frozen=True, slots=True, kw_only=True)
class _Centres:
    """The centre of a site as its calls give it, every caller counting the same, with any two of them left out.

    Attributes:
        means: (speakers, d) of each caller's calls; zeros of those who never call.
        callers: (speakers,) 1 for a caller, 0 for who never calls.
    """

    means: Floats
    callers: Floats

    @classmethod
    def of(cls, corpus: Corpus, whitening: NDArray[np.floating]) -> "_Centres":
        """Of whitened calls, (d, d) being what whitens."""
        calls = _calls_of(corpus)
        rows = unit_rows(corpus.voiceprints[calls]).astype(np.float64) @ whitening
        means = np.zeros((corpus.speaker_count, rows.shape[1]))
        callers = np.zeros(corpus.speaker_count)
        for speaker in np.unique(corpus.speakers[calls]):
            means[speaker] = rows[corpus.speakers[calls] == speaker].mean(axis=0)
            callers[speaker] = 1.0
        return cls(means=means, callers=callers)

    def without(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> Floats:
        """(t, d) centres without two speakers each, (t,) and (t,), who may be the same."""
        differ = (one != other).astype(np.float64)
        total = self.means.sum(axis=0) - self.means[one] - self.means[other] * differ[:, None]
        count = self.callers.sum() - self.callers[one] - self.callers[other] * differ
        centres: Floats = total / count[:, None]
        return centres


def fit_map(
    study: Study,
    variant: Variant,
    *left_out: str,
    limits: Limits | None = None,
    ordinary_weight: float | None = None,
) -> LlrCoefficients:
    """Calibrate on the open corpora but these, cross-fitted; None chooses the weight of ordinary calls too."""
    if ordinary_weight is None:
        ordinary_weight = study.ordinary_weight(*left_out, own=variant.own)
    scores, sides, labels, weights = [], [], [], []
    for corpus in study.without(*left_out):
        trials = study.trials[corpus.name]
        if variant.own and not study.plays_site(corpus.name):
            continue
        scores.append(study.scored(variant, corpus.name, *left_out))
        sides.append(sides_of(corpus, trials))
        labels.append(trials.is_target)
        weights.append(_trial_weights(corpus, trials, ordinary_weight))
    return fit_coefficients(
        ScoredTrials(
            scores=np.concatenate(scores),
            sides=Sides(**{name: np.concatenate([s[name] for s in sides]) for name in sides[0]}),
            is_target=np.concatenate(labels),
            weights=np.concatenate(weights),
        ),
        limits=limits,
    )


def _trial_weights(corpus: Corpus, trials: Trials, ordinary_weight: float) -> Floats:
    """Each condition by what it stands for, corpora between "each the same" and "each speaker the same"."""
    weights = np.where(corpus.conditions[trials.right] == ORDINARY, ordinary_weight, 1.0)
    totals = np.where(
        trials.is_target, weights[trials.is_target].sum(), weights[~trials.is_target].sum()
    )
    shares: Floats = weights / totals * np.sqrt(corpus.speaker_count)
    return shares


def worst_loss(study: Study, variant: Variant, *left_out: str, ordinary_weight: float) -> float:
    """Cllr - min Cllr in bits of the condition and length that lose most, every corpus held out in turn."""
    llrs, others = [], []
    for name in study.open_names:
        if name in left_out or (variant.own and not study.plays_site(name)):
            continue
        corpus, trials = study.corpora[name], study.trials[name]
        mapped = fit_map(study, variant, name, *left_out, ordinary_weight=ordinary_weight)
        sides = Sides(**sides_of(corpus, trials))
        llrs.append(mapped.llr(study.scored(variant, name, *left_out), sides))
        others.append((trials.is_target, corpus.conditions[trials.right], sides.net_b_s))
    pooled = np.concatenate(llrs)
    is_target, conditions, net_s = (np.concatenate(column) for column in zip(*others, strict=True))
    losses = []
    for condition in np.unique(conditions):
        for shortest, longest in JUDGED_S:
            at = (conditions == condition) & (net_s > shortest) & (net_s < longest)
            targets, strangers = pooled[at & is_target], pooled[at & ~is_target]
            if len(targets) >= LEAST_TARGETS:
                cllr = measures.cllr(targets, strangers)
                losses.append(cllr - measures.min_cllr(targets, strangers))
    return max(losses)


def sides_of(corpus: Corpus, trials: Trials) -> dict[str, Floats]:
    """The fields of ``Sides`` of a corpus' trials."""
    return {
        "net_a_s": corpus.net_speech_s[trials.left],
        "net_b_s": corpus.net_speech_s[trials.right],
        "snr_a_db": corpus.snr_db[trials.left],
        "snr_b_db": corpus.snr_db[trials.right],
    }


def held_out_llrs(
    study: Study, variant: Variant, name: str, limits: Limits | None = None
) -> Floats:
    """LLRs of a corpus' trials by what the product would be if the corpus didn't exist."""
    mapped = fit_map(study, variant, name, limits=limits)
    sides = Sides(**sides_of(study.corpora[name], study.trials[name]))
    return mapped.llr(study.scored(variant, name), sides)


def held_out_profile(
    study: Study, variant: Variant, *names: str, limits: Limits | None = None
) -> CalibrationProfile:
    """The profile that the product would ship if these corpora didn't exist, with its map for sites."""
    mapped = fit_map(study, variant, *names, limits=limits)
    base = blank_profile(variant, study.without(*names), mapped)
    return dataclasses.replace(base, site_coefficients=fit_map(study, SITE, *names, limits=limits))


def trust_limits(study: Study, variant: Variant) -> Limits:
    """How far LLRs may go, by pairs as the product compares them, of corpora that were held out."""
    targets, others = [], []
    for name in study.open_names:
        corpus = study.compared.get(name)
        if corpus is None or (variant.own and not study.plays_site(name)):
            continue
        pairs = compared_pairs(corpus, seed=SEED)
        profile = blank_profile(variant, study.without(name), UNFITTED)
        scores = (
            scored_as_site(profile, corpus, pairs, site=study.corpora[name])
            if variant.own
            else scored(profile, corpus, pairs)
        )
        llrs = fit_map(study, variant, name).llr(scores, Sides(**sides_of(corpus, pairs)))
        targets.append(llrs[pairs.is_target])
        others.append(llrs[~pairs.is_target])
    floor, cap = measures.trust_limits(np.concatenate(targets), np.concatenate(others))
    pairs_of = f"{sum(map(len, targets))} and {sum(map(len, others))} pairs of sides"
    print(f"{variant.label}: limits {floor:.2f} .. {cap:.2f} from {pairs_of}", flush=True)
    return Limits(floor=round(floor, 2), cap=round(cap, 2))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("windows", type=Path)
    parser.add_argument("profile", type=Path)
    parser.add_argument("report", type=Path)
    parser.add_argument(
        "--compare", action="store_true", help="also score in the other ways, and lists; slow"
    )
    arguments = parser.parse_args()
    study = read_study(arguments.windows)
    by_variant: dict[str, dict[str, Floats]] = {}
    for variant in VARIANTS if arguments.compare else (SHIPPED, SITE):
        by_variant[variant.label] = {
            name: held_out_llrs(study, variant, name)
            for name in study.corpora
            if not variant.own or study.plays_site(name)
        }
        print(f"{variant.label}: scored", flush=True)
    limits, site_limits = trust_limits(study, SHIPPED), trust_limits(study, SITE)
    shipped = dataclasses.replace(
        blank_profile(SHIPPED, study.without(), fit_map(study, SHIPPED, limits=limits)),
        site_coefficients=fit_map(study, SITE, limits=site_limits),
    )
    for own in (False, True):
        print(f"weight of ordinary calls: {study.ordinary_weight(own=own):g} {'(sites)' * own}")
    shipped.save(arguments.profile)
    tables = {
        name: identification.study(
            corpus, Scorer(held_out_profile(study, SHIPPED, name, limits=limits)), seed=SEED
        )
        for name, corpus in study.corpora.items()
        if arguments.compare
        and corpus.has_targets
        and corpus.speaker_count >= MIN_LIST_SPEAKERS
        and name not in SHOWN_APART
    }
    write_report(
        arguments.report,
        study.corpora,
        study.trials,
        by_variant,
        SHIPPED.label,
        shipped,
        tables,
        SHOWN_APART,
    )
    print(f"{shipped.profile_id} saved", flush=True)


def read_study(windows: Path) -> Study:
    """The corpora that ``extract.py`` wrote, with trials drawn."""
    corpora = {corpus.name: corpus for corpus in load_corpora(windows)}
    trials = {
        name: draw_trials(corpus, targets=TARGET_TRIALS, others=OTHER_TRIALS, seed=SEED)
        for name, corpus in corpora.items()
    }
    compared = {corpus.name: corpus for corpus in load_compared(windows)}
    return Study(corpora=corpora, trials=trials, compared=compared)


def _calls_of(corpus: Corpus) -> NDArray[np.int64]:
    """One side for each recording, at its longest, in a condition drawn for it."""
    rng = np.random.default_rng(SEED)
    single = np.flatnonzero((corpus.recordings == 1) & (corpus.conditions != ENROLLED))
    shuffled = rng.permutation(single)
    names = np.array(["".join(sorted(corpus.origins[row])) for row in shuffled])
    longest_first = np.lexsort((-np.round(corpus.net_speech_s[shuffled]), names))
    _, first = np.unique(names[longest_first], return_index=True)
    chosen: NDArray[np.int64] = shuffled[longest_first[first]]
    return chosen


def _whitening(background: Sequence[Corpus], shrinkage: float) -> NDArray[np.float32]:
    within = np.mean(
        [_within_speaker(corpus) for corpus in background if corpus.has_targets], axis=0
    )
    shrunk = (1.0 - shrinkage) * within + shrinkage * np.trace(within) / len(within) * np.eye(
        len(within)
    )
    values, vectors = np.linalg.eigh(shrunk)
    whitening: NDArray[np.float32] = ((vectors / np.sqrt(values)) @ vectors.T).astype(np.float32)
    return whitening


def _within_speaker(corpus: Corpus) -> Floats:
    deviations = corpus.voiceprints - corpus.speaker_means()[corpus.speakers]
    covariance: Floats = deviations.T @ deviations / len(deviations)
    return covariance


def _provenance(background: Sequence[Corpus]) -> str:
    parts = [f"{corpus.name} ({corpus.speaker_count} speakers)" for corpus in background]
    return (
        "Open-licence speech enrolled wide-band, and calling through PCMU and AMR 4.75 at 8 kHz, with recorded and "
        "stationary noise at 0, 5 and 10 dB and in rooms, cut to 3, 6, 10 and 20 s of net speech; impostors paired "
        "within each corpus: " + ", ".join(parts) + "."
    )


if __name__ == "__main__":
    main()
