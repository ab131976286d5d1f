"""Whether a recording has one voice in it, several in turn, or several at once.

The segmentation network hears two people talking at once, and says for each ten seconds who has
the floor. Voiceprints of what only one voice says are then grouped by average linkage; what is
outside the largest group is another voice. They are grouped twice, because two mistakes happen: by
the network's turns, which are pure where it noticed the change of voice, and by short windows laid
over all of it, which find the other voice where the network took both for one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds
from shengdun.fingerprint.voice.segmentation import (
    CHUNK_S,
    CLASSES,
    FIRST_CENTRE_SAMPLES,
    STEP_SAMPLES,
    Segmentation,
)

_CHUNK_SAMPLES = round(CHUNK_S * MODEL_RATE_HZ)
_SHORTEST_CHUNK_SAMPLES = MODEL_RATE_HZ // 2
_DOUBLE = np.array([len(voices) == 2 for voices in CLASSES])
_VOICES = 3
_NOBODY = 0
_SHORTEST_TURN_S: Seconds = 0.1


class Voices(Enum):
    """How many voices there are."""

    ONE = "ONE"
    """One voice, as far as can be heard."""
    IN_TURN = "IN_TURN"
    """A second voice has part of the time."""
    AT_ONCE = "AT_ONCE"
    """Two voices talk at the same time for a good part of it."""
    TOO_LITTLE_SPEECH = "TOO_LITTLE_SPEECH"
    """There is too little speech to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerCountPolicy:
    """Where one voice ends and several begin; the figures are those of ``campplus-zh-en``.

    Chosen so that on a telephone codec fewer than 1 in 100 recordings of one voice are refused.

    Attributes:
        overlap_share: share of the speech with two voices at once from which they are at once.
        other_share: share of the speech outside the largest group from which there is another.
        turn_agreement: mean cosine between groups of turns below which they stay apart.
        window_agreement: the same for groups of windows.
        window_s: speech of a window.
        hop_s: from one window to the next.
        longest_turn_s: turns of more speech than this are cut into equal parts.
        shortest_turn_s: turns of less speech say too little about their voice.
        least_speech_s: least speech to judge by.
        most_chunks: stretches of 10 s that are heard at most, spread over the recording.
    """

    overlap_share: float = 0.1
    other_share: float = 0.08
    turn_agreement: float = 0.4
    window_agreement: float = 0.42
    window_s: Seconds = 1.5
    hop_s: Seconds = 0.75
    longest_turn_s: Seconds = 3.0
    shortest_turn_s: Seconds = 0.5
    least_speech_s: Seconds = 1.0
    most_chunks: int = 12

    def __post_init__(self) -> None:
        if not (0 < self.overlap_share < 1 and 0 <= self.other_share < 1):
            raise ValueError("Shares lie between 0 and 1.")
        if not 0 < self.hop_s <= self.window_s or self.most_chunks < 1:
            raise ValueError("Needs 0 < hop_s <= window_s and most_chunks >= 1.")
        if not _SHORTEST_TURN_S <= self.shortest_turn_s <= self.longest_turn_s:
            raise ValueError("Needs 0.1 <= shortest_turn_s <= longest_turn_s.")


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceCount:
    """What was heard in a recording.

    Attributes:
        voices: the verdict.
        overlap_share: share of the speech with two voices at once, 0 to 1.
        other_voice_share: share of the speech that is not the main voice's, 0 to 1.
        speech_s: speech that was heard.
    """

    voices: Voices
    overlap_share: float
    other_voice_share: float
    speech_s: Seconds


