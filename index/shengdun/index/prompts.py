"""What the house itself plays into calls: announcements and hold messages, told from callers by their voiceprints.

A prompt is the same recording every time, so that its windows resemble those of its file far more than two calls of one
person do. It is therefore asked for evidence at the very end of what the profile vouches for, and never below a fixed
amount: a prompt that is taken for a caller blurs a decision, a caller who is taken for a prompt is never recognised
(decision note 0007).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scoring import QueryStatistics, Scorer, TemplateStatistics

_BELOW_CAP: Final = 0.25
_LEAST_LLR: Final = 8.0
"""Of 50,491 windows of callers beside another speaker of their corpus, 10 reached 8.0 and none 8.5, a quarter below the
shipped profile's limit."""

_END_LLR: Final = 4.0
"""Of a window that follows a prompt's. 62 windows of a prompt's end and a caller's beginning had 7.8 and more; of 987
windows of callers beside eleven announcers none had 3.1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Projected:
    profile_id: str
    rows: NDArray[np.float64]
    statistics: TemplateStatistics


class HousePrompts:
    """The voiceprints of a house's prompts. Safe to share between threads.

    Args:
        voiceprints: (n, d) float32 unit rows, windows of the prompts as the voice model gives them.
        net_speech_s: (n,) float64, net speech in each, in seconds.

    Raises:
        ValueError: there is none, or the lengths differ.
    """

    def __init__(self, voiceprints: NDArray[np.float32], net_speech_s: NDArray[np.float64]) -> None:
        if voiceprints.ndim != 2 or not len(voiceprints) == len(net_speech_s) > 0:
            raise ValueError("prompts need one amount of net speech for each of at least one row")
        self._voiceprints = voiceprints
        self._net_speech_s = net_speech_s
        self._projected: _Projected | None = None

    def __len__(self) -> int:
        """How many windows of prompts there are."""
        return len(self._voiceprints)

    def llr(self, scorer: Scorer, voiceprint: NDArray[np.float32], net_speech_s: float) -> float:
        """The greatest LLR of "one voice" between a window of a call, (d,), and any window of a prompt."""
        own = self._under(scorer)
        [window] = scorer.project(voiceprint[np.newaxis])
        query: QueryStatistics = scorer.query_statistics(window)
        llrs = scorer.llr(
            own.rows @ window.astype(np.float64),
            own.statistics,
            query,
            net_speech_s=net_speech_s,
            template_net_speech_s=self._net_speech_s,
        )
        return float(llrs.max())

    def _under(self, scorer: Scorer) -> _Projected:
        known = self._projected
        if known is None or known.profile_id != scorer.profile_id:
            # Two threads may do it at once; both get the same, and either may be kept.
            projected = scorer.project(self._voiceprints)
            known = _Projected(
                profile_id=scorer.profile_id,
                rows=projected.astype(np.float64),
                statistics=scorer.template_statistics(projected),
            )
            self._projected = known
        return known


class CallPrompts:
    """Finds the house's prompts among the windows of one call, given in their order; for one thread at a time.

    Args:
        prompts: of the house; without any, no window is one.
    """

    def __init__(self, prompts: HousePrompts | None) -> None:
        self._prompts = prompts
        self._follows_prompt = False

    def include(self, scorer: Scorer, voiceprint: NDArray[np.float32], net_speech_s: float) -> bool:
        """Whether the next window of the call is a prompt, or the end of one with the caller's first words.

        Args:
            scorer: of the profile in use; under one that vouches for too little no window is a prompt.
            voiceprint: (d,) of the window.
            net_speech_s: net speech in it, in seconds.
        """
        if self._prompts is None:
            return False
        llr = self._prompts.llr(scorer, voiceprint, net_speech_s)
        is_prompt = llr >= least_llr(scorer)
        is_end = self._follows_prompt and llr >= _END_LLR
        self._follows_prompt = is_prompt
        return is_prompt or is_end


def least_llr(scorer: Scorer) -> float:
    """The LLR from which a window is a prompt under a profile; above its limit where that vouches for too little."""
    return max(_LEAST_LLR, scorer.profile.coefficients.cap - _BELOW_CAP)
