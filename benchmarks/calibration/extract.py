"""Take window voiceprints of a corpus through telephone conditions, with the product's own voice path.

    python benchmarks/calibration/extract.py SPEECH MODELS OUTPUT [--corpus NAME ...] [--sessions NAME=DIRECTORY]
        [--model NAME] [--condition NAME ...]

``SPEECH`` holds ``MANIFEST.csv`` and the corpora. One archive a corpus is written to ``OUTPUT``; recordings that it
already has are skipped, so the run can be stopped and taken up again. ``--sessions`` reads a tree
``<session>/<speaker>/<recording>.wav`` as a corpus with several sessions a speaker, for evaluation only.
"""

import argparse
import csv
import dataclasses
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.activity import Framer, VoiceActivity
from shengdun.fingerprint.voice.conditions import Condition, carry
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.quality import QualityMeter
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.fingerprint.voice.windows import NetSpeech

CONDITIONS: Final = (
    Condition.WIDEBAND,
    Condition.PCMU,
    Condition.AMR_NB_4_75,
    Condition.NOISE_0_DB,
    Condition.NOISE_5_DB,
    Condition.NOISE_10_DB,
    Condition.REVERBERATION,
)
"""Wideband is how a recording is enrolled. Packet loss and PCMA can't be told from PCMU by the voiceprints."""
NET_SPEECH_CAP_S: Final = 21.0
SAVE_EVERY: Final = 25
PAUSE: Final = np.zeros(round(0.3 * MODEL_RATE_HZ), np.float32)

