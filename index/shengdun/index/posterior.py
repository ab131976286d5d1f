"""Open-set identification: who on the list is calling, if anybody.

The prior weight of "nobody on the list" stands in the denominator, so a longer list needs more evidence for the same
certainty and no threshold has to be retuned when it grows::

    P(i) = p_i e^LLR_i / (p_0 + sum_j p_j e^LLR_j)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenSetPosterior:
    """Probabilities that sum to 1 over the scored actors, the actors that weren't scored, and nobody.

    Attributes:
        on_list: probability that the caller is anybody on the list, scored or not.
        actor_probabilities: (n,) float64, for each scored actor.
        nobody: probability that the caller is on no list.
    """

    on_list: float
    actor_probabilities: NDArray[np.float64]
    nobody: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ListEvidence:
    """What one watchlist says about a call.

    Attributes:
        actor_ids: the n scored actors, each once.
        llrs: (n,) float64 LLR of each.
        prior_on_list: probability, before any evidence, that a caller of this line is on this list; in (0, 1).
        actors: number of actors on the list, scored or not; at least n.
    """

    actor_ids: tuple[str, ...]
    llrs: NDArray[np.float64]
    prior_on_list: float
    actors: int

    def __post_init__(self) -> None:
        _check(self.llrs, self.prior_on_list, self.actors)
        if len(set(self.actor_ids)) != len(self.llrs):
            raise ValueError("actor_ids must name each scored actor once")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CombinedPosterior:
    """The posterior over several watchlists at once.

    Attributes:
        on_any_list: probability that the caller is on at least one of the lists.
        actor_ids: all scored actors, each once, in order of first appearance.
        actor_probabilities: (n,) float64, for each of ``actor_ids``.
        on_list: for each list, in the order given, the probability that the caller is on it.
        nobody: probability that the caller is on none.
    """

    on_any_list: float
    actor_ids: tuple[str, ...]
    actor_probabilities: NDArray[np.float64]
    on_list: tuple[float, ...]
    nobody: float


def open_set_posterior(
    llrs: NDArray[np.float64], *, prior_on_list: float, actors: int
) -> OpenSetPosterior:
    """Posterior over the actors of one list and nobody; the prior is shared evenly by its actors.

    Actors that weren't scored are given the weight of the worst scored one, at most that of no evidence: a search
    returns the nearest, so the rest can't be nearer, and their share is never handed to those that were scored.

    Args:
        llrs: (n,) natural-log LLR of the scored actors.
        prior_on_list: probability, before any evidence, that a caller is on the list; in (0, 1).
        actors: number of actors on the list, at least n.

    Raises:
        ValueError: an argument is out of range.
    """
    _check(llrs, prior_on_list, actors)
    each = prior_on_list / max(actors, 1)
    shares = _shares(
        np.concatenate([llrs, [_worst(llrs)]]),
        np.concatenate([np.full(len(llrs), each), [each * (actors - len(llrs))]]),
        1.0 - each * actors,
    )
    return OpenSetPosterior(
        on_list=float(shares[:-1].sum()),
        actor_probabilities=shares[: len(llrs)],
        nobody=float(shares[-1]),
    )


def combined_posterior(lists: Sequence[ListEvidence]) -> CombinedPosterior:
    """Posterior over several watchlists, an actor in more than one counted once.

    Such an actor has the largest prior and the largest LLR that any of its lists gives it. The prior of being on any
    list never exceeds that of independent lists, ``1 - prod(1 - prior)``.

    Raises:
        ValueError: there is no list.
    """
    if not lists:
        raise ValueError("a posterior needs at least one list")
    if len(lists) == 1:
        return _of_one(lists[0])
    weights, llrs = _by_actor(lists)
    shares, unscored = _over_lists(
        lists, np.array([*weights.values()], np.float64), np.array([*llrs.values()], np.float64)
    )
    share_of = dict(zip(llrs, shares.tolist(), strict=False))
    on_list = tuple(
        sum(map(share_of.__getitem__, evidence.actor_ids)) + rest
        for evidence, rest in zip(lists, unscored.tolist(), strict=True)
    )
    return CombinedPosterior(
        on_any_list=float(shares[:-1].sum()),
        actor_ids=tuple(llrs),
        actor_probabilities=shares[: len(llrs)],
        on_list=on_list,
        nobody=float(shares[-1]),
    )


def _of_one(evidence: ListEvidence) -> CombinedPosterior:
    """The same, in a third of the time: nobody is on two lists."""
    weight = evidence.prior_on_list / max(evidence.actors, 1)
    scored = len(evidence.llrs)
    shares, unscored = _over_lists([evidence], np.full(scored, weight), evidence.llrs)
    return CombinedPosterior(
        on_any_list=float(shares[:-1].sum()),
        actor_ids=evidence.actor_ids,
        actor_probabilities=shares[:scored],
        on_list=(sum(shares[:scored].tolist()) + float(unscored[0]),),
        nobody=float(shares[-1]),
    )


def _by_actor(lists: Sequence[ListEvidence]) -> tuple[dict[str, float], dict[str, float]]:
    """The largest prior and the largest LLR of each actor, in the same order."""
    weights: dict[str, float] = {}
    llrs: dict[str, float] = {}
    for evidence in lists:
        weight = evidence.prior_on_list / max(evidence.actors, 1)
        of_list = dict(zip(evidence.actor_ids, evidence.llrs.tolist(), strict=True))
        weight_of = dict.fromkeys(evidence.actor_ids, weight)
        # Few actors are on two lists, and no line has many lists: what is in one is taken whole.
        for actor_id in weights.keys() & of_list.keys():
            of_list[actor_id] = max(of_list[actor_id], llrs[actor_id])
            weight_of[actor_id] = max(weight, weights[actor_id])
        weights |= weight_of
        llrs |= of_list
    return weights, llrs


def _over_lists(
    lists: Sequence[ListEvidence], weights: NDArray[np.float64], llrs: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posterior shares (scored actors, unscored part of each list, nobody), and the unscored shares alone."""
    unscored = np.array([_unscored_weight(evidence) for evidence in lists])
    somebody = 1.0 - float(np.prod([1.0 - _effective_prior(evidence) for evidence in lists]))
    total = float(weights.sum() + unscored.sum())
    scale = min(1.0, somebody / total) if total else 1.0
    worst = np.array([_worst(evidence.llrs) for evidence in lists])
    shares = _shares(
        np.concatenate([llrs, worst]),
        np.concatenate([weights, unscored]) * scale,
        1.0 - min(total, somebody),
    )
    return shares, shares[len(llrs) : -1]


