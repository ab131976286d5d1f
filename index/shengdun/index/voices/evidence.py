"""Evidence that calls are by one voice: what the spread of voices and calls says of calls in the recent window.

A voice is compared by all of its calls together (``spread``). A mean of several calls through several telephones lies
far nearer to the voice than any call, and a stranger who happens to be near one of an agent's forty calls is seldom
near their mean (decision note 0033).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shengdun.index.row_products import row_product
from shengdun.index.scoring import Scorer
from shengdun.index.voices.columns import CallCoder, CallColumns
from shengdun.index.voices.spread import Gathered, Spread

Floats64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Voices:
    """n groups of calls, each as one voice.

    Attributes:
        gathered: what the spread needs to know of each.
        calls: (n,) int64 how many calls each has.
    """

    gathered: Gathered
    calls: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.calls)

    def take(self, rows: NDArray[np.int64]) -> "Voices":
        """Some of them, in the order of ``rows``."""
        return Voices(gathered=self.gathered.take(rows), calls=self.calls[rows])

    def joined(self) -> "Voices":
        """All of them as one voice."""
        return Voices(gathered=self.gathered.joined(), calls=self.calls.sum(keepdims=True))

    @classmethod
    def concatenate(cls, parts: Sequence["Voices"]) -> "Voices":
        """All voices of at least one part, in order."""
        return cls(
            gathered=Gathered(
                sums=np.concatenate([part.gathered.sums for part in parts]),
                precisions=np.concatenate([part.gathered.precisions for part in parts]),
            ),
            calls=np.concatenate([part.calls for part in parts]),
        )


class VoiceEvidence:
    """Compares voices under one calibration profile. May be used from any thread.

    LLRs aren't held to the profile's limits here: what they add up to has to keep its order far beyond what one
    comparison may claim. What is told of a voice is held to them (``repeat``).

    Args:
        scorer: projects voiceprints.
        spread: of the voices that the scorer projects.
    """

    def __init__(self, scorer: Scorer, spread: Spread) -> None:
        self._scorer = scorer
        self._given = spread
        self._spread = spread
        self._coder = CallCoder(scorer)
        self._places_of_codes = self._coder.restoring @ spread.axes

    @property
    def scorer(self) -> Scorer:
        """What projects voiceprints."""
        return self._scorer

    @property
    def model_id(self) -> str:
        """The voice model of the voiceprints."""
        return self._scorer.model_id

    @property
    def given_centre(self) -> Floats64:
        """(d,) where the mean of all voices lies by the spread as it was given, as the scorer projects them."""
        return self._given.centre

    def centre_on(self, centre: Floats64) -> None:
        """Compare voices as ones that lie around another centre, (d,), from now on; ``Voices`` stay what they are."""
        self._spread = self._given.around(centre)

    @property
    def coder(self) -> CallCoder:
        """Makes columns of calls."""
        return self._coder

    def calls(self, columns: CallColumns) -> Voices:
        """Every call as a voice of its own; a row doesn't depend on the others."""
        return Voices(gathered=self._gathered([columns]), calls=np.ones(len(columns), np.int64))

    def voice(self, columns: CallColumns) -> Voices:
        """At least one call as one voice."""
        return self.calls(columns).joined()

    def voices(self, groups: Sequence[CallColumns]) -> list[Voices]:
        """Each of some groups of at least one call as one voice, to the bit as ``voice`` gives it."""
        if not groups:
            return []
        gathered = self._gathered(groups)
        ends = np.cumsum([len(columns) for columns in groups]).tolist()
        return [
            Voices(
                gathered=gathered.part(start, end).joined(),
                calls=np.array([end - start], np.int64),
            )
            for start, end in pairwise([0, *ends])
        ]

    def heard(
        self,
        voiceprints: NDArray[np.float32],
        *,
        net_speech_s: NDArray[np.floating],
        snr_db: NDArray[np.floating],
    ) -> Voices:
        """Every one of (n, d) voiceprints, as the voice model gives them, as a voice of its own."""
        places = self._spread.places(self._scorer.project(voiceprints))
        gathered = self._spread.gather(places, net_speech_s=net_speech_s, snr_db=snr_db)
        return Voices(gathered=gathered, calls=np.ones(len(voiceprints), np.int64))

    def llrs(self, one: Voices, others: Voices) -> Floats64:
        """(k,) natural-log LLRs of "the same voice" of one voice and each of k others."""
        if not len(others):
            return np.empty(0)
        return self._spread.llr(one.gathered, others.gathered)

    def of_others(self, calls: Voices) -> Floats64:
        """(n,) for each of n calls, n > 1, the LLR that it is by the voice of all the others."""
        return self._spread.others_llr(calls.gathered)

    def of_all(self, calls: Voices) -> float:
        """Natural-log LLR that n calls are all by one voice, against n different ones; 0 for one call."""
        return self._spread.joint_llr(calls.gathered)

    def limited(self, llrs: Floats64) -> Floats64:
        """LLRs held to what the calibration data can vouch for."""
        return self._scorer.limited(llrs)

    def direction(self, voice: Voices) -> NDArray[np.float32]:
        """(d,) where one voice most probably lies, of unit length, as the scorer projects voiceprints."""
        return self._spread.direction(voice.gathered)

    def _gathered(self, groups: Sequence[CallColumns]) -> Gathered:
        """The calls of at least one group, in order, each as a set of its own."""
        codes = np.concatenate([columns.codes for columns in groups])
        return self._spread.gather(
            row_product(self._coder.rotated(codes), self._places_of_codes),
            net_speech_s=np.concatenate([columns.net_speech_s for columns in groups]),
            snr_db=np.concatenate([columns.snr_db for columns in groups]),
        )
