"""The tables of a calibration, in Markdown."""

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Final

import identification
import numpy as np
from identification import Calls
from numpy.typing import NDArray
from trials import Corpus, Trials

from shengdun.index.accuracy import measures
from shengdun.index.calibration import CalibrationProfile
from shengdun.index.llr import LlrCoefficients

Floats = NDArray[np.float64]

LENGTHS: Final = ((2.4, 3.6), (6.6, 10.6))
TAILS: Final = (3.0, 5.0, 7.0)
ENROLMENTS: Final = ("one recording", "three, log-mean-exp")
SEED: Final = 7


def write_report(
    path: Path,
    corpora: dict[str, Corpus],
    trials: dict[str, Trials],
    by_variant: dict[str, dict[str, Floats]],
    shipped_label: str,
    shipped: CalibrationProfile,
    calls: dict[str, dict[int, Calls]],
    left_out: Collection[str],
) -> None:
    """Write every table to ``path``."""
    with_targets = [name for name in corpora if corpora[name].has_targets]
    own = next(iter(reversed(by_variant)))
    compared = {label: by_variant[label] for label in (next(iter(by_variant)), shipped_label, own)}
    parts = [
        f"Profile `{shipped.profile_id}` for `{shipped.model_id}`.\n\n{shipped.provenance}",
        _coefficients(shipped),
        "## Ways to score, corpora that the fit has not seen\n",
        *(_variant(label, by_variant[label], trials, with_targets) for label in by_variant),
        _by_condition(corpora, trials, compared, left_out, shipped.coefficients),
        f"## The shipped way ({shipped_label}), by net speech of the shorter side\n",
        _by_length(corpora, trials, by_variant[shipped_label], with_targets),
        *(_lists(calls, prior) for prior in identification.PRIORS_ON_LIST),
        "## An actor's several voiceprints\n",
        _joins(calls),
    ]
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _coefficients(profile: CalibrationProfile) -> str:
    maps = {"default": profile.coefficients, "for sites": profile.site_coefficients}
    rows = {name: asdict(of) for name, of in maps.items() if of is not None}
    names = list(asdict(profile.coefficients))
    lines = [f"\n| map | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [
        f"| {name} | {' | '.join(f'{row[each]:g}' for each in names)} |"
        for name, row in rows.items()
    ]
    return "\n".join(lines) + "\n"