def _shares(
    llrs: NDArray[np.float64], weights: NDArray[np.float64], nobody: float
) -> NDArray[np.float64]:
    """``weights * exp(llrs)`` beside ``nobody``, made to sum to 1; zero weights are allowed."""
    with np.errstate(divide="ignore"):
        logs = np.concatenate([np.log(weights) + llrs, [np.log(nobody)]])
    scaled: NDArray[np.float64] = np.exp(logs - logs.max())
    shares: NDArray[np.float64] = scaled / scaled.sum()
    return shares


def _worst(llrs: NDArray[np.float64]) -> float:
    return min(0.0, float(llrs.min())) if len(llrs) else 0.0


def _effective_prior(evidence: ListEvidence) -> float:
    return evidence.prior_on_list if evidence.actors else 0.0


def _unscored_weight(evidence: ListEvidence) -> float:
    missing = evidence.actors - len(evidence.llrs)
    return evidence.prior_on_list * missing / max(evidence.actors, 1)


def _check(llrs: NDArray[np.float64], prior_on_list: float, actors: int) -> None:
    if llrs.ndim != 1 or np.isnan(llrs).any():
        raise ValueError("llrs must be a vector without NaN")
    if not 0.0 < prior_on_list < 1.0:
        raise ValueError("prior_on_list must be above 0 and below 1")
    if actors < len(llrs):
        raise ValueError("a list can't have fewer actors than were scored")
