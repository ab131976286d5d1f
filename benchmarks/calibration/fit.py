"""Fit the default calibration profile, and find out how honest it is on corpora that it has never met.

    python benchmarks/calibration/fit.py WINDOWS PROFILE REPORT

``WINDOWS`` is what ``extract.py`` wrote. Only corpora of the licence class ``open`` are fitted on; the others are
scored by the profile that ships. Every figure of an open corpus comes from a fit without it (leave one corpus out).

The fit is cross-fitted: a training corpus is centred with the mean of the *other* training corpora and normalised
against their speakers only. Centred with a mean that it's part of, a corpus looks better than any site will.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import identification
import numpy as np
from numpy.typing import NDArray
from regression import fit_llr
from report import write_report
from trials import Corpus, Trials, draw_trials, load_corpora, recording_pairs

from shengdun.index.accuracy import measures
from shengdun.index.calibration import CalibrationProfile, LlrCoefficients
from shengdun.index.scoring import QueryStatistics, Scorer

Floats = NDArray[np.float64]

SEED: Final = 20260101
TARGET_TRIALS: Final = 6_000
OTHER_TRIALS: Final = 40_000
FIT_PRIOR: Final = 0.001
"""Where decisions are made: a list's prior shared by its actors, so the strangers that score high shape the fit."""
MIN_LIST_SPEAKERS: Final = 9
SHORTEST_S: Final = 1.5
LONGEST_S: Final = 20.0
CREATED_AT: Final = "2026-11-22T00:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A way to score that is compared.

    Attributes:
        label: in the report.
        centred: whether voiceprints are centred.
        cohort_nearest: nearest strangers for AS-Norm; 0 for none.
        shrinkage: of within-speaker whitening towards none, in (0, 1); None for no whitening.
    """

    label: str
    centred: bool
    cohort_nearest: int = 0
    shrinkage: float | None = None


SHIPPED: Final = Variant(label="centred + whitening 0.5", centred=True, shrinkage=0.5)
VARIANTS: Final = (
    Variant(label="raw cosine", centred=False),
    Variant(label="centred", centred=True),
    Variant(label="centred + AS-Norm 100", centred=True, cohort_nearest=100),
    Variant(label="centred + whitening 0.8", centred=True, shrinkage=0.8),
    SHIPPED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """The corpora with their trials."""

    corpora: dict[str, Corpus]
    trials: dict[str, Trials]

    @property
    def open_names(self) -> list[str]:
        """Corpora that may be fitted on."""
        return [name for name, corpus in self.corpora.items() if corpus.licence_class == "open"]

    def without(self, *names: str) -> list[Corpus]:
        """The open corpora but these."""
        return [self.corpora[name] for name in self.open_names if name not in names]


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


IDENTITY: Final = LlrCoefficients(
    offset=0.0,
    offset_brevity=0.0,
    slope=1.0,
    slope_brevity=0.0,
    shortest_net_speech_s=SHORTEST_S,
    longest_net_speech_s=LONGEST_S,
    floor=-1e9,
    cap=1e9,
)
"""With these the product's scorer gives back its normalised score, so the fit sees what calls will see."""


def scored(profile: CalibrationProfile, corpus: Corpus, trials: Trials) -> Floats:
    """What the product's scorer says of each trial, the left side as the template."""
    scorer = Scorer(profile)
    projected = scorer.project(corpus.voiceprints)
    statistics = scorer.template_statistics(projected)
    cosines = (projected[trials.left] * projected[trials.right]).sum(axis=1)
    llrs = np.empty(len(cosines))
    for side in np.unique(trials.right):
        at = np.flatnonzero(trials.right == side)
        llrs[at] = scorer.llr(
            cosines[at],
            statistics.take(trials.left[at]),
            QueryStatistics(
                mean=float(statistics.mean[side]), deviation=float(statistics.deviation[side])
            ),
            net_speech_s=float(corpus.net_speech_s[side]),
            template_net_speech_s=corpus.net_speech_s[trials.left[at]],
        )
    return llrs


