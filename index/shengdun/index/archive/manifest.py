"""The manifest: which partitions of this machine count, and up to which entry of the stream they have the calls.

It is replaced by an atomic rename and is the one moment at which a flush, a merge or an erasure takes effect. It ends
with a keyed hash, so that nobody without the key can leave a partition out of it unnoticed.
"""

import hmac
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from shengdun.index.durable_files import replace_file
from shengdun.index.errors import StoreTampered
from shengdun.index.keys import KeyRing

_FORMAT: Final = 1
_MAC_BYTES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition: calls of one day with voiceprints of one model under one rotation, at most some 100,000.

    Attributes:
        partition_id: a random name; its files and its key have it.
        day: on which its calls started, in UTC.
        model_id: the voice model; empty if they have no voiceprints.
        rotation: the id (hex) of the master key whose matrix its voiceprints are rotated by.
        dimension: of its voiceprints.
        calls: how many.
        lines: the lines of business among them.
        first_us: when the first of them started.
        last_us: when the last of them started.
        last_sequence: the greatest stream number among them.
        index_digest: SHA-256 (hex) of the file by which a call is found.
    """

    partition_id: str
    day: str
    model_id: str
    rotation: str
    dimension: int
    calls: int
    lines: tuple[str, ...]
    first_us: int
    last_us: int
    last_sequence: int
    index_digest: str

    @property
    def name(self) -> str:
        """As people are told of it, and as its file is found: the day and the id."""
        return f"{self.day}/{self.partition_id}"

    @property
    def kind(self) -> tuple[str, str, str]:
        """What calls must agree in to share a partition."""
        return self.day, self.model_id, self.rotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The state of this machine's partitions.

    Attributes:
        through: the stream number up to which they have the calls.
        partitions: those that count, oldest first.
        dropping: names of those that were replaced; their files and keys are still to be deleted.
        retained_us: the clock when retention ran last, in UTC microseconds; 0 if it never did.
        resumes_us: the clock when it was found to have jumped; 0 if it goes right.
        missed: pairs of stream numbers, after the first and up to the second, of what this machine never had.
    """

    through: int = 0
    partitions: tuple[Partition, ...] = ()
    dropping: tuple[str, ...] = ()
    retained_us: int = 0
    resumes_us: int = 0
    missed: tuple[tuple[int, int], ...] = ()

    @property
    def calls(self) -> int:
        """How many calls the partitions have."""
        return sum(partition.calls for partition in self.partitions)

    def replacing(
        self, gone: Iterable[Partition], made: Iterable[Partition], *, through: int | None = None
    ) -> "Manifest":
        """With some partitions in the place of others."""
        names = {partition.name for partition in gone}
        kept = [one for one in self.partitions if one.name not in names]
        ordered = sorted([*kept, *made], key=lambda one: (one.day, one.first_us, one.partition_id))
        return replace(
            self,
            partitions=tuple(ordered),
            dropping=(*self.dropping, *sorted(names)),
            through=self.through if through is None else through,
        )


class ManifestFile:
    """The file of the manifest.

    Args:
        path: where it is.
        keys: of this installation.

    Attributes:
        path: as given.
    """

    def __init__(self, path: Path, keys: KeyRing) -> None:
        self.path = path
        self._keys = keys

    def read(self) -> Manifest:
        """The manifest; an empty one if there is none yet. Raises ``StoreTampered``, ``OSError``."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return Manifest()
        body, mac = content[: -_MAC_BYTES - 1], content[-_MAC_BYTES - 1 : -1]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise StoreTampered.of(f"file {self.path.name} of the call archive", "was altered")
        return _decoded(json.loads(body))

    def write(self, manifest: Manifest) -> None:
        """Put a manifest in the place of the one that is there; on disk when this returns. Raises ``OSError``."""
        fields = {"format": _FORMAT} | asdict(manifest)
        body = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        replace_file(self.path, body + self._mac(body) + b"\n")

    def stamp(self) -> tuple[int, int]:
        """Changes whenever the file does."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns

    def _mac(self, body: bytes) -> bytes:
        return self._keys.receipt_mac(b"archive-manifest/" + body).hex().encode()


def _decoded(fields: dict[str, Any]) -> Manifest:
    if fields.pop("format") != _FORMAT:
        raise StoreTampered.of("the call archive", "was written by another version of Shengdun")
    fields["partitions"] = tuple(
        Partition(**one | {"lines": tuple(one["lines"])}) for one in fields["partitions"]
    )
    fields["missed"] = tuple((first, last) for first, last in fields["missed"])
    fields["dropping"] = tuple(fields["dropping"])
    return Manifest(**fields)