NOISES: Final = (
    "speechbrain_noise1.flac",
    "speechbrain_noise3.flac",
    "speechbrain_noise4.flac",
    "speechbrain_noise5.flac",
    "pra_doing_the_dishes.flac",
    "pra_exercise_bike.flac",
    "dfn_freesound_573577.flac",
)
ROOMS: Final = (
    "speechbrain_rir1.flac",
    "speechbrain_rir2.flac",
    "speechbrain_rir4.flac",
    "dfn_sim_rt60_0.79.flac",
    "audiomentations_rir48000.flac",
    "wa_omni-35-10.flac",
)
"""Only noises and rooms whose licences let what is fitted on them be shipped."""
STATIONARY_NOISES: Final = 6
"""Beside the recorded ones: nearly half of noisy calls have one."""
STATIONARY_SEED: Final = 7
STATIONARY_S: Final = 30.0
STEEPNESS: Final = (0.0, 1.5)
CORNER_HZ: Final = (150.0, 1500.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A recording to be read."""

    speaker: str
    session: str
    name: str
    path: Path
    licence_class: str


@dataclass(slots=True)
class Archive:
    """What one corpus gave: rows of recordings in one condition, and rows of windows that point to them."""

    recordings: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    snr_db: list[float] = field(default_factory=list)
    voiceprints: list[NDArray[np.float32]] = field(default_factory=list)
    net_speech_s: list[float] = field(default_factory=list)
    recording_rows: list[int] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path, model_id: str) -> "Archive":
        """Take up what was written before, if anything, by the same model."""
        if not path.exists():
            return cls()
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["model_id"]) != model_id:
                raise SystemExit(
                    f"{path} has voiceprints of {stored['model_id']}; name another OUTPUT"
                )
            return cls(
                recordings=[tuple(row) for row in stored["recordings"].tolist()],
                snr_db=stored["snr_db"].tolist(),
                voiceprints=list(stored["voiceprints"]),
                net_speech_s=stored["net_speech_s"].tolist(),
                recording_rows=stored["recording_rows"].tolist(),
            )

    def write(self, path: Path, model_id: str) -> None:
        """Write everything so far, whole or not at all."""
        partial = path.with_suffix(".partial.npz")
        np.savez(
            partial,
            model_id=np.array(model_id),
            recordings=np.array(self.recordings, dtype=np.str_).reshape(-1, 5),
            snr_db=np.array(self.snr_db),
            voiceprints=np.array(self.voiceprints, dtype=np.float32),
            net_speech_s=np.array(self.net_speech_s),
            recording_rows=np.array(self.recording_rows, dtype=np.int64),
        )
        partial.replace(path)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """What the voice path made of a call: window voiceprints (n, d), the net speech of each, and the call's noise."""

    voiceprints: NDArray[np.float32]
    net_speech_s: list[float]
    snr_db: float


class VoicePath:
    """The product's way from a recording in a telephone condition to net-speech windows and their voiceprints."""

    def __init__(self, activity: VoiceActivity, model: VoiceModel, acoustics: Acoustics) -> None:
        self._activity = activity
        self._model = model
        self._acoustics = acoustics

    def hear(self, samples: Samples, condition: Condition, *, seed: str) -> Heard:
        """The first seconds of net speech; the same seed takes the same noise or room."""
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
        padded = np.concatenate([PAUSE, samples, PAUSE])
        call = carry(padded, condition, acoustics=self._acoustics, seed=number)
        framer = Framer()
        frames = np.concatenate([framer.push(call), framer.finish()])
        state = self._activity.new_state()
        [probabilities] = self._activity.speech_probabilities([(state, frames)])
        quality = QualityMeter()
        quality.update(frames, probabilities)
        net_speech = NetSpeech(window_s=self._model.window_s)
        windows = net_speech.push(frames, probabilities)
        last = net_speech.finish()
        windows += [last] if last else []
        windows = [w for w in windows if w.index * self._model.window_s < NET_SPEECH_CAP_S]
        rows = [self._model.embed([w.samples])[0] for w in windows]
        snr_db = quality.report().band_snr_db
        return Heard(
            voiceprints=np.array(rows, np.float32).reshape(-1, self._model.dimension),
            net_speech_s=[w.net_speech_s for w in windows],
            snr_db=np.nan if snr_db is None else snr_db,
        )


def open_acoustics(noise_and_rooms: Path) -> Acoustics:
    """The noises and rooms of open licences, and stationary noises, as a line's own is."""
    with tempfile.TemporaryDirectory() as directory:
        for kind, names in (("noise", NOISES), ("rir", ROOMS)):
            (Path(directory) / kind).mkdir()
            for name in names:
                (Path(directory) / kind / name).symlink_to(
                    (noise_and_rooms / kind / name).resolve()
                )
        recorded = Acoustics.recorded(Path(directory))
    return dataclasses.replace(
        recorded,
        noises=recorded.noises + stationary_noises(),
        fingerprint=f"{recorded.fingerprint} and stationary/{STATIONARY_SEED}",
        described=f"{recorded.described}; and {STATIONARY_NOISES} stationary noises",
    )


def stationary_noises() -> tuple[Samples, ...]:
    """Noises as of fans and lines, flat up to a corner and then falling, whose power lies in the telephone band.

    ``evaluate`` makes noises of another family, by another seed: what is fitted on these has not met those.
    """
    rng = np.random.default_rng(STATIONARY_SEED)
    length = round(STATIONARY_S * MODEL_RATE_HZ)
    frequencies = np.fft.rfftfreq(length, 1 / MODEL_RATE_HZ)
    noises = []
    for steepness in np.linspace(*STEEPNESS, STATIONARY_NOISES):
        corner_hz = np.exp(rng.uniform(*np.log(CORNER_HZ)))
        shape = (1.0 + (frequencies / corner_hz) ** 2) ** (-steepness / 4.0)
        spectrum = np.fft.rfft(rng.standard_normal(length)) * shape
        noises.append(np.fft.irfft(spectrum, length).astype(np.float32))
    return tuple(noises)


def extract(
    sources: list[Source],
    path: Path,
    voice_path: VoicePath,
    model_id: str,
    conditions: list[Condition],
) -> None:
    archive = Archive.read(path, model_id)
    done = {(name, condition) for _, _, name, condition, _ in archive.recordings}
    for count, source in enumerate(sources):
        todo = [each for each in conditions if (source.name, each.value) not in done]
        if todo:
            samples = decode_recording(source.path).samples
        for condition in todo:
            heard = voice_path.hear(samples, condition, seed=f"{condition.value}{source.name}")
            row = len(archive.recordings)
            archive.recordings.append(
                (source.speaker, source.session, source.name, condition.value, source.licence_class)
            )
            archive.snr_db.append(heard.snr_db)
            archive.voiceprints += list(heard.voiceprints)
            archive.net_speech_s += heard.net_speech_s
            archive.recording_rows += [row] * len(heard.net_speech_s)
        if todo and count % SAVE_EVERY == 0:
            archive.write(path, model_id)
            print(f"{path.stem}: {count + 1} of {len(sources)} recordings", flush=True)
    archive.write(path, model_id)


def manifest_sources(speech: Path) -> dict[str, list[Source]]:
    corpora: dict[str, list[Source]] = {}
    with (speech / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            source = Source(
                speaker=row["speaker"],
                session=row["speaker"],
                name=row["path"],
                path=speech / row["path"],
                licence_class=row["licence_class"],
            )
            corpora.setdefault(row["corpus"], []).append(source)
    return corpora


def session_sources(tree: Path) -> Iterator[Source]:
    for path in sorted(tree.glob("*/*/*.wav")):
        session, speaker, _ = path.relative_to(tree).parts
        yield Source(
            speaker=speaker,
            session=session,
            name=str(path.relative_to(tree)),
            path=path,
            licence_class="evaluation",
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("speech", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--corpus", action="append", default=[])
    parser.add_argument("--sessions", action="append", default=[], metavar="NAME=DIRECTORY")
    parser.add_argument("--model", default="campplus-zh-en")
    parser.add_argument("--condition", action="append", type=Condition, default=[])
    arguments = parser.parse_args()
    store = ModelStore(arguments.models)
    model = store.voice_model(arguments.model)
    acoustics = open_acoustics(arguments.speech / "noise_and_rooms")
    voice_path = VoicePath(store.voice_activity(), model, acoustics)
    conditions = arguments.condition or list(CONDITIONS)
    corpora = manifest_sources(arguments.speech)
    if arguments.corpus or arguments.sessions:
        corpora = {name: corpora[name] for name in arguments.corpus}
    for named in arguments.sessions:
        name, _, tree = named.partition("=")
        corpora[name] = list(session_sources(Path(tree)))
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, sources in corpora.items():
        extract(sources, arguments.output / f"{name}.npz", voice_path, model.model_id, conditions)


if __name__ == "__main__":
    main()
