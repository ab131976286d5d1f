"""Who calls, and what their calls are disturbed with."""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.robustness.disturbances import Material, at_level

from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples

UNDER_TEST: Final = ("hyke_ivr", "fdu_dspspeech20")
OTHERS: Final = ("librispeech_test_other", "librispeech_voicefilter")
PROMPTS: Final = "fs_callie"
MIXED_MUSIC: Final = "paa_music"
LONGEST_TURN: Final = 12 * MODEL_RATE_HZ


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Speaker:
    """One person: recordings to enrol, and turns of a call."""

    corpus: str
    name: str
    enrolled: list[Samples] = field(repr=False)
    turns: list[Samples] = field(repr=False)


def load_speakers(corpus: Path, store: ModelStore) -> list[Speaker]:
    by_speaker: dict[tuple[str, str], list[Samples]] = {}
    for row in _manifest(corpus):
        if row["corpus"] in UNDER_TEST:
            samples = decode_recording(corpus / row["path"]).samples
            by_speaker.setdefault((row["corpus"], row["speaker"]), []).append(samples)
    speakers = [
        Speaker(corpus=name, name=speaker, enrolled=recordings[:2], turns=recordings[2:])
        for (name, speaker), recordings in by_speaker.items()
    ]
    return speakers + _council(store)


def _council(store: ModelStore) -> list[Speaker]:
    meetings: dict[str, dict[str, list[Samples]]] = {}
    for recording in store.demo_recordings():
        samples = decode_recording(recording.read()).samples
        meetings.setdefault(recording.speaker, {}).setdefault(recording.meeting, []).append(samples)
    speakers = []
    for speaker, own in meetings.items():
        longest = max(own, key=lambda meeting: sum(map(len, own[meeting])))
        turns = [
            one[:LONGEST_TURN] for meeting in own if meeting != longest for one in own[meeting]
        ]
        if turns:
            enrolled = [np.concatenate(own[longest])[: 2 * LONGEST_TURN]]
            speakers.append(
                Speaker(corpus="council", name=speaker, enrolled=enrolled, turns=turns[:3])
            )
    return speakers


def load_material(corpus: Path, noise_and_rooms: Path) -> Material:
    prompts: list[Samples] = []
    others: dict[str, list[Samples]] = {}
    for row in _manifest(corpus):
        if row["speaker"] == PROMPTS:
            prompts.append(decode_recording(corpus / row["path"]).samples)
        elif row["corpus"] in OTHERS:
            samples = at_level(decode_recording(corpus / row["path"]).samples, 0.0)
            others.setdefault(row["speaker"], []).append(samples)
    music = {
        path.stem: at_level(decode_recording(path).samples, 0.0)
        for path in sorted((noise_and_rooms / "music").glob("*.*"))
    }
    return Material(
        hold_music=tuple(track for name, track in music.items() if name != MIXED_MUSIC),
        mixed_music=(music[MIXED_MUSIC],),
        prompt=at_level(np.concatenate(prompts[:3]), 0.0),
        others=tuple(np.concatenate(parts) for parts in others.values()),
    )


def _manifest(corpus: Path) -> list[dict[str, str]]:
    with (corpus / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
