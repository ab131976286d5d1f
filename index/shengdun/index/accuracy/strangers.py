"""Strangers for lists longer than a corpus: real ones of elsewhere first, then made ones, always counted apart.

Made voiceprints are drawn from a normal distribution with the mean and covariance of the enrolled recordings of the
caller's own corpus. They are as spread as real ones on average, but no two of them are relatives, sound alike on
purpose, or share a telephone: the figures of lists that hold many of them flatter.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.accuracy.sides import Enrolments
from shengdun.index.scoring import Scorer, TemplateStatistics, unit_rows

_LEAST_FOR_OWN: Final = 20
_SHRINKAGE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MadeStrangers:
    """Voiceprints of people that don't exist, one each.

    Attributes:
        projected: (k, d) float32 as the scorer's ``project`` gives them.
        statistics: of each.
        net_speech_s: (k,) drawn from those of real enrolments.
    """

    projected: NDArray[np.float32]
    statistics: TemplateStatistics
    net_speech_s: NDArray[np.float64]


def make_strangers(
    enrolments: Enrolments, corpus: str, scorer: Scorer, *, count: int, seed: int
) -> MadeStrangers:
    """Strangers like those of a corpus; like all of them where the corpus is too small to tell."""
    heard = ~enrolments.failed
    own = heard & np.array([one.corpus == corpus for one in enrolments.recordings])
    chosen = own if own.sum() >= _LEAST_FOR_OWN else heard
    rng = np.random.default_rng(seed)
    rows = enrolments.voiceprints[chosen].astype(np.float64)
    deviations = rows - rows.mean(axis=0)
    # Rows of deviations with normal weights have their covariance; the rest keeps it of full rank.
    weights = rng.standard_normal((count, len(rows))) / np.sqrt(len(rows))
    spread = rng.standard_normal((count, rows.shape[1])) * np.sqrt(
        (deviations**2).mean(axis=0).mean()
    )
    made = (
        rows.mean(axis=0)
        + np.sqrt(1 - _SHRINKAGE) * weights @ deviations
        + np.sqrt(_SHRINKAGE) * spread
    )
    projected = scorer.project(unit_rows(made))
    return MadeStrangers(
        projected=projected,
        statistics=scorer.template_statistics(projected),
        net_speech_s=rng.choice(enrolments.net_speech_s[chosen], size=count),
    )
