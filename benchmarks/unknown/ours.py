"""The product's own: ``VoiceClusters`` and ``RepeatWatch`` of one line, call after call, as the service has them.

What it says of a world is taken down once, with the probabilities; from which of them it is told, and a call named, are
then applied, so every level is judged on the same calls.
"""

import contextlib
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Final

import numpy as np
from benchmarks.unknown.calibrating import Fitted
from benchmarks.unknown.systems import LEAST_CUSTOMERS, Alert, Watched
from numpy.typing import NDArray

from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.scoring import Scorer
from shengdun.index.voices.clusters import VoiceClusters
from shengdun.index.voices.evidence import VoiceEvidence
from shengdun.index.voices.policy import VoicePolicy
from shengdun.index.voices.repeat import RepeatVoice, RepeatWatch
from shengdun.service.line_settings import RepeatVoiceSettings

LEVELS: Final = (0.5, 0.7, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)
"""That are tried beside the one that ships."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How sure the product is asked to be.

    Attributes:
        told: probability from which a voice is told.
        sure: probability from which a call is named as the voice's.
    """

    told: float
    sure: float

    def __post_init__(self) -> None:
        if not (LEVELS[0] <= self.told < 1.0 and LEVELS[0] <= self.sure < 1.0):
            raise ValueError(f"a level must be at least {LEVELS[0]} and below 1")

    @classmethod
    def shipped(cls) -> "Level":
        """What a line has that says nothing of it."""
        return cls(told=RepeatVoiceSettings().flag_at, sure=VoicePolicy().sure)

    @classmethod
    def both(cls, probability: float) -> "Level":
        """One probability for either."""
        return cls(told=probability, sure=probability)

    def __str__(self) -> str:
        return f"told from probability {self.told:g}, calls named from {self.sure:g}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Said:
    """What the product said once: a voice, and the calls that it took for its own.

    Attributes:
        step: the call that had come last.
        probability: that the voice has called for enough customers.
        calls: (m,) rows of its calls.
        probabilities: (m,) that each is the voice's.
    """

    step: int
    probability: float
    calls: NDArray[np.int64]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TakenDown:
    """All that the product said of the calls of a world, from the lowest of ``LEVELS`` on; as ``Watched`` otherwise."""

    said: tuple[Said, ...] = field(repr=False)
    groups: NDArray[np.int64] = field(repr=False)
    seconds: float


Asked = tuple[Fitted, Sequence[ArchivedCall]]
"""The calls of a world, and what was fitted for it."""


class Product:
    """The product under a policy, with what it said of every world so far.

    Args:
        policy: of the line.
    """

    def __init__(self, policy: VoicePolicy | None = None) -> None:
        self.policy: Final = policy or VoicePolicy()
        self._known: dict[tuple[int, int], tuple[Asked, Future[TakenDown]]] = {}

    @contextlib.contextmanager
    def ahead(self, asked: Sequence[Asked], *, jobs: int) -> Iterator[None]:
        """Take down what it says of all these in the background, in so many processes."""
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(
            jobs, mp_context=context, initializer=_inherit, initargs=(asked, self.policy)
        ) as processes:
            for place, each in enumerate(asked):
                self._keep(each, processes.submit(_inherited, place))
            yield

    def take_down(self, fitted: Fitted, calls: Sequence[ArchivedCall]) -> TakenDown:
        """What it says of calls in order of time; the second time from memory."""
        known = self._known.get((id(fitted), id(calls)))
        if known is None:
            done: Future[TakenDown] = Future()
            done.set_result(_taken_down(self.policy, fitted, calls))
            known = self._keep((fitted, calls), done)
        return known[1].result()

    def _keep(self, asked: Asked, said: Future[TakenDown]) -> tuple[Asked, Future[TakenDown]]:
        # What was asked is kept as well, or its ids might come to stand for something else.
        fitted, calls = asked
        self._known[id(fitted), id(calls)] = (asked, said)
        return self._known[id(fitted), id(calls)]


_INHERITED: list[tuple[Sequence[Asked], VoicePolicy]] = []
"""What a process was begun with; calls can't be sent to it."""


