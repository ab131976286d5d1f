"""A calibration profile of calls against calls, fitted on the speakers of one side.

The profile that ships was fitted on enrolled recordings against calls, and on speakers whom this benchmark evaluates
on. Here both sides of a comparison are calls, and nobody who is evaluated on is known. As in
``benchmarks/calibration/fit.py`` the fit is cross-fitted: a trial is scored by a centre and a whitening that its
speakers had no part in, and strangers are paired within their corpus.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from benchmarks.unknown.hearing import Voice
from benchmarks.unknown.speaking import Spoken, say
from numpy.typing import NDArray

from shengdun.index.accuracy.measures import trust_limits
from shengdun.index.calibration import CalibrationProfile
from shengdun.index.fitting.coefficients import (
    LONGEST_S,
    SHORTEST_S,
    ScoredTrials,
    fit_coefficients,
)
from shengdun.index.fitting.spread import KnownCalls, fit_map, fit_spread
from shengdun.index.llr import LlrCoefficients, Sides
from shengdun.index.scoring import Scorer
from shengdun.index.voices.spread import Spread

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_FOLDS: Final = 4
_PASSES: Final = 3
_CALLS: Final = 12
_STRANGERS_EACH: Final = 40
_SHRINKAGE: Final = 0.5
Worth = tuple[float, float]
"""Offset and scale at which an LLR of a spread says what it is worth."""

SHIPPED_WORTH: Final[Worth] = (2.785, 0.131)
"""Of the default voice model. Fitted anew on a few dozen people the offset comes out anywhere between 1 and 6; what
corpora that nothing had met make of it is ``worth_where_new`` (decision note 0034)."""
_CREATED_AT: Final = "2026-11-28T00:00:00Z"
_UNFITTED: Final = LlrCoefficients(
    offset=0.0,
    slope=1.0,
    shortest_net_speech_s=SHORTEST_S,
    longest_net_speech_s=LONGEST_S,
    floor=-20.0,
    cap=20.0,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calls:
    """Calls of known voices, n of them.

    Attributes:
        voiceprints: (n, d) unit rows.
        net_speech_s: (n,) behind each.
        snr_db: (n,) NaN where it isn't known.
        voices: (n,) row of each call's voice.
        passes: (n,) calls of one voice and one pass share no speech.
        corpora: (v,) name of each voice's corpus.
    """

    voiceprints: NDArray[np.float32]
    net_speech_s: Floats
    snr_db: Floats
    voices: Rows
    passes: Rows
    corpora: NDArray[np.str_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Comparisons of calls: rows of either side, (t,) each, and whether both are one voice."""

    left: Rows
    right: Rows
    is_target: NDArray[np.bool_]


