"""The evidence of one call: its windows' voiceprints, and what the watchlists say about them together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.enrollment.agreement import part_windows
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.windows import Window
from shengdun.index.errors import WatchlistNotFound
from shengdun.index.handover import Handover, find_handover
from shengdun.index.overlap import CallOverlap, OverlapShare
from shengdun.index.prompts import CallPrompts, HousePrompts
from shengdun.index.scoring import Scorer, aggregate
from shengdun.index.snapshot import Snapshot, WatchlistResult
from shengdun.service.costs import Effort, Stopwatch
from shengdun.service.decision import Risk
from shengdun.service.handovers import Screened, is_flagged, with_handover
from shengdun.service.lines import Line
from shengdun.service.promises import CallWatch
from shengdun.service.risk import assess
from shengdun.service.standing import Standing

_CALLERS_RANGE_DB: Final = 10.0
_CALM_LLR: Final = 5.0
"""A window that is this much like the call's others is no reason to look closer (as in decision note 0026)."""
_SHARED_LEAST: Final = 0.25
"""Less of another voice in a window may as well be chance."""
_OTHER_VOICE_LLR: Final = 2.0
"""On the demo recordings no call of one voice with four windows or more fell below 3.5, and of calls in which two took
turns nine in ten fell below -2."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeardSpeech:
    """The windows of a call so far, by one voice model.

    Attributes:
        voiceprints: (n, d) float32 unit rows, one for each window.
        net_speech_s: (n,) net speech in each.
        snr_db: speech over noise of the call, band by band; None where it isn't known.
        level_dbfs: (n,) mean level of each; None where it isn't known.
        overlapped: (n,) whether each is left out because two people talk at once in it; None where it isn't known.
    """

    voiceprints: NDArray[np.float32]
    net_speech_s: NDArray[np.float64]
    snr_db: float | None
    level_dbfs: NDArray[np.float64] | None = None
    overlapped: NDArray[np.bool_] | None = None

    @property
    def near(self) -> NDArray[np.bool_]:
        """(n,) whether each isn't far fainter than the loudest.

        Within a window the front end leaves faint voices out, but an agent who speaks first fills whole windows before
        anybody knows how loud the caller is (decision note 0006).
        """
        if self.level_dbfs is None:
            return np.ones(len(self.net_speech_s), np.bool_)
        near: NDArray[np.bool_] = self.level_dbfs > self.level_dbfs.max() - _CALLERS_RANGE_DB
        return near

    @property
    def callers(self) -> "HeardSpeech":
        """The windows that are the caller's: those that are near, and hold one voice if any of them does."""
        near = self.near
        alone = near if self.overlapped is None else near & ~self.overlapped
        return self.only(alone if alone.any() else near)

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "HeardSpeech":
        """Some of the windows: (n,) whether each, or the index of each."""
        return HeardSpeech(
            voiceprints=self.voiceprints[chosen],
            net_speech_s=self.net_speech_s[chosen],
            snr_db=self.snr_db,
            level_dbfs=None if self.level_dbfs is None else self.level_dbfs[chosen],
            overlapped=None if self.overlapped is None else self.overlapped[chosen],
        )

    @property
    def voiceprint(self) -> NDArray[np.float32]:
        """(d,) of all of the windows."""
        return aggregate(self.voiceprints, self.net_speech_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Weighed:
    """What all windows so far amount to, and what it depends on beside them."""

    risk: Risk
    snapshot: Snapshot
    standing: Standing
    at: datetime


class VoiceEvidence:
    """Accumulates the voice evidence of one call; used by one thread at a time, in the order of the windows.

    Args:
        model: embeds the windows.
        snapshot: gives the current snapshot; asked anew for every window, so that an enrolment, an erasure or another
            calibration profile counts from the next window on.
        watchlist_ids: the watchlists to search; none means every watchlist there is.
        line: the line whose policy weighs the evidence.
        watch: follows the call for the promise of its line.
        prompts: what the house plays itself; windows of it are left out.
        overlap_share: tells how much two people talk at once; windows in which they do are left out. Without it
            none is.
    """

    def __init__(
        self,
        *,
        model: VoiceModel,
        snapshot: Callable[[], Snapshot],
        watchlist_ids: Sequence[str],
        line: Line,
        watch: CallWatch | None = None,
        prompts: HousePrompts | None = None,
        overlap_share: OverlapShare | None = None,
    ) -> None:
        self._overlap = CallOverlap(overlap_share)
        self._overlapped = np.zeros(0, np.bool_)
        self._prompts = CallPrompts(prompts)
        self._prompts_s = 0.0
        self._watch = watch
        self._model = model
        self._snapshot = snapshot
        self._watchlist_ids = tuple(watchlist_ids)
        self._line = line
        self._voiceprints: list[NDArray[np.float32]] = []
        self._net_speech_s: list[float] = []
        self._level_dbfs: list[float] = []
        self._heard: HeardSpeech | None = None
        self._callers: HeardSpeech | None = None
        self._weighed: _Weighed | None = None
        self._several_voices = False
        self._snr_db: float | None = None
        self._policy = line.policy.handover
        self._spans_s: list[tuple[float, float]] = []
        self._handover: Handover | None = None
        self._compared = np.zeros(0, np.int64)
        self._settled: HeardSpeech | None = None
        self._is_calm = False
        self._skipped = 0
        self._effort = Effort()
        self._profile_id = snapshot().scorer(None, model.model_id).profile_id

    @property
    def profile_id(self) -> str:
        """The calibration profile that the last search was made with."""
        return self._profile_id

    @property
    def heard(self) -> HeardSpeech:
        """What was heard so far; at least one window."""
        if self._heard is None:
            self._heard = HeardSpeech(
                voiceprints=np.stack(self._voiceprints),
                net_speech_s=np.array(self._net_speech_s),
                snr_db=self._snr_db,
                level_dbfs=np.array(self._level_dbfs),
                overlapped=self._overlapped,
            )
        return self._heard

    @property
    def callers(self) -> HeardSpeech:
        """What of it is the caller's, and decides."""
        if self._callers is None:
            self._callers = self._deciding.callers
        return self._callers

    @property
    def _deciding(self) -> HeardSpeech:
        return self.heard if self._settled is None else self._settled

    @property
    def _is_handed_over(self) -> bool:
        return is_flagged(self._handover, self._policy)

    @property
    def is_settled(self) -> bool:
        """Whether what is heard from now on is looked at for a handover alone."""
        return self._settled is not None

    @property
    def has_skipped(self) -> bool:
        """Whether the last window wasn't looked at: the call is settled, and the one before was its voice."""
        return self._skipped > 0

    @property
    def pace(self) -> int:
        """How many windows come to one that is looked at."""
        return self._policy.look_at_every if self.is_settled and self._is_calm else 1

    @property
    def voice(self) -> HeardSpeech:
        """The voice to know the call by: the one that took over, where one is flagged, or else the caller's."""
        return self.callers if (second := self._second_voice()) is None else second

    @property
    def second_voice_s(self) -> float:
        """Net speech of the voice that took over, in seconds; 0 where none is flagged."""
        second = self._second_voice()
        return 0.0 if second is None else float(second.net_speech_s.sum())

    @property
    def windows(self) -> int:
        """Windows taken in so far, prompts not among them."""
        return len(self._voiceprints)

    @property
    def windows_left_out(self) -> int:
        """How many of them are no evidence, because two people talk at once."""
        return int(self._overlapped.sum())

    @property
    def net_speech_s(self) -> float:
        """Net speech that the evidence rests on, in seconds."""
        return float(self.callers.net_speech_s.sum()) if self._voiceprints else 0.0

    @property
    def prompts_s(self) -> float:
        """Speech that was left out because it is a prompt of the house, in seconds."""
        return self._prompts_s

    @property
    def has_several_voices(self) -> bool:
        """Whether the windows fall into two groups that are hardly one person's."""
        return self._several_voices or self._is_handed_over

    @property
    def has_overlap(self) -> bool:
        """Whether two people talk at once in any window, also if it had to be kept as evidence."""
        return self._overlap.is_heard

    @property
    def effort(self) -> Effort:
        """What taking in the last window took, or the last search alone."""
        return self._effort

    def add(self, window: Window, *, at: datetime, snr_db: float | None = None) -> Risk | None:
        """Embed a window, search the watchlists with all windows so far, and weigh what they say.

        Args:
            window: the next window of the call.
            at: the instant at which actors must not have expired.
            snr_db: speech over noise of the call so far; None where it isn't known.

        Returns:
            What all windows amount to; None when nothing but prompts of the house was heard so far, or the window
            was skipped (``has_skipped``).
        """
        self._skipped = (self._skipped + 1) % self.pace
        if self._skipped:
            self._effort = Effort()
            return None
        watch = Stopwatch()
        [voiceprint] = self._model.embed([window.samples])
        embedding_s = watch.lap()
        risk = self._take(window, voiceprint, at=at, snr_db=snr_db, watch=watch)
        self._effort = replace(self._effort, voiceprint_s=embedding_s + self._effort.voiceprint_s)
        return risk

    def settle(self) -> None:
        """Let what was heard so far decide; what follows is looked at for a handover alone, at the line's pace.

        As long as none is flagged, the decision is then what it would be without watching.
        """
        if self._settled is None:
            self._settled = self.heard

    def weigh(self, *, at: datetime) -> Risk:
        """Search the watchlists, as they are now, with all windows so far, at least one, and weigh what they say."""
        return self._weigh(at=at, watch=Stopwatch())

    def still_stands(self, *, at: datetime) -> Risk | None:
        """What all windows so far amount to, if to ``weigh`` them again would say the same; None if it may not.

        Watchlists and profiles are immutable snapshots, so that nothing has changed is known without a search.
        """
        weighed = self._weighed
        if (
            weighed is None
            or weighed.snapshot is not self._snapshot()
            or weighed.standing != self._line.standing
            or not weighed.snapshot.finds_the_same(at=at, as_at=weighed.at)
        ):
            return None
        return weighed.risk

    def _take(
        self,
        window: Window,
        voiceprint: NDArray[np.float32],
        *,
        at: datetime,
        snr_db: float | None,
        watch: Stopwatch,
    ) -> Risk | None:
        scorer = self._snapshot().scorer(None, self._model.model_id)
        if self._prompts.include(scorer, voiceprint, window.net_speech_s):
            self._prompts_s += window.net_speech_s
            if not self._voiceprints:
                self._effort = Effort(search_s=watch.lap())
                return None
            return self._weigh(at=at, watch=watch)
        self._spans_s.append((window.start_s, window.end_s))
        self._voiceprints.append(voiceprint)
        self._net_speech_s.append(window.net_speech_s)
        self._level_dbfs.append(10.0 * float(np.log10(np.mean(window.samples**2) + 1e-12)))
        self._snr_db = snr_db
        near = self._leave_out_overlap(scorer, window)
        asking_s = watch.lap()
        if self._policy.is_on:
            self._look_for_handover(scorer)
        if self.is_settled:
            return self._weigh_if_changed(at=at, watch=watch, asking_s=asking_s)
        # What is left out for its overlap has been heard all the same, and so has a say in this.
        heard = self.heard.only(near)
        parting = part_windows(scorer, heard.voiceprints, heard.net_speech_s)
        self._several_voices = parting.llr is not None and parting.llr < _OTHER_VOICE_LLR
        risk = self._weigh(at=at, watch=watch)
        self._effort = replace(self._effort, voiceprint_s=asking_s)
        return risk

    def _weigh_if_changed(self, *, at: datetime, watch: Stopwatch, asking_s: float) -> Risk:
        risk = self.still_stands(at=at)
        if risk is not None and risk.handover is None and not self._is_handed_over:
            self._effort = Effort(voiceprint_s=asking_s, search_s=watch.lap())
            return risk
        risk = self._weigh(at=at, watch=watch)
        self._effort = replace(self._effort, voiceprint_s=asking_s)
        return risk

    def _second_voice(self) -> HeardSpeech | None:
        if self._handover is None or not self._is_handed_over:
            return None
        return self.heard.only(self._compared[self._handover.division.second])

    def _look_for_handover(self, scorer: Scorer) -> None:
        heard = self.heard
        near = heard.near & ~self._overlapped
        self._compared = np.flatnonzero(near)
        voices = heard.only(near)
        self._handover = find_handover(scorer, voices.voiceprints, voices.net_speech_s)
        self._is_calm = (
            not self._is_handed_over and bool(near[-1]) and _last_is_like_others(scorer, voices)
        )

    def _leave_out_overlap(self, scorer: Scorer, window: Window) -> NDArray[np.bool_]:
        """Judge the windows anew now that there is another; gives which are near."""
        self._overlapped = np.append(self._overlapped, np.False_)
        self._heard = None
        heard = self.heard
        self._overlapped = self._overlap.left_out(
            scorer,
            window.samples,
            voiceprints=heard.voiceprints,
            net_speech_s=heard.net_speech_s,
            near=heard.near,
        )
        self._heard = self._callers = None
        return heard.near

    def _weigh(self, *, at: datetime, watch: Stopwatch) -> Risk:
        snapshot, standing = self._snapshot(), self._line.standing
        self._profile_id = snapshot.scorer(None, self._model.model_id).profile_id
        results = search_lists(
            snapshot,
            self._watchlist_ids,
            self._deciding,
            profile_id=self._profile_id,
            at=at,
        )
        alone = assess(results, self._line)
        risk = self._with_handover(alone, results, snapshot, at=at)
        searching_s = watch.lap()
        if self._watch is not None:
            self._watch.look(
                self.callers.voiceprint,
                net_speech_s=self.net_speech_s,
                risk=alone,
            )
        self._weighed = _Weighed(risk=risk, snapshot=snapshot, standing=standing, at=at)
        self._effort = Effort(search_s=searching_s, deciding_s=watch.lap())
        return risk

    def _with_handover(
        self, alone: Risk, every: Sequence[WatchlistResult], snapshot: Snapshot, *, at: datetime
    ) -> Risk:
        if self._handover is None or not self._is_handed_over:
            return alone
        division = self._handover.division
        second = division.second
        around = self._compared[division.first_window - 1 : division.first_window + 1]
        before, behind = (self._spans_s[row] for row in around.tolist())

        def screened(voice: NDArray[np.bool_]) -> Screened:
            heard = self.heard.only(self._compared[voice])
            results = search_lists(
                snapshot, self._watchlist_ids, heard, profile_id=self._profile_id, at=at
            )
            return Screened(results=results, net_speech_s=float(heard.net_speech_s.sum()))

        return with_handover(
            alone,
            self._handover,
            position=timedelta(seconds=_change_s(before, behind, division.shift)),
            every=every,
            first=screened(~second),
            second=screened(second),
            line=self._line,
        )


def _change_s(before: tuple[float, float], behind: tuple[float, float], shift: float) -> float:
    """Where the voice changes, given the spans of the windows around it and ``Division.shift``."""
    if abs(shift) < _SHARED_LEAST:
        return (before[1] + behind[0]) / 2.0
    if shift > 0.0:
        return before[1] - shift * (before[1] - before[0])
    return behind[0] - shift * (behind[1] - behind[0])


def _last_is_like_others(scorer: Scorer, voices: HeardSpeech) -> bool:
    others = np.arange(len(voices.net_speech_s)) < len(voices.net_speech_s) - 1
    if not others.any():
        return False
    rest = voices.only(others)
    llr = scorer.pairwise_llr(
        voices.voiceprints[-1],
        rest.voiceprint,
        net_a_s=float(voices.net_speech_s[-1]),
        net_b_s=float(rest.net_speech_s.sum()),
    )
    return llr >= _CALM_LLR


def search_lists(
    snapshot: Snapshot,
    watchlist_ids: Sequence[str],
    heard: HeardSpeech,
    *,
    profile_id: str,
    at: datetime,
) -> list[WatchlistResult]:
    """What some watchlists say of what was heard, by one calibration profile.

    Args:
        snapshot: where to look.
        watchlist_ids: which lists; none means every one there is. One that was deleted meanwhile is left out.
        heard: by the profile's voice model; what isn't the caller's is left out.
        profile_id: one of the snapshot's, active or in shadow.
        at: actors that have expired by then are not found.
    """
    callers = heard.callers
    voiceprint = callers.voiceprint
    results = []
    for watchlist_id in watchlist_ids or [w.watchlist_id for w in snapshot.watchlists]:
        try:
            result = snapshot.search(
                watchlist_id,
                voiceprint,
                net_speech_s=float(callers.net_speech_s.sum()),
                snr_db=callers.snr_db,
                at=at,
                profile_id=profile_id,
            )
        except WatchlistNotFound:
            continue
        results.append(result)
    return results
