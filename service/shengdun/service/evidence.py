"""The evidence of one call: its windows' voiceprints, and what the watchlists say about them together."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.enrollment.agreement import part_windows
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.windows import Window
from shengdun.index.errors import ModelMismatch, WatchlistNotFound
from shengdun.index.scoring import Scorer, aggregate
from shengdun.index.snapshot import Snapshot, WatchlistResult
from shengdun.service.decision import Risk
from shengdun.service.lines import Line
from shengdun.service.risk import assess

_OTHER_VOICE_LLR: Final = 2.0
"""On the demo recordings no call of one voice with four windows or more fell below 3.5, and of calls in which two took
turns nine in ten fell below -2."""


class VoiceEvidence:
    """Accumulates the voice evidence of one call; used by one thread at a time, in the order of the windows.

    Args:
        model: embeds the windows.
        scorer: of the same model.
        snapshot: gives the current snapshot; asked anew for every window, so that an enrolment or an erasure counts
            from the next window on.
        watchlist_ids: the watchlists to search; none means every watchlist there is.
        line: the line whose policy weighs the evidence.
    """

    def __init__(
        self,
        *,
        model: VoiceModel,
        scorer: Scorer,
        snapshot: Callable[[], Snapshot],
        watchlist_ids: Sequence[str],
        line: Line,
    ) -> None:
        self._model = model
        self._scorer = scorer
        self._snapshot = snapshot
        self._watchlist_ids = tuple(watchlist_ids)
        self._line = line
        self._voiceprints: list[NDArray[np.float32]] = []
        self._net_speech_s: list[float] = []
        self._several_voices = False

    @property
    def windows(self) -> int:
        """Windows taken in so far."""
        return len(self._voiceprints)

    @property
    def net_speech_s(self) -> float:
        """Net speech of the windows so far, in seconds."""
        return sum(self._net_speech_s)

    @property
    def has_several_voices(self) -> bool:
        """Whether the windows fall into two groups that are hardly one person's."""
        return self._several_voices

    def add(self, window: Window, *, at: datetime) -> Risk:
        """Embed a window, search the watchlists with all windows so far, and weigh what they say.

        Args:
            window: the next window of the call.
            at: the instant at which actors must not have expired.
        """
        self._voiceprints.append(self._model.embed([window.samples])[0])
        self._net_speech_s.append(window.net_speech_s)
        voiceprints = np.stack(self._voiceprints)
        weights = np.array(self._net_speech_s)
        parting = part_windows(self._scorer, voiceprints, weights)
        self._several_voices = parting.llr is not None and parting.llr < _OTHER_VOICE_LLR
        return self.weigh(at=at)

    def weigh(self, *, at: datetime) -> Risk:
        """Search the watchlists, as they are now, with all windows so far, at least one, and weigh what they say."""
        voiceprints, weights = np.stack(self._voiceprints), np.array(self._net_speech_s)
        return assess(self._search(aggregate(voiceprints, weights), at), self._line)

    def _search(self, voiceprint: NDArray[np.float32], at: datetime) -> list[WatchlistResult]:
        snapshot = self._snapshot()
        results = []
        for watchlist_id in self._watchlist_ids or [w.watchlist_id for w in snapshot.watchlists]:
            try:
                result = snapshot.search(
                    watchlist_id, voiceprint, net_speech_s=self.net_speech_s, at=at
                )
            except (WatchlistNotFound, ModelMismatch):
                # Checked when the call began; it was deleted since, or is kept for another model.
                continue
            results.append(result)
        return results
