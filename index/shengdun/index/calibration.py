"""Calibration profiles: everything that turns cosines of one voice model into likelihood ratios.

A profile is fitted once from recordings (``benchmarks/calibration``) and then only read. It is bound to one voice
model, named by the hash of its own content, and echoed in every decision, so that a decision can be explained later.
What a line does with the evidence (prior, levels, actions) is that line's policy and isn't stored here.
"""

import hashlib
import io
import json
import os
import zipfile
import zlib
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.errors import Status
from shengdun.index.errors import IndexRoomError

FORMAT: Final = "shengdun-calibration-profile/1"
MAX_PROFILE_BYTES: Final = 600_000
"""A profile travels in the package and is held by every replica."""

_ARRAYS: Final = ("mean", "whitening", "cohort")
# What a bit that a disk has flipped makes of an archive: the last two are about how it is compressed.
_UNREADABLE: Final = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
)


class ProfileMismatch(IndexRoomError):
    """A calibration profile met voiceprints of another voice model, or there is none for the model in use."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "PROFILE_MISMATCH"


class ProfileDamaged(IndexRoomError):
    """A calibration profile can't be read, or isn't what was saved."""

    status: ClassVar[Status] = Status.DATA_LOSS
    reason: ClassVar[str] = "PROFILE_DAMAGED"


@dataclass(frozen=True, slots=True, kw_only=True)
class LlrCoefficients:
    """A line from normalised score to natural-log LLR whose slope and offset depend on how much speech there was.

    With ``brevity = 1 / net_probe_s + 1 / net_template_s``, both clamped to the range that the fit saw::

        LLR = offset + offset_brevity * brevity + (slope + slope_brevity * brevity) * score

    clamped to ``[floor, cap]``. Brevity is symmetric in probe and template: the variance that too little speech adds
    to a cosine is the sum of what either side adds.

    Attributes:
        offset: LLR at score 0 with unlimited speech.
        offset_brevity: change of the offset for each unit of brevity, in 1/s.
        slope: LLR for each unit of score with unlimited speech.
        slope_brevity: change of the slope for each unit of brevity; negative when short speech says less.
        shortest_net_speech_s: less net speech than this counts as this much, in seconds.
        longest_net_speech_s: more net speech than this counts as this much, in seconds.
        floor: the smallest LLR that the amount of calibration data supports, below 0.
        cap: the largest such LLR, above 0 (empirical bounds: Vergeer et al. 2016, Science & Justice 56(6)).
    """

    offset: float
    offset_brevity: float
    slope: float
    slope_brevity: float
    shortest_net_speech_s: float
    longest_net_speech_s: float
    floor: float
    cap: float

    def __post_init__(self) -> None:
        if not np.isfinite(list(asdict(self).values())).all():
            raise ValueError("LLR coefficients must be finite")
        if not 0.0 < self.shortest_net_speech_s < self.longest_net_speech_s:
            raise ValueError("the range of net speech must be positive and ascending")
        if not self.floor < 0.0 < self.cap:
            raise ValueError("the LLR floor must be below 0 and the cap above 0")
        steepest = self.slope + self.slope_brevity * 2.0 / self.longest_net_speech_s
        flattest = self.slope + self.slope_brevity * 2.0 / self.shortest_net_speech_s
        if min(steepest, flattest) <= 0.0:
            raise ValueError("the slope must stay positive at every amount of net speech")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibrationProfile:
    """A fitted, immutable calibration of one voice model.

    Attributes:
        name: what people call this profile, for example ``default``.
        model_id: the voice model whose voiceprints this profile understands, ``name@sha256[:12]``.
        created_at: when it was fitted, ISO 8601 in UTC.
        provenance: the corpora, conditions and counts that it was fitted on, for people.
        mean: centring vector, (d,) float32; subtracted from a unit voiceprint.
        whitening: (d, d) float32 applied after centring, or None.
        cohort: (K, d) float16 of projected unit vectors of other people, or None without score normalisation.
        cohort_nearest: how many of the nearest cohort members a voiceprint is normalised against; 0 without a cohort.
        coefficients: the map from score to LLR.
    """

    name: str
    model_id: str
    created_at: str
    provenance: str
    mean: NDArray[np.float32]
    whitening: NDArray[np.float32] | None
    cohort: NDArray[np.float16] | None
    cohort_nearest: int
    coefficients: LlrCoefficients

    def __post_init__(self) -> None:
        dimension = self.mean.shape[0] if self.mean.ndim == 1 else 0
        if not dimension or self.mean.dtype != np.float32:
            raise ValueError("mean must be a (d,) float32 vector")
        if self.whitening is not None and (
            self.whitening.shape != (dimension, dimension) or self.whitening.dtype != np.float32
        ):
            raise ValueError("whitening must be a (d, d) float32 matrix")
        if self.cohort is None:
            if self.cohort_nearest:
                raise ValueError("cohort_nearest needs a cohort")
        elif (
            self.cohort.ndim != 2
            or self.cohort.shape[1] != dimension
            or self.cohort.dtype != np.float16
        ):
            raise ValueError("cohort must be a (K, d) float16 matrix")
        elif not 2 <= self.cohort_nearest <= self.cohort.shape[0]:
            raise ValueError("cohort_nearest must be between 2 and the size of the cohort")
        for array in (self.mean, self.whitening, self.cohort):
            if array is not None:
                if not np.isfinite(array).all():
                    raise ValueError("the arrays of a profile must be finite")
                array.setflags(write=False)

    @property
    def dimension(self) -> int:
        """Length of the voiceprints, d."""
        return int(self.mean.shape[0])

    @property
    def profile_id(self) -> str:
        """``name@`` and the first 12 hex digits of the SHA-256 of the profile's content."""
        return f"{self.name}@{_digest(self._metadata(), self._arrays())[:12]}"

    def require_model(self, model_id: str) -> None:
        """Refuse voiceprints of any other model.

        Raises:
            ProfileMismatch: ``model_id`` isn't the model that the profile was fitted for.
        """
        if model_id != self.model_id:
            raise ProfileMismatch(
                f"Calibration profile {self.profile_id} was fitted for voice model {self.model_id}, but the voice "
                f"model in use is {model_id}. Install a profile for {model_id} or go back to {self.model_id}."
            )

    def save(self, path: Path) -> None:
        """Write the profile to ``path`` whole or not at all.

        Raises:
            ValueError: the file would be larger than a profile may be.
        """
        metadata = self._metadata()
        arrays = self._arrays()
        sealed = {**metadata, "sha256": _digest(metadata, arrays)}
        text = np.frombuffer(_canonical(sealed), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, metadata=text, **arrays)  # type: ignore[arg-type]
        if buffer.tell() > MAX_PROFILE_BYTES:
            raise ValueError(
                f"a profile may take {MAX_PROFILE_BYTES} bytes, this one takes {buffer.tell()}"
            )
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            file.write(buffer.getvalue())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def _metadata(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "name": self.name,
            "model_id": self.model_id,
            "created_at": self.created_at,
            "provenance": self.provenance,
            "cohort_nearest": self.cohort_nearest,
            "coefficients": asdict(self.coefficients),
        }

    def _arrays(self) -> dict[str, NDArray[Any]]:
        found = {"mean": self.mean, "whitening": self.whitening, "cohort": self.cohort}
        return {name: array for name, array in found.items() if array is not None}


