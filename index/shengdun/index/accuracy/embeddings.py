"""Voiceprints of a corpus in telephone conditions, made by the voice path of the product and kept between runs.

What is kept is found by the content of the recordings, the condition, the noises and rooms, the voice model, and the
source of the voice path, so nothing that is out of date is ever used. Every entry is written whole or not at all: a run
that was stopped goes on where it was.
"""

import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.activity import Framer, VoiceActivity
from shengdun.fingerprint.voice.conditions import Condition, carry
from shengdun.fingerprint.voice.errors import RecordingError
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.quality import QualityMeter
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds
from shengdun.fingerprint.voice.windows import NetSpeech, Window, WindowPolicy
from shengdun.index.accuracy.corpus import CorpusRecording
from shengdun.index.calibration import UNREADABLE
from shengdun.index.scoring import aggregate

WHOLE: Final = 0.0
"""Stands for "all of the net speech" where seconds are asked for."""
ENROLLED_AT_MOST_S: Seconds = 60.0
_SLACK_S: Seconds = 0.5
_PAUSE: Final = np.zeros(MODEL_RATE_HZ // 5, np.float32)
_AT_ONCE: Final = 8
_SOURCES: Final = (
    "acoustics", "activity", "campplus", "codecs", "conditions", "fbank", "foreground", "g711", "noise", "quality",
    "recordings", "tones", "windows",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Recordings of one speaker, laid end to end, as the voice path hears them in one condition.

    Attributes:
        recordings: of one speaker.
        condition: the telephone condition.
        seconds: amounts of net speech that a voiceprint is wanted of; ``WHOLE`` for all there is.
    """

    recordings: tuple[CorpusRecording, ...]
    condition: Condition
    seconds: tuple[Seconds, ...]

    @property
    def speaker(self) -> str:
        """Who speaks."""
        return self.recordings[0].speaker


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """What the voice path made of a take.

    Attributes:
        voiceprints: of the take by seconds of net speech, (d,) float32 each; without those that it has too little for.
        net_speech_s: net speech behind each of them.
        snr_db: speech over noise of the whole take; None where it couldn't be measured.
        failure: why there is no voiceprint at all; empty when there is one.
    """

    voiceprints: dict[Seconds, NDArray[np.float32]] = field(repr=False)
    net_speech_s: dict[Seconds, Seconds]
    snr_db: float | None = None
    failure: str = ""


class EmbeddingCache:
    """Entries on disk; without a directory nothing is kept. Safe to share between threads and processes.

    Args:
        directory: made when it's needed.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def get(self, key: str) -> Heard | None:
        """The entry of a key; None when there is none, or it can't be read."""
        if self._directory is None:
            return None
        try:
            with np.load(self._path(self._directory, key), allow_pickle=False) as stored:
                seconds = stored["seconds"].tolist()
                return Heard(
                    voiceprints=dict(zip(seconds, stored["voiceprints"], strict=True)),
                    net_speech_s=dict(zip(seconds, stored["net_speech_s"].tolist(), strict=True)),
                    snr_db=None if np.isnan(stored["snr_db"]) else float(stored["snr_db"]),
                    failure=str(stored["failure"]),
                )
        except (OSError, *UNREADABLE):
            return None

    def put(self, key: str, heard: Heard) -> None:
        """Keep an entry."""
        if self._directory is None:
            return
        path = self._path(self._directory, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        rows = list(heard.voiceprints.values())
        np.savez(
            content,
            seconds=np.array(list(heard.voiceprints), np.float64),
            voiceprints=np.stack(rows) if rows else np.zeros((0, 0), np.float32),
            net_speech_s=np.array(list(heard.net_speech_s.values()), np.float64),
            snr_db=np.array(np.nan if heard.snr_db is None else heard.snr_db),
            failure=np.array(heard.failure),
        )
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content.getvalue())
        Path(file.name).replace(path)

    @staticmethod
    def _path(directory: Path, key: str) -> Path:
        return directory / key[:2] / f"{key}.npz"


class Embedder:
    """Makes the voiceprints of takes. Safe to share between threads.

    Args:
        model: makes voiceprints.
        activity: finds speech.
        acoustics: noises and rooms of the conditions.
        cache: where voiceprints are kept.
        limit_s: the longest recording that is taken.
    """

    def __init__(
        self,
        *,
        model: VoiceModel,
        activity: VoiceActivity,
        acoustics: Acoustics,
        cache: EmbeddingCache,
        limit_s: Seconds = 1800.0,
    ) -> None:
        self._model = model
        self._activity = activity
        self._acoustics = acoustics
        self._cache = cache
        self._limit_s = limit_s

    def embed_all(
        self,
        takes: Sequence[Take],
        *,
        jobs: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Heard]:
        """Every take, in order; ``progress`` is told how many of how many are done."""
        found: list[Heard | None] = [None] * len(takes)
        with ThreadPoolExecutor(max_workers=jobs) as threads:
            running = {threads.submit(self.embed, take): row for row, take in enumerate(takes)}
            try:
                for done, future in enumerate(as_completed(running), start=1):
                    found[running[future]] = future.result()
                    if progress is not None:
                        progress(done, len(takes))
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        return [heard for heard in found if heard is not None]

    def embed(self, take: Take) -> Heard:
        """One take, from the cache if it is there. What can't be heard is a result, not an error."""
        key = self._key(take)
        kept = self._cache.get(key)
        if kept is not None:
            return kept
        heard = self._listen(take)
        self._cache.put(key, heard)
        return heard

    def audio(self, take: Take, *, in_band: bool = True) -> Samples:
        """What arrives of a take, at 16 kHz: the same for every system that is measured on it.

        Args:
            take: the recordings and their condition.
            in_band: whether wide-band audio is brought into the telephone band, as the voice path does itself.

        Raises:
            RecordingError: a recording can't be decoded, or is too long.
        """
        samples = self._joined(take.recordings)
        if take.condition is Condition.WIDEBAND and not in_band:
            return samples
        return carry(samples, take.condition, acoustics=self._acoustics, seed=_seed(take))

    def _listen(self, take: Take) -> Heard:
        try:
            call = self.audio(take)
        except RecordingError as error:
            return Heard(voiceprints={}, net_speech_s={}, failure=error.message)
        windows, snr_db = self._windows(call, at_most_s=_longest(take.seconds))
        if not windows:
            return Heard(
                voiceprints={}, net_speech_s={}, failure="less than 1 s of speech was heard"
            )
        return replace(self._heard(windows, take.seconds), snr_db=snr_db)

    def _joined(self, recordings: Sequence[CorpusRecording]) -> Samples:
        parts = [
            decode_recording(recording.path, limit_s=self._limit_s).samples
            for recording in recordings
        ]
        return np.concatenate([block for part in parts for block in (_PAUSE, part)] + [_PAUSE])

    def _windows(self, call: Samples, *, at_most_s: Seconds) -> tuple[list[Window], float | None]:
        """The windows of a call, and its speech over noise."""
        framer = Framer()
        frames = np.concatenate([framer.push(call), framer.finish()])
        state = self._activity.new_state()
        [probabilities] = self._activity.speech_probabilities([(state, frames)])
        speech = NetSpeech(window_s=self._model.window_s)
        windows = speech.push(frames, probabilities)
        last = speech.finish()
        windows += [last] if last else []
        quality = QualityMeter()
        quality.update(frames, probabilities)
        kept = [window for window in windows if window.index * self._model.window_s < at_most_s]
        return kept, quality.report().band_snr_db

    def _heard(self, windows: Sequence[Window], seconds: Sequence[Seconds]) -> Heard:
        cut = {wanted: list(_cut(windows, wanted, self._model.window_s)) for wanted in seconds}
        pieces: dict[tuple[int, int], Samples] = {}
        for parts in cut.values():
            pieces |= {(index, len(samples)): samples for index, samples in parts}
        rows = dict(zip(pieces, self._rows(list(pieces.values())), strict=True))
        reached = {wanted: parts for wanted, parts in cut.items() if parts}
        nets = {
            wanted: np.array([len(samples) / MODEL_RATE_HZ for _, samples in parts])
            for wanted, parts in reached.items()
        }
        return Heard(
            voiceprints={
                wanted: aggregate(
                    np.stack([rows[index, len(samples)] for index, samples in parts]), nets[wanted]
                )
                for wanted, parts in reached.items()
            },
            net_speech_s={wanted: float(net.sum()) for wanted, net in nets.items()},
        )

    def _rows(self, pieces: Sequence[Samples]) -> list[NDArray[np.float32]]:
        batches = [pieces[start : start + _AT_ONCE] for start in range(0, len(pieces), _AT_ONCE)]
        return [row for batch in batches for row in self._model.embed(batch)]

    def _key(self, take: Take) -> str:
        parts = (
            *(recording.sha256 for recording in take.recordings),
            take.condition.value,
            self._acoustics.fingerprint,
            self._model.model_id,
            self._model.precision,
            repr(take.seconds),
            repr(self._limit_s),
            front_end_version(),
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def front_end_version() -> str:
    """First 12 hexadecimal digits of the SHA-256 of the voice path's source and this module's."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    folder = resources.files("shengdun.fingerprint.voice")
    for name in _SOURCES:
        digest.update((folder / f"{name}.py").read_bytes())
    return digest.hexdigest()[:12]


def _cut(
    windows: Sequence[Window], wanted_s: Seconds, window_s: Seconds
) -> Iterator[tuple[int, Samples]]:
    """The windows of a call that ends after so much net speech; none when it has less.

    What is left over after the last full window counts as it does at the end of a call (``WindowPolicy``).
    """
    if wanted_s == WHOLE:
        yield from ((window.index, window.samples) for window in windows)
        return
    policy = WindowPolicy()
    full = int((wanted_s + 1e-6) // window_s)
    left_s = wanted_s - full * window_s
    if left_s < (policy.remainder_s if full else policy.only_s):
        left_s = 0.0
    needed_s = full * window_s + left_s
    if sum(window.net_speech_s for window in windows) < needed_s - _SLACK_S:
        return
    for window in windows[: full + (left_s > 0.0)]:
        length = round((left_s if window.index == full else window_s) * MODEL_RATE_HZ)
        yield window.index, window.samples[:length]


def _longest(seconds: Sequence[Seconds]) -> Seconds:
    return ENROLLED_AT_MOST_S if WHOLE in seconds else max(seconds)


def _seed(take: Take) -> int:
    content = "\n".join([take.condition.value, *(each.sha256 for each in take.recordings)])
    return int.from_bytes(hashlib.sha256(content.encode()).digest()[:8], "big")


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))
