"""A recording on its way through an assessment, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shengdun.enrollment.reports import RecordingReport, Unfit, UnfitReason


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRecording:
    """A recording as it was given.

    Attributes:
        name: for reports, usually the file's.
        content: the bytes of the file.
    """

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeardVoice:
    """The voice of one recording.

    Attributes:
        voiceprint: (d,) float32 of unit length.
        net_speech_s: net speech that it was made from, in seconds.
        further: voiceprints of the same speech by other voice models, by model id; as long as each model's are.
    """

    voiceprint: NDArray[np.float32] = field(repr=False)
    net_speech_s: float
    further: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AssessedRecording:
    """A recording after its assessment.

    Attributes:
        report: what was found.
        voice: its voice; None when the recording is unfit.
    """

    report: RecordingReport
    voice: HeardVoice | None = None

    def refused(self, reason: UnfitReason, message: str) -> "AssessedRecording":
        """The same recording, not used after all."""
        return AssessedRecording(
            report=replace(self.report, unfit=Unfit(reason=reason, message=message))
        )

    def compared(self, agreement_llr: float | None) -> "AssessedRecording":
        """The same recording, with how far its voice agrees with others."""
        return replace(self, report=replace(self.report, agreement_llr=agreement_llr))
