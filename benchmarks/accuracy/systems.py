"""What is compared: the product under a calibration profile, and peers by their cosine, on the same calls."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shengdun.index.accuracy.sides import Calls, Enrolments
from shengdun.index.calibration import CalibrationProfile, LlrCoefficients
from shengdun.index.scoring import Scorer

ProfileOf: TypeAlias = Callable[[str, frozenset[str]], CalibrationProfile]
"""The profile for a corpus, fitted without some of its speakers: those that are scored."""

FOLDS: Final = 3

_STEEPNESS: Final = 300.0
"""Makes of a list's posterior what its best cosine is: the next best counts for e^-3 if it's 0.01 less."""
_BOUND: Final = 2.0 * _STEEPNESS + 10.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class System:
    """One of those that are compared, in one condition.

    Attributes:
        name: in the report.
        enrolments: every recording as the system enrols it.
        calls: the calls as the system heard them.
        profile_of: how its voiceprints are scored.
        calibrated: whether what comes out are likelihood ratios; if not, only their order counts.
    """

    name: str
    enrolments: Enrolments
    calls: Calls
    profile_of: ProfileOf
    calibrated: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Speakers of one corpus who are compared with each other.

    Attributes:
        corpus: its name.
        names: of the speakers.
        members: (s,) a flag for each speaker of all corpora.
    """

    corpus: str
    names: frozenset[str]
    members: NDArray[np.bool_]

    def scorer(self, system: System) -> Scorer:
        """A system's scorer that has seen none of these speakers."""
        return Scorer(system.profile_of(self.corpus, self.names))

    def calls(self, system: System) -> Calls:
        """These speakers' calls."""
        calls = system.calls
        return calls_at(calls, np.flatnonzero(self.members[calls.speakers]))

    def enrolments(self, system: System) -> Enrolments:
        """These speakers' enrolments."""
        return enrolments_at(
            system.enrolments, np.flatnonzero(self.members[system.enrolments.speakers])
        )

    def listed(self, system: System) -> Enrolments:
        """Whom lists are made of: these speakers, and those of the other corpora."""
        enrolments = system.enrolments
        elsewhere = np.array([one.corpus != self.corpus for one in enrolments.recordings])
        return enrolments_at(
            enrolments, np.flatnonzero(self.members[enrolments.speakers] | elsewhere)
        )


def calls_at(calls: Calls, rows: NDArray[np.int64]) -> Calls:
    """Some of the calls, in the order of ``rows``."""
    return replace(
        calls,
        recordings=tuple(calls.recordings[row] for row in rows),
        seconds=tuple(calls.seconds[row] for row in rows),
        speakers=calls.speakers[rows],
        heard=tuple(calls.heard[row] for row in rows),
        expected_s=calls.expected_s[rows],
    )


def enrolments_at(enrolments: Enrolments, rows: NDArray[np.int64]) -> Enrolments:
    """Some of the enrolments, in the order of ``rows``."""
    columns = {field.name: getattr(enrolments, field.name) for field in fields(enrolments)}
    chosen: dict[str, Any] = {
        name: column[rows] for name, column in columns.items() if isinstance(column, np.ndarray)
    }
    return replace(
        enrolments, recordings=tuple(enrolments.recordings[row] for row in rows), **chosen
    )


def raw_cosine(model_id: str, dimension: int) -> CalibrationProfile:
    """A profile under which the product's scorer ranks by the plain cosine; the result is no likelihood ratio."""
    return CalibrationProfile(
        name="raw-cosine",
        model_id=model_id,
        created_at="2026-01-01T00:00:00Z",
        provenance="Nothing is fitted.",
        mean=np.zeros(dimension, np.float32),
        whitening=None,
        cohort=None,
        cohort_nearest=0,
        coefficients=LlrCoefficients(
            offset=-_STEEPNESS,
            offset_brevity=0.0,
            slope=_STEEPNESS,
            slope_brevity=0.0,
            shortest_net_speech_s=1.0,
            longest_net_speech_s=60.0,
            floor=-_BOUND,
            cap=10.0,
        ),
    )


def folds(
    speakers: tuple[str, ...], corpus_of: dict[str, str], *, seed: int
) -> dict[str, list[Part]]:
    """Every corpus in ``FOLDS`` parts by speaker: one is scored by what is fitted on the others."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[Part]] = {}
    for [whole] in wholes(speakers, corpus_of).values():
        order = rng.permutation(np.flatnonzero(whole.members))
        cut = [np.sort(order[first::FOLDS]) for first in range(FOLDS)]
        found[whole.corpus] = [_part(whole.corpus, rows, speakers) for rows in cut if len(rows)]
    return found


def wholes(speakers: tuple[str, ...], corpus_of: dict[str, str]) -> dict[str, list[Part]]:
    """Every corpus in one part."""
    corpora = np.array([corpus_of[speaker] for speaker in speakers])
    return {
        str(corpus): [_part(str(corpus), np.flatnonzero(corpora == corpus), speakers)]
        for corpus in np.unique(corpora)
    }


def _part(corpus: str, rows: NDArray[np.int64], speakers: tuple[str, ...]) -> Part:
    members = np.zeros(len(speakers), dtype=bool)
    members[rows] = True
    return Part(corpus=corpus, names=frozenset(speakers[row] for row in rows), members=members)
