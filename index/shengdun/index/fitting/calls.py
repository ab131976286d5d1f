"""A site's calls, as a calibration is made from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scoring import Scorer, aggregate
from shengdun.index.strangers import Strangers

Floats = NDArray[np.float64]

MOST_LOOKS: Final = 7
"""A call is looked at after each window, as a live call is, up to 21 s of net speech. Of drawn callers 10 to 40 % more
were flagged so than after the first, second, fourth and seventh alone."""
ONE_VOICE_LLR: Final = 5.0
"""From here on two calls count as one caller's: of strangers at most one pair in 150 gets there."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteCall:
    """One call, or the caller's side of one.

    Attributes:
        name: for people; never kept in a profile.
        windows: (w, d) float32 unit rows, one for each window of net speech, w >= 1.
        net_speech_s: (w,) net speech in each, in seconds, above 0.
        snr_db: speech over noise band by band; None where it couldn't be measured.
        speaker: who calls, by label; None without.
        has_looks: whether the windows are those of a live call, and not one that is the whole call.
    """

    name: str
    windows: NDArray[np.float32]
    net_speech_s: Floats
    snr_db: float | None = None
    speaker: str | None = None
    has_looks: bool = True

    def __post_init__(self) -> None:
        if self.windows.ndim != 2 or not 0 < len(self.windows) == len(self.net_speech_s):
            raise ValueError(
                "a call needs one amount of net speech for each of at least one window"
            )
        if not np.isfinite(self.windows).all():
            raise ValueError("the voiceprints of a call must be finite")

    @property
    def total_s(self) -> float:
        """Net speech of the whole call."""
        return float(self.net_speech_s.sum())

    def voiceprint(self, windows: int | None = None) -> NDArray[np.float32]:
        """(d,) of the first windows, or of the whole call."""
        return aggregate(self.windows[:windows], self.net_speech_s[:windows])

    def halves(self) -> tuple["SiteCall", "SiteCall"] | None:
        """Every other window, and the rest; None for a call of one window."""
        if len(self.windows) < 2:
            return None
        return self._part(slice(0, None, 2)), self._part(slice(1, None, 2))

    def _part(self, rows: slice) -> "SiteCall":
        return SiteCall(
            name=self.name,
            windows=self.windows[rows],
            net_speech_s=self.net_speech_s[rows],
            snr_db=self.snr_db,
            speaker=self.speaker,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WholeCalls:
    """Calls as one voiceprint each.

    Attributes:
        voiceprints: (c, d) float32 unit rows.
        net_speech_s: (c,).
        snr_db: (c,) NaN where it isn't known.
    """

    voiceprints: NDArray[np.float32]
    net_speech_s: Floats
    snr_db: Floats

    @classmethod
    def of(cls, calls: Sequence[SiteCall]) -> "WholeCalls":
        """Every call whole."""
        return cls(
            voiceprints=np.stack([call.voiceprint() for call in calls]),
            net_speech_s=np.array([call.total_s for call in calls]),
            snr_db=np.array([np.nan if call.snr_db is None else call.snr_db for call in calls]),
        )

    def llr_rows(self, scorer: Scorer, others: "WholeCalls | None" = None) -> Iterator[Floats]:
        """For each call the LLRs that each of the others, by default these calls, is the same voice."""
        against = others or self
        projected = scorer.project(against.voiceprints)
        statistics = scorer.template_statistics(projected)
        for row, query in enumerate(scorer.project(self.voiceprints)):
            yield scorer.llr(
                projected @ query,
                statistics,
                scorer.query_statistics(query),
                net_speech_s=float(self.net_speech_s[row]),
                template_net_speech_s=against.net_speech_s,
                snr_db=float(self.snr_db[row]),
                template_snr_db=against.snr_db,
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Voices:
    """Which calls are likely by one voice.

    Attributes:
        weights: (c,) a weight for each call, so that every voice counts about once however often it calls.
        representatives: rows of calls no two of which are by one voice, in the order of the calls.
    """

    weights: Floats
    representatives: tuple[int, ...]

    @property
    def count(self) -> float:
        """About how many voices there are."""
        return float(self.weights.sum())


def tell_voices(calls: Sequence[SiteCall], scorer: Scorer) -> Voices:
    """Tell voices apart by label where both calls have one, else by what the scorer says."""
    whole = WholeCalls.of(calls)
    _, labels = np.unique([call.speaker or "" for call in calls], return_inverse=True)
    labelled = np.array([call.speaker is not None for call in calls])
    weights = np.empty(len(calls))
    free = np.ones(len(calls), dtype=bool)
    representatives = []
    for row, llrs in enumerate(whole.llr_rows(scorer)):
        alike = llrs >= ONE_VOICE_LLR
        known = labelled & labelled[row]
        alike[known] = labels[known] == labels[row]
        alike[row] = True
        weights[row] = 1.0 / np.count_nonzero(alike)
        if free[row]:
            representatives.append(row)
            free &= ~alike
    return Voices(weights=weights, representatives=tuple(representatives))


def strangers_of(calls: Sequence[SiteCall], voices: Voices, *, at_most: int) -> Strangers:
    """One call for each voice, at growing net speech; spread over the calls when there are more than wanted.

    Calls of which only the whole is known are left out: how a live call would score on its way isn't known of them.
    """
    chosen = np.array([row for row in voices.representatives if calls[row].has_looks], np.int64)
    if len(chosen) > at_most:
        chosen = chosen[np.linspace(0, len(chosen) - 1, at_most).round().astype(np.int64)]
    looks = [
        (row, count)
        for row in chosen.tolist()
        for count in range(1, min(MOST_LOOKS, len(calls[row].windows)) + 1)
    ]
    voiceprints = np.stack([calls[row].voiceprint(count) for row, count in looks])
    return Strangers(
        # As they are after a profile has been saved, so that a profile and its file score alike.
        voiceprints=voiceprints.astype(np.float16).astype(np.float32),
        net_speech_s=np.array([calls[row].net_speech_s[:count].sum() for row, count in looks]),
        calls=np.array([row for row, _ in looks], dtype=np.int64),
        snr_db=np.array(
            [np.nan if (snr := calls[row].snr_db) is None else snr for row, _ in looks]
        ),
    )
