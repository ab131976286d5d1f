"""Which calls are taken: those whose windows can be answered within their budget beside the calls that are going on.

A call that is taken holds a permit until it ends, and work without a permit can't be submitted to the voiceprint lane.
Two rules refuse a new call, both before any of its audio is read, and neither ever ends one that goes on:

- *Load.* Each call that is not decided yet takes its share of the cores: what listening takes, and a window's cost for
  every window of speech; and each whose words come, until it ends, what hearing words takes. With the new one these
  shares may not exceed the limit, nor those of listening, or of words, that of the one thread that does it. A call
  counts by the time between its windows, so one that is silent, on hold or decided leaves its place to others.
- *Wait.* A window that came now would wait longer than its budget, if what the calls are owed were done first: to be
  listened to, and for a voiceprint. Once that was so, new calls are taken again when the wait is below half of the
  budget, so that calls are not let in and pushed out by turns.

Both are asked anew at every call, of what is held and what waits at that moment: nothing has to time out after a burst.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shengdun.service.costs import Costs
from shengdun.service.errors import Overloaded

_RESUME_AT: Final = 0.5
_SOONEST_S: Final = 0.5
_LATEST_S: Final = 30.0
_FIRST_UNDECIDED_S: Final = 15.0
_WEIGHT: Final = 0.1


class NotAdmitted(RuntimeError):
    """Work was submitted without a permit that is held; a defect of the caller."""


class Permit:
    """The right of one call to have work done; ``Admission.admit`` alone gives one that is held."""

    __slots__ = ("_issuer",)

    def __init__(self, issuer: "Admission") -> None:
        self._issuer = issuer

    @property
    def is_held(self) -> bool:
        """Whether it was given out and the call has not ended."""
        return self._issuer.holds(self)

    def heard(self, *, since_window_s: float, gap_s: float) -> None:
        """State how often the call has windows.

        Args:
            since_window_s: audio since its last window, in seconds.
            gap_s: audio between its last two windows, or before the first one, in seconds.
        """
        self._issuer.pace(self, max(since_window_s, gap_s))

    def has_words(self) -> None:
        """State that words of the call are heard, until it ends."""
        self._issuer.hear_words(self)

    def decided(self) -> None:
        """State that the voice of the call is decided and takes nothing more."""
        self._issuer.settle(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How much is taken at the moment.

    Attributes:
        undecided: calls that are taken and not decided yet.
        with_words: calls that are taken and whose words come.
        words_share: what the words of one call take of a core.
        load: share of the cores that they take, 1 being all of them.
        limit: how much of them may be taken.
        wait_s: what a window that came now with an ordinary budget would wait, in seconds.
        refused: calls refused since the start.
    """

    undecided: int
    with_words: int
    words_share: float
    load: float
    limit: float
    wait_s: float
    refused: int


