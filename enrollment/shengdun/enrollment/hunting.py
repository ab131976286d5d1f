"""The voice of a recording, as it is hunted for among archived calls."""

import numpy as np

from shengdun.enrollment.assessed import AssessedRecording, NamedRecording
from shengdun.enrollment.assessment import RecordingAssessor
from shengdun.enrollment.errors import RecordingsUnfit
from shengdun.enrollment.reports import EnrollmentReport
from shengdun.index.hunts.subject import WantedVoice


async def wanted_voice(
    assessor: RecordingAssessor, recording: NamedRecording, model_id: str
) -> WantedVoice:
    """Assess a recording as for an enrolment, and give its voice.

    Args:
        assessor: of the server's voice model.
        recording: of one person.
        model_id: of that model.

    Raises:
        RecordingsUnfit: it can't be used; the report says what to do.
    """
    assessed = await assessor.assess(recording)
    if assessed.voice is None:
        raise RecordingsUnfit(_why(assessed), EnrollmentReport(recordings=(assessed.report,)))
    snr_db = None if assessed.report.quality is None else assessed.report.quality.band_snr_db
    return WantedVoice(
        model_id=model_id,
        voiceprints=assessed.voice.voiceprint[np.newaxis],
        net_speech_s=np.array([assessed.voice.net_speech_s]),
        snr_db=np.array([np.nan if snr_db is None else snr_db]),
    )


def _why(assessed: AssessedRecording) -> str:
    unfit = assessed.report.unfit
    return f"{assessed.report.name} can't be hunted with. {unfit.message if unfit else ''}".strip()
