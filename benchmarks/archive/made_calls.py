"""Calls that are made up, as many as are asked for, in each of the forms that formats are written from."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shengdun.index.archive.columns import Column, Lists, Numbers, Words
from shengdun.index.archive.tables import NUMBERS, CallTable
from shengdun.index.archive.voiceprints import SCALE, stored
from shengdun.index.keys import KeyRing

_DAYS = 4
_DIMENSION = 192
_CUSTOMERS_SHARE = 0.6
_DAY_US = 86_400_000_000
_FIRST_US = 1_795_000_000_000_000


@dataclass(frozen=True, slots=False, kw_only=True, eq=False)
class MadeCalls:
    """Calls of four days.

    Attributes:
        vectors: (n, d) int16 voiceprints times 32,767, not rotated.
        query: (d,) float32 of unit length, what is looked for.
        customer_numbers: (n,) which customer each is of.
    """

    vectors: NDArray[np.int16]
    query: NDArray[np.float32]
    customer_numbers: NDArray[np.int64]

    @cached_property
    def customers(self) -> list[str]:
        """The pseudonym of each call's customer."""
        return [f"{number * 2654435761 % 2**64:032x}" for number in self.customer_numbers.tolist()]

    @property
    def erased(self) -> list[int]:
        """The calls of the first call's customer."""
        return np.flatnonzero(self.customer_numbers == self.customer_numbers[0]).tolist()

    def rows_by_day(self) -> dict[str, NDArray[np.int64]]:
        """Which calls each day has."""
        parts = np.array_split(np.arange(len(self.vectors)), _DAYS)
        return {f"2026-11-{day + 1:02}": part for day, part in enumerate(parts)}

    def tables(self, keys: KeyRing) -> Iterator[tuple[str, CallTable]]:
        """Each day's calls as the archive takes them."""
        matrix = keys.rotation(keys.active_key_id, _DIMENSION)
        for day, rows in self.rows_by_day().items():
            plain = self.vectors[rows].astype(np.float32) / SCALE
            yield (
                day,
                CallTable(
                    model_id="campplus-zh-en@0123456789ab",
                    matrix=matrix,
                    columns=self._columns(rows),
                    vectors=stored(plain, matrix),
                ),
            )

    def arrow(self, rows: NDArray[np.int64]) -> pa.Table:
        """Some calls as an Arrow table."""
        flat = pa.array(np.ascontiguousarray(self.vectors[rows]).reshape(-1))
        arrays = {
            name: pa.array([values[row] for row in rows.tolist()])
            for name, values in self._fields().items()
        }
        return pa.table(arrays | {"vector": pa.FixedSizeListArray.from_arrays(flat, _DIMENSION)})

    def save(self, directory: Path) -> None:
        """Write them where another interpreter reads them."""
        directory.mkdir()
        np.save(directory / "vectors.npy", self.vectors)
        np.save(directory / "query.npy", self.query)
        days = {row: day for day, rows in self.rows_by_day().items() for row in rows.tolist()}
        extra = {"day": [days[row] for row in range(len(self.vectors))], "erased": self.erased}
        (directory / "columns.json").write_text(json.dumps(self._fields() | extra))

    def _fields(self) -> dict[str, list[Any]]:
        numbers = range(len(self.vectors))
        return {
            "call_id": [f"pbx-07/{number:09}" for number in numbers],
            "started_us": self._started_us().tolist(),
            "line": ["complaints" if number % 3 else "collections" for number in numbers],
            "customer": self.customers,
            "net_speech_s": [10.0 + number % 50 for number in numbers],
        }

    def _started_us(self) -> NDArray[np.int64]:
        return _FIRST_US + np.arange(len(self.vectors)) * (_DAYS * _DAY_US // len(self.vectors))

    def _columns(self, rows: NDArray[np.int64]) -> dict[str, Column]:
        count = len(rows)
        columns: dict[str, Column] = {
            name: Numbers(np.zeros(count, dtype)) for name, dtype in NUMBERS.items()
        }
        columns["sequence"] = Numbers(rows.astype("<i8"))
        columns["started_us"] = Numbers(self._started_us()[rows])
        fields = self._fields()
        for name in ("call_id", "line", "customer"):
            columns[name] = Words.of(fields[name][row] for row in rows.tolist())
        for name in ("number", "codec", "level"):
            columns[name] = Words.of([""] * count)
        columns["versions"] = Words.of(["{}"] * count)
        nothing = np.zeros(count, np.uint32)
        columns["flag_kinds"] = columns["flag_subjects"] = Lists[Words](nothing, Words.of([]))
        columns["flag_llrs"] = Lists[Numbers](nothing, Numbers(np.zeros(0, "<f8")))
        columns["signatures"] = Lists[Numbers](nothing, Numbers(np.zeros(0, "<u8")))
        return columns


def made_calls(count: int) -> MadeCalls:
    """Some calls, the same for the same number."""
    rng = np.random.default_rng(20_261_128)
    vectors = np.empty((count, _DIMENSION), np.int16)
    for start in range(0, count, 50_000):
        part = rng.standard_normal((min(50_000, count - start), _DIMENSION), np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
        vectors[start : start + len(part)] = np.rint(part * SCALE)
    query = vectors[count // 2].astype(np.float32)
    return MadeCalls(
        vectors=vectors,
        query=query / np.linalg.norm(query),
        customer_numbers=rng.integers(0, int(count * _CUSTOMERS_SHARE), count),
    )
