"""Evidence that calls are by one voice, and what their joined voiceprints say.

A voice is compared as one recording: by the mean of its calls' voiceprints weighted by their net speech, with the net
speech of all of them. A mean of several calls through several telephones lies far nearer to the voice than any call,
and a stranger who happens to be near one of an agent's forty calls is not near their mean (decision note 0033).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.llr import Sides
from shengdun.index.scoring import Scorer, normalised, unit_rows
from shengdun.index.voices.columns import CallCoder, CallColumns

Floats64 = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Voices:
    """n groups of calls, each as one voice.

    Attributes:
        sums: (n, d) float64, projected voiceprints times net speech, summed.
        net_speech_s: (n,) float64 of all calls.
        noise: (n,) float64 net speech times speech over noise, summed over calls where it is known.
        noise_s: (n,) float64 net speech of these.
        calls: (n,) int64 how many.
    """

    sums: Floats64
    net_speech_s: Floats64
    noise: Floats64
    noise_s: Floats64
    calls: Rows

    def __len__(self) -> int:
        return len(self.calls)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(n, d) unit rows."""
        return unit_rows(self.sums)

    @property
    def snr_db(self) -> Floats64:
        """(n,) speech over noise, NaN where it isn't known of any call."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio: Floats64 = np.where(self.noise_s > 0.0, self.noise / self.noise_s, np.nan)
        return ratio

    def take(self, rows: Rows) -> "Voices":
        """Some of them, copied."""
        return Voices(**{name: getattr(self, name)[rows] for name in _FIELDS})

    def joined(self) -> "Voices":
        """All of them as one voice."""
        return Voices(**{name: getattr(self, name).sum(axis=0, keepdims=True) for name in _FIELDS})

    def without_each(self) -> "Voices":
        """For each, all others as one voice; at least two."""
        whole = self.joined()
        return Voices(**{name: getattr(whole, name) - getattr(self, name) for name in _FIELDS})

    @classmethod
    def concatenate(cls, parts: Sequence["Voices"]) -> "Voices":
        """All voices of at least one part, in order."""
        return cls(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in _FIELDS})

    @classmethod
    def of_calls(cls, columns: CallColumns, coder: CallCoder) -> "Voices":
        """Every call as a voice of its own."""
        return cls.of_projected(
            coder.decode(columns.codes),
            columns.net_speech_s.astype(np.float64),
            columns.snr_db.astype(np.float64),
        )

    @classmethod
    def of_projected(
        cls, projected: NDArray[np.float32], net_speech_s: Floats64, snr_db: Floats64
    ) -> "Voices":
        """Every one of (n, d) projected voiceprints as a voice of its own."""
        known = ~np.isnan(snr_db)
        noise_s = np.where(known, net_speech_s, 0.0)
        return cls(
            sums=projected.astype(np.float64) * net_speech_s[:, np.newaxis],
            net_speech_s=net_speech_s,
            noise=noise_s * np.where(known, snr_db, 0.0),
            noise_s=noise_s,
            calls=np.ones(len(projected), np.int64),
        )


_FIELDS: Final = ("sums", "net_speech_s", "noise", "noise_s", "calls")


class VoiceEvidence:
    """Compares voices under one calibration. Immutable, so safe to share between threads.

    LLRs aren't held to the profile's limits here: what they add up to has to keep its order far beyond what one
    comparison may claim. What is told of a voice is held to them (``repeat``).
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    @property
    def scorer(self) -> Scorer:
        """What it compares with."""
        return self._scorer

    def llrs(self, one: Voices, others: Voices) -> Floats64:
        """(k,) natural-log LLRs of "the same voice" of one voice and each of k others; symmetric but for rounding."""
        if not len(others):
            return np.empty(0)
        return self._compare(one, others, others.vectors @ one.vectors[0])

    def paired(self, left: Voices, right: Voices) -> Floats64:
        """(k,) LLRs of each voice of ``left`` and the one of ``right`` in its place."""
        return self._compare(left, right, np.einsum("kd,kd->k", left.vectors, right.vectors))

    def _compare(self, left: Voices, right: Voices, cosines: NDArray[np.float32]) -> Floats64:
        of_left, of_right = (
            self._scorer.template_statistics(voices.vectors) for voices in (left, right)
        )
        scores = normalised(
            cosines.astype(np.float64),
            of_right.mean,
            of_right.deviation,
            of_left.mean.astype(np.float64),
            of_left.deviation.astype(np.float64),
        )
        sides = Sides(
            net_a_s=left.net_speech_s,
            net_b_s=right.net_speech_s,
            snr_a_db=left.snr_db,
            snr_b_db=right.snr_db,
        )
        return self._scorer.profile.coefficients.unlimited(scores, sides)
