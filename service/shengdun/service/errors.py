"""The errors of the service room.

::

    ShengdunError
    ├── SettingsInvalid          the settings have mistakes; all of them are listed
    │   └── CertificateInvalid   a certificate or its key cannot be used
    ├── TokenFileInvalid         the file of access tokens cannot be read or written
    ├── TokenUnknown             no access token of that id
    ├── AccessUnavailable        tokens cannot be checked at the moment
    ├── PortInUse                the address to listen on is taken
    ├── WorkersFailed            a process of the server can't be started
    ├── InvalidRequest           a field or a message is wrong
    │   ├── ProtocolViolation    the messages of a stream are in the wrong order
    │   └── StartTimeWrong       a call of the past can't have been at that time
    ├── LineUnknown              no such line of business
    ├── ArchiveOff               no finished calls are kept
    ├── CallArchived             a call of the past is in the archive already
    ├── PastRetention            a call of the past is older than calls of its line are kept
    ├── CallUnknown              no live or recent call of that id
    ├── CampaignUnknown          no campaign of that id among the texts that are remembered
    ├── CampaignSharesTooLittle  a campaign's texts have no wording in common to make a script of
    ├── MessageTooLarge          a message is over its limit
    ├── CallIdle                 a call sent nothing for too long
    ├── CallTooLong              a call went on for longer than any call does
    ├── Overloaded               the server holds as many calls as it can
    ├── ServerStopping           the server takes no new work
    ├── NothingToEmbed           a recording has less speech than one voiceprint needs
    ├── DemoFailed               the demo could not go on
    ├── BackfillImpossible       recorded calls can't be sent, or no more of them
    ├── LoadImpossible           a load test can't be begun
    ├── Unauthenticated          no token, an unknown one or one that has expired
    └── PermissionDenied         the token's roles do not allow this
"""

from datetime import timedelta
from typing import ClassVar

from shengdun.fingerprint.errors import ShengdunError, Status


class SettingsInvalid(ShengdunError):
    """The settings have mistakes; the message lists every one with its key."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "SETTINGS_INVALID"


class CertificateInvalid(SettingsInvalid):
    """A certificate or its private key is missing, unreadable, expired, or does not fit; the message names the file."""

    reason: ClassVar[str] = "CERTIFICATE_INVALID"


class TokenFileInvalid(ShengdunError):
    """The file of access tokens is damaged, or cannot be read or written."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "TOKEN_FILE_INVALID"


class TokenUnknown(ShengdunError):
    """No access token has this id."""

    status: ClassVar[Status] = Status.NOT_FOUND
    reason: ClassVar[str] = "TOKEN_UNKNOWN"


class AccessUnavailable(ShengdunError):
    """Tokens cannot be checked at the moment, so nobody is let in."""

    status: ClassVar[Status] = Status.UNAVAILABLE
    reason: ClassVar[str] = "ACCESS_UNAVAILABLE"


class PortInUse(ShengdunError):
    """The address to listen on is taken."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "PORT_IN_USE"


class WorkersFailed(ShengdunError):
    """A process of the server can't be started; the message has that process's own words if it found some."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "WORKERS_FAILED"


class InvalidRequest(ShengdunError):
    """A field or a message is wrong; the message names it."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "INVALID_REQUEST"


class ProtocolViolation(InvalidRequest):
    """The messages of a stream are in the wrong order."""

    reason: ClassVar[str] = "PROTOCOL_VIOLATION"


class StartTimeWrong(InvalidRequest):
    """A call of the past can't have been at the time that is stated."""

    reason: ClassVar[str] = "START_TIME_WRONG"


class PastRetention(ShengdunError):
    """A call of the past is older than calls of its line are kept."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "PAST_RETENTION"


class CallArchived(ShengdunError):
    """A call of the past is in the archive already; what is there stays as it is."""

    status: ClassVar[Status] = Status.ALREADY_EXISTS
    reason: ClassVar[str] = "CALL_ARCHIVED"

    def __init__(self) -> None:
        super().__init__(
            "a call of this id is in the archive already, and stays as it is; erase it first if it was wrong"
        )


class LineUnknown(ShengdunError):
    """No line of business has this name."""

    status: ClassVar[Status] = Status.NOT_FOUND
    reason: ClassVar[str] = "LINE_UNKNOWN"


class CallUnknown(ShengdunError):
    """No live or recent call has this id."""

    status: ClassVar[Status] = Status.NOT_FOUND
    reason: ClassVar[str] = "CALL_UNKNOWN"


class ArchiveOff(ShengdunError):
    """No finished calls are kept, so nothing can be found among them."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "ARCHIVE_OFF"

    def __init__(self) -> None:
        super().__init__(
            "this server keeps no finished calls: set archive.enabled in its settings, and ask when calls were taken"
        )


