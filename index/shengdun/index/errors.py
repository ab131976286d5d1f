"""The errors of the index room.

::

    IndexRoomError
    ├── InvalidRecord          INVALID_ARGUMENT     a field of a watchlist, an actor or a voiceprint is malformed
    ├── WatchlistNotFound      NOT_FOUND
    ├── WatchlistExists        ALREADY_EXISTS
    ├── WatchlistNotEmpty      FAILED_PRECONDITION
    ├── ActorNotFound          NOT_FOUND
    ├── ActorExists            ALREADY_EXISTS
    ├── VoiceprintNotFound     NOT_FOUND
    ├── LastVoiceprint         FAILED_PRECONDITION  an actor keeps at least one voiceprint
    ├── InvalidText            INVALID_ARGUMENT     blank, no text, or turned around by right-to-left marks
    ├── TextTooLong            INVALID_ARGUMENT
    ├── TextTooShort           INVALID_ARGUMENT     too little to compare
    ├── scripts.matches.ScriptTooShort INVALID_ARGUMENT
    ├── ScriptNotFound         NOT_FOUND
    ├── ScriptExists           ALREADY_EXISTS
    ├── RevisionConflict       ABORTED              the record has changed since it was read
    ├── IdempotencyConflict    ALREADY_EXISTS       the same key came with another request
    ├── ModelMismatch          FAILED_PRECONDITION  voiceprints of different voice models
    ├── calibration.ProfileMismatch   FAILED_PRECONDITION
    ├── calibration.ProfileDamaged    DATA_LOSS
    ├── profile_library.ProfileNotFound       NOT_FOUND
    ├── profile_library.ProfileLibraryDamaged DATA_LOSS
    ├── profile_history.ProfileInUse          FAILED_PRECONDITION  active, or in shadow
    ├── profile_history.NoEarlierProfile      FAILED_PRECONDITION  nothing to roll back to
    ├── accuracy.corpus.CorpusInvalid INVALID_ARGUMENT
    ├── CallAlreadyLive        ALREADY_EXISTS       another session holds this call id
    ├── archive.errors.CallNotArchived    NOT_FOUND           never archived, past, or erased
    ├── archive.errors.PartitionDamaged   DATA_LOSS           names the file; the others can be read
    ├── archive.errors.ArchiveDiskFull    RESOURCE_EXHAUSTED  calls stay in the store
    ├── archive.errors.ClockJumped        FAILED_PRECONDITION nothing is deleted by a clock that can't be right
    ├── voices.errors.AllowEntryNotFound  NOT_FOUND
    ├── voices.errors.AllowEntryExists    ALREADY_EXISTS
    ├── voices.errors.AllowListFull       FAILED_PRECONDITION
    ├── voices.errors.OwnVoiceTooShort    INVALID_ARGUMENT
    ├── StoreUnavailable       UNAVAILABLE
    ├── StoreBusy              UNAVAILABLE          others kept writing; nothing was changed
    ├── StoreRefused           FAILED_PRECONDITION  credentials, rights, a wrong URL
    ├── StoreInUse             FAILED_PRECONDITION  another server owns the data directory
    ├── StoreFull              RESOURCE_EXHAUSTED   disk or memory
    ├── StoreTampered          DATA_LOSS            names the first bad key, entry or file
    └── KeyRingError           FAILED_PRECONDITION
        ├── KeyMissing
        ├── KeyWrong
        ├── KeyFileInvalid
        └── SealBroken         DATA_LOSS            sealed data was altered or belongs elsewhere

``StoreUnavailable`` says nothing about whether a write landed: repeat it with the same idempotency key.
"""

from typing import ClassVar

from shengdun.fingerprint.errors import ShengdunError, Status


class IndexRoomError(ShengdunError):
    """Anything that the index room reports to a caller."""


class InvalidRecord(IndexRoomError):
    """A field is missing, too long, or holds characters that it must not."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "INVALID_RECORD"


class WatchlistNotFound(IndexRoomError):
    """There is no watchlist of this id."""

    status: ClassVar[Status] = Status.NOT_FOUND
    reason: ClassVar[str] = "WATCHLIST_NOT_FOUND"

    @classmethod
    def of(cls, watchlist_id: str) -> "WatchlistNotFound":
        """The error for one watchlist id."""
        return cls(
            f"There is no watchlist '{watchlist_id}'; list the watchlists or create it first."
        )


class WatchlistExists(IndexRoomError):
    """A watchlist of this id exists already."""

    status: ClassVar[Status] = Status.ALREADY_EXISTS
    reason: ClassVar[str] = "WATCHLIST_EXISTS"


class WatchlistNotEmpty(IndexRoomError):
    """The watchlist still has actors and was not to be emptied by force."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "WATCHLIST_NOT_EMPTY"


class ActorNotFound(IndexRoomError):
    """There is no actor of this id; never registered, or erased."""

    status: ClassVar[Status] = Status.NOT_FOUND
    reason: ClassVar[str] = "ACTOR_NOT_FOUND"

    @classmethod
    def of(cls, actor_id: str) -> "ActorNotFound":
        """The error for one actor id."""
        return cls(f"There is no actor '{actor_id}': it was never registered, or it was erased.")


class ActorExists(IndexRoomError):
    """An actor of this id exists already."""

    status: ClassVar[Status] = Status.ALREADY_EXISTS
    reason: ClassVar[str] = "ACTOR_EXISTS"


class VoiceprintNotFound(IndexRoomError):
    """The actor has no voiceprint of this id."""

    status: ClassVar[Status] = Status.NOT_FOUND
    reason: ClassVar[str] = "VOICEPRINT_NOT_FOUND"


