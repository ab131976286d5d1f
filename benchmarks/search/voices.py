"""Voiceprints for long lists: those of real recordings first, then made ones around each corpus; and real calls.

A made voiceprint is drawn from a normal distribution with the mean and covariance of the recordings of one corpus, as
``shengdun evaluate`` fills its lists. So the list has the clusters that languages, rooms and telephones make. Queries
are calls over PCMU of speakers who are on the list, at three seconds and in full: each has its near-duplicates there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.conditions import Condition
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.index.accuracy.corpus import Corpus, read_corpus
from shengdun.index.accuracy.embeddings import WHOLE, Embedder, EmbeddingCache, Take
from shengdun.index.accuracy.made_strangers import make_strangers
from shengdun.index.accuracy.sides import Enrolments, enroll

LOOKS_S: Final = (3.0, WHOLE)
_LEAST_RECORDINGS: Final = 20
_BLOCK: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Voices:
    """n voiceprints.

    Attributes:
        voiceprints: (n, d) float32 unit rows.
        net_speech_s: (n,) behind each.
        snr_db: (n,) NaN where it isn't known.
    """

    voiceprints: NDArray[np.float32]
    net_speech_s: NDArray[np.float64]
    snr_db: NDArray[np.float64]

    def some(self, count: int) -> "Voices":
        """The first of them."""
        return Voices(
            voiceprints=self.voiceprints[:count],
            net_speech_s=self.net_speech_s[:count],
            snr_db=self.snr_db[:count],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealVoices:
    """What the voice path made of a corpus.

    Attributes:
        model_id: of the voice model.
        enrolments: every recording as a template.
        calls: looks at calls of the same recordings over PCMU.
    """

    model_id: str
    enrolments: Enrolments
    calls: Voices

    def listed(self, count: int, *, seed: int) -> Voices:
        """So many voiceprints: all real ones, then made ones of every corpus in turn."""
        heard = ~self.enrolments.failed
        parts = [
            Voices(
                voiceprints=self.enrolments.voiceprints[heard],
                net_speech_s=self.enrolments.net_speech_s[heard],
                snr_db=self.enrolments.snr_db[heard],
            )
        ]
        missing = count - len(parts[0].voiceprints)
        corpora = self._corpora()
        each = min(_BLOCK, -(-max(missing, 0) // len(corpora)))
        block = 0
        while missing > 0:
            corpus = corpora[block % len(corpora)]
            made = make_strangers(
                self.enrolments, corpus, count=min(each, missing), seed=seed + block
            )
            parts.append(
                Voices(
                    voiceprints=made.voiceprints(),
                    net_speech_s=made.net_speech_s,
                    snr_db=made.snr_db,
                )
            )
            missing -= len(made.net_speech_s)
            block += 1
        return _joined(parts).some(count)

    def _corpora(self) -> list[str]:
        names = [one.corpus for one in self.enrolments.recordings]
        return sorted(name for name in set(names) if names.count(name) >= _LEAST_RECORDINGS)


def real_voices(corpus: Path, models: Path, cache: Path | None, *, jobs: int = 2) -> RealVoices:
    """Put the recordings of a corpus through the voice path; takes minutes without a cache."""
    recordings = read_corpus(corpus)
    store = ModelStore(models)
    model = store.voice_model()
    embedder = Embedder(
        model=model,
        activity=store.voice_activity(),
        acoustics=Acoustics.made(),
        cache=EmbeddingCache(cache),
    )
    return RealVoices(
        model_id=model.model_id,
        enrolments=enroll(
            recordings, embedder, model.dimension, jobs=jobs, progress=lambda *_: None
        ),
        calls=_calls(recordings, embedder, jobs),
    )


def _calls(recordings: Corpus, embedder: Embedder, jobs: int) -> Voices:
    takes = [
        Take(recordings=(one,), condition=Condition.PCMU, seconds=LOOKS_S)
        for one in recordings.recordings
    ]
    looks = [
        (voiceprint, heard.net_speech_s[seconds], heard.snr_db)
        for heard in embedder.embed_all(takes, jobs=jobs)
        for seconds, voiceprint in heard.voiceprints.items()
    ]
    return Voices(
        voiceprints=np.stack([voiceprint for voiceprint, _, _ in looks]),
        net_speech_s=np.array([net_speech_s for _, net_speech_s, _ in looks]),
        snr_db=np.array([np.nan if snr_db is None else snr_db for _, _, snr_db in looks]),
    )


def _joined(parts: list[Voices]) -> Voices:
    return Voices(
        voiceprints=np.concatenate([part.voiceprints for part in parts]),
        net_speech_s=np.concatenate([part.net_speech_s for part in parts]),
        snr_db=np.concatenate([part.snr_db for part in parts]),
    )
