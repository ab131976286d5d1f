"""What a server of one process and of several takes in memory, and how long it takes to start.

    python -m benchmarks.workers.memory MODELS OUTPUT [--data-dir DIR] [--workers 1 2]

Without ``DIR`` the list is empty; ``benchmarks.search.startup`` fills one. Processes that share pages divide them among
themselves (PSS), so that the sum is what the machine has less.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

SETTLED_S: Final = 4.0
STOPS_WITHIN_S: Final = 60
MEASURES: Final = ("Rss", "Pss", "Pss_Anon", "Pss_File")


def measure(directory: Path, models: Path, workers: int) -> dict[str, Any]:
    """Start a server, look at its processes once they have settled, and stop it."""
    begun_s = time.perf_counter()
    command = (
        *(sys.executable, "-m", "shengdun.service.cli", "serve", "--port", "0"),
        *("--workers", str(workers), "--data-dir", str(directory), "--models-dir", str(models)),
        *("--log-level", "error"),
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        if "listening" not in server.stdout.readline():
            raise RuntimeError("the server did not start")
        taken_s = time.perf_counter() - begun_s
        time.sleep(SETTLED_S)
        processes = [memory_mb(pid) for pid in (server.pid, *children(server.pid))]
        server.send_signal(signal.SIGTERM)
        server.wait(STOPS_WITHIN_S)
    return {
        "workers": workers,
        "serving_after_s": round(taken_s, 2),
        "pss_mb": round(sum(process["Pss"] for process in processes), 1),
        "processes": processes,
    }


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == pid:
            found.append(int(entry.name))
    return found


def memory_mb(pid: int) -> dict[str, Any]:
    """What one process has, in MB of 2^20 bytes."""
    rows = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    )
    name = Path(f"/proc/{pid}/comm").read_text().strip()
    return {"name": name} | {key: round(int(rows[key].split()[0]) / 1024, 1) for key in MEASURES}


def main() -> None:
    """Measure and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    asked = parser.parse_args()
    measured = []
    for workers in asked.workers:
        with tempfile.TemporaryDirectory() as empty:
            measured.append(measure(asked.data_dir or Path(empty), asked.models, workers))
        print(json.dumps(measured[-1]))
    asked.output.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