class LastVoiceprint(IndexRoomError):
    """The actor's only voiceprint can't be removed: an actor that can't be found is erased instead."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "LAST_VOICEPRINT"


class InvalidText(IndexRoomError):
    """A text is blank, is no text, or has marks that show it otherwise than it is."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "INVALID_TEXT"


class TextTooLong(IndexRoomError):
    """A text has more characters than any letter or chat has."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "TEXT_TOO_LONG"


class TextTooShort(IndexRoomError):
    """A text has too few characters to be compared with anything."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "TEXT_TOO_SHORT"


class ScriptNotFound(IndexRoomError):
    """There is no script of this id; never registered, or erased."""

    status: ClassVar[Status] = Status.NOT_FOUND
    reason: ClassVar[str] = "SCRIPT_NOT_FOUND"

    @classmethod
    def of(cls, script_id: str) -> "ScriptNotFound":
        """The error for one script id."""
        return cls(f"There is no script '{script_id}': it was never registered, or it was erased.")


class ScriptExists(IndexRoomError):
    """A script of this id exists already."""

    status: ClassVar[Status] = Status.ALREADY_EXISTS
    reason: ClassVar[str] = "SCRIPT_EXISTS"


class RevisionConflict(IndexRoomError):
    """The record has changed since the caller read it.

    Attributes:
        current_revision: the revision that the record has now.
    """

    status: ClassVar[Status] = Status.ABORTED
    reason: ClassVar[str] = "REVISION_CONFLICT"

    def __init__(self, message: str, *, current_revision: int) -> None:
        super().__init__(message)
        self.current_revision = current_revision

    @classmethod
    def of(cls, what: str, *, expected: int, current: int) -> "RevisionConflict":
        """The error for one record, e.g. ``actor 'act_…'``."""
        return cls(
            f"The {what} is at revision {current}, not {expected}: read it again and repeat the change.",
            current_revision=current,
        )


class IdempotencyConflict(IndexRoomError):
    """An idempotency key was used before for a different request."""

    status: ClassVar[Status] = Status.ALREADY_EXISTS
    reason: ClassVar[str] = "IDEMPOTENCY_CONFLICT"


class ModelMismatch(IndexRoomError):
    """Voiceprints of one voice model met a watchlist or a scorer of another."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "MODEL_MISMATCH"

    @classmethod
    def of(cls, watchlist_id: str, *, watchlist_model: str, given_model: str) -> "ModelMismatch":
        """The error for one watchlist and the model that does not fit it."""
        return cls(
            f"Watchlist '{watchlist_id}' holds voiceprints of model '{watchlist_model}', and these are of "
            f"'{given_model}': re-enrol its actors from their recordings with '{given_model}', or make another "
            f"watchlist for that model."
        )


class CallAlreadyLive(IndexRoomError):
    """Another session is screening a call of this id right now."""

    status: ClassVar[Status] = Status.ALREADY_EXISTS
    reason: ClassVar[str] = "CALL_ALREADY_LIVE"


class StoreUnavailable(IndexRoomError):
    """The store does not answer."""

    status: ClassVar[Status] = Status.UNAVAILABLE
    reason: ClassVar[str] = "STORE_UNAVAILABLE"


class StoreBusy(IndexRoomError):
    """Others kept changing the registry while this change was tried; nothing was changed."""

    status: ClassVar[Status] = Status.UNAVAILABLE
    reason: ClassVar[str] = "STORE_BUSY"


class StoreRefused(IndexRoomError):
    """The store answers but refuses: credentials, rights, an unusable URL, an unsupported server."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "STORE_REFUSED"


class StoreInUse(IndexRoomError):
    """Another server process owns this data directory."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "STORE_IN_USE"


class StoreFull(IndexRoomError):
    """The store's disk or memory is used up."""

    status: ClassVar[Status] = Status.RESOURCE_EXHAUSTED
    reason: ClassVar[str] = "STORE_FULL"


class StoreTampered(IndexRoomError):
    """What the store holds is not what was written.

    Attributes:
        what: the first bad thing: a key, a journal entry or a file.
    """

    status: ClassVar[Status] = Status.DATA_LOSS
    reason: ClassVar[str] = "STORE_TAMPERED"

    def __init__(self, message: str, *, what: str) -> None:
        super().__init__(message)
        self.what = what

    @classmethod
    def of(cls, what: str, problem: str) -> "StoreTampered":
        """The error naming the first bad thing and what is wrong with it."""
        return cls(
            f"The store was altered or lost data: {what} {problem}. Nothing was changed; restore the data directory "
            f"from a backup taken after the last change, or find out who altered it.",
            what=what,
        )


class KeyRingError(IndexRoomError):
    """The master keys can't be used."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "KEY_RING"


class KeyMissing(KeyRingError):
    """There is no key file, or it lacks a key that the store needs."""

    reason: ClassVar[str] = "KEY_MISSING"


class KeyWrong(KeyRingError):
    """The keys are not those that the store was written with."""

    reason: ClassVar[str] = "KEY_WRONG"


class KeyFileInvalid(KeyRingError):
    """The key file is malformed, or others than its owner can read it."""

    reason: ClassVar[str] = "KEY_FILE_INVALID"


class SealBroken(KeyRingError):
    """Sealed data can't be opened with its own key: it was altered, or was sealed for another place."""

    status: ClassVar[Status] = Status.DATA_LOSS
    reason: ClassVar[str] = "SEAL_BROKEN"
