"""The product's own: ``VoiceClusters`` and ``RepeatWatch`` of one line, call after call, as the service has them."""

import time
from collections.abc import Iterator, Sequence
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

TOLD: Final = 0.9
"""As sure as the product's policy is of a call that it names."""


class Ours:
    """The product under a policy; ``System`` says what its members mean.

    A caller is accused when ``RepeatWatch`` says at the call's end that the voice has called for enough others, with a
    probability of ``told`` or more; so are the calls that it names. Likewise the sure calls of a cluster that it is in.

    Args:
        fitted: on other speakers.
        told: probability from which it's an alert.
        policy: of the line.
    """

    def __init__(
        self, fitted: Fitted, *, told: float = TOLD, policy: VoicePolicy | None = None
    ) -> None:
        self._fitted = fitted
        self._told = told
        self._policy = policy or VoicePolicy()

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
        return f"told from probability {self._told:g}; {self._policy}"

    def watch(self, calls: Sequence[ArchivedCall]) -> Watched:
        """As ``System.watch`` says."""
        begun_s = time.perf_counter()
        evidence = VoiceEvidence(Scorer(self._fitted.profile), self._fitted.spread)
        clusters = VoiceClusters(evidence, self._policy)
        rows = {call.call_id: row for row, call in enumerate(calls)}
        alerts = list(self._alerts(calls, clusters, rows))
        taken_s = time.perf_counter() - begun_s
        return Watched(alerts=alerts, groups=_groups(clusters, rows), seconds=taken_s)

    def _alerts(
        self, calls: Sequence[ArchivedCall], clusters: VoiceClusters, rows: dict[str, int]
    ) -> Iterator[Alert]:
        watch = RepeatWatch(clusters)
        for step, call in enumerate(calls):
            heard = _look(watch, call)
            if heard is not None and heard.probability >= self._told:
                named = [step, *(rows[each.call_id] for each in heard.calls)]
                yield from _alert(step, named, calls)
            cluster_id = clusters.take(call)
            if cluster_id is None:
                continue
            cluster = clusters.cluster(cluster_id)
            if cluster.probability >= self._told:
                sure = [m for m in cluster.members if m.probability >= self._policy.sure]
                yield from _alert(step, [rows[each.call_id] for each in sure], calls)


def as_it_comes(fitted: Fitted) -> Ours:
    """The product as it comes."""
    return Ours(fitted)


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


def _alert(step: int, named: Sequence[int], calls: Sequence[ArchivedCall]) -> Iterator[Alert]:
    if len({calls[row].customer for row in named}) >= LEAST_CUSTOMERS:
        yield Alert(step=step, calls=np.array(sorted(named), np.int64))


def _groups(clusters: VoiceClusters, rows: dict[str, int]) -> NDArray[np.int64]:
    groups = -1 - np.arange(len(rows))
    for number, call_ids in enumerate(clusters.state().values()):
        groups[[rows[call_id] for call_id in call_ids]] = number
    return groups
