"""Building a network of archived calls and of what investigators have registered.

Only calls with a flag are drawn in: somebody was recognised, or something. A customer whose calls nobody was recognised
in is no node, whatever number they came from, so that nobody is linked to an agent by a switchboard alone.

A number links customers by its rarity: if ``k`` of all ``n`` customers called from it, a customer does so by chance
with the probability ``k / n``, so the evidence is ``ln(n / k)``. A number of everybody's says nothing.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from heapq import nlargest
from typing import Final

from shengdun.index.networks.graph import Edge, Evidence, EvidenceKind, NodeKey, NodeKind
from shengdun.index.networks.lawful import REPEAT_VOICE, Lawful
from shengdun.index.networks.sightings import Sighting

REGISTERED_LLR: Final = 10.0
"""What a record says was looked into by a person."""
LEAST_LLR: Final = 0.0
"""Evidence below it speaks against a link, and is left out."""
_SHOWN: Final = 5
_VOICES: Final = {"KNOWN_ACTOR_VOICE": NodeKind.ACTOR, REPEAT_VOICE: NodeKind.VOICE}
_WORDS: Final = {"SCRIPT_MATCH": NodeKind.SCRIPT, "SCRIPT_CAMPAIGN": NodeKind.CAMPAIGN}


@dataclass(slots=True)
class Appearances:
    """The calls that a node appears in.

    Attributes:
        calls: how many.
        first_at: the first; None without any.
        last_at: the last.
    """

    calls: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None

    def add(self, at: datetime) -> None:
        """Another call that started then."""
        self.calls += 1
        self.first_at = at if self.first_at is None else min(self.first_at, at)
        self.last_at = at if self.last_at is None else max(self.last_at, at)


@dataclass(slots=True)
class _Link:
    reasons: int = 0
    best: list[Evidence] = field(default_factory=list)

    def add(self, evidence: Evidence) -> None:
        self.reasons += 1
        self.best = nlargest(
            _SHOWN, [*self.best, evidence], key=lambda each: (each.llr, each.call_id)
        )


class NetworkBuilder:
    """Takes calls and records in, and gives what they link.

    Args:
        lawful: what the allow-list lets pass.
    """

    def __init__(self, lawful: Lawful | None = None) -> None:
        self.calls = 0
        self._lawful = lawful or Lawful()
        self.nodes: dict[NodeKey, Appearances] = defaultdict(Appearances)
        self._links: dict[tuple[NodeKey, NodeKey], _Link] = defaultdict(_Link)
        self._customers: set[str] = set()
        self._callers: dict[str, set[str]] = defaultdict(set)
        self._from_number: list[tuple[NodeKey, NodeKey, str, datetime]] = []

    def take(self, calls: Iterable[Sighting]) -> None:
        """Take calls in, each once."""
        for call in calls:
            self.calls += 1
            if call.customer:
                self._customers.add(call.customer)
                if call.number:
                    self._callers[call.number].add(call.customer)
            if recognised := list(_recognised(call, self._lawful)):
                self._draw_in(call, recognised)

    def register(self, member: NodeKey, network_id: str) -> None:
        """Take in that an investigator has put an actor or a script into a network."""
        network = NodeKey(NodeKind.NETWORK, network_id)
        for key in (member, network):
            self.nodes[key]  # a node without calls
        self._link(member, network, Evidence(kind=EvidenceKind.REGISTERED, llr=REGISTERED_LLR))

    def edges(self) -> Iterator[Edge]:
        """Every link that anything speaks for, in no order."""
        self._link_numbers()
        for (one, other), link in self._links.items():
            yield Edge(
                one=one,
                other=other,
                llr=link.best[0].llr,
                reasons=link.reasons,
                evidence=tuple(link.best),
            )

    def _draw_in(
        self, call: Sighting, recognised: list[tuple[NodeKey, EvidenceKind, float]]
    ) -> None:
        customer = NodeKey(NodeKind.CUSTOMER, call.customer) if call.customer else None
        number = NodeKey(NodeKind.NUMBER, call.number) if call.number else None
        keys = dict.fromkeys(key for key, _, _ in recognised)
        for key in (*keys, *filter(None, (customer, number))):
            self.nodes[key].add(call.started_at)
        for key, kind, llr in recognised:
            if customer is not None:
                self._link(key, customer, _by(call, kind, llr))
        self._link_within(call, recognised)
        if customer is not None and number is not None:
            self._from_number.append((customer, number, call.call_id, call.started_at))

    def _link_within(
        self, call: Sighting, recognised: list[tuple[NodeKey, EvidenceKind, float]]
    ) -> None:
        voices = [each for each in recognised if each[1] is EvidenceKind.VOICE_OF_CALL]
        words = [each for each in recognised if each[1] is EvidenceKind.WORDS_OF_CALL]
        for voice, _, by_voice in voices:
            for script, _, by_words in words:
                # The call links them if both were recognised rightly, so the weaker of the two says how sure it is.
                self._link(
                    voice, script, _by(call, EvidenceKind.SAME_CALL, min(by_voice, by_words))
                )

    def _link_numbers(self) -> None:
        everybody = len(self._customers)
        for customer, number, call_id, at in self._from_number:
            llr = math.log(everybody / len(self._callers[number.node_id]))
            if llr > LEAST_LLR:
                evidence = Evidence(
                    kind=EvidenceKind.SHARED_NUMBER, llr=llr, call_id=call_id, at=at
                )
                self._link(customer, number, evidence)
        self._from_number = []

    def _link(self, one: NodeKey, other: NodeKey, evidence: Evidence) -> None:
        self._links[one, other].add(evidence)


def _recognised(call: Sighting, lawful: Lawful) -> Iterator[tuple[NodeKey, EvidenceKind, float]]:
    for flag in call.flags:
        if not flag.subject or flag.llr <= LEAST_LLR:
            continue
        if flag.kind == REPEAT_VOICE and lawful.lets_pass(call, flag.subject):
            continue
        if flag.kind in _VOICES:
            yield NodeKey(_VOICES[flag.kind], flag.subject), EvidenceKind.VOICE_OF_CALL, flag.llr
        elif flag.kind in _WORDS:
            yield NodeKey(_WORDS[flag.kind], flag.subject), EvidenceKind.WORDS_OF_CALL, flag.llr


def _by(call: Sighting, kind: EvidenceKind, llr: float) -> Evidence:
    return Evidence(kind=kind, llr=llr, call_id=call.call_id, at=call.started_at)
