"""Lance on the calls of ``formats.py``, in an interpreter that has the wheel ``pylance``; prints a line of JSON."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import lance  # type: ignore[import-not-found]
import numpy as np
import pyarrow as pa


def measured(work: Callable[[], Any], repetitions: int) -> list[float]:
    """Seconds of each run."""
    spent = []
    for _ in range(repetitions):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return spent


def size_of(directory: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def main() -> None:
    """Arguments: the directory with the calls, one to write to, and how often to repeat."""
    source, target, repetitions = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    vectors = np.load(source / "vectors.npy", mmap_mode="r")
    columns = json.loads((source / "columns.json").read_text())
    days, erased = np.array(columns.pop("day")), columns.pop("erased")
    result: dict[str, Any] = {"version": lance.__version__}

    def table(rows: np.ndarray) -> pa.Table:
        flat = pa.array(np.ascontiguousarray(vectors[rows]).reshape(-1))
        arrays = {name: pa.array([values[row] for row in rows]) for name, values in columns.items()}
        return pa.table(
            arrays | {"vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])}
        )

    tables = [table(np.flatnonzero(days == day)) for day in np.unique(days)]
    started = time.perf_counter()
    for number, one in enumerate(tables):
        lance.write_dataset(one, str(target / f"{number}.lance"), data_storage_version="stable")
    result["write_s"] = time.perf_counter() - started
    result["bytes"] = size_of(target)
    paths = [str(target / f"{number}.lance") for number in range(len(tables))]
    query = np.load(source / "query.npy")
    buffer = np.empty((8192, vectors.shape[1]), np.float32)

    def hunt() -> float:
        best = -1.0
        for path in paths:
            for batch in lance.dataset(path).to_batches(columns=["vector"], batch_size=8192):
                rows = batch.column(0).flatten().to_numpy(zero_copy_only=False)
                part = buffer[: batch.num_rows]
                np.copyto(part, rows.reshape(-1, vectors.shape[1]))
                best = max(best, float((part @ query).max()))
        return best

    result["best"] = hunt()
    result["hunt_s"] = measured(hunt, repetitions)
    wanted = columns["customer"][0]
    result["query_s"] = measured(
        lambda: [
            lance.dataset(path).to_table(
                columns=["call_id", "started_us"], filter=f"customer = '{wanted}'"
            )
            for path in paths
        ],
        repetitions,
    )

    def erase() -> None:
        for path in paths:
            dataset = lance.dataset(path)
            dataset.delete(f"customer = '{wanted}'")
            dataset.optimize.compact_files(
                materialize_deletions=True, materialize_deletions_threshold=0.0
            )
            dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)

    result["erase_s"] = measured(erase, 1)
    needles = [np.ascontiguousarray(vectors[row]).tobytes() for row in erased[:20]]
    content = b"".join(path.read_bytes() for path in target.rglob("*") if path.is_file())
    result["found_after_erasure"] = sum(one in content for one in needles)
    shutil.rmtree(target)
    sys.stdout.write(json.dumps(result) + "\n")


main()