def calls_of(voices: Sequence[Voice], *, seed: int) -> Calls:
    """Calls of voices, some passes over what each has to say."""
    rng = np.random.default_rng(seed)
    said: list[tuple[int, int, Spoken]] = [
        (row, number, call)
        for row, voice in enumerate(voices)
        for number in range(_PASSES)
        for call in say(voice, _CALLS, least=2, rng=rng)
    ]
    return Calls(
        voiceprints=np.stack([call.voiceprint for _, _, call in said]),
        net_speech_s=np.array([call.net_speech_s for _, _, call in said]),
        snr_db=np.array([np.nan if c.snr_db is None else c.snr_db for _, _, c in said]),
        voices=np.array([row for row, _, _ in said], np.int64),
        passes=np.array([number for _, number, _ in said], np.int64),
        corpora=np.array([voice.person.corpus for voice in voices]),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """What is known of voices and calls: a profile, and a spread of voiceprints that it projects."""

    profile: CalibrationProfile
    spread: Spread


def fit(voices: Sequence[Voice], *, model_id: str, seed: int, worth: Worth | None = None) -> Fitted:
    """Fit both on the calls of some voices.

    The profile's limits are those that so many trials vouch for.

    Args:
        voices: to fit on.
        model_id: of the voice model that heard them.
        seed: of the calls and the pairs.
        worth: of the spread's LLRs; fitted on the same pairs if it isn't given.
    """
    calls = calls_of(voices, seed=seed)
    folds = np.random.default_rng(seed).permutation(len(voices)) % _FOLDS
    trials = [_held_out(calls, folds == fold, model_id, seed) for fold in range(_FOLDS)]
    is_target = np.concatenate([each.is_target for each in trials])
    scored = ScoredTrials(
        scores=np.concatenate([each.cosines for each in trials]),
        sides=_sides(calls, np.concatenate([each.rows for each in trials])),
        is_target=is_target,
        weights=np.where(is_target, 1.0 / is_target.sum(), 1.0 / (~is_target).sum()),
    )
    coefficients = fit_coefficients(scored)
    llrs = coefficients.llr(scored.scores, scored.sides)
    floor, cap = trust_limits(llrs[is_target], llrs[~is_target])
    limited = replace(coefficients, floor=round(floor, 2), cap=round(cap, 2))
    everybody = np.ones(len(voices), np.bool_)
    profile = _projecting(calls, everybody, model_id, limited)
    offset, scale = worth or _worth(trials)
    spread = fit_spread(_known(calls, everybody, profile))
    return Fitted(profile=profile, spread=replace(spread, offset=offset, scale=scale))


def fit_under(
    profile: CalibrationProfile, voices: Sequence[Voice], *, seed: int, worth: Worth
) -> Spread:
    """The spread of voices under a profile that is there already, as the shipped one."""
    calls = calls_of(voices, seed=seed)
    spread = fit_spread(_known(calls, np.ones(len(voices), np.bool_), profile))
    return replace(spread, offset=worth[0], scale=worth[1])


def worth_where_new(voices: Sequence[Voice], *, model_id: str, seed: int) -> Worth:
    """What LLRs are worth among people of corpora that nothing had met.

    Pairs are of one corpus, under a projection and a spread of all the others, around the corpus' own mean as a line
    is compared around its own.
    """
    calls = calls_of(voices, seed=seed)
    names, counts = np.unique(calls.corpora, return_counts=True)
    return _worth(
        [_held_out(calls, calls.corpora == name, model_id, seed) for name in names[counts > 1]]
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Trials:
    """Pairs of calls of held-out voices: rows (t, 2), cosines, LLRs of a spread without scale and offset, (t,) each."""

    rows: Rows
    cosines: Floats
    llrs: Floats
    is_target: NDArray[np.bool_]


def _worth(trials: Sequence[_Trials]) -> Worth:
    return fit_map(
        np.concatenate([each.llrs for each in trials]),
        np.concatenate([each.is_target for each in trials]),
    )


def _held_out(calls: Calls, held_out: NDArray[np.bool_], model_id: str, seed: int) -> _Trials:
    """Pairs of some voices, by a projection and a spread of all the others, around their own mean."""
    profile = _projecting(calls, ~held_out, model_id, _UNFITTED)
    projected = Scorer(profile).project(calls.voiceprints)
    theirs = projected[held_out[calls.voices]].mean(axis=0, dtype=np.float64)
    spread = fit_spread(_known(calls, ~held_out, profile)).around(theirs)
    gathered = spread.gather(
        spread.places(projected), net_speech_s=calls.net_speech_s, snr_db=calls.snr_db
    )
    pairs = _pairs(calls, held_out, np.random.default_rng(seed))
    cosines = np.einsum("td,td->t", projected[pairs.left], projected[pairs.right])
    return _Trials(
        rows=np.stack([pairs.left, pairs.right], axis=1),
        cosines=cosines.astype(np.float64),
        llrs=spread.llr(gathered.take(pairs.left), gathered.take(pairs.right)),
        is_target=pairs.is_target,
    )


def _known(calls: Calls, voices: NDArray[np.bool_], profile: CalibrationProfile) -> KnownCalls:
    rows = np.flatnonzero(voices[calls.voices])
    _, voice = np.unique(calls.voices[rows], return_inverse=True)
    return KnownCalls(
        projected=Scorer(profile).project(calls.voiceprints[rows]),
        net_speech_s=calls.net_speech_s[rows],
        snr_db=calls.snr_db[rows],
        voices=voice.astype(np.int64),
    )


def _sides(calls: Calls, rows: Rows) -> Sides:
    left, right = rows.T
    return Sides(
        net_a_s=calls.net_speech_s[left],
        net_b_s=calls.net_speech_s[right],
        snr_a_db=calls.snr_db[left],
        snr_b_db=calls.snr_db[right],
    )


def _projecting(
    calls: Calls, voices: NDArray[np.bool_], model_id: str, coefficients: LlrCoefficients
) -> CalibrationProfile:
    """A profile whose centre and whitening come of the calls of some voices."""
    kept = voices[calls.voices]
    rows, of = calls.voiceprints[kept].astype(np.float64), calls.voices[kept]
    counts = np.maximum(np.bincount(of, minlength=len(voices)), 1)
    sums = np.stack([np.bincount(of, column, len(voices)) for column in rows.T], axis=1)
    means = sums / counts[:, np.newaxis]
    within = (rows - means[of])[counts[of] > 1]
    return CalibrationProfile(
        name="unknown voices",
        model_id=model_id,
        created_at=_CREATED_AT,
        provenance=f"calls of {int(voices.sum())} speakers of one side of the simulation",
        mean=means[voices].mean(axis=0).astype(np.float32),
        whitening=_whitening(within.T @ within / len(within)),
        cohort=None,
        cohort_nearest=0,
        coefficients=coefficients,
    )


def _whitening(within: Floats) -> NDArray[np.float32]:
    level = np.trace(within) / len(within)
    values, vectors = np.linalg.eigh(
        (1.0 - _SHRINKAGE) * within + _SHRINKAGE * level * np.eye(len(within))
    )
    whitening: NDArray[np.float32] = ((vectors / np.sqrt(values)) @ vectors.T).astype(np.float32)
    return whitening


def _pairs(calls: Calls, voices: NDArray[np.bool_], rng: np.random.Generator) -> Pairs:
    same = np.array(list(_same(calls, voices)), np.int64).reshape(-1, 2)
    other = np.array(list(_strangers(calls, voices, rng)), np.int64).reshape(-1, 2)
    both = np.concatenate([same, other])
    return Pairs(left=both[:, 0], right=both[:, 1], is_target=np.arange(len(both)) < len(same))


def _same(calls: Calls, voices: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    together: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, (voice, number) in enumerate(zip(calls.voices, calls.passes, strict=True)):
        if voices[voice]:
            together[int(voice), int(number)].append(row)
    for rows in together.values():
        yield from ((one, other) for at, one in enumerate(rows) for other in rows[at + 1 :])


def _strangers(
    calls: Calls, voices: NDArray[np.bool_], rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    kept = np.flatnonzero(voices[calls.voices])
    corpora = calls.corpora[calls.voices]
    for row in kept.tolist():
        able = kept[(corpora[kept] == corpora[row]) & (calls.voices[kept] != calls.voices[row])]
        chosen = rng.choice(able, min(_STRANGERS_EACH, len(able)), replace=False)
        yield from ((row, int(other)) for other in chosen)