def load(path: Path) -> CalibrationProfile:
    """Read a profile and check that nothing in it has changed since it was saved.

    Raises:
        ProfileDamaged: the file is missing, isn't a profile, or doesn't match its own hash.
    """
    remedy = "Restore the file from the package or a backup."
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            metadata = json.loads(archive["metadata"].tobytes())
            arrays = {name: archive[name] for name in _ARRAYS if name in archive.files}
        return _unsealed(metadata, arrays)
    except OSError as error:
        raise ProfileDamaged(
            f"Calibration profile {path.name} can't be read: {error.strerror}. {remedy}"
        ) from error
    except _UNREADABLE as error:
        raise ProfileDamaged(f"{path.name} is no calibration profile: {error}. {remedy}") from error


def default_profile(model_id: str) -> CalibrationProfile:
    """The profile that ships with this package for ``model_id``.

    Raises:
        ProfileMismatch: no profile for this voice model is shipped.
        ProfileDamaged: the shipped file was altered.
    """
    known: list[str] = []
    folder = resources.files("shengdun.index") / "profiles"
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".npz"):
            with resources.as_file(entry) as path:
                profile = load(path)
            if profile.model_id == model_id:
                return profile
            known.append(f"{profile.profile_id} for {profile.model_id}")
    raise ProfileMismatch(
        f"No calibration profile is shipped for voice model {model_id} (shipped: {', '.join(known) or 'none'}). "
        f"Use the voice model of a shipped profile, or fit a profile for {model_id}."
    )


def _unsealed(metadata: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> CalibrationProfile:
    if metadata.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    sealed = metadata.pop("sha256")
    if sealed != _digest(metadata, arrays):
        raise ValueError("its content does not match its SHA-256")
    return CalibrationProfile(
        name=metadata["name"],
        model_id=metadata["model_id"],
        created_at=metadata["created_at"],
        provenance=metadata["provenance"],
        mean=arrays["mean"],
        whitening=arrays.get("whitening"),
        cohort=arrays.get("cohort"),
        cohort_nearest=metadata["cohort_nearest"],
        coefficients=LlrCoefficients(**metadata["coefficients"]),
    )


def _canonical(metadata: dict[str, Any]) -> bytes:
    return json.dumps(metadata, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()


def _digest(metadata: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(_canonical(metadata))
    for name in _ARRAYS:
        if name in arrays:
            array = arrays[name]
            little_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"{name}{array.shape}{little_endian.dtype.str}".encode())
            digest.update(little_endian.tobytes())
    return digest.hexdigest()
