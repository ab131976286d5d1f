"""Scoring archived calls again, so that it can be shown how a decision came about, and what another profile would say.

The archive has what the voice was decided by: the voiceprint, how much speech it rests on, and how noisy it was; the
library keeps every calibration profile that has decided. Watchlists are those of now.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import numpy as np

from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.profile_library import ProfileLibrary
from shengdun.index.registry import Registry
from shengdun.index.scorers import Scorers
from shengdun.index.scoring import Scorer
from shengdun.index.snapshot import Snapshot
from shengdun.service.archiving import KNOWN_VOICE
from shengdun.service.contract.archive import ScoreDifference
from shengdun.service.decision import Risk
from shengdun.service.errors import NothingToScore
from shengdun.service.evidence import HeardSpeech, search_lists
from shengdun.service.lines import Lines
from shengdun.service.risk import assess
from shengdun.service.texts import Run

_LLR_ROUNDING: Final = 0.002
_PROBABILITY_ROUNDING: Final = 0.0005
"""Ten times what was seen in 51 calls of the demonstration's recordings."""
_LIST: Final = "watchlist/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredCall:
    """A call, and what its voice scores now.

    Attributes:
        call: as it was decided.
        profile_id: the calibration profile that it was scored with now.
        risk: what the voice amounts to.
        differences: why it may be otherwise than it was.
    """

    call: ArchivedCall
    profile_id: str
    risk: Risk
    differences: frozenset[ScoreDifference]

    @property
    def agrees(self) -> bool:
        """Whether the numbers are those of then, but for the rounding of archived voiceprints."""
        decision = self.call.decision
        then = {flag.subject: flag.llr for flag in decision.flags if flag.kind == KNOWN_VOICE}
        now = {flag.candidate.actor_id: flag.candidate.llr for flag in self.risk.flags}
        rests_on_more = ScoreDifference.OTHER_EVIDENCE in self.differences
        level = "" if self.risk.level is None else self.risk.level.value
        return (
            (rests_on_more or level == decision.level)
            and math.isclose(
                self.risk.probability or 0.0,
                decision.probability,
                rel_tol=0.0,
                abs_tol=_PROBABILITY_ROUNDING,
            )
            and then.keys() == now.keys()
            and all(abs(now[actor] - llr) <= _LLR_ROUNDING for actor, llr in then.items())
        )


class Rescoring:
    """Scores archived calls.

    Args:
        registry: has the watchlists.
        lines: the lines of business.
        library: has the profiles that aren't in use.
        run: where it is done.
    """

    def __init__(self, registry: Registry, lines: Lines, library: ProfileLibrary, run: Run) -> None:
        self._registry = registry
        self._lines = lines
        self._library = library
        self._run = run

    async def score(self, call: ArchivedCall, profile_id: str = "") -> ScoredCall:
        """Score the voice of a call; takes seconds for long lists and a profile that isn't in use.

        Args:
            call: the call.
            profile_id: of the calibration profile; empty for the one that decided the call.

        Raises:
            NothingToScore: the call has no voiceprint.
            LineUnknown: its line isn't there any more.
            ProfileNotFound: the profile isn't in the library.
            ProfileDamaged: it was altered.
            ProfileMismatch: it is of another voice model than the call's voiceprint.
        """
        if call.voiceprint is None:
            raise NothingToScore(call.call_id)
        return await self._run(partial(self._score, call, profile_id))

    def _score(self, call: ArchivedCall, profile_id: str) -> ScoredCall:
        versions = call.decision.versions
        decided_by = versions.get("calibration_profile", "")
        snapshot = self._snapshot(profile_id or decided_by, call.model_id)
        line = self._lines.get(call.line)
        then = {
            name.removeprefix(_LIST): version
            for name, version in versions.items()
            if name.startswith(_LIST)
        }
        assert call.voiceprint is not None
        results = (
            search_lists(
                snapshot,
                tuple(then),
                HeardSpeech(
                    voiceprints=call.voiceprint[None],
                    net_speech_s=np.array([call.net_speech_s]),
                    snr_db=call.snr_db,
                ),
                profile_id=profile_id or decided_by,
                at=_decided_at(call),
            )
            if then
            else []
        )
        now = {result.watchlist_id: result.version for result in results}
        rests_on_more = call.characters or any(
            flag.kind != KNOWN_VOICE for flag in call.decision.flags
        )
        found = {
            ScoreDifference.PROFILE: profile_id not in ("", decided_by),
            ScoreDifference.WATCHLIST_CHANGED: _differs(then, now),
            ScoreDifference.WATCHLIST_DELETED: bool(then.keys() - now.keys()),
            ScoreDifference.POLICY_CHANGED: versions.get("policy") != line.policy_id,
            ScoreDifference.OTHER_EVIDENCE: bool(rests_on_more),
        }
        return ScoredCall(
            call=call,
            profile_id=profile_id or decided_by,
            risk=assess(results, line),
            differences=frozenset(difference for difference, is_so in found.items() if is_so),
        )

    def _snapshot(self, profile_id: str, model_id: str) -> Snapshot:
        """The watchlists of now, to be searched with a profile whether it is in use or not."""
        snapshot = self._registry.snapshot
        if profile_id not in {scorer.profile_id for scorer in snapshot.scorers}:
            scorer = Scorer(self._library.get(profile_id))
            snapshot = snapshot.with_scorers(Scorers(active=(scorer,)))
        snapshot.scorer(profile_id, model_id)  # raises if it is another model's
        return snapshot


def _differs(then: Mapping[str, str], now: Mapping[str, str]) -> bool:
    return any(now[one] != version for one, version in then.items() if one in now)


def _decided_at(call: ArchivedCall) -> datetime:
    """As of when actors had expired: calls of the past were decided when they were sent."""
    screened_at = call.decision.versions.get("screened_at")
    return call.ended_at if screened_at is None else datetime.fromisoformat(screened_at)
