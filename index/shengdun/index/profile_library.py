"""The profile library: the calibration profiles of one machine, and which of them are used.

::

    <data directory>/profiles/
        library.json               what is active, what runs in shadow, and the history of both
        <profile id>.npz           every profile that was installed; the old ones stay, so that what they decided can be
                                   scored again; a site's is sealed, however it came here

A change is on the disk, whole, before it is acknowledged; a crash leaves the state before or after it. Commands and
servers of this machine share the directory: changes take turns by a file lock, and readers need none.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Final

from shengdun.fingerprint.errors import Status
from shengdun.index import calibration
from shengdun.index.calibration import CalibrationProfile, ProfileDamaged, ProfileMismatch
from shengdun.index.durable_files import replace_file
from shengdun.index.errors import IndexRoomError, KeyRingError
from shengdun.index.identifiers import check_text
from shengdun.index.profile_history import (
    SHIPPED,
    Activation,
    NoEarlierProfile,
    ProfileHistory,
    ProfileInUse,
)
from shengdun.index.profile_seal import ProfileKeys

DIRECTORY: Final = "profiles"
STATE_FILE: Final = "library.json"
_LOCK_FILE: Final = "library.lock"
_SUFFIX: Final = ".npz"
_ASIDE: Final = ".written-"
# A profile is named by whoever fitted it, and the name becomes that of a file.
_PROFILE_ID: Final = re.compile(r"\w[\w.-]{0,60}@[0-9a-f]{12}")


class ProfileNotFound(IndexRoomError):
    """There is no calibration profile of this id in the library."""

    status: ClassVar[Status] = Status.NOT_FOUND
    reason: ClassVar[str] = "PROFILE_NOT_FOUND"


class ProfileLibraryDamaged(IndexRoomError):
    """The library's state file can't be read, or isn't what was written."""

    status: ClassVar[Status] = Status.DATA_LOSS
    reason: ClassVar[str] = "PROFILE_LIBRARY_DAMAGED"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptProfile:
    """A file of the library.

    Attributes:
        profile_id: by its name.
        profile: its content; None if that can't be read.
        problem: why it can't.
    """

    profile_id: str
    profile: CalibrationProfile | None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """The profiles in use for one voice model.

    Attributes:
        active: what decides; None if nothing was activated and none is shipped for the model.
        shadow: what runs beside it.
        problems: why others that should run in shadow can't, and what to do.
    """

    active: CalibrationProfile | None
    shadow: tuple[CalibrationProfile, ...]
    problems: tuple[str, ...] = ()


