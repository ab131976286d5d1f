"""Whether the recordings of an enrolment are, together, fit to register somebody from."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from shengdun.enrollment.agreement import find_agreement
from shengdun.enrollment.assessed import AssessedRecording, HeardVoice
from shengdun.enrollment.errors import RecordingsUnfit, VoicesDisagree
from shengdun.enrollment.reports import EnrollmentReport, LikelyDuplicate, UnfitReason
from shengdun.index.scoring import Scorer, aggregate

_NOT_THE_OTHERS: Final = (
    "It is not the voice of the other recordings. Register that person on its own, "
    "or check whose recording it is."
)
_NO_MAJORITY: Final = (
    "The recordings are of different voices, and no voice has most of them. "
    "Bring recordings of one person only."
)
_REASONS_SHOWN: Final = 3


def agreeing(
    assessed: Sequence[AssessedRecording], scorer: Scorer, *, least_llr: float
) -> list[AssessedRecording]:
    """The recordings, of which those that are not the voice of most of them are refused.

    Recordings that are unfit anyway have no say. Where no voice has most of the recordings, all are refused: nobody
    can tell from here which of two voices is meant.

    Args:
        assessed: the recordings of one enrolment.
        scorer: of the voiceprints' model.
        least_llr: LLR from which two recordings count as one person's.
    """
    rows = [row for row, one in enumerate(assessed) if one.voice is not None]
    if len(rows) < 2:
        return list(assessed)
    voices = voices_of(assessed)
    agreement = find_agreement(
        scorer,
        np.stack([voice.voiceprint for voice in voices]),
        np.array([voice.net_speech_s for voice in voices]),
        least_llr=least_llr,
    )
    majority = int(agreement.main.sum()) * 2 > len(rows)
    judged = list(assessed)
    for row, main, llr in zip(rows, agreement.main.tolist(), agreement.llrs.tolist(), strict=True):
        one = assessed[row].compared(llr)
        if not majority:
            one = one.refused(UnfitReason.OTHER_VOICE, _NO_MAJORITY)
        elif not main:
            one = one.refused(UnfitReason.OTHER_VOICE, _NOT_THE_OTHERS)
        judged[row] = one
    return judged


def require_fit(assessed: Sequence[AssessedRecording], *, least_s: float) -> None:
    """Refuses recordings that nobody can be registered from.

    Args:
        assessed: the recordings of one enrolment.
        least_s: least net speech of all that are fit together, in seconds.

    Raises:
        RecordingsUnfit: none is fit, or they hold too little speech together.
        VoicesDisagree: none is fit, and some would be if they were the right person's.
    """
    report = report_of(assessed)
    if not assessed:
        raise RecordingsUnfit("There is no recording. Send at least one.", report)
    if not any(one.accepted for one in report.recordings):
        other = any(
            one.unfit and one.unfit.reason is UnfitReason.OTHER_VOICE for one in report.recordings
        )
        raise (VoicesDisagree if other else RecordingsUnfit)(_none_fit(report), report)
    if report.net_speech_s < least_s:
        raise RecordingsUnfit(
            f"The recordings hold {report.net_speech_s:.1f} s of speech together, {least_s:.0f} s are needed. "
            f"Add another recording of the same person.",
            report,
        )


def report_of(
    assessed: Sequence[AssessedRecording], duplicates: tuple[LikelyDuplicate, ...] = ()
) -> EnrollmentReport:
    """What was found, for whoever asked."""
    return EnrollmentReport(
        recordings=tuple(one.report for one in assessed), likely_duplicates=duplicates
    )


def voices_of(assessed: Sequence[AssessedRecording]) -> list[HeardVoice]:
    """The voices of the recordings that are fit."""
    return [one.voice for one in assessed if one.voice is not None]


def joined(voices: Sequence[HeardVoice]) -> HeardVoice:
    """One voice from that of several recordings, at least one, of one person."""
    net_speech_s = np.array([voice.net_speech_s for voice in voices])
    voiceprint = aggregate(np.stack([voice.voiceprint for voice in voices]), net_speech_s)
    return HeardVoice(voiceprint=voiceprint, net_speech_s=float(net_speech_s.sum()))


def _none_fit(report: EnrollmentReport) -> str:
    # By number and not by name: recordings are often named after people, and messages are logged.
    reasons = [
        f"Recording {number}: {one.unfit.message}"
        for number, one in enumerate(report.recordings, start=1)
        if one.unfit is not None
    ]
    more = len(reasons) - _REASONS_SHOWN
    shown = " ".join(reasons[:_REASONS_SHOWN])
    return f"No recording can be used. {shown}" + (f" And {more} more." if more > 0 else "")
