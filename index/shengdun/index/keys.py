"""Skeleton: see the signatures; the body follows."""

from pathlib import Path


class KeyRing:
    """The master keys of an installation and what is derived from them."""

    @classmethod
    def open(cls, path: Path) -> "KeyRing":
        """Load the key file, or make it (mode 0600) when there is none."""
        raise NotImplementedError

    @classmethod
    def load(cls, path: Path) -> "KeyRing":
        """Load the key file; KeyMissing when there is none."""
        raise NotImplementedError

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """AES-256-GCM under the active master key."""
        raise NotImplementedError

    def unseal(self, sealed: bytes, aad: bytes) -> bytes:
        """Undo ``seal``; KeyWrong when it was sealed with a key that is not on the ring."""
        raise NotImplementedError

    def pseudonym(self, customer_reference: str) -> str:
        """A keyed hash (32 hex digits) that stands for a customer reference; stable over key rotation."""
        raise NotImplementedError
