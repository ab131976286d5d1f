"""Sealing what a site's calibration profile knows of its callers: their voiceprints are biometric data of people.

The master keys are those of the store (``keys``), so whatever machine may read the store may read the profiles. A key
is derived for this purpose alone, and what is sealed is bound to the hash of the profile's content: it opens in no
other profile. The key file is read anew each time, because a key may be added to it while the server runs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shengdun.index.errors import KeyMissing, KeyWrong
from shengdun.index.keys import KeyRing

_PLACE: Final = "calibration-profile/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileKeys:
    """The master keys that site profiles are sealed with, opened when first a profile needs them.

    Attributes:
        path: the key file of the installation.
        may_make: whether a missing key file is made when something is to be sealed; only where there is no store yet
            that another key file belongs to.
    """

    path: Path
    may_make: bool = False

    def check(self) -> None:
        """Find out whether something could be sealed, without making a key file.

        Raises:
            KeyMissing: there is no key file, and none may be made.
            KeyFileInvalid: it is malformed or others can read it.
        """
        if self.path.exists() or not self.may_make:
            self._ring("A site's calibration profile holds voiceprints of callers and is sealed")

    def seal(self, plaintext: bytes, digest: str) -> bytes:
        """AES-256-GCM under the active key, bound to the profile whose content has this hash.

        Raises:
            KeyMissing: there is no key file, and none may be made.
            KeyFileInvalid: it is malformed or others can read it.
        """
        if self.may_make:
            return KeyRing.open(self.path).seal_profile(plaintext, _PLACE + digest)
        ring = self._ring("A site's calibration profile holds voiceprints of callers and is sealed")
        return ring.seal_profile(plaintext, _PLACE + digest)

    def unseal(self, sealed: bytes, digest: str, file: str) -> bytes:
        """Undo ``seal``; ``file`` is what the profile is called in a message.

        Raises:
            KeyMissing: there is no key file.
            KeyWrong: it was sealed with a master key that is not in the key file.
            KeyFileInvalid: the key file is malformed or others can read it.
            SealBroken: it was altered, or belongs to another profile.
        """
        ring = self._ring(f"Calibration profile {file} is sealed")
        try:
            return ring.unseal_profile(sealed, _PLACE + digest)
        except KeyWrong:
            raise KeyWrong(
                f"Calibration profile {file} is sealed with master key {ring.key_id_of(sealed).hex()}, which is not in "
                f"{self.path.name}: use the key file of the installation that made the profile (machines that share a "
                f"store share it), or make the profile anew with `shengdun calibrate`."
            ) from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether something was sealed with the master key that seals now. Raises as ``check`` does."""
        ring = self._ring("A site's calibration profile is sealed")
        return ring.key_id_of(sealed) == ring.active_key_id

    def _ring(self, why: str) -> KeyRing:
        try:
            return KeyRing.load(self.path)
        except KeyMissing:
            raise KeyMissing(
                f"{why}, and its key file {self.path.name} is missing: restore that from its backup, copy it from a "
                f"machine that shares the store, or name it in store.keys_file. No new key was made."
            ) from None


def no_keys(file: str) -> KeyMissing:
    """The error for a sealed profile that was met where no key file is known."""
    return KeyMissing(
        f"Calibration profile {file} is sealed with the master keys of the installation that made it, and no key file "
        f"is at hand here: use it through `shengdun` with the settings of that installation."
    )
