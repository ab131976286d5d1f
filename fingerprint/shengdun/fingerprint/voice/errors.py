"""What can be wrong with audio, recordings and model files.

::

    ShengdunError
    └── VoiceError
        ├── UnsupportedFormat         an encoding or a sample rate that is not offered
        ├── OddByteCount              a chunk that ends inside a 16-bit sample
        ├── ConditionUnavailable      a telephone condition whose codec this build of libav lacks
        ├── RecordingError
        │   ├── UnreadableRecording   not a recording, or damaged
        │   ├── NoAudio               a recording without any audio
        │   └── RecordingTooLong      longer than the limit
        └── ModelError
            ├── ModelUnknown          a name that is not in the catalogue
            ├── ModelMissing          not installed yet
            ├── ModelAltered          not the bytes that were released
            ├── ModelInstallFailed    could not be fetched or written
            ├── UnsafeCheckpoint      asks for more than tensors when it is read
            ├── GoldenMismatch        computes other voiceprints than it should
            ├── ConversionFailed      another library's model could not be converted
            └── PrecisionUnavailable  this machine can't compute in bfloat16
"""

from shengdun.fingerprint.errors import ShengdunError, Status


class VoiceError(ShengdunError):
    """Anything that is wrong with audio or a voice model."""


class UnsupportedFormat(VoiceError):
    """The encoding or sample rate is not offered; the message names those that are."""

    status = Status.INVALID_ARGUMENT
    reason = "UNSUPPORTED_AUDIO_FORMAT"


class OddByteCount(VoiceError):
    """A chunk of 16-bit audio has an odd number of bytes."""

    status = Status.INVALID_ARGUMENT
    reason = "ODD_BYTE_COUNT"


class ConditionUnavailable(VoiceError):
    """This build of libav lacks the codec of a telephone condition."""

    status = Status.FAILED_PRECONDITION
    reason = "CONDITION_UNAVAILABLE"


class RecordingError(VoiceError):
    """A recording that can't be used."""

    status = Status.INVALID_ARGUMENT
    reason = "BAD_RECORDING"


class UnreadableRecording(RecordingError):
    """The bytes are no recording, or a damaged one."""

    reason = "UNREADABLE_RECORDING"


class NoAudio(RecordingError):
    """The recording has no audio stream, or one without samples."""

    reason = "NO_AUDIO"


class RecordingTooLong(RecordingError):
    """The recording goes on for longer than the limit."""

    reason = "RECORDING_TOO_LONG"


class ModelError(VoiceError):
    """A model file that can't be used."""

    status = Status.FAILED_PRECONDITION
    reason = "MODEL_UNUSABLE"


class ModelUnknown(ModelError):
    """The catalogue has no artefact of this name."""

    status = Status.NOT_FOUND
    reason = "MODEL_UNKNOWN"


class ModelMissing(ModelError):
    """The artefact is not installed on this machine."""

    reason = "MODEL_MISSING"


class ModelAltered(ModelError):
    """The file's SHA-256 is not the released one."""

    status = Status.DATA_LOSS
    reason = "MODEL_ALTERED"


class ModelInstallFailed(ModelError):
    """The artefact could not be fetched, unpacked or written."""

    status = Status.UNAVAILABLE
    reason = "MODEL_INSTALL_FAILED"


class UnsafeCheckpoint(ModelError):
    """The checkpoint wants something run or built that is no tensor."""

    status = Status.DATA_LOSS
    reason = "UNSAFE_CHECKPOINT"


class GoldenMismatch(ModelError):
    """The model doesn't compute the voiceprint that it is known to compute."""

    reason = "GOLDEN_MISMATCH"


class ConversionFailed(ModelError):
    """A model of another library can't be converted here, or what came out disagrees with it."""

    reason = "MODEL_CONVERSION_FAILED"


class PrecisionUnavailable(ModelError):
    """This machine can't compute voiceprints in the precision that was asked for."""

    reason = "PRECISION_UNAVAILABLE"
