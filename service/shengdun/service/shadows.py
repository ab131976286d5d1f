"""Voice models and calibration profiles that are tried out beside those in use, on live calls.

What runs in shadow hears the same windows and searches the same watchlists, and its outcome stands beside the decision;
it has no part in it. It runs after the decision of its window, on one thread of low priority, so it
lags by a window, and where there is no time for it a window is dropped and counted. What fails in shadow is
logged once and never hurts a call.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Self

import numpy as np
import structlog
from numpy.typing import NDArray

from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.samples import Samples
from shengdun.index.priority import step_back
from shengdun.index.scoring import Scorer
from shengdun.index.snapshot import Snapshot
from shengdun.service.decision import CandidateOutcome, Level, Risk, ShadowOutcome
from shengdun.service.evidence import HeardSpeech, search_lists
from shengdun.service.lines import Line
from shengdun.service.risk import assess

WAITING_AT_MOST: Final = 16
"""Windows of all calls that may wait for the shadows; about two seconds of work for a model four times the default."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowCounts:
    """What the shadows of a server have done since it started.

    Attributes:
        heard: windows that they heard.
        dropped: windows that there was no time for.
        failed: windows or profiles that failed.
        agreements: calls that ended with a level, by profile in shadow, level in use and level in shadow.
    """

    heard: int
    dropped: int
    failed: int
    agreements: Mapping[tuple[str, Level, Level], int]


class Shadows:
    """Runs what is in shadow, for all calls of a server, on one thread.

    Args:
        model_id: the voice model in use; profiles of it that are in shadow need no further voiceprints.
        models: further voice models, each with one thread; those without a profile in shadow do nothing.
        snapshot: gives the current snapshot.
        waiting_at_most: windows that may wait.
    """

    def __init__(
        self,
        *,
        model_id: str,
        models: Sequence[VoiceModel],
        snapshot: Callable[[], Snapshot],
        waiting_at_most: int = WAITING_AT_MOST,
    ) -> None:
        self.model_id = model_id
        self.models = {model.model_id: model for model in models}
        self.snapshot = snapshot
        self._waiting_at_most = waiting_at_most
        self._lock = threading.Lock()
        self._waiting = 0
        self._counts: Counter[str] = Counter()
        self._agreements: Counter[tuple[str, Level, Level]] = Counter()
        self._told: set[str] = set()
        self._thread = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="shadows", initializer=step_back
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)
        counts = self.statistics()
        if counts.heard or counts.dropped or counts.failed:
            _log.info(
                "shadows",
                heard=counts.heard,
                dropped=counts.dropped,
                failed=counts.failed,
                agreements=[
                    {"profile": profile_id, "active": active, "shadow": shadow, "calls": calls}
                    for (profile_id, active, shadow), calls in sorted(
                        counts.agreements.items(), key=str
                    )
                ],
            )

    def statistics(self) -> ShadowCounts:
        """What was done so far."""
        with self._lock:
            return ShadowCounts(
                heard=self._counts["heard"],
                dropped=self._counts["dropped"],
                failed=self._counts["failed"],
                agreements=dict(self._agreements),
            )

    def of_call(
        self, *, call_id: str, watchlist_ids: Sequence[str], line: Line, runs: bool = True
    ) -> "CallShadows":
        """What is in shadow, for one call; without ``runs`` nothing is, so that live calls alone are compared."""
        return CallShadows(self, call_id=call_id, watchlist_ids=watchlist_ids, line=line, runs=runs)

    def offer(self, work: Callable[[], None]) -> bool:
        """Do some work when there is time, in the order that it was offered; gives whether it was taken."""
        with self._lock:
            if self._waiting >= self._waiting_at_most:
                self._counts["dropped"] += 1
                return False
            self._waiting += 1
        return self._submit(work, waits=True)

    def close(self, work: Callable[[], None]) -> None:
        """Do the last work of a call after all that was offered; it costs little, so it isn't dropped."""
        self._submit(work, waits=False)

    def count(self, what: str) -> None:
        """Count a window that was heard, or something that failed."""
        with self._lock:
            self._counts[what] += 1

    def agree(self, profile_id: str, active: Level, shadow: Level) -> None:
        """Count a call that ended with these levels."""
        with self._lock:
            self._agreements[profile_id, active, shadow] += 1

    def failed(self, what: str, error: Exception) -> None:
        """Count a failure, and log the first one of its kind."""
        self.count("failed")
        if what not in self._told:
            self._told.add(what)
            _log.warning(
                "shadow failed; the next failures are only counted", shadow=what, exc_info=error
            )

    def _submit(self, work: Callable[[], None], *, waits: bool) -> bool:
        def run() -> None:
            if waits:
                with self._lock:
                    self._waiting -= 1
            try:
                work()
            except Exception as error:  # noqa: BLE001 - a shadow never hurts a call
                self.failed("call", error)

        try:
            self._thread.submit(run)
        except RuntimeError:
            # The server is stopping; what is decided is decided.
            return False
        return True