def _inherit(asked: Sequence[Asked], policy: VoicePolicy) -> None:
    _INHERITED.append((asked, policy))


def _inherited(place: int) -> TakenDown:
    [(asked, policy)] = _INHERITED
    return _taken_down(policy, *asked[place])


def _taken_down(policy: VoicePolicy, fitted: Fitted, calls: Sequence[ArchivedCall]) -> TakenDown:
    begun_s = time.process_time()
    evidence = VoiceEvidence(Scorer(fitted.profile), fitted.spread)
    clusters = VoiceClusters(evidence, replace(policy, sure=LEVELS[0]))
    rows = {call.call_id: row for row, call in enumerate(calls)}
    said = tuple(_all_said(calls, clusters, rows))
    taken_s = time.process_time() - begun_s
    return TakenDown(said=said, groups=_groups(clusters, rows), seconds=taken_s)


class Ours:
    """The product at a level; ``System`` says what its members mean.

    A caller is accused when ``RepeatWatch`` says at the call's end that the voice has called for enough others, with
    the probability from which it is told or more; so are the calls that it names. Likewise the sure calls of a cluster
    that it is in.

    Args:
        product: that is asked.
        fitted: on other speakers.
        level: how sure it must be.
    """

    def __init__(self, product: Product, fitted: Fitted, level: Level) -> None:
        self._product = product
        self._fitted = fitted
        self._level = level

    @property
    def name(self) -> str:
        """What the report calls it."""
        return "ours"

    @property
    def version(self) -> str:
        """The package's."""
        return f"shengdun {metadata.version('shengdun')}"

    @property
    def settings(self) -> str:
        """How it is set."""
        return f"{self._level}; {replace(self._product.policy, sure=self._level.sure)}"

    def watch(self, calls: Sequence[ArchivedCall]) -> Watched:
        """As ``System.watch`` says."""
        taken = self._product.take_down(self._fitted, calls)
        alerts = [alert for each in taken.said for alert in _alert(each, self._level, calls)]
        return Watched(alerts=alerts, groups=taken.groups, seconds=taken.seconds)


def _all_said(
    calls: Sequence[ArchivedCall], clusters: VoiceClusters, rows: dict[str, int]
) -> Iterator[Said]:
    watch = RepeatWatch(clusters)
    for step, call in enumerate(calls):
        heard = _look(watch, call)
        if heard is not None and heard.probability >= LEVELS[0]:
            named = [(rows[each.call_id], each.probability) for each in heard.calls]
            yield _said(step, heard.probability, [(step, 1.0), *named])
        cluster_id = clusters.take(call)
        if cluster_id is None:
            continue
        cluster = clusters.cluster(cluster_id)
        if cluster.probability >= LEVELS[0]:
            members = [(rows[each.call_id], each.probability) for each in cluster.members]
            yield _said(step, cluster.probability, members)


def _said(step: int, probability: float, named: Sequence[tuple[int, float]]) -> Said:
    calls, probabilities = zip(*named, strict=True)
    return Said(
        step=step,
        probability=probability,
        calls=np.array(calls, np.int64),
        probabilities=np.array(probabilities),
    )


def _look(watch: RepeatWatch, call: ArchivedCall) -> RepeatVoice | None:
    assert call.voiceprint is not None
    return watch.look(
        call.voiceprint,
        net_speech_s=call.net_speech_s,
        snr_db=call.snr_db,
        customer=call.customer,
        number=call.number,
        at=call.ended_at,
        exclude_call_id=call.call_id,
    )


def _alert(said: Said, level: Level, calls: Sequence[ArchivedCall]) -> Iterator[Alert]:
    if said.probability < level.told:
        return
    named = np.sort(said.calls[said.probabilities >= level.sure])
    if len({calls[row].customer for row in named.tolist()}) >= LEAST_CUSTOMERS:
        yield Alert(step=said.step, calls=named)


def _groups(clusters: VoiceClusters, rows: dict[str, int]) -> NDArray[np.int64]:
    groups = -1 - np.arange(len(rows))
    for number, call_ids in enumerate(clusters.state().values()):
        groups[[rows[call_id] for call_id in call_ids]] = number
    return groups
