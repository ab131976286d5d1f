"""What the work of live calls costs on this machine, fitted from what is measured while it is done.

Two figures of each stage: how long it takes (``elapsed_s``), which says whether a deadline can be met, and what it
takes of a core (``core_s``), which says how many calls the machine holds. The first grows when others want the cores
too, the second doesn't.
"""

import time
from dataclasses import dataclass
from enum import Enum
from typing import Final

_WEIGHT: Final = 0.1
"""Of a new measurement: some twenty windows after the machine has changed, the fit has."""
_FARTHEST: Final = 4.0
"""A measurement counts as at most so many times the fit: a machine that was suspended is not a slow machine."""
_GUESS_S: Final = 0.07
_AUDIO_KEPT_S: Final = 300.0


class Stage(Enum):
    """A stage in the work of one window."""

    LISTENING = "listening"
    """Decoding and voice activity."""
    WAITING = "waiting"
    """Nothing is done for the call: others are served, or it waits for a lane."""
    VOICEPRINT = "voiceprint"
    """The network."""
    SEARCH = "search"
    """Watchlists searched and scored."""
    DECIDING = "deciding"
    """Evidence weighed and the decision put together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a piece of work took.

    Attributes:
        elapsed_s: by the clock, in seconds.
        core_s: of a core, by this thread, in seconds.
    """

    elapsed_s: float = 0.0
    core_s: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(elapsed_s=self.elapsed_s + other.elapsed_s, core_s=self.core_s + other.core_s)


class Stopwatch:
    """Measures one piece of work after the other in the thread that does them."""

    def __init__(self) -> None:
        self._elapsed_s = time.perf_counter()
        self._core_s = time.thread_time()

    def lap(self) -> Spent:
        """What was spent since the last lap."""
        elapsed_s, core_s = time.perf_counter(), time.thread_time()
        spent = Spent(elapsed_s=elapsed_s - self._elapsed_s, core_s=core_s - self._core_s)
        self._elapsed_s, self._core_s = elapsed_s, core_s
        return spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What one window took.

    Attributes:
        voiceprint: by the network.
        search: by search and scoring.
        deciding: by weighing the evidence.
    """

    voiceprint: Spent = Spent()
    search: Spent = Spent()
    deciding: Spent = Spent()


class Costs:
    """The cost of one window by stage, and of a second of audio: exponentially weighted means of what is measured."""

    def __init__(self) -> None:
        self._fits: dict[Stage, Spent] = {}
        self._listening = Spent()
        self._audio_s = 0.0

    @property
    def window(self) -> Spent:
        """What a window takes of a worker of the voiceprint lane; a guess until one was measured."""
        if Stage.VOICEPRINT not in self._fits:
            return Spent(elapsed_s=_GUESS_S, core_s=_GUESS_S)
        return self.of(Stage.VOICEPRINT) + self.search

    @property
    def search(self) -> Spent:
        """What search, scoring and weighing alone take."""
        return self.of(Stage.SEARCH) + self.of(Stage.DECIDING)

    @property
    def listening_share(self) -> float:
        """Share of a core that listening to one call takes."""
        return self._listening.core_s / self._audio_s if self._audio_s else 0.0

    def of(self, stage: Stage) -> Spent:
        """What a window takes in a stage of the voiceprint lane; nothing until it was measured."""
        return self._fits.get(stage, Spent())

    def observe(self, effort: Effort) -> None:
        """Take in what a window took."""
        self.observe_stage(Stage.VOICEPRINT, effort.voiceprint)
        self.observe_stage(Stage.SEARCH, effort.search)
        self.observe_stage(Stage.DECIDING, effort.deciding)

    def observe_stage(self, stage: Stage, spent: Spent) -> None:
        """Take in what a window took in one stage."""
        fit = self._fits.get(stage)
        self._fits[stage] = spent if fit is None else _moved(fit, spent)

    def observe_listening(self, spent: Spent, *, audio_s: float) -> None:
        """Take in what listening to some audio took, of one call or of many."""
        # Sums that fade, and not a mean of ratios: a batch of one call says less than a batch of a hundred.
        kept = max(0.0, 1.0 - audio_s / _AUDIO_KEPT_S)
        self._audio_s = kept * self._audio_s + audio_s
        self._listening = Spent(
            elapsed_s=kept * self._listening.elapsed_s + spent.elapsed_s,
            core_s=kept * self._listening.core_s + spent.core_s,
        )


def _moved(fit: Spent, spent: Spent) -> Spent:
    return Spent(
        elapsed_s=_mean(fit.elapsed_s, spent.elapsed_s), core_s=_mean(fit.core_s, spent.core_s)
    )


def _mean(fit: float, measured: float) -> float:
    return fit + _WEIGHT * (min(measured, _FARTHEST * fit) - fit)
