"""Voiceprints of nobody, of the spread that real ones have: crowds of any size, for windows and hunts of millions.

Fitted on the calls of known voices. A drawn voice is of one of their corpora and lies as far from its centre, and in
such directions, as speakers do; a call of it lies from the voice as a real call lay from its speaker's mean, with that
call's net speech and noise. So short and noisy calls stray as they really do. Directions come of the speakers of the
corpus, of those of all corpora, and a few per cent of nowhere, for people are not combinations of a few dozen others.
``benchmarks/search/voices.py`` draws templates, one a voice; here a voice calls more than once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from benchmarks.unknown.calibrating import Calls
from numpy.typing import NDArray

from shengdun.index.scoring import unit_rows

Floats = NDArray[np.float64]

_OWN: Final = 0.85
"""Share of the variance between voices that is in the directions of their own corpus; decision note 0034 has how alike
drawn voices come out beside real ones."""
_ANYWHERE: Final = 0.03
_LEAST_FOR_OWN: Final = 15
"""Speakers of a corpus; combinations of fewer would be one another's likes."""
_STRAY: Final = 1.3
"""Calls of one speaker of a corpus share their session, and stray less from its mean than calls of several do."""
_BLOCK: Final = 50_000
_LEAST_CALLS: Final = 6
"""Of a speaker, to tell how calls stray."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """n calls of nobody.

    Attributes:
        voiceprints: (n, d) float32 unit rows, as the voice model would give them.
        net_speech_s: (n,) behind each.
        snr_db: (n,) NaN where it isn't known.
    """

    voiceprints: NDArray[np.float32]
    net_speech_s: Floats
    snr_db: Floats


class Crowd:
    """Draws voices and calls.

    Args:
        calls: of known voices, to be like.
    """

    def __init__(self, calls: Calls) -> None:
        means, counts = _means(calls)
        self._calls = calls
        self._residuals, self._residual_rows = _residuals(calls, means, counts)
        names, self._corpus_of = np.unique(calls.corpora, return_inverse=True)
        self._centres = np.stack(
            [means[self._corpus_of == c].mean(axis=0) for c in range(len(names))]
        )
        self._sizes = np.bincount(self._corpus_of)
        deviations = means - self._centres[self._corpus_of]
        # What a speaker's mean still has of its calls isn't the speaker's.
        strayed = (self._residuals**2).sum(axis=1).mean() / counts.mean()
        total = (deviations**2).sum(axis=1).mean()
        deviations *= np.sqrt(max(1.0 - strayed / total, 0.1))
        # Means take part in their corpus' centre, which makes them stray less.
        size = self._sizes[self._corpus_of]
        able = size > 1
        deviations[able] *= np.sqrt(size[able] / (size[able] - 1))[:, np.newaxis]
        self._deviations = deviations
        self._pooled = np.flatnonzero(able)

    @property
    def dimension(self) -> int:
        """Of the voiceprints."""
        return int(self._centres.shape[1])

    def voices(self, count: int, *, seed: int) -> NDArray[np.float32]:
        """(count, d) voices, before they are scaled; corpora as frequent as their speakers."""
        rng = np.random.default_rng(seed)
        corpora = rng.choice(len(self._sizes), count, p=self._sizes / self._sizes.sum())
        drawn = self._centres[corpora] + self._deviation(corpora, rng)
        voices: NDArray[np.float32] = drawn.astype(np.float32)
        return voices

    def calls(self, voices: NDArray[np.float32], *, seed: int) -> Drawn:
        """A call of each of these voices, (n, d) as ``voices`` gives them."""
        rng = np.random.default_rng(seed)
        like = rng.integers(len(self._residuals), size=len(voices))
        rows = self._residual_rows[like]
        return Drawn(
            voiceprints=unit_rows(voices + self._residuals[like]),
            net_speech_s=self._calls.net_speech_s[rows],
            snr_db=self._calls.snr_db[rows],
        )

    def blocks(self, count: int, *, seed: int) -> Iterator[Drawn]:
        """So many calls of different voices, a block at a time: any number in little memory."""
        for block, start in enumerate(range(0, count, _BLOCK)):
            size = min(_BLOCK, count - start)
            voices = self.voices(size, seed=seed + 2 * block)
            yield self.calls(voices, seed=seed + 2 * block + 1)

    def _deviation(self, corpora: NDArray[np.int64], rng: np.random.Generator) -> Floats:
        count = len(corpora)
        pooled = self._deviations[self._pooled]
        weights = rng.standard_normal((count, len(pooled))) / np.sqrt(len(pooled))
        everywhere = rng.standard_normal((count, self.dimension))
        spread = np.sqrt((pooled**2).sum(axis=1).mean() / self.dimension)
        of_all = weights @ pooled
        of_own = of_all.copy()
        for corpus in np.unique(corpora).tolist():
            rows = np.flatnonzero(corpora == corpus)
            own = self._deviations[self._corpus_of == corpus]
            if len(own) >= _LEAST_FOR_OWN:
                of_own[rows] = rng.standard_normal((len(rows), len(own))) @ own / np.sqrt(len(own))
        shared = 1.0 - _OWN - _ANYWHERE
        mixed: Floats = (
            np.sqrt(_OWN) * of_own
            + np.sqrt(shared) * of_all
            + np.sqrt(_ANYWHERE) * spread * everywhere
        )
        return mixed


def _means(calls: Calls) -> tuple[Floats, Floats]:
    count = len(calls.corpora)
    counts = np.maximum(np.bincount(calls.voices, minlength=count), 1).astype(np.float64)
    columns = [
        np.bincount(calls.voices, column, count) for column in calls.voiceprints.astype(float).T
    ]
    means: Floats = np.stack(columns, axis=1) / counts[:, np.newaxis]
    return means, counts


def _residuals(calls: Calls, means: Floats, counts: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """How calls lie from their speaker's mean, of speakers with calls enough, and which calls these are."""
    of = counts[calls.voices]
    rows = np.flatnonzero(of >= _LEAST_CALLS)
    strayed = calls.voiceprints[rows] - means[calls.voices[rows]]
    gain = _STRAY * np.sqrt(of[rows] / (of[rows] - 1.0))
    residuals: Floats = strayed * gain[:, np.newaxis]
    return residuals, rows
