"""What a very large index of scripts costs: a million of them, put together from the families and from innocent texts.

    OMP_NUM_THREADS=1 python -m benchmarks.text.million CORPUS OUTPUT.json [--scripts N] [--seed N] [--repetitions N]

Sentences of the families are in thousands of the scripts each, as wording that agents pass on is: the index meets
postings as long as they get. ``CORPUS`` is as for ``benchmarks.text.run``. Needs some 5 GB at a million scripts.
"""

import argparse
import gc
import json
import multiprocessing
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
from benchmarks.text.corpora import Kind
from benchmarks.text.families import Half, half_of, read_families
from benchmarks.text.recombination import SHORTEST, Recombined
from benchmarks.text.run import commit, read_corpus
from benchmarks.text.systems import SEGMENT

from shengdun.index.scripts.matching import ScriptIndex

_SCRIPTED: Final = 0.1
"""Of the calls: after half of their words a registered script follows in them. The others are innocent."""
_INNOCENT: Final = 1_000
"""Further calls, all innocent."""

_TOGETHER: Final = 64
"""Letters that are compared together in bulk."""

_index: ScriptIndex | None = None
"""What the processes that screen in bulk share: they're forked with it."""


def measure(
    recombined: Recombined, calls: Sequence[str], asked: argparse.Namespace
) -> dict[str, Any]:
    """Build the index and take every figure of it."""
    index = ScriptIndex()
    before_mb = resident_mb()
    begun_s = time.perf_counter()
    index.extend(recombined.scripts(asked.scripts))
    built_s = time.perf_counter() - begun_s
    gc.collect()
    # What is forked later shares these pages only as long as the collector leaves them alone.
    gc.freeze()
    print(f"{len(index)} scripts after {built_s:.0f} s", file=sys.stderr, flush=True)
    heard = _partly_scripted(recombined, calls, asked)
    innocent = calls[asked.calls : asked.calls + _INNOCENT]
    return {
        "scripts": len(index),
        "build_s": built_s,
        "scripts_per_s": asked.scripts / built_s,
        "index_mb": index.nbytes / 2**20,
        "process_mb": resident_mb() - before_mb,
        "segments": segments(index, heard, asked.repetitions),
        "registering": registering(index, recombined, asked.scripts, asked.registered),
        "own_text_found_first": own_text_found_first(index, recombined, asked),
        "innocent": flagged(index, innocent),
        "bulk": bulk(index, [*heard, *innocent], asked.repetitions),
    }


