"""What an enrolment found in its recordings, as values."""

from dataclasses import dataclass
from enum import Enum

from shengdun.fingerprint.voice.quality import AudioQuality


class UnfitReason(Enum):
    """Why a recording is not used."""

    UNREADABLE = "unreadable"
    TOO_LONG = "too_long"
    NO_SPEECH = "no_speech"
    TOO_LITTLE_SPEECH = "too_little_speech"
    CLIPPED = "clipped"
    NOISY = "noisy"
    SEVERAL_VOICES = "several_voices"
    OTHER_VOICE = "other_voice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """Why a recording is not used, for programs and for people.

    Attributes:
        reason: the kind of reason.
        message: what was found and what to do.
    """

    reason: UnfitReason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReport:
    """What was found in one recording.

    Attributes:
        name: its name as it was given.
        unfit: why it is not used; None when it is.
        duration_s: its length in seconds; 0 when it could not be read.
        net_speech_s: net speech in it, in seconds.
        quality: the quality of its audio; None when it could not be read.
        codec: the codec found; empty when it could not be read.
        sample_rate_hz: the sampling rate found; 0 when it could not be read.
        other_voice_share: share of the speech that is not the main voice's, 0 to 1.
        agreement_llr: natural-log LLR that it is the voice of the other recordings, or of the actor that it is added
            to; None when there is nothing to compare it with.
    """

    name: str
    unfit: Unfit | None = None
    duration_s: float = 0.0
    net_speech_s: float = 0.0
    quality: AudioQuality | None = None
    codec: str = ""
    sample_rate_hz: int = 0
    other_voice_share: float = 0.0
    agreement_llr: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.other_voice_share <= 1:
            raise ValueError("other_voice_share is a share")
        if min(self.duration_s, self.net_speech_s, self.sample_rate_hz) < 0:
            raise ValueError("durations and rates can't be negative")

    @property
    def accepted(self) -> bool:
        """Whether it is used."""
        return self.unfit is None


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelyDuplicate:
    """An actor whose voice is likely the same.

    Attributes:
        actor_id: the actor.
        display_name: its name.
        watchlist_ids: the watchlists it is on.
        llr: natural-log LLR of "the same voice".
    """

    actor_id: str
    display_name: str
    watchlist_ids: frozenset[str]
    llr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentReport:
    """What an enrolment found.

    Attributes:
        recordings: one report for each, in their order.
        likely_duplicates: actors whose voice is likely the same, likeliest first.
    """

    recordings: tuple[RecordingReport, ...]
    likely_duplicates: tuple[LikelyDuplicate, ...] = ()

    @property
    def net_speech_s(self) -> float:
        """Net speech of the accepted recordings together, in seconds."""
        return sum(recording.net_speech_s for recording in self.recordings if recording.accepted)
