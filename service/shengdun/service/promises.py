"""Keeping the promise of each line: its levels follow the watchlists, the profile and how callers score.

Levels are derived on a thread of their own, at a lower priority than live calls, once what they depend on has been
still for a moment. No call waits for that: until it is done, levels that were derived for other lists or another
profile are not applied, and decisions are advisory (see ``Line.standing_for``).
"""

import asyncio
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Self

import numpy as np
import structlog
from numpy.typing import NDArray

from shengdun.index.drift import (
    FEWEST_REFERENCE_CALLS,
    LOOK_S,
    DriftMonitor,
    DriftReference,
    reference_calls,
)
from shengdun.index.errors import WatchlistNotFound
from shengdun.index.promise import LevelDerivation, derive_levels
from shengdun.index.registry import Registry
from shengdun.index.scoring import Scorer
from shengdun.index.segments import microseconds
from shengdun.index.snapshot import ListContent, Snapshot
from shengdun.index.stranger_scores import score_strangers
from shengdun.service.background import BackgroundLane
from shengdun.service.decision import AdvisoryReason, Level, Risk
from shengdun.service.lines import Line, Lines
from shengdun.service.standing import Basis, Standing, fixed_levels

_LOOK_EVERY_S: Final = 1.0
_STILL_FOR_S: Final = 3.0
_WAIT_AT_MOST_S: Final = 60.0
_TRY_AGAIN_AFTER_S: Final = 60.0
_SLACK_S: Final = 0.5
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFigures:
    """What an operator compares with the reviews of flagged calls.

    Attributes:
        calls: calls with enough speech for a decision, since the server started.
        flagged: those that reached MEDIUM or HIGH at any time.
        derivation_s: how long the levels in force took to derive; None when none were.
        drift: how far the last calls are from those of the profile, 1 being the alarm; None without a site profile.
    """

    calls: int
    flagged: int
    derivation_s: float | None
    drift: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What levels depend on."""

    profile_id: str
    lists: tuple[tuple[str, str, int], ...]


@dataclass(slots=True)
class _Progress:
    """How far one line has come."""

    base: Standing
    asked: _Question | None = None
    asked_since_s: float = 0.0
    waiting_since_s: float | None = None
    failed_at_s: float | None = None
    answered: _Question | None = None
    alarmed: bool = False
    derivation_s: float | None = None
    calls: int = 0
    flagged: int = 0


@dataclass(slots=True)
class _Drift:
    """The monitor of the profile in use; None while there is nothing to compare with."""

    profile_id: str = ""
    monitor: DriftMonitor | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class PromiseKeeper:
    """Keeps the standing of all lines up to date.

    Args:
        lines: whose standing is kept.
        registry: the watchlists, with the scorers in use.
        model_id: the voice model that decides.
    """

    def __init__(self, lines: Lines, registry: Registry, model_id: str) -> None:
        self._lines = lines
        self._registry = registry
        self._model_id = model_id
        self._lane = BackgroundLane(workers=1)
        self._progress = {line.name: _Progress(base=line.standing) for line in lines}
        self._drift = _Drift()
        self._refreshing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._lane.__aenter__()
        await self._look(derive=False)
        self._task = asyncio.create_task(self._follow(), name="promises")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._lane.__aexit__()

    async def refresh(self) -> None:
        """Derive at once what is out of date, and wait for it."""
        await self._look(derive=True, patient=False)

    def watch(self, line: Line) -> "CallWatch":
        """Follow one call of a line."""
        return CallWatch(self, line)

    def figures(self, line: Line) -> LineFigures:
        """What there is to be seen of a line."""
        progress, monitor = self._progress[line.name], self._drift.monitor
        return LineFigures(
            calls=progress.calls,
            flagged=progress.flagged,
            derivation_s=progress.derivation_s,
            drift=None if monitor is None else monitor.distance,
        )

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                await self._look(derive=True)
            except Exception:  # noqa: BLE001 - one failure must not end the promise of all lines for good
                _log.exception("levels not derived")

    async def _look(self, *, derive: bool, patient: bool = True) -> None:
        async with self._refreshing:
            snapshot, at = self._registry.snapshot, datetime.now(UTC)
            scorer = snapshot.scorer(None, self._model_id)
            if scorer.profile_id != self._drift.profile_id:
                await self._compare_with(scorer)
            for line in self._lines:
                progress = self._progress[line.name]
                if patient and _has_just_failed(progress):
                    continue
                try:
                    await self._look_at(line, snapshot, scorer, at, derive=derive, patient=patient)
                    progress.failed_at_s = None
                except Exception:  # noqa: BLE001 - the other lines are looked at all the same
                    _log.exception("levels not derived", line=line.name)
                    progress.failed_at_s = time.monotonic()
                    self._stand(line, Standing.awaited(line.policy))

    async def _look_at(
        self,
        line: Line,
        snapshot: Snapshot,
        scorer: Scorer,
        at: datetime,
        *,
        derive: bool,
        patient: bool,
    ) -> None:
        if line.policy.false_flags_per_10000_calls is None or not scorer.profile.is_site:
            if self._is_due(line, _question(scorer, {}), patient=False):
                self._answer(line, scorer)
            return
        lists = _lists(line, snapshot, scorer, at)
        due = self._is_due(line, _question(scorer, lists), patient=patient)
        if due and derive:
            await self._derive(line, scorer, lists, at)
        elif due:
            self._stand(line, Standing.awaited(line.policy))

    def _is_due(self, line: Line, question: _Question, *, patient: bool) -> bool:
        progress, now_s = self._progress[line.name], time.monotonic()
        if question == progress.answered:
            progress.asked, progress.waiting_since_s = question, None
            return False
        if progress.waiting_since_s is None:
            progress.waiting_since_s = now_s
        if question != progress.asked:
            progress.asked, progress.asked_since_s = question, now_s
        still = now_s - progress.asked_since_s >= _STILL_FOR_S
        waited = now_s - progress.waiting_since_s >= _WAIT_AT_MOST_S
        # The first standing is never put off: there is nothing yet that it could be put off for.
        return not patient or still or waited or progress.answered is None

    def _answer(self, line: Line, scorer: Scorer) -> None:
        """The standing of a line that promises nothing, or can't."""
        progress = self._progress[line.name]
        site = scorer.profile.is_site
        progress.answered, progress.derivation_s, progress.alarmed = progress.asked, None, False
        self._stand(
            line,
            Standing(
                levels=fixed_levels(line.policy),
                reasons=() if site else (AdvisoryReason.NO_SITE_PROFILE,),
                # A profile that comes in its place may be a site's, and the other way round.
                basis=Basis(profile_id=scorer.profile_id),
            ),
        )

    async def _derive(
        self, line: Line, scorer: Scorer, lists: dict[str, ListContent], at: datetime
    ) -> None:
        progress = self._progress[line.name]
        question, began_s = progress.asked, time.monotonic()
        derivation = await self._lane.run(lambda: _derivation(line, scorer, lists, at))
        progress.answered, progress.derivation_s = question, time.monotonic() - began_s
        basis = Basis(
            profile_id=scorer.profile_id,
            sizes={name: each.size_actors for name, each in lists.items() if each.size_actors},
        )
        if derivation is None:
            levels = replace(fixed_levels(line.policy), expected=0.0, lower=0.0, upper=0.0)
            standing = Standing(levels=levels, basis=basis)
        else:
            standing = Standing.derived(derivation, basis)
        _log.info(
            "levels derived",
            line=line.name,
            promised=line.policy.false_flags_per_10000_calls,
            medium=standing.levels.medium,
            high=standing.levels.high,
            expected=standing.levels.expected,
            lower=standing.levels.lower,
            upper=standing.levels.upper,
            strangers=0 if derivation is None else derivation.strangers,
            duration_ms=round(progress.derivation_s * 1000),
        )
        self._report(line, standing)
        self._stand(line, standing)

    def _report(self, line: Line, standing: Standing) -> None:
        progress, broken = self._progress[line.name], bool(standing.reasons)
        if broken and not progress.alarmed:
            _log.warning("promise not kept", line=line.name, why=standing.why)
        elif progress.alarmed and not broken:
            _log.info("promise kept again", line=line.name)
        progress.alarmed = broken

    def _stand(self, line: Line, base: Standing) -> None:
        with self._drift.lock:
            self._progress[line.name].base = base
            monitor = self._drift.monitor
            drifted = monitor is not None and monitor.drifted
            line.standing = base.because_of_drift() if drifted else base

    async def _compare_with(self, scorer: Scorer) -> None:
        strangers = scorer.profile.strangers
        reference = None
        if strangers is not None:
            reference = await self._lane.run(lambda: DriftReference.of(scorer, strangers))
            if reference is None:
                _log.warning(
                    "score drift not watched",
                    profile=scorer.profile_id,
                    why=f"{reference_calls(strangers)} calls of the profile have about {LOOK_S:g} s of speech; "
                    f"{FEWEST_REFERENCE_CALLS} are needed: calibrate with more calls",
                )
        with self._drift.lock:
            self._drift.profile_id = scorer.profile_id
            self._drift.monitor = None if reference is None else DriftMonitor(reference)

    def count(self, line: Line, *, call: bool, flagged: bool) -> None:
        """Count a call, or that it was flagged."""
        with self._drift.lock:
            self._progress[line.name].calls += call
            self._progress[line.name].flagged += flagged

    def compare(self, voiceprint: NDArray[np.float32]) -> None:
        """Compare a caller, (d,), with those of the profile; raises or ends the alarm."""
        with self._drift.lock:
            monitor = self._drift.monitor
            if monitor is None or not monitor.add(monitor.reference.score(voiceprint)):
                return
            for line in self._lines:
                base = self._progress[line.name].base
                line.standing = base.because_of_drift() if monitor.drifted else base
        tell = _log.warning if monitor.drifted else _log.info
        tell(
            "score drift" if monitor.drifted else "score drift is over",
            profile=monitor.reference.scorer.profile_id,
            distance=round(monitor.distance, 2),
            calls=monitor.calls,
        )


