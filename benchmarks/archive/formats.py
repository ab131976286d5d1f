"""What the archive's calls are kept in: our sealed columns, Arrow files and Lance, on the same calls in the same run.

    python -m benchmarks.archive.formats OUTPUT [--calls 400000] [--lance-python FILE]

Four days of calls with voiceprints of 192 dimensions in 16-bit fixed point. Each format is written, hunted through
(every voiceprint read, turned into float32 and multiplied by one that is looked for), asked for a customer's calls, and
made to forget them for good: whether their bytes are still in its files is looked for.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from benchmarks.archive.made_calls import MadeCalls, made_calls
from benchmarks.serving.results import summed_up, write
from numpy.typing import NDArray

from shengdun.index.archive.blocks import BLOCK_ROWS, CallBlock
from shengdun.index.archive.matching import matching
from shengdun.index.archive.partitions import (
    PartitionReader,
    remove_partition,
    write_partition,
)
from shengdun.index.archive.rows import CallQuery
from shengdun.index.archive.voiceprints import SCALE
from shengdun.index.keys import KeyRing

_BLOCK = 8192


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--calls", type=int, default=400_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--lance-python", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        calls = made_calls(given.calls)
        result: dict[str, Any] = {
            "calls": given.calls,
            "bytes_of_voiceprints": calls.vectors.nbytes,
        }
        result["memory"] = _memory(calls, given.repetitions)
        result["sealed_columns"] = _sealed(calls, Path(place) / "sealed", given.repetitions)
        result["arrow_files"] = _arrow(calls, Path(place) / "arrow", given.repetitions)
        if given.lance_python:
            result["lance"] = _lance(calls, Path(place), given.lance_python, given.repetitions)
    for name in ("sealed_columns", "arrow_files", "lance"):
        for figure in ("hunt_s", "query_s"):
            if name in result:
                result[name][figure] = summed_up(result[name][figure])
    write(given.output, result)


def _measured(work: Callable[[], object], repetitions: int) -> list[float]:
    spent = []
    for _ in range(repetitions):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return spent


def _memory(calls: MadeCalls, repetitions: int) -> dict[str, Any]:
    """The floor: the same arithmetic on what is in memory already, and reading it without any."""
    return {
        "hunt_s": summed_up(_measured(lambda: _hunt(_blocks(calls), calls.query), repetitions)),
        "read_s": summed_up(_measured(lambda: calls.vectors.view(np.uint64).max(), repetitions)),
    }


def _blocks(calls: MadeCalls) -> list[NDArray[np.int16]]:
    return [calls.vectors[start : start + _BLOCK] for start in range(0, len(calls.vectors), _BLOCK)]


def _hunt(blocks: Sequence[NDArray[np.int16]], query: NDArray[np.float32]) -> float:
    buffer = np.empty((_BLOCK, len(query)), np.float32)
    best = -1.0
    for block in blocks:
        part = buffer[: len(block)]
        np.copyto(part, block)
        best = max(best, float((part @ query).max()))
    return best / SCALE


def _sealed(calls: MadeCalls, target: Path, repetitions: int) -> dict[str, Any]:
    keys = KeyRing.open(target.with_suffix(".keys"))
    rotation = keys.active_key_id.hex()
    started = time.perf_counter()
    made = [
        write_partition(target, table, day=day, rotation=rotation, keys=keys)
        for day, table in calls.tables(keys)
    ]
    write_s = time.perf_counter() - started
    readers = [PartitionReader(target, partition, key, keys) for partition, key in made]
    query = (keys.rotation(keys.active_key_id, len(calls.query)) @ calls.query).astype(np.float32)

    def hunt() -> float:
        return max(
            _hunt([opened.voices(start, min(start + BLOCK_ROWS, len(opened)))], query)
            for opened in (reader.open() for reader in readers)
            for start in range(0, len(opened), BLOCK_ROWS)
        )

    wanted = CallQuery(customer=calls.customers[0])

    def ask() -> None:
        for reader in readers:
            opened = reader.open()
            mask = matching(opened, wanted)
            assert mask is not None
            block = CallBlock(opened, np.flatnonzero(mask), reader.partition.day)
            _ = list(block.call_ids), block.started_us

    result = {
        "write_s": write_s,
        "bytes": _size(target),
        "best": hunt(),
        "hunt_s": _measured(hunt, repetitions),
        "query_s": _measured(ask, repetitions),
    }
    matrix = keys.rotation(keys.active_key_id, len(calls.query))

    def erase() -> None:
        for reader in readers:
            opened = reader.open()
            mask = matching(opened, wanted)
            assert mask is not None
            table = opened.table().take(np.flatnonzero(~mask))
            write_partition(target, table, day=reader.partition.day, rotation=rotation, keys=keys)
            remove_partition(target, reader.partition.name)

    result["erase_s"] = _measured(erase, 1)
    plain = [calls.vectors[row] for row in calls.erased[:20]]
    rotated = [np.rint(one @ matrix.T).astype("<i2") for one in plain]
    result["found_after_erasure"] = _found([*plain, *rotated], target)
    return result


def _arrow(calls: MadeCalls, target: Path, repetitions: int) -> dict[str, Any]:
    target.mkdir()
    tables = [calls.arrow(rows) for rows in calls.rows_by_day().values()]
    started = time.perf_counter()
    for number, table in enumerate(tables):
        _write_arrow(target / f"{number}.arrow", table)
    write_s = time.perf_counter() - started
    paths = sorted(target.glob("*.arrow"))

    def hunt() -> float:
        return max(
            _hunt([_vectors(batch)], calls.query) for path in paths for batch in _batches(path)
        )

    def ask() -> None:
        for path in paths:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            _ = table.filter(_is_customer(table, calls.customers[0])).select(
                ["call_id", "started_us"]
            )

    result = {
        "write_s": write_s,
        "bytes": _size(target),
        "best": hunt(),
        "hunt_s": _measured(hunt, repetitions),
        "query_s": _measured(ask, repetitions),
    }

    def erase() -> None:
        for path in paths:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            kept = table.filter(pa.compute.invert(_is_customer(table, calls.customers[0])))
            _write_arrow(path.with_suffix(".new"), kept)
            path.with_suffix(".new").replace(path)

    result["erase_s"] = _measured(erase, 1)
    result["found_after_erasure"] = _found(
        [calls.vectors[row] for row in calls.erased[:20]], target
    )
    return result


def _lance(calls: MadeCalls, place: Path, python: Path, repetitions: int) -> dict[str, Any]:
    source = place / "calls"
    calls.save(source)
    worker = Path(__file__).with_name("lance_worker.py")
    command = [str(python), str(worker), str(source), str(place / "lance"), str(repetitions)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    shutil.rmtree(source)
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def _write_arrow(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=_BLOCK)


def _batches(path: Path) -> list[pa.RecordBatch]:
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    return [reader.get_batch(number) for number in range(reader.num_record_batches)]


def _vectors(batch: pa.RecordBatch) -> NDArray[np.int16]:
    flat: NDArray[np.int16] = batch.column("vector").flatten().to_numpy()
    return flat.reshape(batch.num_rows, -1)


def _is_customer(table: pa.Table, customer: str) -> pa.ChunkedArray:
    return pa.compute.equal(table.column("customer"), customer)


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _found(vectors: Sequence[NDArray[np.int16]], directory: Path) -> int:
    content = b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())
    return sum(np.ascontiguousarray(one).tobytes() in content for one in vectors)


if __name__ == "__main__":
    main()