class CallShadows:
    """What is in shadow for one call. Takes windows from any one thread at a time; gives outcomes to any.

    Args:
        shadows: runs it.
        call_id: of the call.
        watchlist_ids: the watchlists to search; none means every one there is.
        line: the line of the call.
        runs: whether anything is in shadow for it.
    """

    def __init__(
        self,
        shadows: Shadows,
        *,
        call_id: str,
        watchlist_ids: Sequence[str],
        line: Line,
        runs: bool = True,
    ) -> None:
        self._shadows = shadows
        self._call_id = call_id
        self._watchlist_ids = tuple(watchlist_ids)
        self._line = line
        self._rows: dict[str, dict[int, NDArray[np.float32]]] = {}
        self._dropped = 0
        self._runs = runs
        self._concluded = not runs
        self._outcomes: tuple[ShadowOutcome, ...] = ()

    @property
    def outcomes(self) -> tuple[ShadowOutcome, ...]:
        """What each said of the window that it heard last.

        Left out is what rests on an actor or a voiceprint that was erased since: it must not stand in any decision.
        """
        snapshot = self._shadows.snapshot()
        return tuple(each for each in self._outcomes if _is_there(each.best, snapshot))

    def hear(self, samples: Samples, heard: HeardSpeech) -> None:
        """Have the shadows hear a window, when there is time.

        Args:
            samples: of the window that was heard last.
            heard: what the model in use made of the call so far.
        """
        wanted = self._runs and self._shadows.snapshot().scorers.shadow
        if wanted and not self._shadows.offer(lambda: self._hear(samples, heard)):
            self._dropped += 1

    def conclude(self, risk: Risk) -> None:
        """Compare with what was decided, once everything was heard; later calls do nothing."""
        if self._concluded:
            return
        self._concluded = True
        if risk.level is not None and self._shadows.snapshot().scorers.shadow:
            self._shadows.close(lambda: self._compare(risk))

    def _hear(self, samples: Samples, heard: HeardSpeech) -> None:
        snapshot = self._shadows.snapshot()
        scorers = snapshot.scorers.shadow
        for model_id in {scorer.model_id for scorer in scorers} & self._shadows.models.keys():
            try:
                row = self._shadows.models[model_id].embed([samples])[0]
            except Exception as error:  # noqa: BLE001 - a shadow never hurts a call
                self._shadows.failed(model_id, error)
                continue
            # Windows may have been dropped, so each is known by its place among all.
            self._rows.setdefault(model_id, {})[len(heard.net_speech_s) - 1] = row
        found = [self._outcome(snapshot, scorer, heard) for scorer in scorers]
        self._outcomes = tuple(outcome for outcome in found if outcome is not None)
        self._shadows.count("heard")

    def _outcome(
        self, snapshot: Snapshot, scorer: Scorer, heard: HeardSpeech
    ) -> ShadowOutcome | None:
        if scorer.model_id != self._shadows.model_id:
            if scorer.model_id not in self._rows:
                return None
            heard = _as_heard(self._rows[scorer.model_id], heard)
        try:
            results = search_lists(
                snapshot,
                self._watchlist_ids,
                heard,
                profile_id=scorer.profile_id,
                at=datetime.now(UTC),
            )
            risk = assess(results, self._line)
        except Exception as error:  # noqa: BLE001 - as above
            self._shadows.failed(scorer.profile_id, error)
            return None
        assert risk.level is not None
        assert risk.probability is not None
        return ShadowOutcome(
            model_id=scorer.model_id,
            profile_id=scorer.profile_id,
            level=risk.level,
            probability=risk.probability,
            best=best_of(risk),
            actors_without_voiceprint=sum(each.actors_without_voiceprint for each in results),
        )

    def _compare(self, risk: Risk) -> None:
        active = best_of(risk)
        assert risk.level is not None
        for outcome in self.outcomes:
            self._shadows.agree(outcome.profile_id, risk.level, outcome.level)
            _log.info(
                "call in shadow",
                call_id=self._call_id,
                line=self._line.name,
                active_level=risk.level,
                active_probability=risk.probability,
                active_actor_id=active and active.actor_id,
                shadow_model=outcome.model_id,
                shadow_profile=outcome.profile_id,
                shadow_level=outcome.level,
                shadow_probability=outcome.probability,
                shadow_actor_id=outcome.best and outcome.best.actor_id,
                windows_dropped=self._dropped,
            )


def _is_there(candidate: CandidateOutcome | None, snapshot: Snapshot) -> bool:
    if candidate is None:
        return True
    there = candidate.actor_id in snapshot
    return there and snapshot.template(candidate.actor_id, candidate.voiceprint_id) is not None


def best_of(risk: Risk) -> CandidateOutcome | None:
    """The likeliest actor over all watchlists, by LLR."""
    found = [outcome.best for outcome in risk.watchlists if outcome.best is not None]
    return max(found, key=lambda candidate: candidate.llr, default=None)


def _as_heard(rows: Mapping[int, NDArray[np.float32]], heard: HeardSpeech) -> HeardSpeech:
    """What another model has heard, given its voiceprints (d,) by the place of their windows in ``heard``."""
    return replace(heard.only(np.array(list(rows))), voiceprints=np.stack(list(rows.values())))
