"""Calibration profiles: everything that turns cosines of one voice model into likelihood ratios.

A profile is fitted once from recordings and then only read: the one that ships by ``benchmarks/calibration``, a site's
own by ``shengdun calibrate``. It is bound to one voice model, named by the hash of its own content, and echoed in every
decision, so that a decision can be explained, and computed again, later. What a line does with the evidence (prior,
levels, actions) is that line's policy and isn't stored here.

In the file of a site's profile the voiceprints of its callers are sealed under the installation's master keys
(``profile_seal``); everything else can be read. The hash that names a profile is that of its content, sealed or not.
"""

import hashlib
import io
import json
import os
import tokenize
import zipfile
import zlib
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.errors import Status
from shengdun.index.errors import IndexRoomError, SealBroken
from shengdun.index.llr import LlrCoefficients
from shengdun.index.profile_seal import ProfileKeys, no_keys
from shengdun.index.strangers import Strangers

__all__ = [
    "CalibrationProfile",
    "LlrCoefficients",
    "ProfileDamaged",
    "ProfileMismatch",
    "ProfileVersionUnknown",
    "default_profile",
    "load",
]

FORMAT: Final = "shengdun-calibration-profile"
VERSION: Final = 6
"""Of the content, which names a profile; and of a file in which all of it can be read. One with a seal has the next."""
_ADDED: Final = {"brevity_exponent": (4, 1.0), "noisiest_snr_db": (VERSION, 0.0)}
"""Coefficients of maps that came with a version of the content, and what maps of before have. Content that needs none
of them is still written as it was, so that it keeps its name."""
_VERSIONS: Final = (2, 4, VERSION)
MAX_PROFILE_BYTES: Final = 8_000_000
"""A profile is held by every replica."""

_STRANGERS: Final = (
    "stranger_voiceprints",
    "stranger_net_speech_s",
    "stranger_calls",
    "stranger_snr_db",
)
_READABLE: Final = ("mean", "whitening", "cohort")
_ARRAYS: Final = (*_READABLE, *_STRANGERS)
_SEALED: Final = "sealed"
_ZIP: Final = b"PK"
UNREADABLE: Final = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    zipfile.BadZipFile,
    # NumPy reads the header of an array as Python source, the second time by tokens.
    tokenize.TokenError,
    SyntaxError,
    zlib.error,
    RuntimeError,
)
"""What a bit that a disk has flipped makes of an archive of arrays; the last two are about how it is compressed."""


class ProfileMismatch(IndexRoomError):
    """A calibration profile met voiceprints of another voice model, or there is none for the model in use."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "PROFILE_MISMATCH"


class ProfileVersionUnknown(IndexRoomError):
    """A calibration profile was written by a newer or a much older version of this program."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "PROFILE_VERSION_UNKNOWN"


