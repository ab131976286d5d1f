"""What callers say: recordings as a telephone sends them, encoded once into one file that all processes map."""

import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shengdun.fingerprint.errors import ShengdunError
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.service.client import AudioEncoding, AudioFormat
from shengdun.service.client.telephone import LONGEST, encode_call
from shengdun.service.errors import LoadImpossible
from shengdun.service.load.lengths import SHORTEST_S

CODECS: Final = (AudioEncoding.PCMU, AudioEncoding.PCMA)
"""How calls are encoded, each as often as the other."""
MOST_RECORDINGS: Final = 400
"""Recordings that are taken; further ones add memory and no variety that a server would notice."""
LONGEST_CLIP_S: Final = 120.0
"""What is taken of a recording, from its beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A recording in one encoding.

    Attributes:
        encoding: how it is encoded, at 8 kHz.
        start: its first byte in the reel.
        size: its bytes, one a sample.
    """

    encoding: AudioEncoding
    start: int
    size: int

    @property
    def length_s(self) -> float:
        """How long it is."""
        return self.size / AudioFormat(encoding=self.encoding).bytes_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Reel:
    """All clips.

    Attributes:
        file: their bytes, one after the other.
        clips: where each one is.
        recordings: the recordings they were made from, as files, and how many seconds each lasts.
        left_out: recordings that can't be played, with the reason.
        source: where the recordings are from, in words.

    Raises:
        LoadImpossible: there is nothing in it.
    """

    file: Path
    clips: tuple[Clip, ...]
    recordings: tuple[tuple[Path, float], ...]
    left_out: dict[str, str]
    source: str

    def __post_init__(self) -> None:
        if not self.clips:
            why = next(iter(self.left_out.values()), "there is no file in it")
            raise LoadImpossible(f"no recording in {self.source} can be played: {why}")


def mapped(file: Path) -> mmap.mmap:
    """The bytes of a reel, shared by all processes that map it."""
    with file.open("rb") as opened:
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)


def record_reel(
    folder: Path | None, models: Path, directory: Path, *, tell: Callable[[str, int, int], None]
) -> Reel:
    """Encode the recordings.

    Args:
        folder: recordings in any common container, subfolders included; None takes the demonstration's.
        models: the model store, which has the demonstration's recordings.
        directory: where the reel is written.
        tell: told how far it is.

    Raises:
        LoadImpossible: there is nothing that can be played.
        ModelMissing: the demonstration's recordings are not installed.
        ModelAltered: they are not the released file.
    """
    found = _demonstration(models, directory) if folder is None else _files(folder)
    source = "the demonstration's recordings" if folder is None else f"{folder.name}/"
    clips: list[Clip] = []
    taken, left_out = [], {}
    file = directory / "reel"
    with file.open("wb") as out:
        for number, recording in enumerate(found, start=1):
            tell("recordings encoded", number, len(found))
            try:
                length_s, encoded = _encoded(recording)
            except (ShengdunError, OSError) as error:
                left_out[recording.name] = getattr(error, "message", str(error))
                continue
            taken.append((recording, length_s))
            for encoding, audio in zip(CODECS, encoded, strict=True):
                clips.append(Clip(encoding=encoding, start=out.tell(), size=len(audio)))
                out.write(audio)
    return Reel(
        file=file, clips=tuple(clips), recordings=tuple(taken), left_out=left_out, source=source
    )


def _encoded(recording: Path) -> tuple[float, list[bytes]]:
    decoded = decode_recording(recording, limit_s=LONGEST.total_seconds())
    if decoded.duration_s < SHORTEST_S:
        raise LoadImpossible(f"{recording.name} is shorter than {SHORTEST_S:g} s")
    samples = decoded.samples[: round(LONGEST_CLIP_S * MODEL_RATE_HZ)]
    encoded = [encode_call(samples, AudioFormat(encoding=encoding)) for encoding in CODECS]
    return decoded.duration_s, encoded


def _files(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        raise LoadImpossible(f"{folder} is no folder; name one with recordings by --recordings")
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    # Evenly, so that a folder that is sorted by speaker doesn't end in the middle of them.
    step = max(1, -(-len(files) // MOST_RECORDINGS))
    return files[::step]


def _demonstration(models: Path, directory: Path) -> Sequence[Path]:
    files = []
    for recording in ModelStore(models).demo_recordings():
        file = directory / f"{recording.key.replace('/', '-')}.wav"
        file.write_bytes(recording.read())
        files.append(file)
    return files
