"""Who is enrolled and who calls: chosen by rule, never by which calls turn out well.

The meeting with the most speakers, then the most audio, is the one of enrolment; every call is from another meeting, so
that no voice is tested on its own session. The first six speakers are enrolled, the others are strangers. A speaker is
enrolled from the longest recording of that meeting that enrolment accepts, and calls with the first long enough
recording of each of the first two other meetings that have one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.service.client import AudioFormat
from shengdun.service.client.telephone import encode_call, telephone_audio

ENROLLED: Final = 6
CALLS_EACH: Final = 2
LEAST_CALL: Final = timedelta(seconds=10)
CALL: Final = timedelta(seconds=12)
KNOWN_AGENTS: Final = "known-agents"
SHARED: Final = "shared-by-peers"
LINE: Final = "complaints"
PRIOR: Final = 0.1
"""Share of the line's calls that are taken to come from listed agents before anything is heard: far more than on a
general line, far less than in this demo, in which most callers are."""
TELEPHONE: Final = AudioFormat()
_RINGBACK_HZ: Final = 450.0
_RINGBACK_ON_S: Final = 1.0
_RINGBACK_PERIOD_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """One speaker to be enrolled.

    Attributes:
        speaker: ``S1`` to ``S9``.
        watchlist_ids: the watchlists it is to be on.
        recordings: what it may be enrolled from, longest first; the first that enrolment accepts is taken.
    """

    speaker: str
    watchlist_ids: tuple[str, ...]
    recordings: tuple[DemoRecording, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """One call to be played.

    Attributes:
        call_id: the telephony system's id.
        speaker: who speaks; None for the call without speech.
        known: whether the speaker is enrolled.
        meeting: where it was recorded; empty for the call without speech.
        recording: what is played; None for ringback tones.
    """

    call_id: str
    speaker: str | None
    known: bool
    meeting: str
    recording: DemoRecording | None

    def audio(self) -> bytes:
        """The beginning of the recording as a telephone sends it: mu-law, 8 kHz."""
        if self.recording is None:
            return encode_call(_ringback(), TELEPHONE)
        return telephone_audio(self.recording.read(), TELEPHONE, longest=CALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Everyone in the demo."""

    meeting: str
    enrolled: tuple[Enrolled, ...]
    calls: tuple[PlannedCall, ...]


def choose(recordings: Sequence[DemoRecording]) -> Cast:
    """Choose by the rule that this module states."""
    meeting = _richest_meeting(recordings)
    speakers = sorted({one.speaker for one in recordings})
    known = speakers[:ENROLLED]
    enrolled = tuple(
        Enrolled(
            speaker=speaker,
            watchlist_ids=_watchlists(place),
            recordings=_longest_first(
                one for one in recordings if one.meeting == meeting and one.speaker == speaker
            ),
        )
        for place, speaker in enumerate(known)
    )
    others = [
        one
        for one in recordings
        if one.meeting != meeting and one.duration_s >= LEAST_CALL.total_seconds()
    ]
    chosen = [one for speaker in speakers for one in _first_calls(others, speaker)]
    calls = [
        PlannedCall(
            call_id=f"demo-{number:02d}",
            speaker=one.speaker,
            known=one.speaker in known,
            meeting=one.meeting,
            recording=one,
        )
        for number, one in enumerate(chosen, start=1)
    ]
    silent = PlannedCall(
        call_id=f"demo-{len(calls) + 1:02d}", speaker=None, known=False, meeting="", recording=None
    )
    return Cast(meeting=meeting, enrolled=enrolled, calls=(*calls, silent))


def _richest_meeting(recordings: Sequence[DemoRecording]) -> str:
    def richness(meeting: str) -> tuple[int, float]:
        there = [one for one in recordings if one.meeting == meeting]
        return len({one.speaker for one in there}), sum(one.duration_s for one in there)

    return max(sorted({one.meeting for one in recordings}), key=richness)


def _watchlists(place: int) -> tuple[str, ...]:
    """The first half on one list, the second on the other, and one on both."""
    first, second = place < ENROLLED // 2 + 1, place >= ENROLLED // 2
    return tuple(name for name, on in ((KNOWN_AGENTS, first), (SHARED, second)) if on)


def _longest_first(recordings: Iterable[DemoRecording]) -> tuple[DemoRecording, ...]:
    return tuple(sorted(recordings, key=lambda one: one.duration_s, reverse=True))


def _first_calls(recordings: Sequence[DemoRecording], speaker: str) -> list[DemoRecording]:
    first: dict[str, DemoRecording] = {}
    for one in recordings:
        if one.speaker == speaker:
            first.setdefault(one.meeting, one)
    return list(first.values())[:CALLS_EACH]


def _ringback() -> Samples:
    """A call that nobody answers: 450 Hz, one second in five."""
    time_s = np.arange(round(CALL.total_seconds() * MODEL_RATE_HZ)) / MODEL_RATE_HZ
    on = time_s % _RINGBACK_PERIOD_S < _RINGBACK_ON_S
    return (0.1 * np.sin(2 * np.pi * _RINGBACK_HZ * time_s) * on).astype(np.float32)