class ProfileDamaged(IndexRoomError):
    """A calibration profile can't be read, or isn't what was saved."""

    status: ClassVar[Status] = Status.DATA_LOSS
    reason: ClassVar[str] = "PROFILE_DAMAGED"


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
        site_coefficients: of a profile that site profiles are made from: the map for voiceprints that are centred on
            their own site, fitted on sites of known voices; None for a profile that no others are made from.
        based_on: the profile that this site profile was made from; empty for one that belongs to no site.
        strangers: calls of the site, by which levels are derived and drift is noticed; None without a site. They are
            biometric data of people, without names.
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
    site_coefficients: LlrCoefficients | None = None
    based_on: str = ""
    strangers: Strangers | None = None

    def __post_init__(self) -> None:
        dimension = self.mean.shape[0] if self.mean.ndim == 1 else 0
        if not dimension or self.mean.dtype != np.float32:
            raise ValueError("mean must be a (d,) float32 vector")
        if self.whitening is not None and (
            self.whitening.shape != (dimension, dimension) or self.whitening.dtype != np.float32
        ):
            raise ValueError("whitening must be a (d, d) float32 matrix")
        self._check_cohort(dimension)
        if (self.strangers is None) == self.is_site:
            raise ValueError("a site profile has strangers, and no other has")
        if self.strangers is not None and self.strangers.voiceprints.shape[1] != dimension:
            raise ValueError("strangers must be of the profile's dimension")
        for array in (self.mean, self.whitening, self.cohort):
            if array is not None:
                if not np.isfinite(array).all():
                    raise ValueError("the arrays of a profile must be finite")
                array.setflags(write=False)

    def _check_cohort(self, dimension: int) -> None:
        if self.cohort is None:
            if self.cohort_nearest:
                raise ValueError("cohort_nearest needs a cohort")
            return
        shape = self.cohort.shape
        if len(shape) != 2 or shape[1] != dimension or self.cohort.dtype != np.float16:
            raise ValueError("cohort must be a (K, d) float16 matrix")
        if not 2 <= self.cohort_nearest <= shape[0]:
            raise ValueError("cohort_nearest must be between 2 and the size of the cohort")

    @property
    def dimension(self) -> int:
        """Length of the voiceprints, d."""
        return int(self.mean.shape[0])

    @property
    def is_site(self) -> bool:
        """Whether it was made from a site's own calls."""
        return bool(self.based_on)

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

    def save(self, path: Path, keys: ProfileKeys | None = None) -> None:
        """Write the profile to ``path`` whole or not at all.

        Args:
            path: the file; that of a site is for its owner alone to read.
            keys: what a site's strangers are sealed with; no other profile needs any.

        Raises:
            ValueError: the file would be larger than a profile may be, or a site's is to be written without keys.
            KeyMissing: there is no key file, and none may be made.
            KeyFileInvalid: the key file is malformed or others can read it.
        """
        content = self._file(keys)
        if len(content) > MAX_PROFILE_BYTES:
            raise ValueError(
                f"a profile may take {MAX_PROFILE_BYTES} bytes, this one takes {len(content)}"
            )
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            if self.strangers is not None:
                os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def _file(self, keys: ProfileKeys | None) -> bytes:
        metadata, arrays = self._metadata(), self._arrays()
        digest = _digest(metadata, arrays)
        if self.strangers is not None:
            if keys is None:
                raise ValueError("a site's profile holds voiceprints and is written sealed alone")
            secret = _archive({name: arrays.pop(name) for name in _STRANGERS})
            arrays[_SEALED] = np.frombuffer(keys.seal(secret, digest), dtype=np.uint8)
            metadata["format"] = f"{FORMAT}/{self._version + 1}"
        text = _canonical({**metadata, "sha256": digest})
        return _archive({"metadata": np.frombuffer(text, dtype=np.uint8), **arrays})

    def _metadata(self) -> dict[str, Any]:
        return {
            "format": f"{FORMAT}/{self._version}",
            "name": self.name,
            "model_id": self.model_id,
            "created_at": self.created_at,
            "provenance": self.provenance,
            "cohort_nearest": self.cohort_nearest,
            "coefficients": self._map_content(self.coefficients),
            "site_coefficients": self.site_coefficients
            and self._map_content(self.site_coefficients),
            "based_on": self.based_on,
        }

    @property
    def _version(self) -> int:
        maps = [each for each in (self.coefficients, self.site_coefficients) if each is not None]
        needed = [
            version
            for name, (version, before) in _ADDED.items()
            if any(getattr(each, name) != before for each in maps)
        ]
        return max(needed, default=_VERSIONS[0])

    def _map_content(self, coefficients: LlrCoefficients) -> dict[str, float]:
        since = {name: version for name, (version, _) in _ADDED.items()}
        return {
            name: value
            for name, value in asdict(coefficients).items()
            if since.get(name, 0) <= self._version
        }

    def _arrays(self) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any] | None] = {
            "mean": self.mean,
            "whitening": self.whitening,
            "cohort": self.cohort,
        }
        if self.strangers is not None:
            found |= {
                # A third of the digits of a float would be noise; the scores are the same to 1e-3.
                "stranger_voiceprints": self.strangers.voiceprints.astype(np.float16),
                "stranger_net_speech_s": self.strangers.net_speech_s,
                "stranger_calls": self.strangers.calls,
                "stranger_snr_db": self.strangers.snr_db,
            }
        return {name: array for name, array in found.items() if array is not None}


class _OtherVersion(Exception):
    """The file is of another version of the format."""


