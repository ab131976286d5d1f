"""Take window voiceprints of a corpus through telephone conditions, with the product's own voice path.

    python benchmarks/calibration/extract.py SPEECH MODELS OUTPUT [--corpus NAME ...] [--sessions NAME=DIRECTORY]
        [--model NAME]

``SPEECH`` holds ``MANIFEST.csv`` and the corpora. One archive a corpus is written to ``OUTPUT``; recordings that it
already has are skipped, so the run can be stopped and taken up again. ``--sessions`` reads a tree
``<session>/<speaker>/<recording>.wav`` as a corpus with several sessions a speaker, for evaluation only.
"""

import argparse
import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.activity import Framer, VoiceActivity
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, StreamDecoder, encode
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.fingerprint.voice.windows import NetSpeech

Samples = NDArray[np.float32]

CONDITIONS: Final = ("pcmu", "pcma", "noise", "room")
NET_SPEECH_CAP_S: Final = 20.0
SPEECH_LEVEL_DBFS: Final = (-32.0, -18.0)
NOISE_SNR_DB: Final = (8.0, 20.0)
SAVE_EVERY: Final = 25

NOISES: Final = (
    "noise/speechbrain_noise1.flac",
    "noise/speechbrain_noise3.flac",
    "noise/speechbrain_noise4.flac",
    "noise/speechbrain_noise5.flac",
    "noise/pra_doing_the_dishes.flac",
    "noise/pra_exercise_bike.flac",
    "noise/dfn_freesound_573577.flac",
)
ROOMS: Final = (
    "rir/speechbrain_rir1.flac",
    "rir/speechbrain_rir2.flac",
    "rir/speechbrain_rir4.flac",
    "rir/dfn_sim_rt60_0.79.flac",
    "rir/audiomentations_rir48000.flac",
    "rir/wa_omni-35-10.flac",
)
"""Only noises and rooms whose licences let what is fitted on them be shipped."""


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
            voiceprints=np.array(self.voiceprints, dtype=np.float32),
            net_speech_s=np.array(self.net_speech_s),
            recording_rows=np.array(self.recording_rows, dtype=np.int64),
        )
        partial.replace(path)


class Telephone:
    """Puts a recording through one telephone condition, the same way each time."""

    def __init__(self, noise_and_rooms: Path) -> None:
        self._noises = [decode_recording(noise_and_rooms / name).samples for name in NOISES]
        self._rooms = [decode_recording(noise_and_rooms / name).samples for name in ROOMS]

    def call(self, samples: Samples, condition: str, seed: str) -> tuple[bytes, AudioFormat]:
        """The bytes that a caller in this condition would send."""
        rng = np.random.default_rng(
            int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
        )
        silence = np.zeros(MODEL_RATE_HZ // 10, dtype=np.float32)
        signal = np.concatenate([silence, samples, silence, silence]).astype(np.float64)
        if condition == "room":
            signal = _reverberated(signal, self._rooms[rng.integers(len(self._rooms))])
        if condition == "noise":
            signal += _noise_for(signal, self._noises[rng.integers(len(self._noises))], rng)
        signal *= _amplitude(rng.uniform(*SPEECH_LEVEL_DBFS)) / _rms(signal)
        encoding = Encoding.PCMA if condition == "pcma" else Encoding.PCMU
        audio_format = AudioFormat(encoding=encoding, sample_rate_hz=8000)
        return encode(signal.astype(np.float32), audio_format), audio_format


class VoicePath:
    """The product's way from telephone bytes to net-speech windows and their voiceprints."""

    def __init__(self, activity: VoiceActivity, model: VoiceModel) -> None:
        self._activity = activity
        self._model = model

    def voiceprints(
        self, data: bytes, audio_format: AudioFormat
    ) -> tuple[NDArray[np.float32], list[float]]:
        """Window voiceprints (n, d) of the first seconds of net speech, and the net speech of each."""
        decoder, framer = StreamDecoder(audio_format), Framer()
        net_speech = NetSpeech(window_s=self._model.window_s)
        whole = framer.push(np.concatenate([decoder.decode(data), decoder.finish()]))
        frames = np.concatenate([whole, framer.finish()])
        probabilities = self._activity.speech_probabilities([(self._activity.new_state(), frames)])[
            0
        ]
        windows = net_speech.push(frames, probabilities)
        last = net_speech.finish()
        windows += [last] if last else []
        windows = [w for w in windows if w.index * self._model.window_s < NET_SPEECH_CAP_S]
        if not windows:
            return np.empty((0, self._model.dimension), dtype=np.float32), []
        return self._model.embed([w.samples for w in windows]), [w.net_speech_s for w in windows]


def extract(
    sources: list[Source], path: Path, telephone: Telephone, voice_path: VoicePath, model_id: str
) -> None:
    archive = Archive.read(path, model_id)
    done = {(name, condition) for _, _, name, condition, _ in archive.recordings}
    for count, source in enumerate(sources):
        todo = [condition for condition in CONDITIONS if (source.name, condition) not in done]
        if todo:
            samples = decode_recording(source.path).samples
        for condition in todo:
            call = telephone.call(samples, condition, f"{source.name} {condition}")
            voiceprints, net_speech_s = voice_path.voiceprints(*call)
            row = len(archive.recordings)
            archive.recordings.append(
                (source.speaker, source.session, source.name, condition, source.licence_class)
            )
            archive.voiceprints += list(voiceprints)
            archive.net_speech_s += net_speech_s
            archive.recording_rows += [row] * len(net_speech_s)
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
    arguments = parser.parse_args()
    store = ModelStore(arguments.models)
    model = store.voice_model(arguments.model)
    voice_path = VoicePath(store.voice_activity(), model)
    telephone = Telephone(arguments.speech / "noise_and_rooms")
    corpora = manifest_sources(arguments.speech)
    if arguments.corpus or arguments.sessions:
        corpora = {name: corpora[name] for name in arguments.corpus}
    for named in arguments.sessions:
        name, _, tree = named.partition("=")
        corpora[name] = list(session_sources(Path(tree)))
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, sources in corpora.items():
        extract(sources, arguments.output / f"{name}.npz", telephone, voice_path, model.model_id)


def _reverberated(signal: NDArray[np.float64], room: Samples) -> NDArray[np.float64]:
    # From the direct sound on, at unit energy, so that the room neither delays nor amplifies.
    response = room[int(np.argmax(np.abs(room))) :].astype(np.float64)
    response /= np.sqrt((response**2).sum())
    length = len(signal) + len(response)
    spectrum = np.fft.rfft(signal, length) * np.fft.rfft(response, length)
    return np.fft.irfft(spectrum, length)[: len(signal)]


def _noise_for(
    signal: NDArray[np.float64], noise: Samples, rng: np.random.Generator
) -> NDArray[np.float64]:
    cut = np.resize(np.roll(noise, -int(rng.integers(len(noise)))), len(signal)).astype(np.float64)
    return cut * _rms(signal) / _rms(cut) * _amplitude(-rng.uniform(*NOISE_SNR_DB))


def _rms(signal: NDArray[np.float64]) -> float:
    return float(np.sqrt((signal**2).mean())) + 1e-9


def _amplitude(level_db: float) -> float:
    return float(10.0 ** (level_db / 20.0))


if __name__ == "__main__":
    main()