class SpeakerCount:
    """Counts voices; safe to share between threads.

    Args:
        segmentation: hears who speaks when.
        voice_model: tells voices apart.
        policy: where one voice ends and several begin.
    """

    def __init__(
        self,
        segmentation: Segmentation,
        voice_model: VoiceModel,
        policy: SpeakerCountPolicy | None = None,
    ) -> None:
        self._segmentation = segmentation
        self._voice_model = voice_model
        self._policy = policy or SpeakerCountPolicy()

    def assess(self, samples: Samples) -> VoiceCount:
        """Judges a recording.

        Args:
            samples: the recording at 16 kHz in [-1, 1], of any length.

        Returns:
            What was heard; of a long recording, in stretches spread over it.
        """
        heard = [
            _Chunk.of(self._segmentation, chunk)
            for chunk in _chunks(samples, self._policy.most_chunks)
        ]
        speech_frames = sum(chunk.speech_frames for chunk in heard)
        overlap_frames = sum(chunk.overlap_frames for chunk in heard)
        speech_s = speech_frames * STEP_SAMPLES / MODEL_RATE_HZ
        overlap_share = overlap_frames / speech_frames if speech_frames else 0.0
        other_share = max(self._other_in_turns(heard), self._other_in_windows(heard))
        return VoiceCount(
            voices=self._verdict(speech_s, overlap_share, other_share),
            overlap_share=overlap_share,
            other_voice_share=other_share,
            speech_s=speech_s,
        )

    def overlap_share(self, speech: Samples) -> float:
        """Tells in what share of a window of net speech two people talk at once, 0 to 1.

        Args:
            speech: 0.1 to 10 s of samples at 16 kHz in [-1, 1].

        Raises:
            ValueError: it is shorter or longer.
        """
        spoken, double = _count(self._segmentation.classes_alone(speech))
        return double / spoken if spoken else 0.0

    def _verdict(self, speech_s: Seconds, overlap_share: float, other_share: float) -> Voices:
        if speech_s < self._policy.least_speech_s:
            return Voices.TOO_LITTLE_SPEECH
        if overlap_share > self._policy.overlap_share:
            return Voices.AT_ONCE
        return Voices.IN_TURN if other_share > self._policy.other_share else Voices.ONE

    def _other_in_turns(self, heard: list["_Chunk"]) -> float:
        longest = self._policy.longest_turn_s * MODEL_RATE_HZ
        shortest = self._policy.shortest_turn_s * MODEL_RATE_HZ
        turns = [turn for chunk in heard for turn in chunk.turns]
        parts = [
            part
            for turn in turns
            for part in np.array_split(turn, max(1, round(len(turn) / longest)))
            if len(part) >= shortest
        ]
        return self._other_share(parts, self._policy.turn_agreement)

    def _other_in_windows(self, heard: list["_Chunk"]) -> float:
        speech = np.concatenate([np.zeros(0, np.float32), *[chunk.single for chunk in heard]])
        length = round(self._policy.window_s * MODEL_RATE_HZ)
        hop = round(self._policy.hop_s * MODEL_RATE_HZ)
        starts = range(0, len(speech) - length + 1, hop)
        windows = [speech[at : at + length] for at in starts]
        return self._other_share(windows, self._policy.window_agreement)

    def _other_share(self, parts: list[Samples], least_agreement: float) -> float:
        if len(parts) < 2:
            return 0.0
        voiceprints = self._voice_model.embed(parts)
        groups = _groups(voiceprints @ voiceprints.T, least_agreement)
        shares = [sum(len(parts[member]) for member in group) for group in groups]
        return 1.0 - max(shares) / sum(shares)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What was heard in ten seconds.

    Attributes:
        speech_frames: frames in which somebody talks.
        overlap_frames: frames in which two do.
        single: samples in which exactly one does.
        turns: the same by voice, as the network tells them apart in this chunk.
    """

    speech_frames: int
    overlap_frames: int
    single: Samples
    turns: list[Samples]

    @classmethod
    def of(cls, segmentation: Segmentation, samples: Samples) -> "_Chunk":
        classes = segmentation.classes(samples)[: _frames_in(samples)]
        speech_frames, overlap_frames = _count(classes)
        likeliest = classes.argmax(axis=1)
        voices = [_during(samples, likeliest == voice) for voice in range(1, _VOICES + 1)]
        return cls(
            speech_frames=speech_frames,
            overlap_frames=overlap_frames,
            single=_during(samples, (likeliest >= 1) & (likeliest <= _VOICES)),
            turns=[turn for turn in voices if len(turn)],
        )


def _chunks(samples: Samples, most: int) -> Iterator[Samples]:
    starts = np.arange(0, max(len(samples), 1), _CHUNK_SAMPLES)
    if len(starts) > most:
        starts = starts[np.linspace(0, len(starts) - 1, most).round().astype(int)]
    for start in starts.tolist():
        chunk = samples[start : start + _CHUNK_SAMPLES]
        if len(chunk) >= _SHORTEST_CHUNK_SAMPLES:
            yield chunk


def _count(classes: NDArray[np.float32]) -> tuple[int, int]:
    """Frames in which somebody talks, and in which two do."""
    spoken = classes[:, _NOBODY] < 0.5
    double = classes[spoken][:, _DOUBLE].sum(axis=1) > 0.5
    return int(spoken.sum()), int(double.sum())


def _frames_in(chunk: Samples) -> int:
    """Frames whose centre is in the chunk and not in the silence that is put after it."""
    return max((len(chunk) - FIRST_CENTRE_SAMPLES) // STEP_SAMPLES + 1, 0)


def _during(chunk: Samples, frames: NDArray[np.bool_]) -> Samples:
    """The chunk's samples that belong to these frames."""
    mask = np.zeros(len(chunk), np.bool_)
    start = FIRST_CENTRE_SAMPLES - STEP_SAMPLES // 2
    covered = np.repeat(frames, STEP_SAMPLES)[: len(chunk) - start]
    mask[start : start + len(covered)] = covered
    return chunk[mask]


def _groups(similarity: NDArray[np.float32], least: float) -> list[list[int]]:
    """Groups by average linkage until no two groups agree by ``least``."""
    between = similarity.astype(np.float64)
    np.fill_diagonal(between, -np.inf)
    groups = [[member] for member in range(len(between))]
    while len(groups) > 1:
        first, second = (int(at) for at in np.unravel_index(between.argmax(), between.shape))
        if between[first, second] < least:
            break
        weights = len(groups[first]), len(groups[second])
        merged = np.average(between[[first, second]], axis=0, weights=weights)
        between[first], between[:, first] = merged, merged
        between[first, first] = -np.inf
        groups[first] += groups.pop(second)
        between = np.delete(np.delete(between, second, axis=0), second, axis=1)
    return groups
