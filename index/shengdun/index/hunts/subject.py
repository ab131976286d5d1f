"""What is hunted: a voice, by all voiceprints that are known of it, or the words of a script."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.signatures import signature_of
from shengdun.index.errors import InvalidRecord, TextTooShort
from shengdun.index.holdings import Holding

LEAST_HASHES: Final = 8
"""A script with fewer sampled runs of syllables is wording that anybody may use."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WantedVoice:
    """A voice that is hunted.

    Attributes:
        model_id: the voice model of its voiceprints; calls with voiceprints of another one can't be compared.
        voiceprints: (k, d) float32 unit rows as the voice model gives them, k at least 1.
        net_speech_s: (k,) float64, net speech behind each, in seconds.
        snr_db: (k,) float64, speech over noise of each; NaN where it isn't known.
    """

    model_id: str
    voiceprints: NDArray[np.float32] = field(repr=False)
    net_speech_s: NDArray[np.float64]
    snr_db: NDArray[np.float64]

    def __post_init__(self) -> None:
        rows = len(self.net_speech_s)
        if self.voiceprints.ndim != 2 or not len(self.voiceprints) == rows == len(self.snr_db) > 0:
            raise InvalidRecord("A voice is hunted by at least one voiceprint.")

    @classmethod
    def of_actor(cls, holding: Holding, model_id: str) -> "WantedVoice":
        """All voiceprints of an actor of one model.

        Raises:
            InvalidRecord: it has none of this model.
        """
        templates = [one for one in holding.templates.values() if one.info.model_id == model_id]
        if not templates:
            raise InvalidRecord(
                f"Actor {holding.actor.actor_id} has no voiceprint of voice model {model_id}: add one, then hunt."
            )
        snr = [np.nan if one.info.snr_db is None else one.info.snr_db for one in templates]
        return cls(
            model_id=model_id,
            voiceprints=np.stack([one.vector for one in templates]),
            net_speech_s=np.array([one.info.net_speech_s for one in templates], np.float64),
            snr_db=np.array(snr, np.float64),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WantedWords:
    """A script that is hunted.

    Attributes:
        signature: (m,) uint64, sorted, of one each: the sampled hashes of its runs of syllables.
    """

    signature: NDArray[np.uint64] = field(repr=False)

    @classmethod
    def of_text(cls, text: str) -> "WantedWords":
        """The signature of a script's text.

        Raises:
            TextTooShort: it says too little to be told from ordinary wording.
        """
        signature, _ = signature_of(text)
        if len(signature) < LEAST_HASHES:
            raise TextTooShort(
                f"The script has {len(signature)} sampled runs of syllables, and a hunt needs {LEAST_HASHES}: "
                f"give more of its text."
            )
        return cls(signature=signature)
