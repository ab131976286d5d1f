"""What the work of live calls takes on this machine, fitted from what is measured while it is done.

By the clock, in the thread that does it: that is what a deadline is compared with. It grows when the cores are wanted
by others too, and then the machine holds so many calls less.
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
_CALLS_KEPT_S: Final = 300.0


class Stage(Enum):
    """A stage in the work of one window."""

    LISTENING = "listening"
    """Decoding and voice activity."""
    WAITING = "waiting"
    """Nothing is done for the call: others are served, or it waits for a lane."""
    VOICEPRINT = "voiceprint"
    """The network, and where a window is suspicious the one that hears two people talking at once."""
    SEARCH = "search"
    """Watchlists searched and scored."""
    DECIDING = "deciding"
    """Evidence weighed and the decision put together."""


class Stopwatch:
    """Measures one piece of work after the other."""

    def __init__(self) -> None:
        self._at_s = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap."""
        before_s, self._at_s = self._at_s, time.perf_counter()
        return self._at_s - before_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What one window took.

    Attributes:
        voiceprint_s: the networks, in seconds.
        search_s: search and scoring.
        deciding_s: weighing the evidence.
    """

    voiceprint_s: float = 0.0
    search_s: float = 0.0
    deciding_s: float = 0.0


class Costs:
    """The cost of one window by stage, of a second of audio and of words: weighted means of what is measured."""

    def __init__(self) -> None:
        self._fits_s: dict[Stage, float] = {}
        self._listening_s = 0.0
        self._audio_s = 0.0
        self._words_s = 0.0
        self._worded_s = 0.0

    @property
    def window_s(self) -> float:
        """What a window takes of a worker of the voiceprint lane, in seconds; a guess until one was measured."""
        if Stage.VOICEPRINT not in self._fits_s:
            return _GUESS_S
        return self.of(Stage.VOICEPRINT) + self.search_s

    @property
    def search_s(self) -> float:
        """What search, scoring and weighing alone take, in seconds."""
        return self.of(Stage.SEARCH) + self.of(Stage.DECIDING)

    @property
    def listening_share(self) -> float:
        """What listening to a second of one call takes, in seconds."""
        return self._listening_s / self._audio_s if self._audio_s else 0.0

    @property
    def words_share(self) -> float:
        """What the words of one call take of a core, each second; nothing until they were heard."""
        return self._words_s / self._worded_s if self._worded_s else 0.0

    def of(self, stage: Stage) -> float:
        """What a window takes in a stage of the voiceprint lane, in seconds; nothing until it was measured."""
        return self._fits_s.get(stage, 0.0)

    def observe(self, effort: Effort) -> None:
        """Take in what a window took."""
        self.observe_stage(Stage.VOICEPRINT, effort.voiceprint_s)
        self.observe_stage(Stage.SEARCH, effort.search_s)
        self.observe_stage(Stage.DECIDING, effort.deciding_s)

    def observe_stage(self, stage: Stage, seconds: float) -> None:
        """Take in what a window took in one stage."""
        fit_s = self._fits_s.get(stage, seconds)
        self._fits_s[stage] = fit_s + _WEIGHT * (min(seconds, _FARTHEST * fit_s) - fit_s)

    def observe_listening(self, seconds: float, *, audio_s: float) -> None:
        """Take in what listening to some audio took, of one call or of many."""
        # Sums that fade, and not a mean of ratios: a batch of one call says less than a batch of a hundred.
        kept = max(0.0, 1.0 - audio_s / _AUDIO_KEPT_S)
        self._audio_s = kept * self._audio_s + audio_s
        self._listening_s = kept * self._listening_s + seconds

    def observe_words(self, processor_s: float, *, call_s: float) -> None:
        """Take in what the words of a stretch of one call took.

        Args:
            processor_s: of a core, in seconds; not by the clock, because their thread lets others go first.
            call_s: how long the stretch lasted, in seconds; 0 for what is done once, at the end of a call.
        """
        kept = max(0.0, 1.0 - call_s / _CALLS_KEPT_S)
        self._worded_s = kept * self._worded_s + call_s
        self._words_s = kept * self._words_s + processor_s
