"""Worlds: some weeks of calls of one bank's line, of whom every caller is known to the harness and to nobody else.

Every voice is one identity of a world. *Ordinary* customers call once or twice for themselves, *family* members for
themselves and a relative, *agents* for three to forty customers, some of whom call themselves as well. Every call has a
channel of its own and is a run of windows of net speech; no window is used twice in a world, so that no identity says
anything twice. What an agent can say limits for how many customers they can call.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import numpy as np
from benchmarks.unknown.hearing import Voice
from benchmarks.unknown.speaking import Spoken, say
from benchmarks.unknown.voices import Crowd, Drawn
from numpy.typing import NDArray

from shengdun.index.archive.rows import ArchivedCall

BEGINS: Final = datetime(2026, 3, 1, 8, tzinfo=UTC)
LASTS: Final = timedelta(days=20)
MOST_CUSTOMERS: Final = 40
_MOST_TALKATIVE: Final = 4.0
"""Windows that an agent has for each customer: from one, which makes every call as short as they come, to so many."""
_SECOND_CALL: Final = 0.4
_SAME_CUSTOMER_AGAIN: Final = 0.15
_CUSTOMER_CALLS_TOO: Final = 0.15
_SAME_NUMBER: Final = 0.4


class Kind(StrEnum):
    """What an identity is."""

    ORDINARY = "ordinary"
    FAMILY = "family"
    AGENT = "agent"


class Origin(StrEnum):
    """Where an identity's voice comes from."""

    REAL = "real"
    """A recorded speaker."""
    MADE = "made"
    """A recorded speaker, played faster or slower."""
    DRAWN = "drawn"
    """Nobody: voiceprints of the spread of real ones."""


