"""What is compared: recordings as they are enrolled, and calls that are made of recordings.

An enrolment is one recording in the telephone band. A call is recordings of one session laid end to end until it has as
much net speech as is asked for; where a speaker has one session only, or sessions are not known, a call takes at most
half of the speaker's recordings, so that others are left to enrol.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.conditions import Condition
from shengdun.fingerprint.voice.samples import Seconds
from shengdun.index.accuracy.corpus import Corpus, CorpusRecording
from shengdun.index.accuracy.embeddings import WHOLE, Embedder, Heard, Take

Progress = Callable[[str, int, int], None]
"""Told of a stage, how many are done, and of how many."""

_SLACK_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Enrolments:
    """Every recording as a template.

    Attributes:
        recordings: n of them, those that failed included.
        speakers: (n,) row of each one's speaker in the corpus.
        failed: (n,) whether no voiceprint could be made.
        voiceprints: (n, d) float32 unit rows; zeros where failed.
        net_speech_s: (n,) net speech; 0 where failed.
        snr_db: (n,) speech over noise; NaN where it couldn't be measured.
        failures: why, by the recording's name.
    """

    recordings: tuple[CorpusRecording, ...]
    speakers: NDArray[np.int64]
    failed: NDArray[np.bool_]
    voiceprints: NDArray[np.float32]
    net_speech_s: NDArray[np.float64]
    snr_db: NDArray[np.float64]
    failures: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calls:
    """Calls in one condition.

    Attributes:
        recordings: those that each of the m calls is made of.
        seconds: amounts of net speech that each was made for.
        speakers: (m,) row of each call's speaker in the corpus.
        heard: what the voice path made of each.
        expected_s: (m,) net speech that the recordings have when they are enrolled; infinite where that failed.
    """

    recordings: tuple[tuple[CorpusRecording, ...], ...]
    seconds: tuple[tuple[Seconds, ...], ...]
    speakers: NDArray[np.int64]
    heard: tuple[Heard, ...]
    expected_s: NDArray[np.float64]

    def ready(self, seconds: Seconds) -> list[int]:
        """Rows of the calls that have so much net speech."""
        return [row for row, heard in enumerate(self.heard) if seconds in heard.voiceprints]

    def failed(self, seconds: Seconds) -> list[int]:
        """Rows of the calls in which nothing was heard although they should have had so much net speech.

        One that couldn't be enrolled either has nobody knows how much: it counts at the shortest length.
        """
        return [
            row
            for row, heard in enumerate(self.heard)
            if heard.failure and self._counts(row, seconds)
        ]

    def _counts(self, row: int, seconds: Seconds) -> bool:
        made_for, expected_s = self.seconds[row], float(self.expected_s[row])
        if expected_s == float("inf"):
            return seconds == min(made_for)
        return seconds in made_for and expected_s >= seconds - _SLACK_S

    def shortened(self, seconds: Seconds) -> list[int]:
        """Rows of the calls in which less was heard than in their recordings, which have so much net speech."""
        return [
            row
            for row, heard in enumerate(self.heard)
            if seconds in self.seconds[row]
            and not heard.failure
            and seconds not in heard.voiceprints
            and seconds <= self.expected_s[row] < float("inf")
        ]


def enroll(
    corpus: Corpus, embedder: Embedder, dimension: int, *, jobs: int, progress: Progress
) -> Enrolments:
    """Enrol every recording."""
    takes = [
        Take(recordings=(recording,), condition=Condition.WIDEBAND, seconds=(WHOLE,))
        for recording in corpus.recordings
    ]
    heard = embedder.embed_all(
        takes, jobs=jobs, progress=lambda done, of: progress("enrolments", done, of)
    )
    nothing = np.zeros(dimension, np.float32)
    return Enrolments(
        recordings=corpus.recordings,
        speakers=_rows_of(corpus, [recording.speaker for recording in corpus.recordings]),
        failed=np.array([bool(each.failure) for each in heard]),
        voiceprints=np.stack([each.voiceprints.get(WHOLE, nothing) for each in heard]),
        net_speech_s=np.array([each.net_speech_s.get(WHOLE, 0.0) for each in heard]),
        snr_db=np.array([np.nan if each.snr_db is None else each.snr_db for each in heard]),
        failures={
            recording.name: each.failure
            for recording, each in zip(corpus.recordings, heard, strict=True)
            if each.failure
        },
    )


def place_calls(
    corpus: Corpus,
    enrolments: Enrolments,
    embedder: Embedder,
    condition: Condition,
    seconds: Sequence[Seconds],
    *,
    jobs: int,
    progress: Progress,
) -> Calls:
    """Make calls in a condition and listen to them."""
    nets = {
        recording.name: float("inf") if failed else float(net_s)
        for recording, failed, net_s in zip(
            enrolments.recordings, enrolments.failed, enrolments.net_speech_s, strict=True
        )
    }
    wanted: dict[tuple[CorpusRecording, ...], list[Seconds]] = {}
    for own in corpus.by_speaker().values():
        for length_s in sorted(seconds):
            for call in _calls_of(own, nets, length_s):
                wanted.setdefault(call, []).append(length_s)
    takes = [
        Take(recordings=call, condition=condition, seconds=tuple(lengths))
        for call, lengths in wanted.items()
    ]
    heard = embedder.embed_all(
        takes, jobs=jobs, progress=lambda done, of: progress(condition.value, done, of)
    )
    return Calls(
        recordings=tuple(wanted),
        seconds=tuple(take.seconds for take in takes),
        speakers=_rows_of(corpus, [take.speaker for take in takes]),
        heard=tuple(heard),
        expected_s=np.array([sum(nets[one.name] for one in call) for call in wanted]),
    )


def _calls_of(
    own: Sequence[CorpusRecording], nets: dict[str, Seconds], wanted_s: Seconds
) -> list[tuple[CorpusRecording, ...]]:
    """One speaker's recordings as calls of so much net speech, each recording in one of them."""
    sessions = [list(group) for _, group in groupby(own, key=lambda each: each.session)]
    if len({each.session for each in own}) == len(own) or len(sessions) == 1:
        # Without sessions to go by, the whole of a speaker is one, and half of it is left to enrol.
        sessions, at_most = [list(own)], max(len(own) // 2, 1)
    else:
        at_most = len(own)
    return [call for session in sessions for call in _joined(session, nets, wanted_s, at_most)]


def _joined(
    session: Sequence[CorpusRecording], nets: dict[str, Seconds], wanted_s: Seconds, at_most: int
) -> list[tuple[CorpusRecording, ...]]:
    calls: list[list[CorpusRecording]] = []
    for recording in session:
        # A recording that failed stays alone: the failure is its own.
        alone = nets[recording.name] == float("inf")
        full = alone or not calls or len(calls[-1]) >= at_most
        if full or sum(nets[one.name] for one in calls[-1]) >= wanted_s:
            calls.append([recording])
        else:
            calls[-1].append(recording)
    return [tuple(call) for call in calls]


def _rows_of(corpus: Corpus, speakers: Sequence[str]) -> NDArray[np.int64]:
    order = {speaker: row for row, speaker in enumerate(corpus.speakers)}
    return np.array([order[speaker] for speaker in speakers], np.int64)


def may_be_compared(enrolments: Enrolments, calls: Calls, call: int) -> NDArray[np.bool_]:
    """(n,) the enrolments of the caller's own that a call may be compared with.

    Never a recording of the call itself; of its session only where the speaker has no other.
    """
    own = enrolments.speakers == calls.speakers[call]
    used = {recording.sha256 for recording in calls.recordings[call]}
    heard = {recording.session for recording in calls.recordings[call]}
    apart = np.array([one.sha256 not in used for one in enrolments.recordings])
    sessions = np.array([one.session for one in enrolments.recordings])
    elsewhere = ~np.isin(sessions, list(heard))
    several = len(np.unique(sessions[own])) > 1
    allowed: NDArray[np.bool_] = own & apart & (elsewhere if several else np.True_)
    return allowed


def one_session_speakers(corpus: Corpus) -> int:
    """Speakers with several recordings, all of one session: their trials flatter."""
    return sum(
        len(own) > 1 and len({each.session for each in own}) == 1
        for own in corpus.by_speaker().values()
    )
