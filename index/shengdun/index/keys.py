"""Master keys, and what is derived from them.

A key file holds one or several 256-bit master keys, oldest first; the last is the active one. Nothing is encrypted
with a master key itself: HKDF-SHA-256 (RFC 5869) derives a key for each purpose. Every actor, and every
script, has a data key of its own that is stored wrapped by the active master key; where the wrapped key is erased, so
is all that was sealed with it.

Everything sealed names its master key, so that keys can be added (``rotate``) without rewriting the store at once.
The pseudonym key stays that of the oldest master key: a pseudonym must mean the same customer after a rotation.
"""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from shengdun.index.durable_files import create_file, replace_file
from shengdun.index.errors import KeyFileInvalid, KeyMissing, KeyWrong, SealBroken
from shengdun.index.rotation import rotation_matrix

_KEY_BYTES: Final = 32
_KEY_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_FORMAT: Final = 1
_BROKEN: Final = "Sealed data can't be opened: it was altered, or it was sealed for another place."
SEAL_BYTES: Final = _NONCE_BYTES + 16
"""What sealing adds to the length."""


def _derive(secret: bytes, purpose: str) -> bytes:
    info = f"shengdun/v1/{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(secret)


def _encrypt(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, aad)


def _decrypt(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], aad)
    except (InvalidTag, ValueError) as error:
        raise SealBroken(_BROKEN) from error


def _decrypt_into(key: bytes, sealed: memoryview, aad: bytes, plaintext: memoryview) -> None:
    try:
        AESGCM(key).decrypt_into(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], aad, plaintext)
    except (InvalidTag, ValueError) as error:
        raise SealBroken(_BROKEN) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """The key of one actor.

    Attributes:
        key_id: the master key that wraps it.
        wrapped: what is stored.
        secret: 32 bytes; never stored.
    """

    key_id: bytes
    wrapped: bytes
    secret: bytes = field(repr=False)

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """AES-256-GCM; ``aad`` is bound to the result and has to be given again to open it."""
        return _encrypt(self.secret, plaintext, aad)

    def unseal(self, sealed: bytes, aad: bytes) -> bytes:
        """Undo ``seal``. Raises ``SealBroken``."""
        return _decrypt(self.secret, sealed, aad)

    def unseal_into(self, sealed: memoryview, aad: bytes, plaintext: memoryview) -> None:
        """The same into memory of the caller's, ``SEAL_BYTES`` fewer than are sealed; other threads run meanwhile.

        Raises:
            SealBroken: as ``unseal``, or the length is wrong; what is in the memory then is to be thrown away.
        """
        _decrypt_into(self.secret, sealed, aad, plaintext)


class _MasterKey:
    """One master key with its derived keys."""

    def __init__(self, secret: bytes, created_at: str) -> None:
        self.secret = secret
        self.created_at = created_at
        # The id is derived, so that a key file whose secret was altered contradicts itself.
        self.key_id = hashlib.sha256(_derive(secret, "key-id")).digest()[:_KEY_ID_BYTES]
        self.wrapping = _derive(secret, "template-wrapping")
        self.journal = _derive(secret, "journal")
        self.pseudonym = _derive(secret, "pseudonym")
        self.rotation = _derive(secret, "rotation")
        self.receipt = _derive(secret, "receipt")
        self.decisions = _derive(secret, "decisions")
        self.profiles = _derive(secret, "calibration-profiles")

    @classmethod
    def generate(cls) -> "_MasterKey":
        return cls(secrets.token_bytes(_KEY_BYTES), datetime.now(UTC).isoformat(timespec="seconds"))