def load(path: Path, keys: ProfileKeys | None = None) -> CalibrationProfile:
    """Read a profile and check that nothing in it has changed since it was saved.

    Args:
        path: the file.
        keys: what a site's profile is unsealed with; one that an earlier version wrote, and any other, needs none.

    Raises:
        ProfileVersionUnknown: it is of another version of the format.
        ProfileDamaged: the file is missing, isn't a profile, or doesn't match its own hash.
        KeyMissing: it is sealed, and there is no key file.
        KeyWrong: it is sealed with a master key that is not in the key file.
        KeyFileInvalid: it is sealed, and the key file is malformed or others can read it.
    """
    try:
        metadata, arrays = _read(path)
        _open_seal(metadata, arrays, keys, path.name)
        return _checked(metadata, arrays)
    except _OtherVersion as error:
        raise ProfileVersionUnknown(
            f"Calibration profile {path.name} is of format version {error}, this program reads "
            f"{_VERSIONS[0]} to {_VERSIONS[-1] + 1}. Use the version of Shengdun that wrote it, or make the profile "
            f"anew with `shengdun calibrate`."
        ) from None
    except (OSError, SealBroken, *UNREADABLE) as error:
        raise _damaged(path, error) from error


def needs_sealing(path: Path, keys: ProfileKeys) -> bool:
    """Whether a site's profile lies in a file unsealed, or sealed with another master key than the active one.

    Raises:
        ProfileDamaged: the file can't be read.
        KeyMissing: there is no key file.
        KeyFileInvalid: the key file is malformed or others can read it.
    """
    try:
        _, arrays = _read(path)
    except (OSError, *UNREADABLE) as error:
        raise _damaged(path, error) from error
    if _SEALED in arrays:
        return not keys.is_current(arrays[_SEALED].tobytes())
    return _STRANGERS[0] in arrays


def _damaged(path: Path, error: Exception) -> ProfileDamaged:
    if isinstance(error, OSError):
        what = f"Calibration profile {path.name} can't be read: {error.strerror}."
    elif isinstance(error, SealBroken):
        what = f"{path.name} is no calibration profile: what is sealed in it was altered, or is of another profile."
    else:
        what = f"{path.name} is no calibration profile: {error}."
    return ProfileDamaged(f"{what} Restore the file from the package or a backup.")


def _read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The metadata and the arrays of a file, as they are; raises what is in ``UNREADABLE``, and ``OSError``."""
    content = path.read_bytes()
    if not content.startswith(_ZIP):
        # NumPy would say how to have it run whatever the file holds.
        raise ValueError("it is no archive")
    arrays = _arrays_of(content, (*_ARRAYS, _SEALED, "metadata"))
    return json.loads(arrays.pop("metadata").tobytes()), arrays


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
        f"Use the voice model of a shipped profile, or make one for {model_id} with `shengdun calibrate`."
    )


def _archive(arrays: dict[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _arrays_of(content: bytes, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in names if name in archive.files}


def _open_seal(
    metadata: dict[str, Any], arrays: dict[str, NDArray[Any]], keys: ProfileKeys | None, file: str
) -> None:
    """Make of what a file holds the content that was hashed, in place."""
    name, _, version = str(metadata.get("format")).partition("/")
    if name != FORMAT or not version.isdecimal():
        raise ValueError(f"its format is not {FORMAT}")
    is_sealed = int(version) - 1 in _VERSIONS
    content_version = int(version) - is_sealed
    if content_version not in _VERSIONS:
        raise _OtherVersion(int(version))
    sealed = arrays.pop(_SEALED, None)
    if (sealed is not None) != is_sealed:
        raise ValueError("what it says of its seal is not so")
    if sealed is None:
        return
    if keys is None:
        raise no_keys(file)
    for exposed in _STRANGERS:
        arrays.pop(exposed, None)
    secret = keys.unseal(sealed.tobytes(), metadata["sha256"], file)
    arrays |= _arrays_of(secret, _STRANGERS)
    metadata["format"] = f"{FORMAT}/{content_version}"


def _checked(metadata: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> CalibrationProfile:
    stated = metadata.pop("sha256")
    if stated != _digest(metadata, arrays):
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
        site_coefficients=LlrCoefficients(**of_sites)
        if (of_sites := metadata["site_coefficients"])
        else None,
        based_on=metadata["based_on"],
        strangers=_strangers_of(arrays),
    )


def _strangers_of(arrays: dict[str, NDArray[Any]]) -> Strangers | None:
    if _STRANGERS[0] not in arrays:
        return None
    voiceprints, net_speech_s, calls, snr_db = (arrays[name] for name in _STRANGERS)
    return Strangers(
        voiceprints=voiceprints.astype(np.float32),
        net_speech_s=net_speech_s,
        calls=calls,
        snr_db=snr_db,
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
