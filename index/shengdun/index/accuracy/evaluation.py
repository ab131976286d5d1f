"""Everything that is measured on a corpus, as one value."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.conditions import Condition, unavailable
from shengdun.fingerprint.voice.samples import Seconds
from shengdun.index.accuracy.corpus import Corpus, CorpusRecording
from shengdun.index.accuracy.embeddings import Embedder
from shengdun.index.accuracy.identification import Identification, LinePolicy, Watchlists, identify
from shengdun.index.accuracy.sides import (
    Progress,
    enroll,
    one_session_speakers,
    place_calls,
)
from shengdun.index.accuracy.verification import MIN_SPEAKERS, Verification, trials_of, verify
from shengdun.index.scoring import Scorer

SECONDS: Final = (3.0, 5.0, 10.0, 20.0)
SIZES: Final = (10, 100, 1_000, 10_000)
REPLICATES: Final = 200
_TRAITS: Final[dict[str, Callable[[CorpusRecording], str]]] = {
    "corpus": lambda recording: recording.corpus,
    "language": lambda recording: recording.language,
    "sex": lambda recording: recording.sex,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure.

    Attributes:
        conditions: telephone conditions of the calls.
        seconds: net speech of the calls.
        sizes: actors on the watchlists.
        policy: of the line.
        seed: of everything that is drawn.
        replicates: of the bootstrap.
        jobs: recordings that are embedded at once.
    """

    conditions: tuple[Condition, ...]
    policy: LinePolicy
    seconds: tuple[Seconds, ...] = SECONDS
    sizes: tuple[int, ...] = SIZES
    seed: int = 1
    replicates: int = REPLICATES
    jobs: int = 1

    def __post_init__(self) -> None:
        if not (self.conditions and self.seconds and self.sizes):
            raise ValueError("a plan needs conditions, seconds and sizes")
        if min(self.seconds) < 1.0 or min(self.sizes) < 1 or min(self.replicates, self.jobs) < 1:
            raise ValueError("seconds, sizes, replicates and jobs must be 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """The figures of one condition and amount of net speech, for everybody or for a group.

    Attributes:
        condition: of the calls.
        seconds: net speech of the calls.
        group: ``corpus``, ``language`` or ``sex`` with its value; empty for everybody.
        shortened: calls that are left out because less was heard than in their recordings.
        verification: one call against one recording.
        identification: by size of the watchlist.
    """

    condition: Condition
    seconds: Seconds
    group: str
    shortened: int
    verification: Verification
    identification: dict[int, Identification]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What was measured.

    Attributes:
        plan: what was asked for.
        model_id: the voice model.
        profile_id: the calibration profile.
        speakers: in the corpus.
        recordings: in the corpus.
        cells: every condition and amount of net speech, everybody before the groups.
        unavailable: conditions that this build of libav can't make, with what it lacks.
        failures: recordings in which nothing could be heard at enrolment, with the reason.
        call_failures: calls in which nothing was heard, by condition.
        notes: what a reader must know of the corpus.
    """

    plan: Plan
    model_id: str
    profile_id: str
    speakers: int
    recordings: int
    cells: tuple[Cell, ...] = field(repr=False)
    unavailable: dict[str, str]
    failures: dict[str, str]
    call_failures: dict[str, int]
    notes: tuple[str, ...]


def evaluate(
    corpus: Corpus,
    plan: Plan,
    embedder: Embedder,
    scorer: Scorer,
    *,
    dimension: int,
    progress: Progress,
) -> Evaluation:
    """Measure a corpus.

    Args:
        corpus: the corpus.
        plan: what to measure; conditions that this build of libav can't make are left out and named in the result.
        embedder: of the scorer's voice model.
        scorer: of the calibration profile.
        dimension: of the voice model.
        progress: is told how far it is.
    """
    enrolments = enroll(corpus, embedder, dimension, jobs=plan.jobs, progress=progress)
    lists = Watchlists(enrolments, scorer, plan.policy, largest=max(plan.sizes), seed=plan.seed)
    groups = dict(_groups(corpus))
    cells: list[Cell] = []
    call_failures: dict[str, int] = {}
    for condition in plan.conditions:
        if condition in unavailable():
            continue
        calls = place_calls(
            corpus, enrolments, embedder, condition, plan.seconds, jobs=plan.jobs, progress=progress
        )
        call_failures[condition.value] = sum(bool(heard.failure) for heard in calls.heard)
        for number, seconds in enumerate(plan.seconds, start=1):
            trials = trials_of(enrolments, calls, scorer, seconds, seed=plan.seed)
            searches = lists.search(calls, seconds, plan.sizes)
            shortened = np.array(calls.shortened(seconds), dtype=np.int64)
            for group, members in groups.items():
                draw = {"speakers": len(members), "replicates": plan.replicates, "seed": plan.seed}
                cells.append(
                    Cell(
                        condition=condition,
                        seconds=seconds,
                        group=group,
                        shortened=int(members[calls.speakers[shortened]].sum()),
                        verification=verify(trials.among(members), **draw),
                        identification={
                            size: identify(found.among(members), plan.policy, **draw)
                            for size, found in searches.items()
                        },
                    )
                )
            progress(f"{condition.value}, figures", number, len(plan.seconds))
    return Evaluation(
        plan=plan,
        model_id=scorer.model_id,
        profile_id=scorer.profile_id,
        speakers=len(corpus.speakers),
        recordings=len(corpus.recordings),
        cells=tuple(cells),
        unavailable={
            condition.value: lack
            for condition, lack in unavailable().items()
            if condition in plan.conditions
        },
        failures=enrolments.failures,
        call_failures=call_failures,
        notes=(*_notes(corpus), *corpus.warnings),
    )


def _groups(corpus: Corpus) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Everybody, and the speakers of every value of what is known of them, where it tells them apart."""
    yield "", np.ones(len(corpus.speakers), dtype=bool)
    own = corpus.by_speaker().values()
    for trait, of in _TRAITS.items():
        values = [{of(recording) for recording in recordings} for recordings in own]
        # Who has two languages or sexes by the labels belongs to no group.
        single = np.array([each.pop() if len(each) == 1 else "" for each in values])
        known = sorted({value for value in single.tolist() if value})
        for value in known if len(known) > 1 else ():
            members = single == value
            if members.sum() >= MIN_SPEAKERS:
                yield f"{trait} {value}", members


def _notes(corpus: Corpus) -> Sequence[str]:
    notes = []
    if not corpus.sessions_known:
        notes.append(
            "Sessions are not named, so every recording counts as its own. If recordings of a speaker are of one "
            "session, the figures flatter."
        )
    elif flattered := one_session_speakers(corpus):
        notes.append(
            f"{flattered} speakers have one session only; their recordings are compared within it, which flatters."
        )
    alone = sum(len(own) == 1 for own in corpus.by_speaker().values())
    if alone:
        notes.append(
            f"{alone} speakers have one recording; they are strangers and never listed callers."
        )
    return notes