class KeyRing:
    """The master keys of an installation. Safe to share between threads.

    Attributes:
        path: the key file.
    """

    def __init__(self, path: Path, keys: tuple[_MasterKey, ...]) -> None:
        self.path = path
        self._keys = {key.key_id: key for key in keys}
        self._oldest = keys[0]
        self._active = keys[-1]
        self._rotations: dict[tuple[bytes, int], NDArray[np.float64]] = {}

    @classmethod
    def open(cls, path: Path) -> "KeyRing":
        """Load the key file, or make one with a new key (mode 0600, flushed to disk) when there is none.

        Raises:
            KeyFileInvalid: it is malformed or others can read it.
        """
        if not path.exists():
            create_file(path, _encode((_MasterKey.generate(),)))
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> "KeyRing":
        """Load the key file.

        Raises:
            KeyMissing: there is none.
            KeyFileInvalid: it is malformed or others can read it.
        """
        try:
            mode, text = path.stat().st_mode, path.read_bytes()
        except FileNotFoundError as error:
            raise KeyMissing(
                f"The key file {path.name} is missing, and what the store holds can't be read without it: "
                f"restore the file from its backup. No new key was made."
            ) from error
        except OSError as error:
            raise KeyFileInvalid(
                f"The key file {path.name} can't be read: {error.strerror}."
            ) from error
        if mode & 0o077:
            raise KeyFileInvalid(
                f"The key file {path.name} can be read by others than its owner: run chmod 600 on it."
            )
        return cls(path, _decode(path, text))

    def rotate(self) -> "KeyRing":
        """Add a new active key to the file and return the ring with it; old keys go on opening what they sealed."""
        keys = (*self._keys.values(), _MasterKey.generate())
        replace_file(self.path, _encode(keys))
        return KeyRing(self.path, keys)

    @property
    def created(self) -> dict[bytes, str]:
        """When each master key was made (ISO 8601, in UTC), by its id; the oldest first, the active one last."""
        return {key_id: key.created_at for key_id, key in self._keys.items()}

    @property
    def active_key_id(self) -> bytes:
        """The id (8 bytes) of the key that seals from now on."""
        return self._active.key_id

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """AES-256-GCM under the active key; ``aad`` is bound to the result."""
        return self._active.key_id + _encrypt(self._active.wrapping, plaintext, aad)

    def unseal(self, sealed: bytes, aad: bytes) -> bytes:
        """Undo ``seal``.

        Raises:
            KeyWrong: it was sealed with a key that is not on the ring.
            SealBroken: it was altered, or sealed for another ``aad``.
        """
        key = self._key(sealed[:_KEY_ID_BYTES])
        return _decrypt(key.wrapping, sealed[_KEY_ID_BYTES:], aad)

    def seal_decision(self, plaintext: bytes, place: str) -> bytes:
        """AES-256-GCM under a key of this place's own; bound to the place.

        A key stands 2^32 seals with random nonces (NIST SP 800-38D, section 8.3). The decisions of all calls would get
        there, so they never touch the key that wraps biometrics, nor each other's.
        """
        key = self._active
        return key.key_id + _encrypt(_derive(key.decisions, place), plaintext, place.encode())

    def unseal_decision(self, sealed: bytes, place: str) -> bytes:
        """Undo ``seal_decision``. Raises ``KeyWrong``, ``SealBroken``."""
        key = self._key(sealed[:_KEY_ID_BYTES])
        return _decrypt(_derive(key.decisions, place), sealed[_KEY_ID_BYTES:], place.encode())

    def seal_profile(self, plaintext: bytes, place: str) -> bytes:
        """AES-256-GCM under a key for the voiceprints in calibration profiles alone; bound to the place."""
        return self._active.key_id + _encrypt(self._active.profiles, plaintext, place.encode())

    def unseal_profile(self, sealed: bytes, place: str) -> bytes:
        """Undo ``seal_profile``. Raises ``KeyWrong``, ``SealBroken``."""
        key = self._key(self.key_id_of(sealed))
        return _decrypt(key.profiles, sealed[_KEY_ID_BYTES:], place.encode())

    @staticmethod
    def key_id_of(sealed: bytes) -> bytes:
        """The id (8 bytes) of the master key that something was sealed with, on this ring or not."""
        return sealed[:_KEY_ID_BYTES]

    def new_data_key(self, aad: bytes) -> DataKey:
        """A new data key, wrapped by the active key."""
        secret = secrets.token_bytes(_KEY_BYTES)
        return DataKey(key_id=self.active_key_id, wrapped=self.seal(secret, aad), secret=secret)

    def unwrap(self, wrapped: bytes, aad: bytes) -> DataKey:
        """The data key that was stored wrapped. Raises ``KeyWrong``, ``SealBroken``."""
        return DataKey(
            key_id=wrapped[:_KEY_ID_BYTES], wrapped=wrapped, secret=self.unseal(wrapped, aad)
        )

    def pseudonym(self, customer_reference: str) -> str:
        """A keyed hash (32 hex digits) that stands for a customer reference; stable over key rotation."""
        return _mac(self._oldest.pseudonym, customer_reference.encode()).hex()[:32]

    def journal_mac(self, key_id: bytes, message: bytes) -> bytes:
        """HMAC-SHA-256 (32 bytes) under the journal key of one master key. Raises ``KeyWrong``."""
        return _mac(self._key(key_id).journal, message)

    def receipt_mac(self, message: bytes) -> bytes:
        """HMAC-SHA-256 (32 bytes) under the receipt key, which stays the same over key rotation."""
        return _mac(self._oldest.receipt, message)

    def rotation(self, key_id: bytes, dimension: int) -> NDArray[np.float64]:
        """The keyed orthogonal (d, d) matrix of one master key. Raises ``KeyWrong``."""
        known = self._rotations.get((key_id, dimension))
        if known is None:
            known = rotation_matrix(self._key(key_id).rotation, dimension)
            self._rotations[key_id, dimension] = known
        return known

    def _key(self, key_id: bytes) -> _MasterKey:
        try:
            return self._keys[key_id]
        except KeyError:
            raise KeyWrong(
                f"The store was written with master key {key_id.hex()}, which is not in {self.path.name}: "
                f"put the key file of this store in its place."
            ) from None


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _encode(keys: tuple[_MasterKey, ...]) -> bytes:
    rows = [
        {
            "id": key.key_id.hex(),
            "created_at": key.created_at,
            "secret": base64.b64encode(key.secret).decode(),
        }
        for key in keys
    ]
    return json.dumps({"version": _FORMAT, "keys": rows}, indent=1).encode() + b"\n"


def _decode(path: Path, text: bytes) -> tuple[_MasterKey, ...]:
    try:
        content = json.loads(text)
        keys = tuple(_decode_key(row) for row in content["keys"])
        valid = content["version"] == _FORMAT and bool(keys) and all(keys)
    except (ValueError, KeyError, TypeError):
        valid, keys = False, ()
    if not valid:
        raise KeyFileInvalid(
            f"The key file {path.name} is damaged or of another version: restore it from its backup."
        )
    return tuple(key for key in keys if key is not None)


def _decode_key(row: dict[str, str]) -> _MasterKey | None:
    secret = base64.b64decode(row["secret"], validate=True)
    key = _MasterKey(secret, row["created_at"])
    return key if len(secret) == _KEY_BYTES and key.key_id.hex() == row["id"] else None
