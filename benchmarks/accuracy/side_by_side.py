"""The product and its peers on one corpus, in one run: the same recordings, calls, conditions, trials and lists."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from benchmarks.accuracy.matched import (
    joined_matches,
    joined_searches,
    matched_searches,
    matched_trials,
)
from benchmarks.accuracy.paired import Contest, Evidence, contest, has_enough
from benchmarks.accuracy.peer_sides import PeerEmbedder, peer_calls, peer_enrolments
from benchmarks.accuracy.systems import Part, ProfileOf, System, folds, raw_cosine, wholes

from shengdun.fingerprint.voice.conditions import Condition, unavailable
from shengdun.fingerprint.voice.samples import Seconds
from shengdun.index.accuracy.bootstrap import speaker_draws
from shengdun.index.accuracy.corpus import Corpus
from shengdun.index.accuracy.embeddings import Embedder
from shengdun.index.accuracy.evaluation import SECONDS
from shengdun.index.accuracy.identification import LinePolicy, Searches
from shengdun.index.accuracy.sides import Calls, Enrolments, Progress, enroll, place_calls

COMPARED_S: Final = (3.0, 10.0)
SHIPPED: Final = "shipped profile"
SITE: Final = "site profile"
TELEPHONE: Final = Condition.PCMU
"""What recordings go through when a peer's user enrols from telephone calls."""
_POLICY: Final = LinePolicy(name="comparison", prior=0.03, medium=0.5, high=0.95)

