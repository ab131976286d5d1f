"""The file of a checkpoint: parts that are sealed one by one, under a data key that lies in the store alone.

::

    header     one line of JSON in clear: format, id, the journal entry up to which it goes, calibration profiles
    part       8 bytes of length (big-endian), then AES-256-GCM with a random nonce; bound to the header and its number
    ...

Each part is opened into memory of its own: once the last reader lets go of the segment that an erased voiceprint was
in, its vector is gone from memory, whatever else came out of the same file.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO, Final

from shengdun.index.durable_files import replace_with_parts
from shengdun.index.errors import SealBroken
from shengdun.index.journal import Head
from shengdun.index.keys import DataKey

FORMAT: Final = 2
"""Goes up whenever something else is written, or the same is computed in another way: sketches, projections, codes."""
_LENGTH_BYTES: Final = 8
_LONGEST_HEADER: Final = 65_536


class CheckpointUnusable(Exception):
    """A checkpoint can't be used, so the store is loaded without it; the message says why. Never reaches a caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the file says in clear.

    Attributes:
        checkpoint_id: a random name; the store knows its key under it.
        sequence: the journal entry up to which it goes.
        journal_hash: that entry's hash, hex; it stands for the store, its master keys and all that happened in it.
        profiles: the calibration profiles that its vectors are projected by.
        format: of everything behind the header.
    """

    checkpoint_id: str
    sequence: int
    journal_hash: str
    profiles: tuple[str, ...]
    format: int = FORMAT

    @property
    def head(self) -> Head:
        """The journal entry."""
        return Head(self.sequence, bytes.fromhex(self.journal_hash))

    @property
    def line(self) -> bytes:
        """As it stands in the file."""
        return json.dumps(asdict(self)).encode() + b"\n"


def key_aad(checkpoint_id: str) -> bytes:
    """What a checkpoint's wrapped data key is bound to."""
    return f"checkpoint-key/{checkpoint_id}".encode()


def read_header(path: Path) -> Header:
    """The header of a checkpoint file. Raises ``CheckpointUnusable``."""
    with _opened(path) as file:
        return _header(file)


def write_parts(path: Path, header: Header, key: DataKey, parts: Iterable[bytes]) -> None:
    """Write a checkpoint (mode 0600) in the place of the one that is there; whole or not at all, flushed to disk.

    Raises:
        OSError: it can't be written; the file that was there stays.
    """
    replace_with_parts(path, _sealed(header, key, parts))


def read_parts(path: Path, header: Header, key: DataKey) -> Iterator[bytes]:
    """The parts of a checkpoint, opened one after the other as they are asked for.

    Raises:
        CheckpointUnusable: the file is torn, altered, or not the one whose header was read.
    """
    with _opened(path) as file:
        if _header(file) != header:
            raise CheckpointUnusable("it was replaced meanwhile")
        size = path.stat().st_size
        for number in count():
            # A length that was altered must not ask for more memory than there is file.
            length = min(int.from_bytes(file.read(_LENGTH_BYTES), "big"), size)
            try:
                yield key.unseal(file.read(length), _part_aad(header, number))
            except SealBroken:
                raise CheckpointUnusable(
                    f"part {number} is missing, was altered or has another key"
                ) from None


def _sealed(header: Header, key: DataKey, parts: Iterable[bytes]) -> Iterator[bytes]:
    yield header.line
    for number, part in enumerate(parts):
        sealed = key.seal(part, _part_aad(header, number))
        yield len(sealed).to_bytes(_LENGTH_BYTES, "big")
        yield sealed


def _header(file: BinaryIO) -> Header:
    try:
        fields = json.loads(file.readline(_LONGEST_HEADER))
        if fields["format"] != FORMAT:
            raise CheckpointUnusable("another version of Shengdun wrote it")
        # Only the first part will show whether the header is genuine.
        return Header(
            checkpoint_id=str(fields["checkpoint_id"]),
            sequence=int(fields["sequence"]),
            journal_hash=str(fields["journal_hash"]),
            profiles=tuple(map(str, fields["profiles"])),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointUnusable("its header is malformed") from error


def _part_aad(header: Header, number: int) -> bytes:
    return f"checkpoint/{number}/".encode() + header.line


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise CheckpointUnusable("there is none") from None
    except OSError as error:
        raise CheckpointUnusable(f"it can't be read: {error.strerror}") from error
