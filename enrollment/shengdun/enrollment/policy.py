"""What an enrolment asks of recordings. Figures about evidence are likelihood ratios; cosines stay in the index."""

from dataclasses import dataclass
from typing import Final

from shengdun.enrollment.duplicates import DuplicatePrior

_AGENTS_COME_BACK: Final = DuplicatePrior(known=0.05, likely=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentPolicy:
    """When recordings are fit to register an actor from, and when two voices count as one.

    A voiceprint on a watchlist is compared with every call for months, so an enrolment asks for more than a decision on
    a call does, and rather refuses than registers a mixture.

    Attributes:
        least_net_speech_s: least net speech of one recording, in seconds: one window of the shipped models.
        least_total_net_speech_s: least net speech of all recordings of one enrolment together, in seconds. Equal error
            rates fall steeply up to about two windows of net speech and slowly after that.
        longest_recording_s: length from which a recording is refused, in seconds.
        most_windows: windows of one recording that are turned into voiceprints, evenly spread over its speech. More
            than two minutes of one recording say nothing new about a voice.
        most_stretches: stretches of 20 s of one recording in which people who talk at once are listened for.
        most_clipped_share: share of clipped samples from which a recording is refused, 0 to 1.
        least_snr_db: speech over noise below which a recording is refused, in dB.
        most_other_voice_share: share of the speech from which another voice spoils a recording, 0 to 1. Less than that
            is left out of the voiceprint.
        most_overlap_share: share of the speech with two people at once from which a recording is refused, 0 to 1.
        other_voice_llr: LLR of "one voice" below which two parts of a recording are two people's. Parts of one
            recording share line and room, so for one person it is far above 0: of 58 single speakers' recordings none
            was below 3, of mixtures of two 89 to 96 % were below 2.
        same_voice_llr: LLR from which two recordings count as one person's. A voiceprint that is somebody else's would
            flag somebody who did nothing, so the evidence has to speak for it, however sure the investigator is. On
            the demo's speakers, meetings mixed, 1 refuses no right pair and takes 8 % of the wrong ones.
        duplicates: who counts as registered already. One in twenty who are brought is taken to be, since agents
            come back; those are reported who are so with even odds after all evidence.
        most_recordings: recordings that one enrolment takes.
        assessments_at_once: recordings of all enrolments that are decoded and held in memory at the same time.
    """

    least_net_speech_s: float = 3.0
    least_total_net_speech_s: float = 6.0
    longest_recording_s: float = 1800.0
    most_windows: int = 40
    most_stretches: int = 6
    most_clipped_share: float = 0.05
    least_snr_db: float = 5.0
    most_other_voice_share: float = 0.2
    most_overlap_share: float = 0.12
    other_voice_llr: float = 2.0
    same_voice_llr: float = 1.0
    duplicates: DuplicatePrior = _AGENTS_COME_BACK
    most_recordings: int = 50
    assessments_at_once: int = 2

    def __post_init__(self) -> None:
        if (
            not 0
            < self.least_net_speech_s
            <= self.least_total_net_speech_s
            < self.longest_recording_s
        ):
            raise ValueError("the durations must be positive and ascending")
        shares = (self.most_clipped_share, self.most_other_voice_share, self.most_overlap_share)
        if not all(0 < share <= 1 for share in shares):
            raise ValueError("shares lie above 0 and up to 1")
        counts = (
            self.most_windows,
            self.most_stretches,
            self.most_recordings,
            self.assessments_at_once,
        )
        if min(counts) < 1:
            raise ValueError("counts begin at 1")
