"""Made strangers, for lists longer than a corpus: real ones of elsewhere come first, and these are counted apart.

Made voiceprints are drawn from a normal distribution with the mean and covariance of the enrolled recordings of the
caller's own corpus, the caller's left out: drawn with them, a crowd made of few speakers is full of the caller's likes.
Nobody in such a crowd is a relative or shares a telephone; on the other hand it lies in the span of few voices. Its
figures are no substitute for those of real strangers.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.accuracy.sides import Enrolments
from shengdun.index.scoring import unit_rows

_LEAST_FOR_OWN: Final = 20
_SHRINKAGE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MadeStrangers:
    """Voiceprints of people that don't exist, one each.

    Attributes:
        drawn: (k, d) float32, before they are scaled to unit length.
        weights: (k, n) float32, how much of each recording's deviation from the mean is in each of them.
        deviations: (n, d) float32, those deviations.
        speakers: (n,) row of each recording's speaker in the corpus.
        net_speech_s: (k,) drawn from those of real enrolments.
        snr_db: (k,) of the same enrolments; NaN where it isn't known.
    """

    drawn: NDArray[np.float32]
    weights: NDArray[np.float32]
    deviations: NDArray[np.float32]
    speakers: NDArray[np.int64]
    net_speech_s: NDArray[np.float64]
    snr_db: NDArray[np.float64]

    def apart_from(self, speaker: int) -> NDArray[np.float32]:
        """(k, d) unit rows, as they are when nothing was known of one of the speakers."""
        own = self.speakers == speaker
        return unit_rows(self.drawn - self.weights[:, own] @ self.deviations[own])


def make_strangers(enrolments: Enrolments, corpus: str, *, count: int, seed: int) -> MadeStrangers:
    """Strangers like those of a corpus; like all of them where the corpus is too small to tell."""
    heard = ~enrolments.failed
    own = heard & np.array([one.corpus == corpus for one in enrolments.recordings])
    chosen = own if own.sum() >= _LEAST_FOR_OWN else heard
    rng = np.random.default_rng(seed)
    rows = enrolments.voiceprints[chosen].astype(np.float64)
    centre = rows.mean(axis=0)
    deviations = (rows - centre).astype(np.float32)
    # Deviations in normal weights have their covariance; a little in every direction keeps it of full rank.
    spread = float(np.sqrt(_SHRINKAGE * (deviations**2).mean()))
    weights = rng.standard_normal((count, len(rows))) * np.sqrt((1 - _SHRINKAGE) / len(rows))
    weights = weights.astype(np.float32)
    everywhere = rng.standard_normal((count, rows.shape[1])) * spread
    likened = rng.integers(len(rows), size=count)
    return MadeStrangers(
        drawn=(centre + weights @ deviations + everywhere).astype(np.float32),
        weights=weights,
        deviations=deviations,
        speakers=enrolments.speakers[chosen],
        net_speech_s=enrolments.net_speech_s[chosen][likened],
        snr_db=enrolments.snr_db[chosen][likened],
    )