class CallWatch:
    """Follows one call, in the order of its decisions; made by ``PromiseKeeper.watch``."""

    def __init__(self, keeper: PromiseKeeper, line: Line) -> None:
        self._keeper = keeper
        self._line = line
        self._counted = False
        self._flagged = False
        self._compared = False

    def look(self, voiceprint: NDArray[np.float32], *, net_speech_s: float, risk: Risk) -> None:
        """Take in what a decision rests on.

        Args:
            voiceprint: (d,) float32, of all windows so far.
            net_speech_s: behind it.
            risk: what it amounts to.
        """
        flagged = risk.level in {Level.MEDIUM, Level.HIGH}
        if not self._counted or (flagged and not self._flagged):
            self._keeper.count(
                self._line, call=not self._counted, flagged=flagged and not self._flagged
            )
            self._counted, self._flagged = True, self._flagged or flagged
        if not self._compared and net_speech_s >= LOOK_S - _SLACK_S:
            self._compared = True
            if not self._flagged:
                self._keeper.compare(voiceprint)


def _has_just_failed(progress: _Progress) -> bool:
    failed_at_s = progress.failed_at_s
    return failed_at_s is not None and time.monotonic() - failed_at_s < _TRY_AGAIN_AFTER_S


def _lists(line: Line, snapshot: Snapshot, scorer: Scorer, at: datetime) -> dict[str, ListContent]:
    names = line.policy.watchlists or [each.watchlist_id for each in snapshot.watchlists]
    found: dict[str, ListContent] = {}
    for name in names:
        try:
            found[name] = snapshot.content(name, at=at, profile_id=scorer.profile_id)
        except WatchlistNotFound:
            # Live calls pass it over as well.
            continue
    return found


def _question(scorer: Scorer, lists: dict[str, ListContent]) -> _Question:
    return _Question(
        profile_id=scorer.profile_id,
        lists=tuple((name, each.version, each.size_actors) for name, each in lists.items()),
    )


def _derivation(
    line: Line, scorer: Scorer, lists: dict[str, ListContent], at: datetime
) -> LevelDerivation | None:
    strangers, promise = scorer.profile.strangers, line.policy.false_flags_per_10000_calls
    assert strangers is not None
    assert promise is not None
    scores = score_strangers(
        strangers, list(lists.values()), prior=line.policy.prior, at_us=microseconds(at)
    )
    if scores is None:
        return None
    costs = line.policy.costs
    return derive_levels(
        scores,
        false_flags=promise,
        high_share=line.policy.high_share,
        least_medium=None if costs is None else costs.bayes_level,
    )