def _by_condition(
    corpora: dict[str, Corpus],
    trials: dict[str, Trials],
    by_variant: dict[str, dict[str, Floats]],
    left_out: Collection[str],
    limits: LlrCoefficients,
) -> str:
    """Corpora of ordinary speech under one threshold, by the condition of the call."""
    conditions = sorted({str(each) for corpus in corpora.values() for each in corpus.conditions})
    lines = [
        "## By condition, corpora that can be a site under one threshold\n",
        f"Without {', '.join(left_out)}. LLRs held to the limits of the default map.\n",
        "| way | condition | shorter side | trials same / other | EER % | Cllr | min Cllr | Cllr - min |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for label, llrs in by_variant.items():
        for condition in conditions:
            for low, high in LENGTHS:
                parts = [
                    _chosen(corpora[name], trials[name], llrs[name], condition, low, high)
                    for name in llrs
                    if name in by_variant[list(by_variant)[-1]] and name not in left_out
                ]
                targets = np.clip(
                    np.concatenate([part[0] for part in parts]), limits.floor, limits.cap
                )
                others = np.clip(
                    np.concatenate([part[1] for part in parts]), limits.floor, limits.cap
                )
                if min(len(targets), len(others)) < 100:
                    continue
                cost, least = measures.cllr(targets, others), measures.min_cllr(targets, others)
                lines.append(
                    f"| {label} | {condition} | {low} to {high} s | {len(targets)} / {len(others)} "
                    f"| {100 * measures.eer(targets, others):.1f} | {cost:.3f} | {least:.3f} | {cost - least:.3f} |"
                )
    return "\n".join(lines) + "\n"


def _chosen(
    corpus: Corpus, trials: Trials, llrs: Floats, condition: str, low: float, high: float
) -> tuple[Floats, Floats]:
    shorter = np.minimum(corpus.net_speech_s[trials.left], corpus.net_speech_s[trials.right])
    here = (corpus.conditions[trials.right] == condition) & (shorter > low) & (shorter <= high)
    return llrs[here & trials.is_target], llrs[here & ~trials.is_target]


def _variant(
    label: str, llrs: dict[str, Floats], trials: dict[str, Trials], names: list[str]
) -> str:
    lines = [
        f"### {label}\n",
        "| corpus | trials same / other | EER % | Cllr | min Cllr | strangers over e^-3 | e^-5 | e^-7 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    losses = []
    for name in [each for each in names if each in llrs]:
        same = trials[name].is_target
        targets, others = llrs[name][same], llrs[name][~same]
        cost, least = measures.cllr(targets, others), measures.min_cllr(targets, others)
        losses.append((cost, least))
        tails = " | ".join(f"{measures.exaggeration(others, tail):.2f}" for tail in TAILS)
        lines.append(
            f"| {name} | {len(targets)} / {len(others)} | {100 * measures.eer(targets, others):.1f} "
            f"| {cost:.3f} | {least:.3f} | {tails} |"
        )
    mean_cost, mean_least = np.mean(losses, axis=0)
    lines.append(f"| **mean** | | | **{mean_cost:.3f}** | **{mean_least:.3f}** | | | |\n")
    return "\n".join(lines)


def _by_length(
    corpora: dict[str, Corpus], trials: dict[str, Trials], llrs: dict[str, Floats], names: list[str]
) -> str:
    lines = [
        "| corpus | shorter side | same | EER % | Cllr | min Cllr | LLR of the same voice, 10 / 50 / 90 % |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for name in names:
        net = corpora[name].net_speech_s
        shorter = np.minimum(net[trials[name].left], net[trials[name].right])
        for low, high in ((0.0, 3.6), (3.6, 6.6), (6.6, 10.6), (10.6, 30.0)):
            here = (shorter > low) & (shorter <= high)
            targets = llrs[name][here & trials[name].is_target]
            others = llrs[name][here & ~trials[name].is_target]
            if min(len(targets), len(others)) >= 100:
                spread = " / ".join(f"{q:.1f}" for q in np.quantile(targets, (0.1, 0.5, 0.9)))
                lines.append(
                    f"| {name} | {low} to {high} s | {len(targets)} | {100 * measures.eer(targets, others):.1f} "
                    f"| {measures.cllr(targets, others):.3f} | {measures.min_cllr(targets, others):.3f} | {spread} |"
                )
    return "\n".join(lines) + "\n"


def _lists(calls: dict[str, dict[int, Calls]], prior: float) -> str:
    lines = [
        f"## Watchlists, prior {prior} of being listed\n\nFPIR / FNIR in %, at posterior 0.5 and 0.9.\n"
    ]
    lines.append("| corpus | probe | enrolled | " + " | ".join(_columns()) + " |")
    lines.append("|---|---|---|" + "---|" * len(_columns()))
    for name, by_length in calls.items():
        for seconds, made in by_length.items():
            for enrolment in ENROLMENTS:
                cells = []
                for size in identification.LIST_SIZES:
                    found = identification.rates(made, enrolment, prior=prior, size=size, seed=SEED)
                    cells += [
                        f"{100 * fpir:.1f} / {100 * fnir:.0f}" for fpir, fnir in found.values()
                    ]
                lines.append(f"| {name} | {seconds} s | {enrolment} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _columns() -> list[str]:
    return [
        f"N={size}, {level}"
        for size in identification.LIST_SIZES
        for level in identification.LEVELS
    ]


def _joins(calls: dict[str, dict[int, Calls]]) -> str:
    lines = ["| corpus | probe | enrolled | EER % | Cllr | min Cllr | strangers over e^-3 | e^-5 |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for name, by_length in calls.items():
        for seconds, made in by_length.items():
            for enrolment, own in made.own.items():
                others = made.strangers[enrolment].ravel()
                lines.append(
                    f"| {name} | {seconds} s | {enrolment} | {100 * measures.eer(own, others):.1f} "
                    f"| {measures.cllr(own, others):.3f} | {measures.min_cllr(own, others):.3f} "
                    f"| {measures.exaggeration(others, 3.0):.2f} | {measures.exaggeration(others, 5.0):.2f} |"
                )
    return "\n".join(lines) + "\n"
