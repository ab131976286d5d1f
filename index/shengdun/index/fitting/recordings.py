"""Recorded calls of a site: found in a folder, told apart by content, heard as live calls are."""

import csv
import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from shengdun.fingerprint.errors import Status
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.errors import RecordingError
from shengdun.fingerprint.voice.listener import RecordingListener
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Seconds
from shengdun.index.accuracy.corpus import SUFFIXES, names_of
from shengdun.index.accuracy.embeddings import front_end_version
from shengdun.index.calibration import UNREADABLE
from shengdun.index.errors import IndexRoomError
from shengdun.index.fitting.calls import SiteCall

HEARD_AT_MOST_S: Final[Seconds] = 21.0
"""Net speech that is taken of a call: a decision is final by then."""
_BLOCK: Final = 60 * MODEL_RATE_HZ
_SPEAKER: Final = "speaker"


class CallsInvalid(IndexRoomError):
    """There are no calls, or the labels don't match them; the message names the files."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "CALLS_INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecording:
    """The caller's side of a recorded call.

    Attributes:
        name: relative to the folder.
        path: of the file.
        sha256: of its content.
        speaker: who calls, by label; None without.
    """

    name: str
    path: Path
    sha256: str
    speaker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFolder:
    """What a folder holds.

    Attributes:
        recordings: every content once, by name.
        warnings: what was left out, for people; each names the files.
    """

    recordings: tuple[CallRecording, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeardCalls:
    """What was heard.

    Attributes:
        calls: those with enough speech, in the order of the recordings.
        failures: why nothing was heard in the others, by name.
    """

    calls: tuple[SiteCall, ...]
    failures: dict[str, str]


def read_calls(folder: Path, labels: Path | None = None) -> CallFolder:
    """Find the recordings in a folder and the folders within it.

    Args:
        folder: the folder.
        labels: CSV with the columns ``path``, relative to the folder, and ``speaker``; calls that it doesn't name have
            no label.

    Raises:
        CallsInvalid: there is no recording, a label names no recording, or one recording has two labels.
    """
    if not folder.is_dir():
        raise CallsInvalid(f"There is no folder {folder}. Give a folder of recorded calls.")
    speakers = read_labels(labels, of="path") if labels else {}
    warnings: list[str] = []
    rows = list(_rows(folder, speakers, warnings))
    unknown = sorted(speakers.keys() - {row.name for row in rows})
    if unknown:
        raise CallsInvalid(
            f"The labels name recordings that are not in {folder.name}: {names_of(unknown)}. Paths are relative to the "
            "folder."
        )
    recordings = _distinct(rows, warnings)
    if not recordings:
        because = "".join(f" ({warning})" for warning in warnings)
        raise CallsInvalid(f"{folder.name} holds no recording.{because}")
    return CallFolder(recordings=tuple(recordings), warnings=tuple(warnings))


class CallListener:
    """Makes the voiceprints of recorded calls. Safe to share between threads.

    Args:
        model: makes voiceprints.
        activity: finds speech.
        cache: a directory to keep voiceprints in, so that a run can be taken up again; None keeps nothing.
        limit_s: the longest recording that is taken.
    """

    def __init__(
        self,
        *,
        model: VoiceModel,
        activity: VoiceActivity,
        cache: Path | None = None,
        limit_s: Seconds = 1800.0,
    ) -> None:
        self._model = model
        self._activity = activity
        self._cache = cache
        self._limit_s = limit_s

    def hear_all(
        self,
        recordings: Sequence[CallRecording],
        *,
        jobs: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> HeardCalls:
        """Hear every recording; ``progress`` is told how many of how many are done."""
        heard: list[SiteCall | str] = [""] * len(recordings)
        with ThreadPoolExecutor(max_workers=jobs) as threads:
            running = {threads.submit(self.hear, each): row for row, each in enumerate(recordings)}
            try:
                for done, future in enumerate(as_completed(running), start=1):
                    heard[running[future]] = future.result()
                    if progress is not None:
                        progress(done, len(recordings))
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        return HeardCalls(
            calls=tuple(each for each in heard if isinstance(each, SiteCall)),
            failures={
                recording.name: each
                for recording, each in zip(recordings, heard, strict=True)
                if isinstance(each, str)
            },
        )

    def hear(self, recording: CallRecording) -> SiteCall | str:
        """One call, or why nothing was heard in it."""
        place = self._place(recording)
        kept = _kept(place, recording)
        if kept is not None:
            return kept
        try:
            call = self._listen(recording)
        except RecordingError as error:
            return error.message
        if call is None:
            return "less than 1 s of speech was heard"
        if place is not None:
            _keep(place, call)
        return call

    def _listen(self, recording: CallRecording) -> SiteCall | None:
        samples = decode_recording(recording.path, limit_s=self._limit_s).samples
        listener = RecordingListener(activity=self._activity, window_s=self._model.window_s)
        for start in range(0, len(samples), _BLOCK):
            listener.push(samples[start : start + _BLOCK])
        listener.finish()
        windows = [
            window
            for window in listener.windows
            if window.index * self._model.window_s < HEARD_AT_MOST_S
        ]
        if not windows:
            return None
        return SiteCall(
            name=recording.name,
            windows=np.concatenate([self._model.embed([window.samples]) for window in windows]),
            net_speech_s=np.array([window.net_speech_s for window in windows]),
            snr_db=listener.quality().band_snr_db,
            speaker=recording.speaker,
        )

    def _place(self, recording: CallRecording) -> Path | None:
        if self._cache is None:
            return None
        parts = (recording.sha256, self._model.model_id, repr(self._limit_s), front_end_version())
        key = hashlib.sha256("\n".join(("call", *parts)).encode()).hexdigest()
        return self._cache / key[:2] / f"{key}.npz"


def _kept(place: Path | None, recording: CallRecording) -> SiteCall | None:
    if place is None:
        return None
    try:
        with np.load(place, allow_pickle=False) as stored:
            snr_db = float(stored["snr_db"])
            return SiteCall(
                name=recording.name,
                windows=stored["windows"],
                net_speech_s=stored["net_speech_s"],
                snr_db=None if np.isnan(snr_db) else snr_db,
                speaker=recording.speaker,
            )
    except (OSError, *UNREADABLE):
        return None


def _keep(place: Path, call: SiteCall) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    np.savez(
        content,
        windows=call.windows,
        net_speech_s=call.net_speech_s,
        snr_db=np.array(np.nan if call.snr_db is None else call.snr_db),
    )
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
        file.write(content.getvalue())
    Path(file.name).replace(place)


def read_labels(labels: Path, *, of: str) -> dict[str, str]:
    """Who calls in which call, from a CSV file.

    Args:
        labels: with a column ``speaker``.
        of: the column that names the calls.

    Raises:
        CallsInvalid: the file is no such CSV, or one call has two labels.
    """
    try:
        with labels.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lacking = [name for name in (of, _SPEAKER) if name not in (reader.fieldnames or ())]
            if lacking:
                raise CallsInvalid(
                    f"{labels.name} has no column {' and no column '.join(lacking)}. Its first line must name the "
                    f"columns {of} and {_SPEAKER}."
                )
            return _labels(labels, list(reader), of)
    except OSError as error:
        raise CallsInvalid(f"{labels} can't be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CallsInvalid(f"{labels.name} is no CSV file in UTF-8: {error}.") from error


def _labels(labels: Path, rows: Sequence[dict[str, str | None]], of: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        call, speaker = ((row.get(name) or "").strip() for name in (of, _SPEAKER))
        if not call or not speaker:
            raise CallsInvalid(f"{labels.name} lacks a {of} or a speaker in line {number}.")
        if found.setdefault(call, speaker) != speaker:
            raise CallsInvalid(
                f"{labels.name} says in line {number} that {call} is of {speaker}, and before that it is of "
                f"{found[call]}. Correct the labels."
            )
    return found


def _rows(folder: Path, speakers: dict[str, str], warnings: list[str]) -> Iterator[CallRecording]:
    others: list[str] = []
    empty: list[str] = []
    closed: list[str] = []
    for path in _below(folder, closed):
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() not in SUFFIXES:
            others.append(name)
            continue
        try:
            if not path.stat().st_size:
                empty.append(name)
                continue
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            closed.append(f"{name} ({error.strerror})")
            continue
        yield CallRecording(name=name, path=path, sha256=digest, speaker=speakers.get(name))
    if closed:
        warnings.append(f"left out, because they can't be read: {names_of(closed)}")
    if others:
        warnings.append(f"not read, because they are no recordings: {names_of(others)}")
    if empty:
        warnings.append(f"left out, because they are empty: {names_of(empty)}")


def _below(folder: Path, closed: list[str]) -> list[Path]:
    """The files in a folder and the folders within it, hidden ones left out; which of these can't be read is noted."""

    def note(error: OSError) -> None:
        closed.append(f"{Path(error.filename).relative_to(folder).as_posix()} ({error.strerror})")

    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place) / name for name in files if not name.startswith(".")]
    return sorted(found)


def _distinct(rows: Sequence[CallRecording], warnings: list[str]) -> list[CallRecording]:
    found: dict[str, CallRecording] = {}
    copies: list[str] = []
    for row in rows:
        known = found.setdefault(row.sha256, row)
        if known is row:
            continue
        if None not in (known.speaker, row.speaker) and known.speaker != row.speaker:
            raise CallsInvalid(
                f"{known.name} and {row.name} are the same recording, but the first is labelled {known.speaker} and "
                f"the second {row.speaker}. Correct the labels."
            )
        found[row.sha256] = replace(known, speaker=known.speaker or row.speaker)
        copies.append(f"{row.name} (is {known.name})")
    if copies:
        warnings.append(f"left out, because they are copies: {names_of(copies)}")
    return list(found.values())
