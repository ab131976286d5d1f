"""Trials and searches that are the same for every system.

A stranger counts only where every system heard both sides; a voice that only some systems could hear is a miss of the
others. Which recordings, which calls, who is listed: ``shengdun.index.accuracy`` says so, once for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from benchmarks.accuracy.systems import Part, System
from numpy.typing import NDArray

from shengdun.fingerprint.voice.samples import Seconds
from shengdun.index.accuracy.embeddings import Heard
from shengdun.index.accuracy.identification import LinePolicy, Searches, Watchlists
from shengdun.index.accuracy.sides import Calls, Enrolments
from shengdun.index.accuracy.verification import Trials, trials_of
from shengdun.index.scoring import Scorer

LIST_SIZE: Final = 100
_DEAF: Final = Heard(voiceprints={}, net_speech_s={}, failure="another system heard nothing")


class Unmatched(Exception):
    """Systems would be compared on different trials."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Side:
    system: System
    scorer: Scorer
    enrolments: Enrolments
    calls: Calls


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matched:
    """One system's trials.

    Attributes:
        counted: all of them; those that the system heard nothing in are misses.
        heard: those that every system heard.
    """

    counted: Trials
    heard: Trials


def matched_trials(
    systems: Sequence[System], part: Part, seconds: Seconds, *, seed: int
) -> list[Matched]:
    """The trials of one part, scored by every system.

    Raises:
        Unmatched: a system lacks a trial that another has.
    """
    sides = [_side(system, part) for system in systems]
    unenrolled = np.any([side.enrolments.failed for side in sides], axis=0)
    unheard = _unheard([side.calls for side in sides], seconds)
    found = []
    for side in sides:
        own = trials_of(side.enrolments, side.calls, side.scorer, seconds, seed=seed)
        common = trials_of(
            replace(side.enrolments, failed=unenrolled),
            _deafened(side.calls, unheard),
            side.scorer,
            seconds,
            seed=seed,
        )
        counted = Trials.joined([taken(own, own.is_target), taken(common, ~common.is_target)])
        found.append(Matched(counted=counted, heard=taken(common, ~common.failed)))
    _check_same([system.name for system in systems], [each.counted for each in found])
    return found


def joined_matches(parts: Sequence[Matched]) -> Matched:
    """All trials of some parts, in order."""
    return Matched(
        counted=Trials.joined([part.counted for part in parts]),
        heard=Trials.joined([part.heard for part in parts]),
    )


def matched_searches(
    systems: Sequence[System], part: Part, seconds: Seconds, policy: LinePolicy, *, seed: int
) -> list[Searches]:
    """The searches of one part's calls in lists of ``LIST_SIZE``, by every system."""
    found = []
    for system in systems:
        lists = Watchlists(
            part.listed(system), part.scorer(system), policy, largest=LIST_SIZE, seed=seed
        )
        calls = part.calls(system)
        searches = lists.search(calls, seconds, (LIST_SIZE,))[LIST_SIZE]
        order = np.argsort([*calls.ready(seconds), *calls.failed(seconds)]).astype(np.int64)
        found.append(_reordered(searches, order))
    if len({tuple(searches.callers.tolist()) for searches in found}) > 1:
        raise Unmatched(f"{part.corpus}: systems searched for different calls at {seconds:g} s")
    unheard = np.any([np.isnan(searches.stranger) for searches in found], axis=0)
    listed = np.any([~np.isnan(searches.listed) for searches in found], axis=0)
    return [
        replace(
            searches,
            stranger=np.where(unheard, np.nan, searches.stranger),
            listed=np.where(listed, np.nan_to_num(searches.listed), np.nan),
        )
        for searches in found
    ]


def joined_searches(parts: Sequence[Searches]) -> Searches:
    """All searches of some parts, in order; the shares are those of an average search."""
    counts = np.array([len(part.callers) for part in parts], dtype=np.float64)
    shares = np.array([(part.own_share, part.other_share, part.made_share) for part in parts])
    own, other, made = (counts @ shares / max(counts.sum(), 1.0)).tolist()
    return Searches(
        callers=np.concatenate([part.callers for part in parts]),
        stranger=np.concatenate([part.stranger for part in parts]),
        listed=np.concatenate([part.listed for part in parts]),
        found=np.concatenate([part.found for part in parts]),
        own_share=own,
        other_share=other,
        made_share=made,
    )


def taken(trials: Trials, chosen: NDArray[np.bool_]) -> Trials:
    """Some of the trials."""
    return Trials(
        llrs=trials.llrs[chosen],
        is_target=trials.is_target[chosen],
        failed=trials.failed[chosen],
        enrolled=trials.enrolled[chosen],
        calling=trials.calling[chosen],
    )


def _side(system: System, part: Part) -> _Side:
    return _Side(
        system=system,
        scorer=part.scorer(system),
        enrolments=part.enrolments(system),
        calls=part.calls(system),
    )


def _unheard(calls: Sequence[Calls], seconds: Seconds) -> NDArray[np.bool_]:
    """(m,) the calls that some system has no voiceprint of so much speech of."""
    return np.array(
        [
            any(seconds not in heard.voiceprints for heard in row)
            for row in zip(*(each.heard for each in calls), strict=True)
        ],
        dtype=bool,
    )


def _deafened(calls: Calls, unheard: NDArray[np.bool_]) -> Calls:
    heard = [
        _DEAF if deaf else each for each, deaf in zip(calls.heard, unheard.tolist(), strict=True)
    ]
    return replace(calls, heard=tuple(heard))


def _reordered(searches: Searches, order: NDArray[np.int64]) -> Searches:
    return replace(
        searches,
        callers=searches.callers[order],
        stranger=searches.stranger[order],
        listed=searches.listed[order],
        found=searches.found[order],
    )


def _check_same(names: Sequence[str], found: Sequence[Trials]) -> None:
    """Trials of one voice may come in another order, so they are compared as a set of counts."""
    counted = [
        sorted(zip(each.enrolled.tolist(), each.calling.tolist(), strict=True)) for each in found
    ]
    for name, pairs in zip(names, counted, strict=True):
        if pairs != counted[0]:
            raise Unmatched(
                f"{names[0]} has {len(counted[0])} trials and {name} {len(pairs)}, or others"
            )