BUCKETS: Final = ((3, 4), (5, 9), (10, MOST_CUSTOMERS))
"""Customers of an agent, as they are reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Someone who calls.

    Attributes:
        kind: what they are.
        origin: of their voice.
        voice: its name.
        speaker: whose recordings it is of, also where it's made; its own name where it's drawn.
        customers: for how many customers they call.
        calls: how many calls they make.
        is_child: whether the speaker is known to be one.
    """

    kind: Kind
    origin: Origin
    voice: str
    speaker: str
    customers: int
    calls: int
    is_child: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class World:
    """Calls of one line, in order of time.

    Attributes:
        name: of the world.
        identities: all callers.
        calls: as the archive has them.
        callers: (n,) row of each call's identity.
        channels: the channel of each call, for those who ask what fails.
    """

    name: str
    identities: tuple[Identity, ...]
    calls: tuple[ArchivedCall, ...] = field(repr=False)
    callers: NDArray[np.int64] = field(repr=False)
    channels: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a world is made of.

    Attributes:
        agents: how many of each of ``BUCKETS``; fewer where voices with enough to say are fewer.
        families: how many family members.
    """

    agents: tuple[int, int, int] = (4, 6, 4)
    families: int = 10


def make_world(
    voices: Sequence[Voice], *, model_id: str, plan: Plan, name: str, seed: int
) -> World:
    """A world in which each voice is one identity.

    Args:
        voices: of different people to a voice model.
        model_id: of the voice model that heard them.
        plan: who there is.
        name: of the world; call ids and customers begin with it.
        seed: the same one makes the same world.
    """
    rng = np.random.default_rng(seed)
    casting = _Casting(list(voices), plan, rng)
    builder = WorldBuilder(name=name, model_id=model_id, rng=rng)
    for voice, kind, customers in casting.roles():
        builder.add_voice(voice, kind, customers)
    return builder.build()


def make_window(
    real: Sequence[Voice],
    made: Sequence[Voice],
    crowd: Crowd,
    *,
    model_id: str,
    plan: Plan,
    calls: int,
    name: str,
    seed: int,
) -> World:
    """A world of so many calls or a few more: real voices as in any other, made ones and a drawn crowd as customers.

    Args:
        real: voices that are cast as in ``make_world``.
        made: voices that are ordinary customers.
        crowd: draws ordinary customers until there are calls enough.
        model_id: of the voice model that heard them.
        plan: for the real voices.
        calls: how many there should be.
        name: of the world.
        seed: the same one makes the same world.
    """
    rng = np.random.default_rng(seed)
    builder = WorldBuilder(name=name, model_id=model_id, rng=rng)
    for voice, kind, customers in _Casting(list(real), plan, rng).roles():
        builder.add_voice(voice, kind, customers)
    for voice in made:
        builder.add_voice(voice, Kind.ORDINARY, 1)
    missing = calls - builder.calls
    again = rng.random(max(missing, 0)) < _SECOND_CALL
    people = int(np.searchsorted(np.cumsum(1 + again), missing)) + 1 if missing > 0 else 0
    voices = crowd.voices(people, seed=seed)
    both = [crowd.calls(voices, seed=seed + extra) for extra in (1, 2)]
    for row in range(people):
        said = [_drawn(both[call], row) for call in range(1 + int(again[row]))]
        label = f"{name}-drawn-{row}"
        builder.add(said, kind=Kind.ORDINARY, origin=Origin.DRAWN, voice=label, speaker=label)
    return builder.build()


def _drawn(calls: Drawn, row: int) -> Spoken:
    snr_db = float(calls.snr_db[row])
    return Spoken(
        voiceprint=calls.voiceprints[row],
        net_speech_s=float(calls.net_speech_s[row]),
        snr_db=None if np.isnan(snr_db) else snr_db,
        channel="drawn",
    )


class _Casting:
    """Gives every voice its part: first agents, who need much to say, then family members, then the rest."""

    def __init__(self, voices: list[Voice], plan: Plan, rng: np.random.Generator) -> None:
        self._left: list[Voice] = [voices[row] for row in rng.permutation(len(voices)).tolist()]
        self._plan = plan
        self._rng = rng

    def roles(self) -> Iterator[tuple[Voice, Kind, int]]:
        """Every voice once."""
        for (least, most), count in reversed(list(zip(BUCKETS, self._plan.agents, strict=True))):
            for _ in range(count):
                talkative = self._rng.uniform(1.0, _MOST_TALKATIVE)
                voice = self._take(math.ceil(least * talkative)) or self._take(least)
                if voice is not None:
                    able = min(most, max(int(voice.windows / talkative), least))
                    yield voice, Kind.AGENT, int(self._rng.integers(least, able + 1))
        for _ in range(self._plan.families):
            voice = self._take(2)
            if voice is not None:
                yield voice, Kind.FAMILY, 2
        yield from ((voice, Kind.ORDINARY, 1) for voice in self._left)

    def _take(self, windows: int) -> Voice | None:
        for place, voice in enumerate(self._left):
            if voice.windows >= windows:
                return self._left.pop(place)
        return None


class WorldBuilder:
    """Puts identities and their calls together."""

    def __init__(self, *, name: str, model_id: str, rng: np.random.Generator) -> None:
        self._name = name
        self._model_id = model_id
        self._rng = rng
        self._identities: list[Identity] = []
        self._spoken: list[tuple[float, int, Spoken]] = []
        self._customers = 0

    def add_voice(self, voice: Voice, kind: Kind, customers: int) -> None:
        """A voice with its part."""
        again = _SAME_CUSTOMER_AGAIN if kind is Kind.AGENT else _SECOND_CALL
        calls = customers + int(self._rng.binomial(customers, again))
        self.add(
            say(voice, calls, least=customers, rng=self._rng),
            kind=kind,
            origin=Origin.MADE if voice.is_made else Origin.REAL,
            voice=voice.name,
            speaker=voice.person.name,
            is_child=voice.person.is_child,
        )

    def add(
        self,
        spoken: Sequence[Spoken],
        *,
        kind: Kind,
        origin: Origin,
        voice: str,
        speaker: str,
        is_child: bool = False,
    ) -> None:
        """An identity with its calls, to which customers and numbers are still to be given."""
        customers = self._for_whom(spoken, kind)
        row = len(self._identities)
        self._identities.append(
            Identity(
                kind=kind,
                origin=origin,
                voice=voice,
                speaker=speaker,
                customers=customers,
                calls=len(spoken),
                is_child=is_child,
            )
        )
        self._spoken += zip(self._times(len(spoken)), [row] * len(spoken), spoken, strict=True)

    @property
    def calls(self) -> int:
        """How many there are so far."""
        return len(self._spoken)

    def build(self) -> World:
        """The world, in order of time."""
        self._let_customers_call()
        ordered = sorted(self._spoken, key=lambda each: each[0])
        return World(
            name=self._name,
            identities=tuple(self._identities),
            calls=tuple(self._call(place, at, said) for place, (at, _, said) in enumerate(ordered)),
            callers=np.array([row for _, row, _ in ordered], np.int64),
            channels=tuple(said.channel for _, _, said in ordered),
        )

    def _for_whom(self, spoken: Sequence[Spoken], kind: Kind) -> int:
        distinct = {Kind.ORDINARY: 1, Kind.FAMILY: 2, Kind.AGENT: self._distinct(len(spoken))}[kind]
        customers = [self._new_customer() for _ in range(distinct)]
        number = self._new_number()
        for place, said in enumerate(spoken):
            said.customer = customers[place % distinct]
            if kind is Kind.AGENT and self._rng.random() >= _SAME_NUMBER:
                number = self._new_number()
            said.number = number
        return min(distinct, len(spoken))

    def _distinct(self, calls: int) -> int:
        least = min(calls, BUCKETS[0][0])
        return max(least, calls - int(self._rng.binomial(calls, _SAME_CUSTOMER_AGAIN)))

    def _let_customers_call(self) -> None:
        """Some whom agents call for also call themselves, under their own name."""
        own: dict[int, list[Spoken]] = defaultdict(list)
        for _, row, said in self._spoken:
            own[row].append(said)
        ordinary = [r for r, one in enumerate(self._identities) if one.kind is Kind.ORDINARY]
        represented = sorted(
            {
                said.customer
                for row, all_said in own.items()
                if self._identities[row].kind is Kind.AGENT
                for said in all_said
                if self._rng.random() < _CUSTOMER_CALLS_TOO
            }
        )
        chosen = self._rng.permutation(len(ordinary))[: len(represented)]
        for customer, place in zip(represented, chosen, strict=False):
            for said in own[ordinary[place]]:
                said.customer = customer

    def _times(self, count: int) -> list[float]:
        lasts_s = LASTS.total_seconds()
        active_s = self._rng.uniform(0.25, 1.0) * lasts_s
        begins_s = self._rng.uniform(0.0, lasts_s - active_s)
        return sorted((begins_s + self._rng.random(count) * active_s).tolist())

    def _call(self, place: int, at: float, said: Spoken) -> ArchivedCall:
        started = BEGINS + timedelta(seconds=at)
        return ArchivedCall(
            call_id=f"{self._name}-{place}",
            started_at=started,
            ended_at=started + timedelta(seconds=2.0 * said.net_speech_s),
            line="complaints",
            customer=said.customer,
            number=said.number,
            model_id=self._model_id,
            voiceprint=said.voiceprint,
            net_speech_s=said.net_speech_s,
            snr_db=said.snr_db,
            codec=said.channel,
        )

    def _new_customer(self) -> str:
        self._customers += 1
        return f"{self._name}-c{self._customers}"

    def _new_number(self) -> str:
        return f"{self._name}-n{self._rng.integers(10**12)}"
