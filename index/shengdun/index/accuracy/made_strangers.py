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
_LEAST_SPEAKERS: Final = 5
"""A corpus with fewer speakers would make a crowd of these, and of the others when one of them is left out."""
_SHRINKAGE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MadeStrangers:
    """Voiceprints of people that don't exist, one each.

    Attributes:
        mean: (d,) float32, of the recordings that they are made from.
        deviations: (n, d) float32, of each recording from it.
        weights: (k, n) float32 normal, how much of each deviation is in each stranger, before they are scaled.
        likened: (k, d) float32, ``weights @ deviations``.
        anywhere: (k, d) float32 normal, which keeps their covariance of full rank.
        speakers: (n,) row of each recording's speaker in the corpus.
        net_speech_s: (k,) drawn from those of real enrolments.
        snr_db: (k,) of the same enrolments; NaN where it isn't known.
    """

    mean: NDArray[np.float32]
    deviations: NDArray[np.float32]
    weights: NDArray[np.float32]
    likened: NDArray[np.float32]
    anywhere: NDArray[np.float32]
    speakers: NDArray[np.int64]
    net_speech_s: NDArray[np.float64]
    snr_db: NDArray[np.float64]

    def voiceprints(self) -> NDArray[np.float32]:
        """(k, d) unit rows."""
        return self._like(self.deviations, self.likened)

    def apart_from(self, speaker: int) -> NDArray[np.float32]:
        """(k, d) unit rows, as they are when nothing was known of one of the speakers: neither mean nor covariance."""
        known = self.speakers != speaker
        if known.all() or not known.any():
            return self.voiceprints()
        unknown = self.weights[:, ~known] @ self.deviations[~known]
        centre = self.deviations[known].mean(axis=0)
        shift = self.weights[:, known].sum(axis=1, keepdims=True) * centre
        return self._like(self.deviations[known] - centre, self.likened - unknown - shift, centre)

    def _like(
        self,
        deviations: NDArray[np.float32],
        likened: NDArray[np.float32],
        centre: NDArray[np.float32] | float = 0.0,
    ) -> NDArray[np.float32]:
        spread = np.sqrt(_SHRINKAGE * (deviations**2).mean())
        share = np.sqrt((1.0 - _SHRINKAGE) / len(deviations))
        drawn = self.mean + centre + share * likened + spread * self.anywhere
        return unit_rows(drawn.astype(np.float32))


def make_strangers(enrolments: Enrolments, corpus: str, *, count: int, seed: int) -> MadeStrangers:
    """Strangers like those of a corpus; like all of them where the corpus is too small to tell."""
    heard = ~enrolments.failed
    own = heard & np.array([one.corpus == corpus for one in enrolments.recordings])
    large = own.sum() >= _LEAST_FOR_OWN
    chosen = own if large and len(np.unique(enrolments.speakers[own])) >= _LEAST_SPEAKERS else heard
    rng = np.random.default_rng(seed)
    rows = enrolments.voiceprints[chosen].astype(np.float64)
    centre = rows.mean(axis=0)
    deviations = (rows - centre).astype(np.float32)
    weights = rng.standard_normal((count, len(rows))).astype(np.float32)
    anywhere = rng.standard_normal((count, rows.shape[1])).astype(np.float32)
    measured_as = rng.integers(len(rows), size=count)
    return MadeStrangers(
        mean=centre.astype(np.float32),
        deviations=deviations,
        weights=weights,
        likened=weights @ deviations,
        anywhere=anywhere,
        speakers=enrolments.speakers[chosen],
        net_speech_s=enrolments.net_speech_s[chosen][measured_as],
        snr_db=enrolments.snr_db[chosen][measured_as],
    )
