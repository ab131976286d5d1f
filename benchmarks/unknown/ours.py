"""The product's own: calls grouped by the evidence of whole groups, and groups that call for many customers told."""

import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Final

import numpy as np
from benchmarks.unknown.calibrating import Fitted
from benchmarks.unknown.peers import voiceprints_of
from benchmarks.unknown.systems import LEAST_CUSTOMERS, Alert, Watched

from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.scoring import Scorer
from shengdun.index.voices.groups import NOBODY, GroupingPolicy, VoiceGroups
from shengdun.index.voices.spread import Gathered

POLICY: Final = GroupingPolicy(join_llr=1.0, least_s=2.5)


class GroupEvidence:
    """``VoiceGroups`` over a spread; ``System`` says what its members mean.

    Args:
        fitted: on other speakers.
        joint: LLR of "all calls of the group are by one voice" from which it's told.
        named: LLR of a call's belonging to the others from which it's named.
    """

    def __init__(self, fitted: Fitted, *, joint: float, named: float) -> None:
        self._fitted = fitted
        self._joint = joint
        self._named = named

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
        return f"joint LLR {self._joint:g}, named from LLR {self._named:g}"

    def watch(self, calls: Sequence[ArchivedCall]) -> Watched:
        """As ``System.watch`` says."""
        begun_s = time.perf_counter()
        spread = self._fitted.spread
        gathered = spread.gather(
            Scorer(self._fitted.profile).project(voiceprints_of(calls)),
            net_speech_s=np.array([call.net_speech_s for call in calls]),
            snr_db=np.array([np.nan if c.snr_db is None else c.snr_db for c in calls]),
        )
        groups = VoiceGroups(spread, POLICY)
        alerts = list(self._alerts(calls, gathered, groups))
        taken_s = time.perf_counter() - begun_s
        of = [groups.group_of(call) for call in range(len(calls))]
        return Watched(
            alerts=alerts,
            groups=np.array([-1 - call if g == NOBODY else g for call, g in enumerate(of)]),
            seconds=taken_s,
        )

    def _alerts(
        self, calls: Sequence[ArchivedCall], gathered: Gathered, groups: VoiceGroups
    ) -> Iterator[Alert]:
        for step, call in enumerate(calls):
            one = gathered.take(np.array([step]))
            group = groups.take(step, one, net_speech_s=call.net_speech_s).group
            rows = np.array(sorted(groups.members(group)), np.int64)
            if len({calls[row].customer for row in rows}) < LEAST_CUSTOMERS:
                continue
            together = gathered.take(rows)
            if self._fitted.spread.joint_llr(together) < self._joint:
                continue
            named = rows[self._fitted.spread.others_llr(together) >= self._named]
            if len({calls[row].customer for row in named}) >= LEAST_CUSTOMERS:
                yield Alert(step=step, calls=named)


def as_it_comes(fitted: Fitted) -> GroupEvidence:
    """The product as it comes."""
    return GroupEvidence(fitted, joint=15.0, named=6.0)
