"""What the voice path of the product hears of a speaker in one channel after the other, kept between runs.

A *tape* is what a speaker says in one session; in a channel (a telephone condition with a seed) the voice path makes
windows of net speech and voiceprints of it, and a call is a run of such windows. So nothing is heard twice, and a call
is what ``aggregate`` makes of its windows, as during a real one.

A *made voice* is a speaker whose recordings are played faster or slower, which moves pitch and formants together, as
training sets are enlarged by speakers. Made voices are marked as such and reported apart.
"""

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from benchmarks.unknown.people import Person
from numpy.typing import NDArray

from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.activity import Framer, VoiceActivity
from shengdun.fingerprint.voice.conditions import Condition, carry, unavailable
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.quality import QualityMeter
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds
from shengdun.fingerprint.voice.windows import NetSpeech, Window
from shengdun.index.accuracy.corpus import CorpusRecording
from shengdun.index.accuracy.embeddings import front_end_version
from shengdun.index.calibration import UNREADABLE

AS_RECORDED: Final = 1.0
SPEEDS: Final = (0.76, 0.82, 0.88, 1.14, 1.22, 1.3)
"""Of made voices: each at least 7 % from the next and 12 % from the recording, which is another person to the model
(decision note 0034)."""
_VERSION: Final = "2"
_PAUSE: Final = np.zeros(MODEL_RATE_HZ // 5, np.float32)
_AT_ONCE: Final = 8
_FULL_WINDOW_S: Seconds = 2.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A telephone condition with a seed, which says what is lost, which noise it is, and where it begins."""

    condition: Condition
    seed: int = 0

    @property
    def name(self) -> str:
        """As ``noise-10/1``."""
        return f"{self.condition.value}/{self.seed}"


_CHANNELS: Final = tuple(
    Channel(condition=condition, seed=seed)
    for condition, seeds in (
        (Condition.PCMU, 1),
        (Condition.PCMA, 1),
        (Condition.GSM_FR, 1),
        (Condition.AMR_NB_4_75, 1),
        (Condition.AMR_NB_12_2, 1),
        (Condition.OPUS_8K_6, 1),
        (Condition.PACKET_LOSS_3, 1),
        (Condition.REVERBERATION, 1),
        (Condition.NOISE_20_DB, 2),
        (Condition.NOISE_10_DB, 2),
        (Condition.NOISE_5_DB, 2),
    )
    for seed in range(seeds)
)


def channels_of(name: str, count: int) -> list[Channel]:
    """So many different channels for a speaker, drawn by name: who they are says nothing of how they call."""
    able = [channel for channel in _CHANNELS if channel.condition not in unavailable()]
    seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())
    chosen = np.random.default_rng(seed).permutation(len(able))[:count]
    return [able[row] for row in chosen]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeardTape:
    """The windows of one tape in one channel.

    Attributes:
        channel: that it was heard in.
        voiceprints: (n, d) float32 unit rows, one a window.
        net_speech_s: (n,) float64 in each window.
        snr_db: speech over noise; None where it couldn't be measured.
    """

    channel: Channel
    voiceprints: NDArray[np.float32] = field(repr=False)
    net_speech_s: NDArray[np.float64] = field(repr=False)
    snr_db: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Voice:
    """A speaker, as recorded or made, heard in several channels.

    Attributes:
        name: of the speaker; of a made voice with its speed.
        person: who speaks.
        speed: 1 as recorded.
        tapes: what was heard of each tape, by channel.
    """

    name: str
    person: Person
    speed: float
    tapes: tuple[tuple[HeardTape, ...], ...]

    @property
    def is_made(self) -> bool:
        """Whether this isn't how the speaker sounds."""
        return self.speed != AS_RECORDED

    @property
    def sizes(self) -> list[int]:
        """Windows of each tape that calls may be made of: those that are full in every channel.

        Someone of whom there isn't one full window has what there is, as one short call.
        """
        full = [min(_full(heard) for heard in tape) for tape in self.tapes]
        if not any(full):
            full = [min(len(heard.net_speech_s) for heard in tape) for tape in self.tapes]
        return full

    @property
    def windows(self) -> int:
        """All of them: so many segments may be spoken by one identity."""
        return sum(self.sizes)


class Listener:
    """Hears speakers through the voice path. Safe to share between threads.

    Args:
        model: makes voiceprints.
        activity: finds speech.
        acoustics: noises and rooms of the channels.
        cache: directory in which what was heard is kept.
        draw: says which noise there is and what is lost, of many ways it could have been; the same after changes of
            the voice path.
        jobs: threads.
    """

    def __init__(
        self,
        *,
        model: VoiceModel,
        activity: VoiceActivity,
        acoustics: Acoustics,
        cache: Path,
        draw: int = 0,
        jobs: int = 1,
    ) -> None:
        self._model = model
        self._activity = activity
        self._acoustics = acoustics
        self._cache = cache
        self._draw = draw
        self._jobs = jobs

    def hear_all(
        self,
        people: Sequence[Person],
        *,
        speed: float = AS_RECORDED,
        channels: int,
        at_most_s: Seconds,
        progress: Callable[[str], None] = lambda _: None,
    ) -> list[Voice]:
        """Every speaker of whom at least one window was heard in each channel.

        Args:
            people: the speakers.
            speed: of made voices.
            channels: how many channels each is heard in.
            at_most_s: audio that is taken of one tape.
            progress: told now and then.
        """
        with ThreadPoolExecutor(max_workers=self._jobs) as threads:
            hearing = [
                threads.submit(self._hear, person, speed, channels, at_most_s) for person in people
            ]
            voices = []
            for done, future in enumerate(hearing, 1):
                voices.append(future.result())
                if done % 20 == 0:
                    progress(f"heard {done} of {len(people)} speakers at speed {speed}")
        return [voice for voice in voices if voice.windows]

    def _hear(self, person: Person, speed: float, channels: int, at_most_s: Seconds) -> Voice:
        name = person.name if speed == AS_RECORDED else f"{person.name}@{speed}"
        chosen = channels_of(name, channels)
        tapes = [
            tuple(self._tape(tape, speed, channel, at_most_s) for channel in chosen)
            for tape in person.tapes
        ]
        return Voice(name=name, person=person, speed=speed, tapes=tuple(tapes))

    def _tape(
        self,
        recordings: Sequence[CorpusRecording],
        speed: float,
        channel: Channel,
        at_most_s: Seconds,
    ) -> HeardTape:
        drawn = _digest(
            *(recording.sha256 for recording in recordings),
            *(repr(speed), channel.name, repr(self._draw)),
        )
        path = self._path(drawn, at_most_s)
        kept = _read(path, channel)
        if kept is not None:
            return kept
        samples = _played(recordings, speed)[: round(at_most_s * MODEL_RATE_HZ)]
        seed = int(drawn[:15], 16)
        call = carry(samples, channel.condition, acoustics=self._acoustics, seed=seed)
        windows, snr_db = self._windows(call)
        heard = HeardTape(
            channel=channel,
            voiceprints=self._voiceprints(windows),
            net_speech_s=np.array([window.net_speech_s for window in windows]),
            snr_db=snr_db,
        )
        _write(path, heard)
        return heard

    def _windows(self, call: Samples) -> tuple[list[Window], float | None]:
        framer = Framer()
        frames = np.concatenate([framer.push(call), framer.finish()])
        state = self._activity.new_state()
        [probabilities] = self._activity.speech_probabilities([(state, frames)])
        speech = NetSpeech(window_s=self._model.window_s)
        windows = speech.push(frames, probabilities)
        last = speech.finish()
        quality = QualityMeter()
        quality.update(frames, probabilities)
        return windows + ([last] if last else []), quality.report().snr_db

    def _voiceprints(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        pieces = [window.samples for window in windows]
        rows = [
            row
            for start in range(0, len(pieces), _AT_ONCE)
            for row in self._model.embed(pieces[start : start + _AT_ONCE])
        ]
        return np.array(rows, np.float32).reshape(-1, self._model.dimension)

    def _path(self, drawn: str, at_most_s: Seconds) -> Path:
        key = _digest(
            *(_VERSION, drawn, repr(at_most_s), self._acoustics.fingerprint),
            *(self._model.model_id, self._model.precision, front_end_version()),
        )
        return self._cache / key[:2] / f"{key}.npz"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _full(heard: HeardTape) -> int:
    return int(np.count_nonzero(heard.net_speech_s >= _FULL_WINDOW_S))


def _played(recordings: Sequence[CorpusRecording], speed: float) -> Samples:
    return np.concatenate([*_parts(recordings, speed), _PAUSE])


def _parts(recordings: Sequence[CorpusRecording], speed: float) -> Iterator[Samples]:
    for recording in recordings:
        samples = decode_recording(recording.path).samples
        if speed != AS_RECORDED:
            samples = soxr.resample(samples, MODEL_RATE_HZ * speed, MODEL_RATE_HZ, "HQ")
        yield _PAUSE
        yield samples


def _read(path: Path, channel: Channel) -> HeardTape | None:
    try:
        with np.load(path, allow_pickle=False) as stored:
            snr_db = float(stored["snr_db"])
            return HeardTape(
                channel=channel,
                voiceprints=stored["voiceprints"],
                net_speech_s=stored["net_speech_s"],
                snr_db=None if np.isnan(snr_db) else snr_db,
            )
    except (OSError, *UNREADABLE):
        return None


def _write(path: Path, heard: HeardTape) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    np.savez(
        content,
        voiceprints=heard.voiceprints,
        net_speech_s=heard.net_speech_s,
        snr_db=np.array(np.nan if heard.snr_db is None else heard.snr_db),
    )
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content.getvalue())
    Path(file.name).replace(path)