def fit_coefficients(study: Study, variant: Variant, held_out: str | None) -> LlrCoefficients:
    """Calibrate on the open corpora without ``held_out``, cross-fitted."""
    features, labels, weights = [], [], []
    for corpus in study.without(*([held_out] if held_out else [])):
        background = study.without(corpus.name, *([held_out] if held_out else []))
        trials = study.trials[corpus.name]
        score = scored(blank_profile(variant, background, IDENTITY), corpus, trials)
        net_speech_s = np.clip(corpus.net_speech_s, SHORTEST_S, LONGEST_S)
        brevity = 1.0 / net_speech_s[trials.left] + 1.0 / net_speech_s[trials.right]
        features.append(np.stack([np.ones(len(score)), brevity, score, score * brevity], axis=1))
        labels.append(trials.is_target)
        hits = max(int(trials.is_target.sum()), 1)
        per_trial = np.where(trials.is_target, 1.0 / hits, 1.0 / max(len(score) - hits, 1))
        # Between "each corpus the same" and "each speaker the same".
        weights.append(per_trial * np.sqrt(corpus.speaker_count))
    fitted = fit_llr(
        np.concatenate(features), np.concatenate(labels), np.concatenate(weights), prior=FIT_PRIOR
    )
    offset, offset_brevity, slope, slope_brevity = fitted.round(4).tolist()
    return LlrCoefficients(
        offset=offset,
        offset_brevity=offset_brevity,
        slope=slope,
        slope_brevity=slope_brevity,
        shortest_net_speech_s=SHORTEST_S,
        longest_net_speech_s=LONGEST_S,
        floor=IDENTITY.floor,
        cap=IDENTITY.cap,
    )


def held_out_profile(study: Study, variant: Variant, name: str) -> CalibrationProfile:
    """The profile that the product would ship if the corpus ``name`` didn't exist."""
    coefficients = fit_coefficients(study, variant, name)
    return blank_profile(variant, study.without(name), coefficients)


def shipped_profile(study: Study, held_out: dict[str, CalibrationProfile]) -> CalibrationProfile:
    """The default profile: fitted on all open corpora, within what the held-out recordings can support."""
    targets, others = [], []
    for name in study.open_names:
        pairs = recording_pairs(study.corpora[name], seed=SEED)
        llrs = scored(held_out[name], study.corpora[name], pairs)
        targets.append(llrs[pairs.is_target])
        others.append(llrs[~pairs.is_target])
    floor, cap = measures.trust_limits(np.concatenate(targets), np.concatenate(others))
    print(
        f"limits from {sum(map(len, targets))} and {sum(map(len, others))} pairs of recordings",
        flush=True,
    )
    fitted = fit_coefficients(study, SHIPPED, None)
    coefficients = dataclasses.replace(fitted, floor=round(floor, 2), cap=round(cap, 2))
    return blank_profile(SHIPPED, study.without(), coefficients)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("windows", type=Path)
    parser.add_argument("profile", type=Path)
    parser.add_argument("report", type=Path)
    arguments = parser.parse_args()
    corpora = {corpus.name: corpus for corpus in load_corpora(arguments.windows)}
    trials = {
        name: draw_trials(corpus, targets=TARGET_TRIALS, others=OTHER_TRIALS, seed=SEED)
        for name, corpus in corpora.items()
    }
    study = Study(corpora=corpora, trials=trials)
    by_variant: dict[str, dict[str, Floats]] = {}
    profiles: dict[str, CalibrationProfile] = {}
    for variant in VARIANTS:
        llrs: dict[str, Floats] = {}
        for name, corpus in corpora.items():
            profile = held_out_profile(study, variant, name)
            llrs[name] = scored(profile, corpus, trials[name])
            if variant is SHIPPED:
                profiles[name] = profile
        by_variant[variant.label] = llrs
        print(f"{variant.label}: scored", flush=True)
    shipped = shipped_profile(study, profiles)
    shipped.save(arguments.profile)
    bounded = {
        name: identification.within(profile, shipped.coefficients)
        for name, profile in profiles.items()
    }
    tables = {
        name: identification.study(corpora[name], Scorer(profile), seed=SEED)
        for name, profile in bounded.items()
        if corpora[name].has_targets and corpora[name].speaker_count >= MIN_LIST_SPEAKERS
    }
    write_report(arguments.report, corpora, trials, by_variant, SHIPPED.label, shipped, tables)
    print(f"{shipped.profile_id} saved", flush=True)


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
        "Open-licence speech through PCMU and PCMA at 8 kHz, clean, with noise at 8 to 20 dB and in rooms, "
        "cut to 3, 6, 10 and 20 s of net speech; impostors paired within each corpus: "
        + ", ".join(parts)
        + "."
    )


if __name__ == "__main__":
    main()
