"""What the allow-list lets pass in a network: a voice that repeats lawfully links nobody.

Flags are archived as they were raised, and the allow-list changes afterwards; a network is drawn by the list of now. A
voice is let pass if the customers of its calls, those of one representative counted as one and calls from a
representative's number not at all, are no more than may call by themselves.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shengdun.index.networks.sightings import Sighting
from shengdun.index.voices.allowed import AllowList
from shengdun.index.voices.columns import text_hash

REPEAT_VOICE: Final = "REPEAT_VOICE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lawful:
    """What is let pass.

    Attributes:
        voices: unknown voices, by the id of their cluster.
        numbers: 64 bits of the pseudonym of each number from which a representative calls.
    """

    voices: frozenset[str] = frozenset()
    numbers: frozenset[int] = frozenset()

    def lets_pass(self, call: Sighting, voice_id: str) -> bool:
        """Whether a call's flag for a voice that repeats counts for nothing."""
        if voice_id in self.voices:
            return True
        return bool(self.numbers) and text_hash(call.number) in self.numbers


def lawful(
    calls: Iterable[Sighting],
    allowed: AllowList,
    *,
    at: datetime,
    others: int,
    own: Collection[str],
) -> Lawful:
    """What is let pass of the calls with a flag for a voice that repeats.

    Args:
        calls: with such a flag; all that are archived, for a voice is judged by all of its calls.
        allowed: who may call for many.
        at: entries that have ended by then don't count.
        others: customers besides the present one from which a voice is told.
        own: the clusters that are by voices of the institution's own.
    """
    numbers = allowed.numbers(at)
    customers: defaultdict[str, set[int]] = defaultdict(set)
    touched: set[str] = set()
    for call in calls:
        for flag in call.flags:
            if flag.kind != REPEAT_VOICE or not flag.subject:
                continue
            if call.number and text_hash(call.number) in numbers:
                touched.add(flag.subject)
            elif call.customer:
                customers[flag.subject].add(text_hash(call.customer))
    passing = set(own)
    for voice_id in customers.keys() | touched:
        of_voice = customers.get(voice_id, set())
        groups = allowed.represented(at, among=of_voice)
        if (groups or voice_id in touched) and _households(of_voice, groups) <= others:
            passing.add(voice_id)
    return Lawful(voices=frozenset(passing), numbers=numbers)


def _households(customers: set[int], groups: Iterable[frozenset[int]]) -> int:
    """How many households customers are, those of one group being one, and so those of groups that share one."""
    joined: list[set[int]] = []
    for group in groups:
        present = set(group) & customers
        apart = [each for each in joined if not each & present]
        joined = [*apart, present.union(*(each for each in joined if each & present))]
    return len(customers.difference(*joined)) + len(joined)