def _partly_scripted(
    recombined: Recombined, calls: Sequence[str], asked: argparse.Namespace
) -> list[str]:
    rng = Random(f"heard/{asked.seed}")
    heard = []
    for call in calls[: asked.calls]:
        _, script = recombined.script(rng.randrange(asked.scripts))
        heard.append(call[: len(call) // 2] + script if rng.random() < _SCRIPTED else call)
    return heard


def segments(index: ScriptIndex, calls: Sequence[str], repetitions: int) -> list[dict[str, float]]:
    """Milliseconds for each segment of 20 characters of calls, a row of percentiles a repetition.

    Those of a core differ from those of the clock where others have the machine at the same time: the load average,
    ours among it, is told beside them.
    """
    rows = []
    for _ in range(repetitions):
        taken_s, core_s = [], []
        for call in calls:
            listener = index.listener(above=0.0)
            for start in range(0, len(call), SEGMENT):
                begun_s, core_begun_s = time.perf_counter(), time.thread_time()
                listener.hear(call[start : start + SEGMENT])
                core_s.append(time.thread_time() - core_begun_s)
                taken_s.append(time.perf_counter() - begun_s)
        p50, p99, most = np.percentile(taken_s, (50, 99, 100)) * 1_000
        core_p50, core_p99 = np.percentile(core_s, (50, 99)) * 1_000
        rows.append(
            {"count": len(taken_s), "p50_ms": p50, "p99_ms": p99, "most_ms": most}
            | {"core_p50_ms": core_p50, "core_p99_ms": core_p99, "load": os.getloadavg()[0]}
        )
    return rows


def registering(
    index: ScriptIndex, recombined: Recombined, first: int, count: int
) -> dict[str, Any]:
    """Milliseconds to register one more script and to find it, one after the other."""
    added_ms, found_ms, found = [], [], 0
    for number in range(first, first + count):
        script_id, text = recombined.script(number)
        begun_s = time.perf_counter()
        index.add(script_id, text)
        added_s = time.perf_counter()
        matches = index.match(text, limit=1)
        found_ms.append((time.perf_counter() - added_s) * 1_000)
        added_ms.append((added_s - begun_s) * 1_000)
        found += bool(matches) and matches[0].script_id == script_id
    return {
        "count": count,
        "found": found,
        "add_ms": {"median": statistics.median(added_ms), "most": max(added_ms)},
        "find_ms": {"median": statistics.median(found_ms), "most": max(found_ms)},
    }


def own_text_found_first(
    index: ScriptIndex, recombined: Recombined, asked: argparse.Namespace
) -> dict[str, int]:
    """Of registered scripts drawn by chance, those whose own text finds them before every other."""
    rng = Random(f"own text/{asked.seed}")
    found = 0
    for _ in range(asked.registered):
        script_id, text = recombined.script(rng.randrange(asked.scripts))
        matches = index.match(text, limit=1)
        found += bool(matches) and matches[0].script_id == script_id
    return {"found": found, "of": asked.registered}


def flagged(index: ScriptIndex, calls: Sequence[str]) -> dict[str, int]:
    """Innocent calls that a script speaks for: with an LLR above 0, and with the greatest that there is."""
    llrs = [max((match.llr for match in index.match(call, limit=1)), default=0.0) for call in calls]
    cap = index.coefficients.cap
    return {
        "of": len(calls),
        "above_0": sum(llr > 0.0 for llr in llrs),
        "at_cap": sum(llr >= cap for llr in llrs),
    }


def bulk(index: ScriptIndex, letters: Sequence[str], repetitions: int) -> dict[str, Any]:
    """Letters a second of two processes that share the index, of two threads and of one, in turns.

    Some are compared at a time, as a list of them is. How many cores were had tells what others took.
    """
    global _index  # noqa: PLW0603 (what is forked is found where it was left)
    _index = index
    parts = [letters[at : at + _TOGETHER] for at in range(0, len(letters), _TOGETHER)]
    found: dict[str, list[dict[str, float]]] = {}
    with (
        multiprocessing.get_context("fork").Pool(2) as pool,
        ThreadPoolExecutor(2) as threads,
    ):
        pool.map(_screened, parts[:2])
        ways: dict[str, Callable[[], float]] = {
            "two processes": lambda: sum(pool.map(_screened, parts, chunksize=1)),
            "two threads": lambda: sum(threads.map(_screened, parts)),
            "one thread": lambda: sum(map(_screened, parts)),
        }
        for _ in range(repetitions):
            for name, screened in ways.items():
                begun_s = time.perf_counter()
                core_s = screened()
                taken_s = time.perf_counter() - begun_s
                found.setdefault(name, []).append(
                    {
                        "letters_per_s": len(letters) / taken_s,
                        "letters_per_core_s": len(letters) / core_s,
                        "core_ms_per_letter": 1_000 * core_s / len(letters),
                        "cores_had": core_s / taken_s,
                        "load": os.getloadavg()[0],
                    }
                )
    return {"letters": len(letters), "ways": found}


def _screened(letters: Sequence[str]) -> float:
    """Seconds of a core that some letters took."""
    assert _index is not None
    begun_s = time.thread_time()
    _index.match_all(letters, above=0.0)
    return time.thread_time() - begun_s


def resident_mb() -> float:
    """Memory of this process, in MB of 2^20 bytes."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def main() -> None:
    """Measure and write it down."""
    asked = _arguments()
    # Of the code that runs: it takes a while.
    begun_with = commit()
    units = read_corpus(asked.corpus, asked.seed)
    Random(f"million/{asked.seed}").shuffle(units)
    # Of different halves, so that no call has a sentence that was put into scripts.
    calls = [
        unit.text
        for unit in units
        if half_of(unit.unit_id) is Half.EVALUATE
        and unit.kind is Kind.CALL
        and len(unit.text) >= SHORTEST
    ]
    recombined = Recombined(read_families(), units, asked.seed)
    found = measure(recombined, calls, asked)
    about = {
        "commit": begun_with,
        "seed": asked.seed,
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "innocent_sentences": recombined.innocent_sentences,
    }
    text = json.dumps(about | found, indent=1) + "\n"
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    asked.output.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus")
    parser.add_argument("output", type=Path)
    parser.add_argument("--scripts", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--registered", type=int, default=50)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
