"""Risk: from the evidence of every watchlist to one probability, a level and flags."""

from collections.abc import Mapping, Sequence

from shengdun.index.posterior import CombinedPosterior, ListEvidence, combined_posterior
from shengdun.index.snapshot import WatchlistResult
from shengdun.service.decision import (
    CandidateOutcome,
    KnownActorVoice,
    Risk,
    WatchlistOutcome,
)
from shengdun.service.lines import Line


def assess(results: Sequence[WatchlistResult], line: Line) -> Risk:
    """Weigh what the watchlists say under the policy of a line.

    The line's prior, "the caller is on any of its watchlists", is shared by the lists in proportion to their actors,
    so that screening a second list doesn't by itself make a caller more suspect. Probabilities rest on what the
    calibration data can vouch for. Levels that were derived from the site's own callers know how often strangers get
    beyond that, so they are compared with the evidence in full (decision note 0015).

    Args:
        results: one for each watchlist that was searched.
        line: the line of the call.
    """
    filled = [result for result in results if result.size_actors]
    standing = line.standing_for(
        {result.profile_id for result in filled},
        {result.watchlist_id: result.size_actors for result in filled},
    )
    levels = standing.levels
    if not filled:
        return Risk(
            level=levels.level_of(0.0),
            probability=0.0,
            level_probability=0.0,
            watchlists=tuple(_outcome(result, {}) for result in results),
            levels=levels,
            advisory_reasons=standing.reasons,
        )
    prior = line.policy.prior / sum(result.size_actors for result in filled)
    posterior = _posterior(filled, prior, full_evidence=False)
    leveled = _posterior(filled, prior, full_evidence=True) if levels.full_evidence else posterior
    probabilities = dict(
        zip(posterior.actor_ids, posterior.actor_probabilities.tolist(), strict=True)
    )
    listed = dict(zip((result.watchlist_id for result in filled), leveled.on_list, strict=True))
    outcomes = tuple(_outcome(result, probabilities) for result in results)
    return Risk(
        level=levels.level_of(leveled.on_any_list),
        probability=posterior.on_any_list,
        level_probability=leveled.on_any_list,
        flags=_flags(outcomes, listed, at_least=levels.medium),
        watchlists=outcomes,
        levels=levels,
        advisory_reasons=standing.reasons,
    )


def _posterior(
    results: Sequence[WatchlistResult], prior_of_actor: float, *, full_evidence: bool
) -> CombinedPosterior:
    return combined_posterior(
        [
            ListEvidence(
                actor_ids=result.actor_ids,
                llrs=result.unlimited_llrs if full_evidence else result.actor_llrs,
                prior_on_list=prior_of_actor * result.size_actors,
                actors=result.size_actors,
            )
            for result in results
        ]
    )


def _outcome(result: WatchlistResult, probabilities: Mapping[str, float]) -> WatchlistOutcome:
    candidates = [
        CandidateOutcome(
            actor_id=candidate.actor_id,
            voiceprint_id=candidate.voiceprint_id,
            llr=candidate.llr,
            probability=probabilities[candidate.actor_id],
        )
        for candidate in result.candidates[:2]
    ]
    best, runner_up = (*candidates, None, None)[:2]
    return WatchlistOutcome(
        watchlist_id=result.watchlist_id,
        version=result.version,
        actors=result.size_actors,
        best=best,
        runner_up=runner_up,
        without_voiceprint=result.actors_without_voiceprint,
    )


def _flags(
    outcomes: Sequence[WatchlistOutcome], listed: Mapping[str, float], *, at_least: float
) -> tuple[KnownActorVoice, ...]:
    flags = [
        KnownActorVoice(watchlist_id=outcome.watchlist_id, candidate=outcome.best)
        for outcome in outcomes
        if outcome.best and listed[outcome.watchlist_id] >= at_least
    ]
    return tuple(sorted(flags, key=lambda flag: -flag.candidate.llr))
