"""Columns of calls: values of one field, one after the other, as they lie in a partition.

Three kinds: numbers; words, of which each different one is kept once; and lists of any of the two. A column is taken
apart, joined and written without an object for every call, so that a partition of 100,000 calls is rewritten in well
under a second.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Protocol, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
"""(n,) indices of rows."""


class Column(Protocol):
    """A column of any kind."""

    def __len__(self) -> int:
        """Of how many calls."""

    def take(self, rows: Rows) -> Self:
        """Of some calls only, in the order given."""

    def joined(self, others: "Sequence[Self]") -> Self:
        """With others of its kind behind it."""

    def packed(self) -> bytes:
        """As it lies in a partition."""


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A number for each call.

    Attributes:
        values: (n,) of any dtype.
    """

    values: NDArray[Any]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Rows) -> "Numbers":
        """See ``Column``."""
        return Numbers(self.values[rows])

    def joined(self, others: "Sequence[Numbers]") -> "Numbers":
        """See ``Column``."""
        return Numbers(np.concatenate([self.values, *(one.values for one in others)]))

    def packed(self) -> bytes:
        """See ``Column``."""
        return self.values.tobytes()

    @classmethod
    def unpacked(cls, content: bytes, dtype: str) -> "Numbers":
        """Undo ``packed``."""
        return cls(np.frombuffer(content, dtype))


@dataclass(frozen=True, slots=True, eq=False)
class Words(Sequence[str]):
    """A text for each call; as a sequence, the texts.

    Attributes:
        codes: (n,) unsigned, the place of each text in ``values``.
        values: the different texts.
    """

    codes: NDArray[Any]
    values: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Words":
        """The column of some texts."""
        places: dict[str, int] = {}
        codes = [places.setdefault(text, len(places)) for text in texts]
        return cls(np.array(codes, _code_type(len(places))), tuple(places))

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str]:
        return map(self.values.__getitem__, self.codes.tolist())

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> "Words": ...
    def __getitem__(self, row: int | slice) -> "str | Words":
        """One text, or those of several calls."""
        if isinstance(row, slice):
            return Words(self.codes[row], self.values)
        return self.values[int(self.codes[row])]

    def take(self, rows: Rows) -> "Words":
        """See ``Column``; texts that no call has any more are left out."""
        kept, codes = np.unique(self.codes[rows], return_inverse=True)
        values = tuple(self.values[code] for code in kept.tolist())
        return Words(codes.astype(_code_type(len(values))), values)

    def view(self, rows: Rows) -> "Words":
        """Of some calls, with all the texts: quicker than ``take`` for what isn't written."""
        return Words(self.codes[rows], self.values)

    def joined(self, others: "Sequence[Words]") -> "Words":
        """See ``Column``."""
        places: dict[str, int] = {}
        maps = [
            np.array([places.setdefault(text, len(places)) for text in one.values], np.int64)
            for one in (self, *others)
        ]
        codes = [
            table[one.codes] if len(table) else np.zeros(0, np.int64)
            for table, one in zip(maps, (self, *others), strict=True)
        ]
        return Words(np.concatenate(codes).astype(_code_type(len(places))), tuple(places))

    def having(self, text: str) -> NDArray[np.bool_]:
        """(n,) which calls have this text."""
        try:
            return np.asarray(self.codes == self.values.index(text))
        except ValueError:
            return np.zeros(len(self.codes), np.bool_)

    def packed(self) -> bytes:
        """See ``Column``."""
        texts = json.dumps(self.values, ensure_ascii=False, separators=(",", ":")).encode()
        return len(texts).to_bytes(8, "little") + texts + self.codes.tobytes()

    @classmethod
    def unpacked(cls, content: bytes) -> "Words":
        """Undo ``packed``."""
        end = 8 + int.from_bytes(content[:8], "little")
        values = tuple(json.loads(content[8:end].decode()))
        return cls(np.frombuffer(content, _code_type(len(values)), offset=end), values)


Inner = TypeVar("Inner", Numbers, Words)


@dataclass(frozen=True, eq=False)  # with slots a generic class that is frozen can't be made
class Lists(Generic[Inner]):
    """A list for each call.

    Attributes:
        lengths: (n,) uint32 of the lists.
        inner: what is in them, one list after the other.
    """

    lengths: NDArray[np.uint32]
    inner: Inner

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(n + 1,) where each list begins, and where the last one ends."""
        return np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)])

    def take(self, rows: Rows) -> "Lists[Inner]":
        """See ``Column``."""
        lengths = self.lengths[rows].astype(np.int64)
        before = np.cumsum(lengths) - lengths
        within = np.arange(int(lengths.sum())) - np.repeat(before, lengths)
        places = np.repeat(self.starts[:-1][rows], lengths) + within
        return Lists(self.lengths[rows], self.inner.take(places))

    def joined(self, others: "Sequence[Lists[Inner]]") -> "Lists[Inner]":
        """See ``Column``."""
        lengths = np.concatenate([self.lengths, *(one.lengths for one in others)])
        return Lists(lengths, self.inner.joined([one.inner for one in others]))

    def having(self, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(n,) which calls have a list of which at least one item is marked in ``inside``."""
        owners = np.repeat(np.arange(len(self)), self.lengths)
        return np.bincount(owners[inside], minlength=len(self)).astype(np.bool_)

    def packed(self) -> bytes:
        """See ``Column``."""
        return (
            len(self.lengths).to_bytes(8, "little") + self.lengths.tobytes() + self.inner.packed()
        )


def lists_of_numbers(content: bytes, dtype: str) -> Lists[Numbers]:
    """Undo ``Lists.packed`` for lists of numbers."""
    lengths, rest = _lengths(content)
    return Lists(lengths, Numbers.unpacked(rest, dtype))


def lists_of_words(content: bytes) -> Lists[Words]:
    """Undo ``Lists.packed`` for lists of words."""
    lengths, rest = _lengths(content)
    return Lists(lengths, Words.unpacked(rest))


def _lengths(content: bytes) -> tuple[NDArray[np.uint32], bytes]:
    count = int.from_bytes(content[:8], "little")
    return np.frombuffer(content, np.uint32, count, offset=8), content[8 + 4 * count :]


def _code_type(values: int) -> type[np.unsignedinteger[Any]]:
    if values <= 1 << 8:
        return np.uint8
    return np.uint16 if values <= 1 << 16 else np.uint32
