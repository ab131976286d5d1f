"""What can be wrong with an enrolment, of actors or of scripts.

::

    ShengdunError
    └── EnrollmentError
        ├── EnrollmentRefused        carries the report of what was found
        │   ├── RecordingsUnfit      no recording, or a recording that can't be used
        │   ├── VoicesDisagree       the recordings are not of one person, or not of the actor
        │   └── LikelyDuplicateFound the voice is already known under another actor
        ├── TooManyRecordings        more recordings, or more bytes, than one enrolment takes
        ├── ManifestUnreadable       the manifest as a whole can't be used
        └── TextFileUnreadable       a file of text is not there, too large, or no text
"""

from shengdun.enrollment.reports import EnrollmentReport
from shengdun.fingerprint.errors import ShengdunError, Status


class EnrollmentError(ShengdunError):
    """Anything that is wrong with an enrolment."""

    status = Status.INVALID_ARGUMENT
    reason = "BAD_ENROLLMENT"


class EnrollmentRefused(EnrollmentError):
    """The recordings were assessed and the enrolment refused; nothing was changed.

    Attributes:
        report: what was found, for each recording.
        detail: the report as whoever answers the caller writes it down; None until then.
    """

    reason = "ENROLLMENT_REFUSED"

    def __init__(self, message: str, report: EnrollmentReport) -> None:
        super().__init__(message)
        self.report = report
        self.detail: object | None = None


class RecordingsUnfit(EnrollmentRefused):
    """The recordings can't be used; the report says for each what to do."""

    reason = "RECORDINGS_UNFIT"


class VoicesDisagree(EnrollmentRefused):
    """The recordings are not of one person, or not of the actor they are added to."""

    reason = "VOICES_DISAGREE"


class LikelyDuplicateFound(EnrollmentRefused):
    """The voice is likely that of an actor who is already registered."""

    status = Status.ALREADY_EXISTS
    reason = "LIKELY_DUPLICATE"


class TooManyRecordings(EnrollmentError):
    """One enrolment is asked to take more recordings or bytes than it may."""

    reason = "TOO_MANY_RECORDINGS"


class ManifestUnreadable(EnrollmentError):
    """The manifest as a whole can't be used."""

    reason = "MANIFEST_UNREADABLE"


class TextFileUnreadable(EnrollmentError):
    """A file of text can't be used; the message names it."""

    reason = "TEXT_FILE_UNREADABLE"