class ProfileLibrary:
    """The calibration profiles of one machine. Safe to use from several threads and processes.

    Args:
        directory: made when something is installed.
        keys: what sites' profiles are sealed with; without any, such profiles are neither read nor written.
    """

    def __init__(self, directory: Path, keys: ProfileKeys | None = None) -> None:
        self._directory = directory
        self._keys = keys

    @classmethod
    def of(cls, data_directory: Path, keys: ProfileKeys | None = None) -> "ProfileLibrary":
        """The library in a data directory."""
        return cls(data_directory / DIRECTORY, keys)

    @property
    def state_file(self) -> Path:
        """The file that changes with everything that is activated, rolled back or shadowed."""
        return self._directory / STATE_FILE

    def history(self) -> ProfileHistory:
        """What is used, and was used before.

        Raises:
            ProfileLibraryDamaged: the state file can't be read.
        """
        try:
            return ProfileHistory.decode(self.state_file.read_bytes())
        except FileNotFoundError:
            return ProfileHistory()
        except OSError as error:
            why = error.strerror or str(error)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            why = str(error)
        raise ProfileLibraryDamaged(
            f"{self.state_file} can't be used: {why}. Restore it from a backup; or move it away, which leaves the "
            f"profiles as they are and the shipped one active, and activate yours again."
        )

    def profiles(self) -> tuple[KeptProfile, ...]:
        """Every profile of the library in the order of their ids, those that were damaged included."""
        found = sorted(path.name.removesuffix(_SUFFIX) for path in self._files())
        return tuple(self._kept(profile_id) for profile_id in found)

    def get(self, profile_id: str) -> CalibrationProfile:
        """One profile, checked against its hash and its name.

        Raises:
            ProfileNotFound: the library has none of this id.
            ProfileDamaged: its file was altered, or is another one's.
            KeyRingError: it is sealed, and the key file is missing or another installation's.
        """
        path = self._path(profile_id)
        if not path.is_file():
            raise ProfileNotFound(
                f"There is no calibration profile {profile_id} in {self._directory}: `shengdun profile list` shows "
                f"those that there are, `shengdun profile install FILE` adds one."
            )
        profile = calibration.load(path, self._keys)
        if profile.profile_id != profile_id:
            raise ProfileDamaged(
                f"{path} holds calibration profile {profile.profile_id}. Install that from its own file, and remove "
                f"this one."
            )
        return profile

    def install(self, file: Path) -> CalibrationProfile:
        """Take a profile into the library; what is there already stays, unless it was damaged or lay unsealed.

        Raises:
            ProfileDamaged: the file is no calibration profile, was altered, or has a name that no file can have.
            KeyRingError: it is a site's, and the key file is missing or another installation's.
        """
        profile = calibration.load(file, self._keys)
        self.keep(profile)
        return profile

    def keep(self, profile: CalibrationProfile) -> None:
        """Have a copy of a profile that decides, wherever it came from, so that its decisions can be scored again.

        Raises:
            ProfileDamaged: it has a name that no file can have.
            KeyRingError: it is a site's, and the key file is missing or another installation's.
        """
        with self._changing():
            path = self._path(profile.profile_id)
            if self._kept_or_none(profile.profile_id) is None or self._needs_sealing(path):
                self._put(profile)

    def seal(self) -> tuple[str, ...]:
        """Seal what an earlier version left readable or an older master key protects; gives the ids.

        Whatever can't be opened stays as it is, and is told of by whoever uses it.

        Raises:
            KeyRingError: a profile is to be sealed, and the key file is missing or can't be used.
        """
        sealed: list[str] = []
        if not self._directory.is_dir():
            return ()
        with self._changing():
            for path in sorted(self._files()):
                with suppress(ProfileDamaged):
                    if self._needs_sealing(path):
                        kept = self._kept(path.name.removesuffix(_SUFFIX))
                        if kept.profile is not None:
                            self._put(kept.profile)
                            sealed.append(kept.profile_id)
        return tuple(sealed)

    def _needs_sealing(self, path: Path) -> bool:
        return self._keys is not None and calibration.needs_sealing(path, self._keys)

    def _put(self, profile: CalibrationProfile) -> None:
        # In a directory of its own first: what a profile knows of strangers is nobody else's to read.
        with TemporaryDirectory(prefix=_ASIDE, dir=self._directory) as aside:
            written = Path(aside) / "profile"
            profile.save(written, self._keys)
            replace_file(self._path(profile.profile_id), written.read_bytes())
        self.get(profile.profile_id)

    def select(self, model_id: str, *, active: bool = True) -> Selection:
        """The profiles in use for a voice model, loaded.

        Args:
            model_id: the voice model.
            active: whether the active one is asked for, too.

        Raises:
            ProfileLibraryDamaged: the state file can't be read.
            ProfileNotFound: the active one is not there any more.
            ProfileDamaged: the active one was altered.
            ProfileMismatch: the active one is another model's.
        """
        used = self.history().of(model_id)
        chosen = self._active(used.active, model_id) if active else None
        kept = [self._kept(each) for each in used.shadow]
        shadow = tuple(each.profile for each in kept if each.profile is not None)
        problems = tuple(each.problem for each in kept if each.profile is None)
        return Selection(active=chosen, shadow=shadow, problems=problems)

    def activate(
        self, profile_id: str, *, by: str, reason: str, installed_models: Collection[str]
    ) -> CalibrationProfile:
        """Make a profile the active one of its voice model; it leaves the shadow if it was there.

        Args:
            profile_id: of the library, or of the profile that ships with this package.
            by: who does it.
            reason: why.
            installed_models: the ids of the voice models of this machine.

        Raises:
            ProfileNotFound: there is no such profile.
            ProfileDamaged: its file was altered.
            ProfileMismatch: its voice model is not installed.
        """
        shipped = self.shipped(profile_id, installed_models)
        activation = _activation(SHIPPED if shipped else profile_id, by, reason)
        with self._changing():
            # Read while nobody can remove it, or it would be active without being there.
            profile = shipped or self.get(profile_id)
            _require_installed(profile, installed_models)
            history = self.history()
            changed = history.of(profile.model_id).activated(activation)
            self._write(history.changed(profile.model_id, changed))
        return profile

    def roll_back(self, model_id: str, *, by: str, reason: str) -> CalibrationProfile:
        """Make the profile active again that was before the active one.

        Raises:
            NoEarlierProfile: there was none, or no profile is shipped for the model.
            ProfileNotFound: it was removed.
            ProfileDamaged: its file was altered.
        """
        with self._changing():
            history = self.history()
            now = _activation("", by, reason)
            changed = history.of(model_id).rolled_back(at=now.at, by=now.by, reason=now.reason)
            profile = self._active(changed.active, model_id)
            if profile is None:
                raise NoEarlierProfile(
                    f"Before this one no calibration profile was active, and none is shipped for {model_id}; activate "
                    f"another one instead."
                )
            self._write(history.changed(model_id, changed))
        return profile

    def set_shadow(self, profile_id: str, *, on: bool, installed_models: Collection[str]) -> str:
        """Have a profile run in shadow beside the active one, or no longer; gives the id of its voice model.

        One that was damaged or deleted can still be taken out of shadow.

        Raises:
            ProfileNotFound: there is no such profile in the library.
            ProfileDamaged: its file was altered.
            ProfileMismatch: its voice model is not installed.
            ProfileInUse: it is the active one.
        """
        with self._changing():
            history = self.history()
            model_id = None if on else _in_shadow_of(history, profile_id)
            if model_id is None:
                profile = self.get(profile_id)
                model_id = profile.model_id
                if on:
                    _require_installed(profile, installed_models)
            used = history.of(model_id)
            changed = used.shadowing(profile_id) if on else used.not_shadowing(profile_id)
            self._write(history.changed(model_id, changed))
        return model_id

    def remove(self, profile_id: str) -> None:
        """Delete a profile; what it decided can't be scored again without it.

        Raises:
            ProfileNotFound: there is no such profile in the library.
            ProfileInUse: it is active or runs in shadow.
        """
        with self._changing():
            if not self._path(profile_id).is_file():
                self.get(profile_id)
            for used in self.history().models.values():
                if profile_id in (used.active, *used.shadow):
                    what = "is active" if profile_id == used.active else "runs in shadow"
                    raise ProfileInUse(
                        f"Calibration profile {profile_id} {what}; activate another one or take it out of shadow first."
                    )
            self._path(profile_id).unlink()

    def shipped(
        self, profile_id: str, installed_models: Collection[str]
    ) -> CalibrationProfile | None:
        """The profile of this id that ships with this package for one of some models; None if it is none."""
        shipped = (_shipped(model_id) for model_id in sorted(installed_models))
        return next((each for each in shipped if each and each.profile_id == profile_id), None)

    def _active(self, profile_id: str, model_id: str) -> CalibrationProfile | None:
        profile = _shipped(model_id) if profile_id == SHIPPED else self.get(profile_id)
        if profile is not None:
            profile.require_model(model_id)
        return profile

    def _path(self, profile_id: str) -> Path:
        if not _PROFILE_ID.fullmatch(profile_id):
            raise ProfileDamaged(
                f"{profile_id!r} can't be the id of a calibration profile: a name of letters, digits, dots, hyphens "
                f"and underscores, then @ and 12 digits of its hash. Fit the profile again under such a name."
            )
        return self._directory / f"{profile_id}{_SUFFIX}"

    def _files(self) -> Iterator[Path]:
        names = self._directory.glob(f"*{_SUFFIX}")
        return (path for path in names if _PROFILE_ID.fullmatch(path.name.removesuffix(_SUFFIX)))

    def _kept(self, profile_id: str) -> KeptProfile:
        try:
            return KeptProfile(profile_id=profile_id, profile=self.get(profile_id))
        except (ProfileDamaged, ProfileNotFound, KeyRingError) as error:
            return KeptProfile(profile_id=profile_id, profile=None, problem=error.message)

    def _kept_or_none(self, profile_id: str) -> CalibrationProfile | None:
        # One that other keys open is not damaged: it isn't overwritten, and whoever wanted that is told of the keys.
        with suppress(ProfileDamaged, ProfileNotFound):
            return self.get(profile_id)
        return None

    def _write(self, history: ProfileHistory) -> None:
        replace_file(self.state_file, history.encode())

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._directory / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._clear_away()
            yield
        finally:
            os.close(descriptor)

    def _clear_away(self) -> None:
        """Delete what a process that was killed had not finished writing; the lock is held, so nobody is writing."""
        for pattern in (f".*{_SUFFIX}.*", f".{STATE_FILE}.*"):
            for path in self._directory.glob(pattern):
                path.unlink(missing_ok=True)
        for path in self._directory.glob(f"{_ASIDE}*"):
            shutil.rmtree(path, ignore_errors=True)


def _in_shadow_of(history: ProfileHistory, profile_id: str) -> str | None:
    """The voice model that a profile runs in shadow for; None if it doesn't."""
    found = (model_id for model_id, used in history.models.items() if profile_id in used.shadow)
    return next(found, None)


def _shipped(model_id: str) -> CalibrationProfile | None:
    try:
        return calibration.default_profile(model_id)
    except ProfileMismatch:
        return None


def _require_installed(profile: CalibrationProfile, installed_models: Collection[str]) -> None:
    if profile.model_id not in installed_models:
        installed = ", ".join(sorted(installed_models)) or "none"
        raise ProfileMismatch(
            f"Calibration profile {profile.profile_id} is for voice model {profile.model_id}, which is not installed "
            f"(installed: {installed}). Install that model first, or choose a profile of an installed one."
        )


def _activation(profile_id: str, by: str, reason: str) -> Activation:
    check_text("name of who changes profiles", by, longest=128, empty=False)
    check_text("reason", reason, longest=1000)
    return Activation(profile_id=profile_id, at=datetime.now(UTC), by=by, reason=reason)