class NothingToScore(ShengdunError):
    """An archived call has no voiceprint."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "NOTHING_TO_SCORE"

    def __init__(self, call_id: str) -> None:
        super().__init__(
            f"call {call_id} has no voiceprint: there was not enough speech in it, so no score was computed then either"
        )


class NotAReceipt(ShengdunError):
    """What was given to be checked is no receipt of an erasure."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "NOT_A_RECEIPT"


class VoicesOff(ShengdunError):
    """Calls are not compared with each other, so there are no unknown voices."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "VOICES_OFF"

    def __init__(self) -> None:
        super().__init__(
            "this server doesn't compare calls with each other: it keeps no finished calls (archive.enabled), or its "
            "voice model has no spread of voices"
        )


class VoiceHasNoCalls(ShengdunError):
    """None of a voice's calls is in the archive any more, so there are no voiceprints to make an actor of."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "VOICE_HAS_NO_CALLS"


class VoicePromoted(ShengdunError):
    """A voice was made an actor before."""

    status: ClassVar[Status] = Status.ALREADY_EXISTS
    reason: ClassVar[str] = "VOICE_PROMOTED"


class CampaignUnknown(ShengdunError):
    """No campaign among the texts that this process remembers has this id."""

    status: ClassVar[Status] = Status.NOT_FOUND
    reason: ClassVar[str] = "CAMPAIGN_NOT_FOUND"


class CampaignSharesTooLittle(ShengdunError):
    """Most of a campaign's customers have no wording in common that a script could be made of."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "CAMPAIGN_SHARES_TOO_LITTLE"


class MessageTooLarge(ShengdunError):
    """A message or an upload is over its limit."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "MESSAGE_TOO_LARGE"


class CallIdle(ShengdunError):
    """A call sent nothing for longer than the server waits."""

    status: ClassVar[Status] = Status.DEADLINE_EXCEEDED
    reason: ClassVar[str] = "CALL_IDLE"


class CallTooLong(ShengdunError):
    """A call went on for longer than the server lets any call go on."""

    status: ClassVar[Status] = Status.RESOURCE_EXHAUSTED
    reason: ClassVar[str] = "CALL_TOO_LONG"


class Overloaded(ShengdunError):
    """The server holds as many calls as it can.

    Attributes:
        retry_after: how long to wait before trying again; None if that can't be known.
    """

    status: ClassVar[Status] = Status.RESOURCE_EXHAUSTED
    reason: ClassVar[str] = "OVERLOADED"

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        """Of ``message``, and how long to wait before trying again."""
        super().__init__(message)
        self.retry_after = retry_after


class ServerStopping(ShengdunError):
    """The server takes no new work because it is stopping."""

    status: ClassVar[Status] = Status.UNAVAILABLE
    reason: ClassVar[str] = "SERVER_STOPPING"


class NothingToEmbed(ShengdunError):
    """A recording has less speech than one voiceprint needs."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "NOTHING_TO_EMBED"


class DemoFailed(ShengdunError):
    """The demo could not go on."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "DEMO_FAILED"


class LoadImpossible(ShengdunError):
    """A load test can't be begun: nothing to play, or no server to play it to."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "LOAD_IMPOSSIBLE"


class BackfillImpossible(ShengdunError):
    """Recorded calls can't be sent to a server, or no more of them; what was archived is."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "BACKFILL_IMPOSSIBLE"


class Unauthenticated(ShengdunError):
    """There is no token, or it is unknown or has expired."""

    status: ClassVar[Status] = Status.UNAUTHENTICATED
    reason: ClassVar[str] = "UNAUTHENTICATED"


class PermissionDenied(ShengdunError):
    """The roles of the token do not allow this."""

    status: ClassVar[Status] = Status.PERMISSION_DENIED
    reason: ClassVar[str] = "PERMISSION_DENIED"
