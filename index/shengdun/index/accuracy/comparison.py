"""Voice models side by side on one corpus: the same takes, the same trials, the same noise, the same lists.

Every model is measured by its centred cosine first: that needs no calibration, so it sets models side by side as
equals, and what it says is about the model alone. One that has a calibration profile is measured with it as well. The
centre is the mean of the corpus's own enrolments, every speaker counting once and no label used; a centre of other
people's voices would serve any of the models a little less.

Differences are bootstrapped as differences, with the same speakers drawn for both models: two intervals that overlap
can still belong to models of which one is better on nearly every draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.conditions import Condition, unavailable
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds
from shengdun.index.accuracy.bootstrap import Figure, intervals, speaker_draws
from shengdun.index.accuracy.corpus import Corpus
from shengdun.index.accuracy.cost import ROUNDS, Cost, measure_costs
from shengdun.index.accuracy.embeddings import Embedder
from shengdun.index.accuracy.identification import LinePolicy, Searches, Watchlists, rates_of
from shengdun.index.accuracy.sides import Calls, Enrolments, Progress, enroll, place_calls
from shengdun.index.accuracy.verification import (
    MIN_SPEAKERS,
    BinnedTrials,
    Trials,
    exact_figures,
    trials_of,
)
from shengdun.index.calibration import CalibrationProfile, LlrCoefficients
from shengdun.index.scoring import Scorer, unit_rows

CENTRED_COSINE: Final = "centred cosine"
"""Names the scoring that needs no profile."""
_STEEPNESS: Final = 30.0
"""Takes the place of a slope when a list is searched by cosine: so steep that an actor's nearest voiceprint speaks for
it and the nearest actor for the list, as in a plain search by score."""
_BY_SCORE: Final = LinePolicy(name=CENTRED_COSINE, prior=0.5, medium=0.5, high=0.95)
"""At a given share of strangers flagged neither a prior nor levels matter, so any will do."""
_MISSED: Final = "fnir_at_fpir"
_HONESTY: Final = "cllr"
_COST_RECORDINGS: Final = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A voice model that is compared.

    Attributes:
        model: opened for one thread.
        embedder: of that model; all contenders' share condition, noises and rooms.
        size_bytes: of the file that it is opened from.
        profile: its calibration profile; None without one.
    """

    model: VoiceModel
    embedder: Embedder
    size_bytes: int
    profile: CalibrationProfile | None = None

    def __post_init__(self) -> None:
        if self.profile is not None:
            self.profile.require_model(self.model.model_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPlan:
    """What to compare on.

    Attributes:
        conditions: telephone conditions of the calls.
        seconds: net speech of the calls.
        size: actors on the watchlist.
        seed: of everything that is drawn.
        replicates: of the bootstrap.
        jobs: recordings that are embedded at once.
        rounds: of the measurement of costs.
        limit_s: the longest recording that is taken, in seconds.
    """

    conditions: tuple[Condition, ...]
    seconds: tuple[Seconds, ...]
    size: int
    seed: int = 1
    replicates: int = 200
    jobs: int = 1
    rounds: int = ROUNDS
    limit_s: Seconds = 1800.0

    def __post_init__(self) -> None:
        if not (self.conditions and self.seconds):
            raise ValueError("a comparison needs conditions and seconds")
        if min(self.seconds) < 1.0 or min(self.size, self.replicates, self.jobs, self.rounds) < 1:
            raise ValueError("seconds, size, replicates, jobs and rounds must be 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model by one scoring in one condition and amount of net speech.

    Attributes:
        model_id: the voice model.
        scoring: ``CENTRED_COSINE`` or the id of the calibration profile.
        condition: of the calls.
        seconds: net speech of the calls.
        figures: ``eer``, ``min_dcf`` and ``min_cllr``; with a profile also ``cllr``; with 100 strangers' calls also
            ``fnir_at_fpir``. Empty where there are too few speakers.
        differences: the same minus those of the first model by a scoring of the same kind; empty for the first model,
            and where the first model has no profile to compare with.
    """

    model_id: str
    scoring: str
    condition: Condition
    seconds: Seconds
    figures: dict[str, Figure]
    differences: dict[str, Figure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trialled:
    """What all models were measured on, in one condition and amount of net speech.

    Attributes:
        condition: of the calls.
        seconds: net speech of the calls.
        speakers: those with trials of their own voice.
        targets: trials of one voice.
        others: trials of strangers.
        failed: trials of one voice in which nothing was heard, counted as misses.
        listed: calls searched with their speaker on the list.
        strangers: calls searched without.
        made_share: share of the list's actors that don't exist.
    """

    condition: Condition
    seconds: Seconds
    speakers: int
    targets: int
    others: int
    failed: int
    listed: int
    strangers: int
    made_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of a model whatever it is measured on.

    Attributes:
        model_id: the voice model.
        profile_id: its calibration profile; empty without one.
        dimension: floats in a voiceprint.
        size_bytes: of its file.
        cost: of one window.
    """

    model_id: str
    profile_id: str
    dimension: int
    size_bytes: int
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Models side by side.

    Attributes:
        plan: what was asked for.
        models: in the order that they were given.
        speakers: in the corpus.
        recordings: in the corpus.
        trialled: every condition and amount of net speech.
        rows: every model and scoring in each of them.
        unavailable: conditions that this build of libav can't make, with what it lacks.
        failures: recordings in which nothing could be heard at enrolment, with the reason.
        warnings: what a reader must know of the corpus.
    """

    plan: ComparisonPlan
    models: tuple[ModelFacts, ...]
    speakers: int
    recordings: int
    trialled: tuple[Trialled, ...]
    rows: tuple[Row, ...] = field(repr=False)
    unavailable: dict[str, str]
    failures: dict[str, str]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scoring:
    """A contender's enrolments scored in one way."""

    contender: int
    name: str
    scorer: Scorer
    enrolments: Enrolments
    lists: Watchlists

    @property
    def calibrated(self) -> bool:
        return self.name != CENTRED_COSINE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Measured:
    """The figures of one scoring in one cell, on the whole and in every replicate."""

    scoring: _Scoring
    trials: Trials
    searches: Searches
    whole: dict[str, float]
    drawn: list[dict[str, float] | None]


def compare(
    corpus: Corpus, plan: ComparisonPlan, contenders: Sequence[Contender], *, progress: Progress
) -> Comparison:
    """Set voice models side by side.

    Args:
        corpus: the corpus.
        plan: what to compare on; conditions that this build of libav can't make are left out and named.
        contenders: two or more; the first is the one that the others are compared with.
        progress: is told how far it is.

    Raises:
        ValueError: there are fewer than two models, two are the same, or they hear windows of different lengths.
    """
    _require_comparable(contenders)
    lacking = unavailable()
    scorings = _scorings(corpus, plan, contenders, progress)
    reference = scorings[0].enrolments
    trialled, rows = [], []
    for condition in (each for each in plan.conditions if each not in lacking):
        calls = [
            # Which recordings make a call is decided by the first model's enrolments, for all.
            place_calls(
                corpus,
                reference,
                contender.embedder,
                condition,
                plan.seconds,
                jobs=plan.jobs,
                progress=_named(progress, contender),
            )
            for contender in contenders
        ]
        for seconds in plan.seconds:
            measured = [
                _measure(one, calls[one.contender], seconds, plan, len(corpus.speakers))
                for one in scorings
            ]
            trialled.append(_trialled(condition, seconds, measured[0]))
            rows += _rows(condition, seconds, measured)
    return Comparison(
        plan=plan,
        models=_facts(_speech(corpus, plan, reference), plan, contenders, progress),
        speakers=len(corpus.speakers),
        recordings=len(corpus.recordings),
        trialled=tuple(trialled),
        rows=tuple(rows),
        unavailable={each.value: lacking[each] for each in plan.conditions if each in lacking},
        failures=reference.failures,
        warnings=corpus.warnings,
    )


def cosine_profile(
    model_id: str, enrolments: Enrolments, *, name: str = "cosine"
) -> CalibrationProfile:
    """What makes a scorer give centred cosines, made steep, in the place of LLRs.

    Args:
        model_id: the voice model.
        enrolments: their mean, every speaker counting once, is the centre.
        name: of the profile, which nobody keeps.
    """
    heard = np.flatnonzero(~enrolments.failed)
    speakers, places = np.unique(enrolments.speakers[heard], return_inverse=True)
    sums = np.zeros((len(speakers), enrolments.voiceprints.shape[1]))
    np.add.at(sums, places, enrolments.voiceprints[heard].astype(np.float64))
    mean = unit_rows(sums).astype(np.float64).mean(axis=0)
    return CalibrationProfile(
        name=name,
        model_id=model_id,
        created_at="1970-01-01T00:00:00Z",
        provenance="the mean of the corpus that is measured; no calibration",
        mean=mean.astype(np.float32),
        whitening=None,
        cohort=None,
        cohort_nearest=0,
        coefficients=LlrCoefficients(
            offset=0.0,
            offset_brevity=0.0,
            slope=_STEEPNESS,
            slope_brevity=0.0,
            shortest_net_speech_s=1.0,
            longest_net_speech_s=60.0,
            floor=-_STEEPNESS - 1.0,
            cap=_STEEPNESS + 1.0,
        ),
    )


def _require_comparable(contenders: Sequence[Contender]) -> None:
    if len({one.model.model_id for one in contenders}) < max(2, len(contenders)):
        raise ValueError("two different models at least are compared, each of them once")
    if len({one.model.window_s for one in contenders}) > 1:
        raise ValueError("models that hear windows of different lengths can't be compared")


def _scorings(
    corpus: Corpus, plan: ComparisonPlan, contenders: Sequence[Contender], progress: Progress
) -> list[_Scoring]:
    scorings = []
    for place, contender in enumerate(contenders):
        enrolments = enroll(
            corpus,
            contender.embedder,
            contender.model.dimension,
            jobs=plan.jobs,
            progress=_named(progress, contender),
        )
        profiles = {CENTRED_COSINE: cosine_profile(contender.model.model_id, enrolments)}
        if contender.profile is not None:
            profiles[contender.profile.profile_id] = contender.profile
        for name, profile in profiles.items():
            scorer = Scorer(profile)
            lists = Watchlists(enrolments, scorer, _BY_SCORE, largest=plan.size, seed=plan.seed)
            scorings.append(
                _Scoring(
                    contender=place, name=name, scorer=scorer, enrolments=enrolments, lists=lists
                )
            )
    return scorings


def _measure(
    scoring: _Scoring, calls: Calls, seconds: Seconds, plan: ComparisonPlan, speakers: int
) -> _Measured:
    trials = trials_of(scoring.enrolments, calls, scoring.scorer, seconds, seed=plan.seed)
    searches = scoring.lists.search(calls, seconds, (plan.size,))[plan.size]
    whole: dict[str, float] = {}
    drawn: list[dict[str, float] | None] = []
    if trials.target_speakers >= MIN_SPEAKERS and not trials.is_target.all():
        binned = BinnedTrials(trials)
        draws = speaker_draws(speakers, replicates=plan.replicates, seed=plan.seed)
        whole = _figures(
            scoring, exact_figures(trials), rates_of(searches, _BY_SCORE, np.ones(speakers))
        )
        drawn = [_drawn(scoring, binned, searches, draw) for draw in draws]
    return _Measured(scoring=scoring, trials=trials, searches=searches, whole=whole, drawn=drawn)


def _drawn(
    scoring: _Scoring, binned: BinnedTrials, searches: Searches, draw: Floats
) -> dict[str, float] | None:
    checked, rates = binned.drawn(draw), rates_of(searches, _BY_SCORE, draw)
    return None if checked is None or rates is None else _figures(scoring, checked, rates)


def _figures(
    scoring: _Scoring, checked: dict[str, float], rates: dict[str, float] | None
) -> dict[str, float]:
    # A cosine is no LLR, so its Cllr would say nothing; what the best calibration of it would give does.
    found = {
        name: value for name, value in checked.items() if scoring.calibrated or name != _HONESTY
    }
    return found | {name: rate for name, rate in (rates or {}).items() if name == _MISSED}


def _rows(condition: Condition, seconds: Seconds, measured: Sequence[_Measured]) -> list[Row]:
    firsts = {one.scoring.calibrated: one for one in measured if not one.scoring.contender}
    return [
        Row(
            model_id=one.scoring.scorer.model_id,
            scoring=one.scoring.name,
            condition=condition,
            seconds=seconds,
            figures=intervals(one.whole, [drawn for drawn in one.drawn if drawn is not None]),
            differences=_differences(one, firsts.get(one.scoring.calibrated)),
        )
        for one in measured
    ]


def _differences(one: _Measured, first: _Measured | None) -> dict[str, Figure]:
    if first is None or first is one:
        return {}
    pairs = [
        _minus(mine, theirs)
        for mine, theirs in zip(one.drawn, first.drawn, strict=True)
        if mine is not None and theirs is not None
    ]
    return intervals(_minus(one.whole, first.whole), pairs)


def _minus(mine: dict[str, float], theirs: dict[str, float]) -> dict[str, float]:
    return {name: value - theirs[name] for name, value in mine.items() if name in theirs}


def _trialled(condition: Condition, seconds: Seconds, measured: _Measured) -> Trialled:
    trials, searches = measured.trials, measured.searches
    return Trialled(
        condition=condition,
        seconds=seconds,
        speakers=trials.target_speakers,
        targets=int(trials.is_target.sum()),
        others=int((~trials.is_target).sum()),
        failed=int(trials.failed.sum()),
        listed=int((~np.isnan(searches.listed)).sum()),
        strangers=int((~np.isnan(searches.stranger)).sum()),
        made_share=searches.made_share,
    )


def _facts(
    speech: Sequence[Samples],
    plan: ComparisonPlan,
    contenders: Sequence[Contender],
    progress: Progress,
) -> tuple[ModelFacts, ...]:
    progress("costs", 0, 1)
    length = round(contenders[0].model.window_s * MODEL_RATE_HZ)
    # What is said in a window changes no cost, so a short recording is repeated to fill one.
    windows = [np.resize(samples, length) for samples in speech] or [np.zeros(length, np.float32)]
    costs = measure_costs([one.model for one in contenders], windows, rounds=plan.rounds)
    progress("costs", 1, 1)
    return tuple(
        ModelFacts(
            model_id=one.model.model_id,
            profile_id=one.profile.profile_id if one.profile else "",
            dimension=one.model.dimension,
            size_bytes=one.size_bytes,
            cost=cost,
        )
        for one, cost in zip(contenders, costs, strict=True)
    )


def _speech(corpus: Corpus, plan: ComparisonPlan, enrolments: Enrolments) -> list[Samples]:
    """A few recordings that can be heard; none where all of them came from the cache and are gone."""
    heard = [
        one
        for one in corpus.recordings
        if one.name not in enrolments.failures and one.path.is_file()
    ]
    return [
        decode_recording(one.path, limit_s=plan.limit_s).samples for one in heard[:_COST_RECORDINGS]
    ]


def _named(progress: Progress, contender: Contender) -> Progress:
    name = contender.model.model_id.partition("@")[0]
    return lambda stage, done, of: progress(f"{name}, {stage}", done, of)