class Admission:
    """Gives out permits.

    Args:
        costs: what a window costs.
        cores: cores that compute.
        limit: share of them that calls may take, above 0.
        window_s: net speech of a window, in seconds.
        wait_s: asks what a window that came now would wait, given the seconds until it must be answered.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        costs: Costs,
        *,
        cores: int,
        limit: float,
        window_s: float,
        wait_s: Callable[[float], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._costs = costs
        self._limit = limit
        self._cores = cores
        self._window_s = window_s
        self._wait_s = wait_s
        self._clock = clock
        self._held: set[Permit] = set()
        self._live: set[Permit] = set()
        # When each undecided call was taken, and its audio for one window.
        self._undecided: dict[Permit, tuple[float, float]] = {}
        self._with_words: set[Permit] = set()
        self._undecided_s = _FIRST_UNDECIDED_S
        self._refused = 0
        self._is_behind = False

    def __len__(self) -> int:
        return len(self._held)

    def standing(self, *, budget_s: float) -> Standing:
        """How much is taken at the moment, for calls of this budget in seconds."""
        return Standing(
            undecided=len(self._undecided),
            with_words=len(self._with_words),
            words_share=self._costs.words_share,
            load=self._taken(),
            limit=self._limit,
            wait_s=self._wait_s(budget_s),
            refused=self._refused,
        )

    @contextmanager
    def admit(
        self, *, budget_s: float, has_audio: bool = True, has_words: bool = False
    ) -> Iterator[Permit]:
        """Take a live call for as long as the block runs.

        Args:
            budget_s: time for each answer, in seconds.
            has_audio: whether it has audio; words alone don't wait for that of others.
            has_words: whether its words are announced.

        Raises:
            Overloaded: it could not be answered in time, or others no longer; says when to try again.
        """
        try:
            if has_audio:
                self._check_wait(budget_s)
            self._check_load(has_audio=has_audio, has_words=has_words)
        except Overloaded:
            self._refused += 1
            raise
        with self.admit_unpaced() as permit:
            self._live.add(permit)
            if has_audio:
                self._undecided[permit] = (self._clock(), self._window_s)
            if has_words:
                permit.has_words()
            try:
                yield permit
            finally:
                self.settle(permit)
                self._live.discard(permit)

    @contextmanager
    def admit_unpaced(self) -> Iterator[Permit]:
        """Take work that nobody waits for on the line, which gets what live calls leave over."""
        permit = Permit(self)
        self._held.add(permit)
        try:
            yield permit
        finally:
            self._held.discard(permit)
            self._with_words.discard(permit)

    def holds(self, permit: Permit) -> bool:
        """Whether a permit is held."""
        return permit in self._held

    def pace(self, permit: Permit, gap_s: float) -> None:
        """Let a call count by a window every ``gap_s`` seconds of audio."""
        if permit in self._undecided:
            taken_at, _ = self._undecided[permit]
            self._undecided[permit] = (taken_at, max(self._window_s, gap_s))

    def hear_words(self, permit: Permit) -> None:
        """Let the words of a call count; those of a recording have come all at once, and do not go on."""
        if permit in self._live:
            self._with_words.add(permit)

    def settle(self, permit: Permit) -> None:
        """Let the audio of a call count no more."""
        taken_at, _ = self._undecided.pop(permit, (None, 0.0))
        if taken_at is not None:
            self._undecided_s += _WEIGHT * (self._clock() - taken_at - self._undecided_s)

    def _taken(self, *, more_audio: bool = False, more_words: bool = False) -> float:
        """The share of the cores that is taken, or of the thread that listens or hears words if that is more."""
        costs, gaps_s = self._costs, [gap_s for _, gap_s in self._undecided.values()]
        if more_audio:
            gaps_s.append(self._window_s)
        listening = costs.listening_share * len(gaps_s)
        windows = sum(costs.window_s / gap_s for gap_s in gaps_s)
        words = costs.words_share * (len(self._with_words) + more_words)
        return max((listening + windows + words) / self._cores, listening, words)

    def _check_load(self, *, has_audio: bool, has_words: bool) -> None:
        # The first call is always taken, on however slow a machine.
        there = len(self._undecided.keys() | self._with_words)
        if there and self._taken(more_audio=has_audio, more_words=has_words) > self._limit:
            raise Overloaded(
                f"this server has {there} undecided calls, as many as it can answer in time; "
                "open the call on another server or try again later",
                retry_after=_hint(self._undecided_s / there),
            )

    def _check_wait(self, budget_s: float) -> None:
        wait_s = self._wait_s(budget_s)
        # A budget that not even an idle server could keep is no reason to refuse the call.
        most_s = max(budget_s, 2 * self._costs.window_s)
        self._is_behind = wait_s > (most_s * _RESUME_AT if self._is_behind else most_s)
        if self._is_behind:
            raise Overloaded(
                "this server is behind with the calls that it has; open the call on another server or try again later",
                retry_after=_hint(wait_s),
            )


def _hint(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, _SOONEST_S), _LATEST_S))
