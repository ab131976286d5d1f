"""Voiceprints of whole recordings, made as calls and enrolments make them, without a server."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.listener import RecordingListener
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.index.scoring import aggregate
from shengdun.service.errors import NothingToEmbed

_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EmbeddedRecording:
    """The voiceprint of a recording, and what it was made from.

    Attributes:
        voiceprint: float32 of unit length, shape ``(dimension,)``.
        net_speech_s: speech in it, in seconds.
        snr_db: speech over noise band by band (``AudioQuality.band_snr_db``); None where it could not be measured.
        clipped_share: share of samples at full scale, 0 to 1.
    """

    voiceprint: NDArray[np.float32] = field(repr=False)
    net_speech_s: float
    snr_db: float | None
    clipped_share: float


def embed_recording(
    file: Path, *, model: VoiceModel, activity: VoiceActivity, limit_s: float
) -> EmbeddedRecording:
    """The voiceprint of a recording: the mean of its windows, weighted by their net speech.

    Args:
        file: in any common container.
        model: makes voiceprints.
        activity: finds speech.
        limit_s: the longest recording that is taken, in seconds.

    Raises:
        OSError: the file can't be read.
        RecordingError: it is no recording, or too long.
        NothingToEmbed: there is less speech in it than one voiceprint needs.
    """
    recording = decode_recording(file.read_bytes(), limit_s=limit_s)
    listener = RecordingListener(activity=activity, window_s=model.window_s)
    listener.push(recording.samples)
    listener.finish()
    windows = listener.windows
    if not windows:
        raise NothingToEmbed(
            f"it holds {listener.net_speech_s:.1f} s of speech, too little for a voiceprint; "
            "choose a longer recording"
        )
    batches = [windows[start : start + _AT_ONCE] for start in range(0, len(windows), _AT_ONCE)]
    rows = np.concatenate([model.embed([one.samples for one in batch]) for batch in batches])
    quality = listener.quality(recording.source)
    return EmbeddedRecording(
        voiceprint=aggregate(rows, np.array([window.net_speech_s for window in windows])),
        net_speech_s=listener.net_speech_s,
        snr_db=quality.band_snr_db,
        clipped_share=quality.clipped_share,
    )
