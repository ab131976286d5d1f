"""Tables of calls: the columns of a partition, or of what isn't in one yet."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.columns import (
    Column,
    Lists,
    Numbers,
    Rows,
    Words,
    lists_of_numbers,
    lists_of_words,
)
from shengdun.index.archive.rows import ArchivedCall, ArchivedDecision, ArchivedFlag, CallWindows
from shengdun.index.archive.voiceprints import Stored, restored, stored

NUMBERS: Final[Mapping[str, str]] = {
    "sequence": "<i8",
    "started_us": "<i8",
    "ended_us": "<i8",
    "probability": "<f8",
    "net_speech_s": "<f8",
    "snr_db": "<f8",
    "characters": "<i4",
}
WORDS: Final = ("call_id", "line", "customer", "number", "codec", "level", "versions")
FLAG_KINDS: Final = "flag_kinds"
FLAG_SUBJECTS: Final = "flag_subjects"
FLAG_LLRS: Final = "flag_llrs"
SIGNATURES: Final = "signatures"
WINDOWS: Final = "windows"
WINDOW_SPEECH: Final = "window_speech"
SINCE_FORMAT_2: Final = (WINDOWS, WINDOW_SPEECH)
_LISTS: Final[Mapping[str, str]] = {FLAG_LLRS: "<f8", SIGNATURES: "<u8", WINDOW_SPEECH: "<f4"}
COLUMNS: Final = (
    *NUMBERS,
    *WORDS,
    FLAG_KINDS,
    FLAG_SUBJECTS,
    FLAG_LLRS,
    SIGNATURES,
    *SINCE_FORMAT_2,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class CallSource(Protocol):
    """What has the columns and voiceprints of calls that share a day, a voice model and a rotation."""

    @property
    def model_id(self) -> str:
        """The voice model of all of them; empty if they have no voiceprints."""

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The (d, d) keyed matrix that their voiceprints are rotated by."""

    def column(self, name: str) -> Column:
        """A column by its name. Raises ``PartitionDamaged``."""

    def voices(self, start: int, stop: int) -> Stored:
        """The voiceprints of some rows, as they are kept. Raises ``PartitionDamaged``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CallTable:
    """Calls of one day, one voice model and one rotation, in memory; a ``CallSource``.

    Attributes:
        model_id: the voice model; empty if they have no voiceprints.
        matrix: (d, d) that their voiceprints are rotated by.
        columns: by name.
        vectors: (n, d) as they are kept.
    """

    model_id: str
    matrix: NDArray[np.float64] = field(repr=False)
    columns: Mapping[str, Column] = field(repr=False)
    vectors: Stored = field(repr=False)

    @classmethod
    def of(
        cls, calls: Sequence[tuple[int, ArchivedCall]], matrix: NDArray[np.float64]
    ) -> "CallTable":
        """The table of some calls, each behind its number in the stream."""
        rows = [call for _, call in calls]
        vectors = [call.voiceprint for call in rows if call.voiceprint is not None]
        return cls(
            model_id=rows[0].model_id,
            matrix=matrix,
            columns=_columns(np.array([number for number, _ in calls], "<i8"), rows)
            | _window_columns(rows, matrix),
            vectors=stored(np.stack(vectors), matrix)
            if vectors
            else np.zeros((len(rows), 0), "<i2"),
        )

    def __len__(self) -> int:
        return len(self.vectors)

    def column(self, name: str) -> Column:
        """See ``CallSource``."""
        return self.columns[name]

    def voices(self, start: int, stop: int) -> Stored:
        """See ``CallSource``."""
        return self.vectors[start:stop]

    def take(self, rows: Rows) -> "CallTable":
        """The table of some of its calls."""
        return CallTable(
            model_id=self.model_id,
            matrix=self.matrix,
            columns={name: column.take(rows) for name, column in self.columns.items()},
            vectors=self.vectors[rows],
        )

    def joined(self, others: Sequence["CallTable"]) -> "CallTable":
        """With the calls of others behind its own."""
        columns = {
            name: column.joined([one.columns[name] for one in others])
            for name, column in self.columns.items()
        }
        vectors = np.concatenate([self.vectors, *(one.vectors for one in others)])
        return CallTable(
            model_id=self.model_id, matrix=self.matrix, columns=columns, vectors=vectors
        )


def unpacked(name: str, content: bytes, dimension: int) -> Column:
    """A column as it lies in a partition of voiceprints with a dimension."""
    if name in NUMBERS:
        return Numbers.unpacked(content, NUMBERS[name])
    if name in WORDS:
        return Words.unpacked(content)
    if name in _LISTS:
        return lists_of_numbers(content, _LISTS[name])
    if name == WINDOWS:
        flat = lists_of_numbers(content, "<i2")
        return Lists(flat.lengths, Numbers(_rows(flat.inner.values, dimension)))
    return lists_of_words(content)


def lacking(name: str, calls: int, dimension: int) -> Column:
    """One of ``SINCE_FORMAT_2`` in a partition that was written before."""
    values = np.zeros((0, dimension), "<i2") if name == WINDOWS else np.zeros(0, "<f4")
    return Lists(np.zeros(calls, np.uint32), Numbers(values))


def numbers(source: CallSource, name: str) -> NDArray[Any]:
    """The values of a column of numbers."""
    return cast("Numbers", source.column(name)).values


def words(source: CallSource, name: str) -> Words:
    """A column of words."""
    return cast("Words", source.column(name))


def word_lists(source: CallSource, name: str) -> Lists[Words]:
    """A column of lists of words."""
    return cast("Lists[Words]", source.column(name))


def number_lists(source: CallSource, name: str) -> Lists[Numbers]:
    """A column of lists of numbers."""
    return cast("Lists[Numbers]", source.column(name))


def call_at(source: CallSource, row: int) -> ArchivedCall:
    """One call."""
    snr_db = float(numbers(source, "snr_db")[row])
    signatures = number_lists(source, SIGNATURES)
    start, end = signatures.starts[row : row + 2]
    return ArchivedCall(
        call_id=words(source, "call_id")[row],
        started_at=time_of(numbers(source, "started_us")[row]),
        ended_at=time_of(numbers(source, "ended_us")[row]),
        line=words(source, "line")[row],
        customer=words(source, "customer")[row],
        number=words(source, "number")[row],
        model_id=source.model_id,
        voiceprint=restored(source.voices(row, row + 1), source.matrix)[0]
        if source.model_id
        else None,
        net_speech_s=float(numbers(source, "net_speech_s")[row]),
        snr_db=None if np.isnan(snr_db) else snr_db,
        codec=words(source, "codec")[row],
        windows=windows_at(source, row),
        signature=signatures.inner.values[start:end],
        characters=int(numbers(source, "characters")[row]),
        decision=_decision_at(source, row),
    )


def microseconds(at: datetime) -> int:
    """UTC microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def time_of(at_us: int) -> datetime:
    """Undo ``microseconds``."""
    return _EPOCH + timedelta(microseconds=int(at_us))


