"""Windows of real speakers over telephone lines, of which calls with and without a handover are put together.

Speakers are split once by a keyed hash of their name: whatever is fitted sees ``FIT`` alone, whatever is reported
comes of ``EVALUATE``. Those of the demo recordings, who alone talk freely and in several sessions, are never fitted on.
"""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.robustness.disturbances import at_level
from benchmarks.robustness.hearing import VoicePath
from numpy.typing import NDArray

from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.conditions import Condition, carry
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples

CONDITIONS: Final = (
    Condition.PCMU,
    Condition.PCMA,
    Condition.GSM_FR,
    Condition.NOISE_10_DB,
    Condition.REVERBERATION,
)
EMOTIONAL: Final = ("ravdess", "emodb")
"""Acted emotion, another in each recording."""
COUNCIL: Final = "council"
LEAST_WINDOWS: Final = 3
_KEY: Final = b"shengdun handover 1"
_SPEECH_DBFS: Final = -26.0
_LONGEST_S: Final = 60.0
_PAUSE_S: Final = 0.6
_SINGLE: Final = ("aishell3_impostors", "librispeech_impostors")
"""One recording of a few seconds each."""


class Side(StrEnum):
    """What a speaker is there for."""

    FIT = "fit"
    EVALUATE = "evaluate"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tape:
    """All full windows of one speaker over one kind of line, in the order in which they were spoken.

    Attributes:
        speaker: ``corpus/name``.
        condition: the line.
        voiceprints: (n, d) float32 unit rows.
        samples: (n, window) int16, the net speech of each window at 16 kHz.
    """

    speaker: str
    condition: Condition
    voiceprints: NDArray[np.float32] = field(repr=False)
    samples: NDArray[np.int16] = field(repr=False)

    @property
    def corpus(self) -> str:
        """Where the speaker comes from."""
        return self.speaker.split("/")[0]


def side_of(speaker: str) -> Side:
    """The side of a speaker by ``corpus/name``, always the same."""
    if speaker.startswith(f"{COUNCIL}/"):
        return Side.EVALUATE
    digest = hashlib.blake2b(speaker.encode(), key=_KEY, digest_size=4).digest()
    return Side.FIT if digest[0] < 128 else Side.EVALUATE


def read_speakers(corpus: Path, store: ModelStore) -> dict[str, list[Samples]]:
    """What each speaker says, up to a minute, by ``corpus/name``."""
    speakers: dict[str, list[Samples]] = defaultdict(list)
    with (corpus / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["corpus"] not in _SINGLE:
                samples = decode_recording(corpus / row["path"]).samples
                speakers[f"{row['corpus']}/{row['speaker']}"].append(samples)
    for recording in store.demo_recordings():
        samples = decode_recording(recording.read()).samples
        speakers[f"{COUNCIL}/{recording.speaker}"].append(samples)
    return {name: _limited(parts) for name, parts in sorted(speakers.items())}


def make_bank(
    corpus: Path,
    noise_and_rooms: Path,
    store: ModelStore,
    path: VoicePath,
    *,
    part: int,
    parts: int,
) -> Iterator[Tape]:
    """The tapes of every ``parts``-th speaker, from ``part`` on."""
    acoustics = Acoustics.recorded(noise_and_rooms)
    speakers = list(read_speakers(corpus, store).items())
    for number in range(part, len(speakers), parts):
        name, recordings = speakers[number]
        pause = np.zeros(round(_PAUSE_S * MODEL_RATE_HZ), np.float32)
        told = np.concatenate(
            [each for one in recordings for each in (at_level(one, _SPEECH_DBFS), pause)]
        )
        for condition in CONDITIONS:
            heard = carry(told, condition, acoustics=acoustics, seed=number)
            tape = _tape(name, condition, heard, path)
            if tape is not None:
                yield tape


def save_bank(file: Path, tapes: Sequence[Tape]) -> None:
    """Keep tapes in one file."""
    np.savez(
        file,
        speakers=np.array([tape.speaker for tape in tapes]),
        conditions=np.array([tape.condition.value for tape in tapes]),
        counts=np.array([len(tape.voiceprints) for tape in tapes]),
        voiceprints=np.concatenate([tape.voiceprints for tape in tapes]),
        samples=np.concatenate([tape.samples for tape in tapes]),
    )


def load_bank(files: Sequence[Path]) -> list[Tape]:
    """The tapes of files that ``save_bank`` wrote, by speaker."""
    tapes: list[Tape] = []
    for file in files:
        with np.load(file) as kept:
            ends = np.cumsum(kept["counts"])[:-1]
            rows = zip(
                kept["speakers"].tolist(),
                kept["conditions"].tolist(),
                np.split(kept["voiceprints"], ends),
                np.split(kept["samples"], ends),
                strict=True,
            )
            tapes += [
                Tape(
                    speaker=speaker, condition=Condition(condition), voiceprints=rows_, samples=pcm
                )
                for speaker, condition, rows_, pcm in rows
            ]
    return sorted(tapes, key=lambda tape: (tape.speaker, tape.condition.value))


def _limited(parts: list[Samples]) -> list[Samples]:
    left, kept = round(_LONGEST_S * MODEL_RATE_HZ), []
    # Of many recordings a little each, so that a minute has all sessions in it.
    share = max(left // len(parts), 6 * MODEL_RATE_HZ)
    for part in parts:
        if left > 0:
            kept.append(part[: min(share, left)])
            left -= len(kept[-1])
    return kept


def _tape(name: str, condition: Condition, heard: Samples, path: VoicePath) -> Tape | None:
    windows, _ = path.windows(heard)
    full = [one.samples for one in windows if one.net_speech_s >= path.model.window_s]
    if len(full) < LEAST_WINDOWS:
        return None
    rows = [path.model.embed(full[start : start + 8]) for start in range(0, len(full), 8)]
    pcm = np.clip(np.stack(full) * 32_767.0, -32_768, 32_767).astype(np.int16)
    return Tape(speaker=name, condition=condition, voiceprints=np.concatenate(rows), samples=pcm)
