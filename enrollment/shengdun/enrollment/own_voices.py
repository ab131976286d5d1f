"""The voice of a recording that is to be known as one of the institution's own."""

from shengdun.enrollment.assessed import HeardVoice, NamedRecording
from shengdun.enrollment.assessment import RecordingAssessor
from shengdun.enrollment.errors import RecordingsUnfit
from shengdun.enrollment.reports import EnrollmentReport


async def own_voice(assessor: RecordingAssessor, recording: NamedRecording) -> HeardVoice:
    """Assess a recording as for an enrolment, and give its voice.

    Args:
        assessor: of the server's voice model.
        recording: of this one voice.

    Raises:
        RecordingsUnfit: it can't be used, for instance because it has too little speech; the report says what to do.
    """
    assessed = await assessor.assess(recording)
    if assessed.voice is None:
        unfit = assessed.report.unfit
        why = f"{assessed.report.name} can't be used. {unfit.message if unfit else ''}".strip()
        raise RecordingsUnfit(why, EnrollmentReport(recordings=(assessed.report,)))
    return assessed.voice
