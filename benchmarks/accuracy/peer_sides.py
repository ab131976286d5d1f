"""What peers make of the enrolments and calls that the product is measured on, kept between runs.

The recordings, the calls and what the network does to them come from ``shengdun.index.accuracy``: every system gets
the same samples. A peer gets wide-band audio as it was recorded; bringing it into the telephone band is the product's.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.accuracy.peers import Peer, Vector

from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.conditions import Condition
from shengdun.fingerprint.voice.errors import RecordingError
from shengdun.fingerprint.voice.samples import Seconds
from shengdun.index.accuracy.embeddings import WHOLE, Embedder, EmbeddingCache, Heard, Take
from shengdun.index.accuracy.sides import Calls, Enrolments

Progress = Callable[[str, int, int], None]

_OWN_SOURCES: Final = ("peers.py", "peer_sides.py", "resemblyzer_worker.py")
_AUDIO_SOURCES: Final = ("acoustics", "codecs", "conditions", "g711", "recordings")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerEmbedder:
    """Has a peer embed takes.

    Attributes:
        peer: the peer.
        audio: makes what arrives of a take.
        acoustics: the noises and rooms of ``audio``.
        cache: where vectors are kept.
    """

    peer: Peer
    audio: Embedder
    acoustics: Acoustics
    cache: EmbeddingCache

    def embed_all(self, takes: Sequence[Take], progress: Callable[[int, int], None]) -> list[Heard]:
        """Every take, in order."""
        found = []
        for done, take in enumerate(takes, start=1):
            found.append(self.embed(take))
            progress(done, len(takes))
        return found

    def embed(self, take: Take) -> Heard:
        """One take, from the cache if it is there; nothing of one of which nothing is wanted."""
        if not take.seconds:
            return Heard(voiceprints={}, net_speech_s={})
        key = self._key(take)
        kept = self.cache.get(key)
        if kept is None:
            kept = self._heard(take)
            self.cache.put(key, kept)
        return kept

    def _heard(self, take: Take) -> Heard:
        try:
            samples = self.audio.audio(take, in_band=False)
        except RecordingError as error:
            return Heard(voiceprints={}, net_speech_s={}, failure=error.message)
        found = self.peer.embed(samples, take.seconds)
        vectors: dict[Seconds, Vector] = {
            wanted: vector for wanted, vector in found.items() if vector is not None
        }
        return Heard(
            voiceprints=vectors,
            net_speech_s={wanted: wanted for wanted in vectors},
            failure="" if vectors else "it found no speech",
        )

    def _key(self, take: Take) -> str:
        parts = (
            *(recording.sha256 for recording in take.recordings),
            take.condition.value,
            self.acoustics.fingerprint,
            self.peer.name,
            self.peer.version,
            repr(take.seconds),
            _sources_version(),
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _sources_version() -> str:
    voice = resources.files("shengdun.fingerprint.voice")
    own = Path(__file__).parent
    digest = hashlib.sha256()
    for name in _OWN_SOURCES:
        digest.update((own / name).read_bytes())
    for name in _AUDIO_SOURCES:
        digest.update((voice / f"{name}.py").read_bytes())
    return digest.hexdigest()[:12]


def peer_enrolments(
    embedder: PeerEmbedder, ours: Enrolments, condition: Condition, progress: Progress
) -> Enrolments:
    """The same recordings as the peer enrols them.

    Args:
        embedder: of the peer.
        ours: the product's enrolments.
        condition: what happens to the recordings first; ``WIDEBAND`` leaves them as they are.
        progress: is told how far it is.
    """
    takes = [
        Take(recordings=(recording,), condition=condition, seconds=(WHOLE,))
        for recording in ours.recordings
    ]
    stage = f"{embedder.peer.name}, enrolments {condition.value}"
    heard = embedder.embed_all(takes, lambda done, of: progress(stage, done, of))
    nothing = np.zeros(embedder.peer.dimension, np.float32)
    return replace(
        ours,
        failed=np.array([bool(each.failure) for each in heard]),
        voiceprints=np.stack([each.voiceprints.get(WHOLE, nothing) for each in heard]),
        failures={
            recording.name: each.failure
            for recording, each in zip(ours.recordings, heard, strict=True)
            if each.failure
        },
    )


def peer_calls(
    embedder: PeerEmbedder,
    ours: Calls,
    condition: Condition,
    seconds: Sequence[Seconds],
    progress: Progress,
) -> Calls:
    """The same calls as the peer hears them, at the lengths at which the product heard them, or should have."""
    takes = [
        Take(recordings=recordings, condition=condition, seconds=tuple(sorted(wanted)))
        for recordings, wanted in zip(ours.recordings, _compared(ours, seconds), strict=True)
    ]
    stage = f"{embedder.peer.name}, {condition.value}"
    heard = embedder.embed_all(takes, lambda done, of: progress(stage, done, of))
    return replace(ours, heard=tuple(heard))


def _compared(ours: Calls, seconds: Sequence[Seconds]) -> list[set[Seconds]]:
    """At which lengths each call is compared."""
    found: list[set[Seconds]] = [set() for _ in ours.heard]
    for wanted in seconds:
        for row in [*ours.ready(wanted), *ours.failed(wanted)]:
            found[row].add(wanted)
    return found