def flags_at(source: CallSource, row: int) -> tuple[ArchivedFlag, ...]:
    """The flags of one call."""
    kinds, subjects = word_lists(source, FLAG_KINDS), word_lists(source, FLAG_SUBJECTS)
    llrs = number_lists(source, FLAG_LLRS).inner.values
    return tuple(
        ArchivedFlag(kind=kinds.inner[place], llr=float(llrs[place]), subject=subjects.inner[place])
        for place in range(*kinds.starts[row : row + 2])
    )


def windows_at(source: CallSource, row: int) -> CallWindows | None:
    """The windows of one call, where they were kept."""
    windows = number_lists(source, WINDOWS)
    first, last = windows.starts[row : row + 2]
    if first == last:
        return None
    return CallWindows(
        voiceprints=restored(windows.inner.values[first:last], source.matrix),
        net_speech_s=number_lists(source, WINDOW_SPEECH).inner.values[first:last].astype(float),
    )


def _decision_at(source: CallSource, row: int) -> ArchivedDecision:
    return ArchivedDecision(
        level=words(source, "level")[row],
        probability=float(numbers(source, "probability")[row]),
        flags=flags_at(source, row),
        versions=_versions(words(source, "versions")[row]),
    )


@lru_cache(maxsize=1024)
def _versions(text: str) -> Mapping[str, str]:
    # Few calls have others than the one before.
    return MappingProxyType(json.loads(text))


def _columns(sequences: NDArray[np.int64], calls: Sequence[ArchivedCall]) -> dict[str, Column]:
    snr_db = [np.nan if call.snr_db is None else call.snr_db for call in calls]
    values: dict[str, Sequence[float]] = {
        "started_us": [microseconds(call.started_at) for call in calls],
        "ended_us": [microseconds(call.ended_at) for call in calls],
        "probability": [call.decision.probability for call in calls],
        "net_speech_s": [call.net_speech_s for call in calls],
        "snr_db": snr_db,
        "characters": [call.characters for call in calls],
    }
    columns: dict[str, Column] = {
        name: Numbers(np.array(of_calls, NUMBERS[name])) for name, of_calls in values.items()
    }
    columns["sequence"] = Numbers(sequences)
    for name in ("call_id", "line", "customer", "number", "codec"):
        columns[name] = Words.of(getattr(call, name) for call in calls)
    columns["level"] = Words.of(call.decision.level for call in calls)
    columns["versions"] = Words.of(
        json.dumps(dict(call.decision.versions), sort_keys=True, ensure_ascii=False)
        for call in calls
    )
    return columns | _list_columns(calls)


def _window_columns(
    calls: Sequence[ArchivedCall], matrix: NDArray[np.float64]
) -> dict[str, Column]:
    kept = [call.windows for call in calls if call.windows is not None]
    counts = [0 if call.windows is None else len(call.windows) for call in calls]
    lengths = np.array(counts, np.uint32)
    if not kept:
        return {name: lacking(name, len(calls), len(matrix)) for name in SINCE_FORMAT_2}
    voiceprints = np.concatenate([windows.voiceprints for windows in kept])
    net_speech_s = np.concatenate([windows.net_speech_s for windows in kept])
    return {
        WINDOWS: Lists[Numbers](lengths, Numbers(stored(voiceprints, matrix))),
        WINDOW_SPEECH: Lists[Numbers](lengths, Numbers(net_speech_s.astype("<f4"))),
    }


def _rows(values: NDArray[Any], dimension: int) -> NDArray[Any]:
    return values.reshape(-1, dimension) if len(values) else np.zeros((0, dimension), values.dtype)


def _list_columns(calls: Sequence[ArchivedCall]) -> dict[str, Column]:
    flags = [flag for call in calls for flag in call.decision.flags]
    lengths = np.array([len(call.decision.flags) for call in calls], np.uint32)
    sizes = np.array([len(call.signature) for call in calls], np.uint32)
    hashes = np.concatenate([call.signature for call in calls]).astype("<u8")
    return {
        FLAG_KINDS: Lists[Words](lengths, Words.of(flag.kind for flag in flags)),
        FLAG_SUBJECTS: Lists[Words](lengths, Words.of(flag.subject for flag in flags)),
        FLAG_LLRS: Lists[Numbers](lengths, Numbers(np.array([flag.llr for flag in flags], "<f8"))),
        SIGNATURES: Lists[Numbers](sizes, Numbers(hashes)),
    }
