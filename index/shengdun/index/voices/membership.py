"""How surely each call of a voice is its own, and for how many customers the voice has called.

Each call is compared with the voice of all the others, as if it came last. The customers for whom a voice has called
are then uncertain one by one, and how many they are has the distribution of a sum of independent trials (Poisson
binomial).

That each call fits the others isn't enough where people sound alike: of three children of one age each may fit the
other two. So there is a second question about the same calls, one for each customer: whether all of them are one voice,
or as many different ones (``together``).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from shengdun.index.voices.columns import CallColumns
from shengdun.index.voices.evidence import Floats64, VoiceEvidence, Voices
from shengdun.index.voices.grouping import Odds, probability

_TWO: Final = 2
_LIKELY: Final = 0.5


def membership(calls: Voices, evidence: VoiceEvidence, odds: Odds) -> Floats64:
    """(n,) log odds that each of n calls is by the voice of the others; +inf for a single one.

    What customer a call is for doesn't count here: a voice is not to be named for a call because of it.
    """
    if len(calls) == 1:
        return np.array([np.inf])
    prior = odds.of_strangers(len(calls) - 1)
    return evidence.of_others(calls) + prior


def belonging(calls: Voices, columns: CallColumns, evidence: VoiceEvidence, odds: Odds) -> Floats64:
    """(n,) the same, but calls for a customer for whom others are too are taken to be one voice more easily."""
    customers = columns.customers.tolist()
    calls_for = Counter(customer for customer in customers if customer)
    shared = odds.of(len(calls) - 1, same_customer=True) - odds.of_strangers(len(calls) - 1)
    extra = np.array([shared if calls_for[customer] > 1 else 0.0 for customer in customers])
    belongs: Floats64 = membership(calls, evidence, odds) + extra
    return belongs


def households(
    columns: CallColumns, most: int, *, together: Iterable[frozenset[int]] = ()
) -> list[int]:
    """Which household each call is for; 0 without a customer.

    Args:
        columns: the calls.
        most: customers on one number are one household while they are at most so many.
        together: customers who are one household anyway, as those of one representative.
    """
    on_number: dict[int, set[int]] = defaultdict(set)
    pairs = list(zip(columns.customers.tolist(), columns.numbers.tolist(), strict=True))
    for customer, number in pairs:
        if customer and number:
            on_number[number].add(customer)
    of: dict[int, int] = {customer: customer for customer, _ in pairs if customer}
    for shared in on_number.values():
        if 1 < len(shared) <= most:
            _unite(of, shared)
    for represented in together:
        _unite(of, represented & of.keys())
    return [_root(of, customer) if customer else 0 for customer, _ in pairs]


def at_least(count: int, probabilities: Iterable[float]) -> float:
    """Probability that at least so many of independent trials succeed."""
    if count <= 0:
        return 1.0
    # Place k has the probability of k successes so far, the last one that of as many as are asked for, or more.
    chances = np.zeros(count + 1)
    chances[0] = 1.0
    for success in probabilities:
        moved = chances * success
        last = chances[count]
        chances -= moved
        chances[1:] += moved[:-1]
        chances[count] = last + moved[count - 1]
    return float(min(chances[count], 1.0))


def surest(
    of_calls: Sequence[int], log_odds_of_calls: Floats64, *, without: Iterable[int] = ()
) -> dict[int, int]:
    """The row of the surest call for each household."""
    left_out = {0, *without}
    rows: dict[int, int] = {}
    for row, household in enumerate(of_calls):
        if household in left_out:
            continue
        if household not in rows or log_odds_of_calls[row] > log_odds_of_calls[rows[household]]:
            rows[household] = row
    return rows


def together(calls: Voices, evidence: VoiceEvidence, odds: Odds) -> float:
    """Probability that n calls, each for another household, are by one voice and not by n who sound alike.

    As if they came one after the other: the second may be by the voice of the first, the third by that of both.
    """
    if len(calls) < _TWO:
        return 1.0
    prior = sum(odds.of_strangers(so_far) for so_far in range(1, len(calls)))
    return probability(evidence.of_all(calls) + prior - math.log(odds.policy.lookalikes))


def called_for(
    count: int,
    rows: Iterable[int],
    calls: Voices,
    of_calls: Floats64,
    evidence: VoiceEvidence,
    odds: Odds,
    *,
    caller: Voices | None = None,
) -> float:
    """Probability that one voice has called for at least so many households.

    Args:
        count: so many.
        rows: of the surest call for each household.
        calls: of the voice, n of them.
        of_calls: (n,) log odds that each is by the voice of the others.
        evidence: compares voices.
        odds: before anything is heard.
        caller: who is taken for the voice, if anybody; counts for no household.
    """
    chosen = {row: probability(float(of_calls[row])) for row in rows}
    likely = calls.take(np.array([r for r, p in chosen.items() if p >= _LIKELY], np.int64))
    heard = likely if caller is None else Voices.concatenate([likely, caller])
    return at_least(count, chosen.values()) * together(heard, evidence, odds)


def _root(of: dict[int, int], customer: int) -> int:
    while of[customer] != customer:
        customer = of[customer]
    return customer


def _unite(of: dict[int, int], customers: Iterable[int]) -> None:
    roots = sorted({_root(of, customer) for customer in customers})
    for root in roots[1:]:
        of[root] = roots[0]
