"""Reading the house's prompts at the start: every recording of a directory, heard as callers are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.errors import RecordingError
from shengdun.fingerprint.voice.listener import RecordingListener
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds
from shengdun.fingerprint.voice.windows import WindowPolicy
from shengdun.index.prompts import HousePrompts
from shengdun.service.errors import SettingsInvalid

_LEAST_S: Final = WindowPolicy().only_s
_NAMED: Final = 20


def read_prompts(
    directory: Path, *, model: VoiceModel, activity: VoiceActivity, limit_s: Seconds
) -> HousePrompts:
    """Make voiceprints of all recordings in a directory and those below it; hidden files are left out.

    Args:
        directory: holds the prompts and nothing else.
        model: makes the voiceprints.
        activity: finds speech.
        limit_s: longest recording that is read, in seconds.

    Raises:
        SettingsInvalid: there is no such directory or no file in it, or files can't be read or have too little speech;
            every one is named.
    """
    windows: list[Samples] = []
    problems: list[str] = []
    for path in _files(directory):
        name = path.relative_to(directory).as_posix()
        try:
            heard = _listened(path, model=model, activity=activity, limit_s=limit_s)
        except RecordingError as error:
            problems.append(f"{name}: {error.message}")
            continue
        if not heard.windows:
            problems.append(
                f"{name}: {heard.net_speech_s:.1f} s of speech are in it, and {_LEAST_S:g} s are needed; take it out"
            )
            continue
        speech = np.concatenate([window.samples for window in heard.windows])
        windows += _cut(speech, round(model.window_s * MODEL_RATE_HZ))
    if problems:
        rest = len(problems) - _NAMED
        more = [f"and {rest} more"] if rest > 0 else []
        raise SettingsInvalid(
            f"voice.prompts: not every file in {directory} is a prompt with speech:\n  "
            + "\n  ".join([*problems[:_NAMED], *more])
        )
    rows = np.concatenate([model.embed([window]) for window in windows])
    return HousePrompts(rows, np.array([len(window) / MODEL_RATE_HZ for window in windows]))


def _files(directory: Path) -> list[Path]:
    try:
        found = sorted(
            path
            for path in directory.rglob("*")
            if path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(directory).parts)
        )
        # ``rglob`` says nothing of a directory that isn't there or can't be looked into.
        next(directory.iterdir(), None)
    except OSError as error:
        raise SettingsInvalid(
            f"voice.prompts: {directory} can't be read: {error.strerror}; name the directory of the prompts, which "
            f"the server's user must be able to read"
        ) from None
    if not found:
        raise SettingsInvalid(
            f"voice.prompts: there is no recording in {directory}; put the prompts there, or take the key out"
        )
    return found


def _listened(
    path: Path, *, model: VoiceModel, activity: VoiceActivity, limit_s: Seconds
) -> RecordingListener:
    listener = RecordingListener(activity=activity, window_s=model.window_s)
    listener.push(decode_recording(path, limit_s=limit_s).samples)
    listener.finish()
    return listener


def _cut(speech: Samples, length: int) -> Iterator[Samples]:
    """Windows that overlap by half: in a call the same prompt is cut wherever it happens to begin."""
    last = max(len(speech) - length, 0)
    for start in sorted({*range(0, last + 1, length // 2), last}):
        yield speech[start : start + length]
