"""What it means for the risk of a call that another voice took over in it.

A watchlist is asked about three voiceprints then: that of all windows, if one voice has been speaking, and those of
the first and the second voice, if two have. With ``p`` the probability of a handover, an actor's likelihood ratio is
Bayes' rule over these, either voice being as likely to be the actor's::

    LR = (1 - p) LR(all) + p (LR(first) + LR(second)) / 2

A mean of honest ratios is honest, so a caller isn't made more suspect by being looked at more often, and the second of
two voices is found although the first was a stranger's. Beside that, listed callers may hand over more often than
others do, which multiplies the odds by ``(1 + a (L - 1)) / (1 + s (L - 1))``, as words do (decision note 0031): ``a``
and ``s`` are the shares of calls of either in which one happens.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.handover import Handover
from shengdun.index.search import Candidate
from shengdun.index.snapshot import WatchlistResult
from shengdun.service.decision import (
    AdvisoryReason,
    HandoverVoice,
    Level,
    Risk,
    SpeakerHandover,
)
from shengdun.service.line_settings import HandoverSettings
from shengdun.service.lines import Line
from shengdun.service.risk import assess
from shengdun.service.standing import fixed_levels

_LEVELS: Final = tuple(Level)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Screened:
    """What the watchlists say of one voiceprint, each list in the same place.

    Attributes:
        results: one for each list.
        net_speech_s: behind the voiceprint, in seconds.
    """

    results: Sequence[WatchlistResult]
    net_speech_s: float


def probability_of(llr: float, policy: HandoverSettings) -> float:
    """That another voice took over, 0 to 1.

    Args:
        llr: of a handover.
        policy: of the line.
    """
    counted = counted_llr(llr, policy)
    return 1.0 / (1.0 + math.exp(-counted) * (1.0 - policy.prior) / policy.prior)


def counted_llr(llr: float, policy: HandoverSettings) -> float:
    """What of an LLR counts: at most the line's cap."""
    return min(llr, policy.llr_cap)


def is_flagged(handover: Handover | None, policy: HandoverSettings) -> bool:
    """Whether a handover is likely enough to be told."""
    return handover is not None and probability_of(handover.llr, policy) >= policy.flag_at


def with_handover(
    alone: Risk,
    handover: Handover,
    *,
    position: timedelta,
    every: Sequence[WatchlistResult],
    first: Screened,
    second: Screened,
    line: Line,
) -> Risk:
    """The risk of a call in which another voice took over.

    Args:
        alone: the risk if one voice has been speaking.
        handover: what was found.
        position: in the call's audio, where the second voice begins.
        every: what the watchlists say of all windows.
        first: what they say of the first voice.
        second: what they say of the second.
        line: of the call.
    """
    policy = line.policy.handover
    probability = probability_of(handover.llr, policy)
    together = assess(
        [
            _mixed(three, probability)
            for three in zip(every, first.results, second.results, strict=True)
        ],
        line,
    )
    assert together.level_probability is not None
    assert together.levels is not None
    raised = _raised(together.level_probability, counted_llr(handover.llr, policy), policy)
    level = max(together.levels.level_of(raised), _by_itself(probability, line), key=_LEVELS.index)
    return replace(
        together,
        level=level,
        level_probability=raised,
        advisory_reasons=_reasons(together, alone, level, line),
        handover=SpeakerHandover(
            position=position,
            llr=handover.llr,
            counted_llr=counted_llr(handover.llr, policy),
            probability=probability,
            in_turns=handover.division.in_turns,
            first=_voice(first, line),
            second=_voice(second, line),
        ),
    )


def _reasons(together: Risk, alone: Risk, level: Level, line: Line) -> tuple[AdvisoryReason, ...]:
    """The promise is one of calls as they are without this, so what rose by it is a hint."""
    promises = line.policy.false_flags_per_10000_calls is not None
    before = Level.LOW if alone.level is None else alone.level
    if not promises or _LEVELS.index(level) <= _LEVELS.index(before):
        return together.advisory_reasons
    return (*together.advisory_reasons, AdvisoryReason.BY_HANDOVER)


def _raised(probability: float, llr: float, policy: HandoverSettings) -> float:
    gain = math.expm1(max(llr, 0.0))
    factor = (1.0 + policy.of_agents * gain) / (1.0 + policy.prior * gain)
    return probability * factor / (1.0 - probability + probability * factor)


def _by_itself(probability: float, line: Line) -> Level:
    most = Level(line.policy.handover.highest_level)
    return min(fixed_levels(line.policy).level_of(probability), most, key=_LEVELS.index)


def _voice(screened: Screened, line: Line) -> HandoverVoice:
    risk = assess(screened.results, line)
    listed = [outcome for outcome in risk.watchlists if outcome.best is not None]
    nearest = max(listed, key=lambda each: each.best.llr if each.best else 0.0, default=None)
    return HandoverVoice(
        net_speech=timedelta(seconds=screened.net_speech_s),
        level=risk.level,
        probability=risk.probability,
        watchlist_id=None if nearest is None else nearest.watchlist_id,
        best=None if nearest is None else nearest.best,
    )


def _mixed(
    three: tuple[WatchlistResult, WatchlistResult, WatchlistResult], probability: float
) -> WatchlistResult:
    """What one list says when either all windows, or those of the first or of the second voice, may be one person's."""
    every = three[0]
    actor_ids = tuple(dict.fromkeys(name for result in three for name in result.actor_ids))
    if not actor_ids:
        return every
    weights = np.log(np.array([1.0 - probability, probability / 2.0, probability / 2.0]))
    llrs = _means([_llrs_of(one, one.actor_llrs, actor_ids) for one in three], weights)
    unlimited = _means([_llrs_of(one, one.unlimited_llrs, actor_ids) for one in three], weights)
    order = np.argsort(-unlimited, kind="stable")
    ranked = tuple(actor_ids[place] for place in order.tolist())
    return replace(
        every,
        candidates=_candidates(three, dict(zip(actor_ids, llrs.tolist(), strict=True)), ranked),
        actor_ids=ranked,
        actor_llrs=llrs[order],
        unlimited_llrs=unlimited[order],
        unscored_actors=every.size_actors - every.actors_without_voiceprint - len(ranked),
    )


def _llrs_of(
    result: WatchlistResult, llrs: NDArray[np.float64], actor_ids: Sequence[str]
) -> NDArray[np.float64]:
    # Whom a search of a long list left out is farther away than all that it has.
    known = dict(zip(result.actor_ids, llrs.tolist(), strict=True))
    least = min([0.0, *llrs.tolist()])
    return np.array([known.get(name, least) for name in actor_ids])


def _means(
    llrs: Sequence[NDArray[np.float64]], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.logaddexp.reduce(np.stack(llrs) + weights[:, np.newaxis], axis=0)
    return mean


def _candidates(
    three: Sequence[WatchlistResult], llrs: dict[str, float], ranked: Sequence[str]
) -> tuple[Candidate, ...]:
    """The best candidates of any of the three, each with the voiceprint that fitted best."""
    nearest: dict[str, Candidate] = {}
    for candidate in (each for result in three for each in result.candidates):
        best = nearest.get(candidate.actor_id)
        if best is None or candidate.llr > best.llr:
            nearest[candidate.actor_id] = candidate
    return tuple(replace(nearest[name], llr=llrs[name]) for name in ranked if name in nearest)