SiteProfiles = Callable[[Calls], ProfileOf]
"""Fits profiles on the calls of each corpus in one condition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPlan:
    """What to compare on.

    Attributes:
        conditions: telephone conditions of the calls.
        seconds: net speech of the calls.
        cut_s: the amounts that calls are cut to and embedded at; ``shengdun evaluate`` with the same finds them in the
            cache.
        seed: of everything that is drawn.
        replicates: of the bootstrap.
    """

    conditions: tuple[Condition, ...]
    seconds: tuple[Seconds, ...] = COMPARED_S
    cut_s: tuple[Seconds, ...] = SECONDS
    seed: int = 1
    replicates: int = 200

    def __post_init__(self) -> None:
        if not self.conditions or not self.seconds or not set(self.seconds) <= set(self.cut_s):
            raise ValueError("a comparison needs conditions, and seconds that calls are cut to")
        if self.replicates < 1:
            raise ValueError("replicates must be 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """One condition and amount of net speech.

    Attributes:
        condition: of the calls.
        seconds: net speech of the calls.
        profile: ``SHIPPED`` or ``SITE``: how the product is scored; with the latter, trials are within a fold of
            a corpus, since the others are fitted on.
        speakers: those with trials of their own voice.
        targets: trials of one voice.
        heard: those of them that every system heard.
        others: trials of strangers.
        corpora: those that have an EER of their own.
        listed: calls searched with their speaker on the list.
        strangers: calls searched without.
        other_share: share of the list's actors who are of other corpora.
        shortened: calls that the product heard less speech in than is asked for, left out for every system.
        contest: how the systems stand.
    """

    condition: Condition
    seconds: Seconds
    profile: str
    speakers: int
    targets: int
    heard: int
    others: int
    corpora: tuple[str, ...]
    listed: int
    strangers: int
    other_share: float
    shortened: int
    contest: Contest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SideBySide:
    """What a run gave.

    Attributes:
        plan: what was asked for.
        versions: of every system.
        profiles: the shipped profile that each corpus is scored by.
        speakers: in the corpus.
        recordings: in the corpus.
        failures: recordings that can't be enrolled, by system.
        cells: every condition and amount of net speech that has enough speakers.
        unavailable: conditions that can't be made here, with the reason.
        warnings: what a reader must know of the corpus.
    """

    plan: ComparisonPlan
    versions: dict[str, str]
    profiles: dict[str, str]
    speakers: int
    recordings: int
    failures: dict[str, int]
    cells: tuple[Cell, ...]
    unavailable: dict[str, str]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _PeerSide:
    """A peer whose recordings were enrolled in one way."""

    name: str
    embedder: PeerEmbedder
    enrolments: Enrolments
    profile_of: ProfileOf


def compare(
    corpus: Corpus,
    plan: ComparisonPlan,
    embedder: Embedder,
    peers: Sequence[PeerEmbedder],
    shipped: ProfileOf,
    *,
    dimension: int,
    progress: Progress,
    site: SiteProfiles | None = None,
) -> SideBySide:
    """Set the product beside its peers.

    Args:
        corpus: the corpus.
        plan: what to compare on; conditions that can't be made here are left out and named.
        embedder: of the product.
        peers: those to compare with. Each is enrolled twice: from recordings as they are, and through a telephone.
        shipped: the profile that comes with the product, fitted without the corpus that is scored.
        dimension: of the product's voice model.
        progress: is told how far it is.
        site: fits profiles on a corpus's own calls; without it the product is scored by ``shipped`` alone.
    """
    ours = enroll(corpus, embedder, dimension, jobs=1, progress=progress)
    sides = [
        _peer_side(peer, ours, condition, progress)
        for peer in peers
        for condition in (Condition.WIDEBAND, TELEPHONE)
    ]
    cells: list[Cell] = []
    for condition in (each for each in plan.conditions if each not in unavailable()):
        calls = place_calls(
            corpus, ours, embedder, condition, plan.cut_s, jobs=1, progress=progress
        )
        rivals = [_peer(side, calls, condition, plan, progress) for side in sides]
        for profile, (profile_of, parts) in _scorings(
            corpus, plan, shipped, site and site(calls)
        ).items():
            systems = [_product(profile, ours, calls, profile_of), *rivals]
            for number, seconds in enumerate(plan.seconds, start=1):
                cells += _cell(systems, parts, condition, seconds, profile, plan)
                progress(f"{condition.value}, {profile}", number, len(plan.seconds))
    profiles = {name: shipped(name, frozenset()) for name in sorted(_corpus_of(corpus).values())}
    return SideBySide(
        plan=plan,
        versions={"ours": next(iter(profiles.values())).model_id}
        | {peer.peer.name: peer.peer.version for peer in peers},
        profiles={name: profile.profile_id for name, profile in profiles.items()},
        speakers=len(corpus.speakers),
        recordings=len(corpus.recordings),
        failures={"ours": int(ours.failed.sum())}
        | {side.name: int(side.enrolments.failed.sum()) for side in sides},
        cells=tuple(cells),
        unavailable={
            condition.value: lack
            for condition, lack in unavailable().items()
            if condition in plan.conditions
        },
        warnings=corpus.warnings,
    )


def _corpus_of(corpus: Corpus) -> dict[str, str]:
    return {one.speaker: one.corpus for one in corpus.recordings}


def _scorings(
    corpus: Corpus, plan: ComparisonPlan, shipped: ProfileOf, site: ProfileOf | None
) -> dict[str, tuple[ProfileOf, dict[str, list[Part]]]]:
    """How the product is scored, and which speakers are compared then."""
    corpus_of = _corpus_of(corpus)
    found = {SHIPPED: (shipped, wholes(corpus.speakers, corpus_of))}
    if site is not None:
        found[SITE] = (site, folds(corpus.speakers, corpus_of, seed=plan.seed))
    return found


def _peer_side(
    embedder: PeerEmbedder, ours: Enrolments, condition: Condition, progress: Progress
) -> _PeerSide:
    peer = embedder.peer
    how = "" if condition is Condition.WIDEBAND else ", enrolled by telephone"
    profile = raw_cosine(peer.version, peer.dimension)
    return _PeerSide(
        name=f"{peer.name}{how}",
        embedder=embedder,
        enrolments=peer_enrolments(embedder, ours, condition, progress),
        profile_of=lambda _corpus, _speakers: profile,
    )


def _peer(
    side: _PeerSide, ours: Calls, condition: Condition, plan: ComparisonPlan, progress: Progress
) -> System:
    return System(
        name=side.name,
        enrolments=side.enrolments,
        calls=peer_calls(side.embedder, ours, condition, plan.seconds, progress),
        profile_of=side.profile_of,
        calibrated=False,
    )


def _product(profile: str, enrolments: Enrolments, calls: Calls, profile_of: ProfileOf) -> System:
    return System(
        name=f"ours, {profile}",
        enrolments=enrolments,
        calls=calls,
        profile_of=profile_of,
        calibrated=True,
    )


def _cell(
    systems: Sequence[System],
    parts: Mapping[str, Sequence[Part]],
    condition: Condition,
    seconds: Seconds,
    profile: str,
    plan: ComparisonPlan,
) -> list[Cell]:
    """The cell, or nothing where there are too few speakers."""
    trials = {
        corpus: [
            joined_matches(row)
            for row in zip(
                *(matched_trials(systems, part, seconds, seed=plan.seed) for part in own),
                strict=True,
            )
        ]
        for corpus, own in parts.items()
    }
    pooled = [joined_matches(row) for row in zip(*trials.values(), strict=True)]
    all_of_them = pooled[0].counted
    if not has_enough(all_of_them):
        return []
    searches = _searches(systems, parts, seconds, plan)
    corpora = [corpus for corpus, found in trials.items() if has_enough(found[0].counted)]
    evidence = {
        system.name: Evidence(
            pooled=pooled[place].counted,
            heard=pooled[place].heard,
            corpora=tuple(trials[corpus][place].counted for corpus in corpora),
            searches=searches[place],
            calibrated=system.calibrated,
        )
        for place, system in enumerate(systems)
    }
    speakers = len(next(iter(parts.values()))[0].members)
    draws = speaker_draws(speakers, replicates=plan.replicates, seed=plan.seed)
    return [
        Cell(
            condition=condition,
            seconds=seconds,
            profile=profile,
            speakers=all_of_them.target_speakers,
            targets=int(all_of_them.is_target.sum()),
            heard=int(pooled[0].heard.is_target.sum()),
            others=int((~all_of_them.is_target).sum()),
            corpora=tuple(corpora),
            listed=int((~np.isnan(searches[0].listed)).sum()),
            strangers=int((~np.isnan(searches[0].stranger)).sum()),
            other_share=searches[0].other_share,
            shortened=len(systems[0].calls.shortened(seconds)),
            contest=contest(evidence, _POLICY, draws, ours=[systems[0].name]),
        )
    ]


def _searches(
    systems: Sequence[System],
    parts: Mapping[str, Sequence[Part]],
    seconds: Seconds,
    plan: ComparisonPlan,
) -> list[Searches]:
    """Each system's searches of all parts."""
    found = [
        matched_searches(systems, part, seconds, _POLICY, seed=plan.seed)
        for own in parts.values()
        for part in own
    ]
    return [joined_searches(row) for row in zip(*found, strict=True)]
