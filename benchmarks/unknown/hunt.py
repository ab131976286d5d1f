"""Hunting ten million archived calls: how long beside reading the same bytes, how exactly, and what chance brings.

    python -m benchmarks.unknown.hunt MODELS OUTPUT [--calls 10000000] [--rounds 5] [--directory DIR] [--keep DIR]

An archive is filled with calls by made voices, among which are real ones: calls of speakers of the demo recordings,
each of whom is known by three others. Then in turns, on files that the system has dropped from memory (``disk``) and on
files that it has there (``memory``): the parts of the files that a hunt reads are read in order and nothing is done
with them, by one thread and by as many as a hunt has, and one agent is hunted. These bytes are the sealed voiceprints,
net speech and noise of all calls; nothing else of a call is read unless it is a hit. At the end every call is scored
without the bounds, and must give the same hits and LLRs. Takes some ten minutes and 5 GB of disk in DIR, which is
emptied again unless --keep names another. Writes OUTPUT with the figures of every round.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.unknown.hunt_archive import Agent, MadeCalls, fill, planted, real_agents
from threadpoolctl import threadpool_limits

from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.index.archive.archive import ArchiveSettings, CallArchive
from shengdun.index.archive.rows import CallQuery
from shengdun.index.archive.voiceprints import restored
from shengdun.index.calibration import default_profile
from shengdun.index.connections import StoreSettings
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.hunts.hits import Hits, expected_by_chance
from shengdun.index.hunts.matching import VoiceMatcher
from shengdun.index.hunts.searching import COLUMNS, ROWS_AT_ONCE, matches_of
from shengdun.index.priority import step_back
from shengdun.index.registry import Registry
from shengdun.index.scoring import Scorer
from shengdun.index.store import Store

SEED: Final = 1
A_DAY: Final = 125_000
AGENTS: Final = 5
CALLS_EACH: Final = 12
LEAST_LLR: Final = 1.0
LIMIT: Final = 1_000
WORKERS: Final = 2
WARM_EACH: Final = 3
"""Rounds from memory for one from disk."""
Part = tuple[Path, list[tuple[int, int]]]
COMMIT: Final = ("git", "rev-parse", "--short", "HEAD")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, default=None)
    parser.add_argument(
        "--keep", type=Path, default=None, help="keep the archive there for the next run"
    )
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        stack.enter_context(threadpool_limits(limits=1))
        place = options.keep or Path(
            stack.enter_context(tempfile.TemporaryDirectory(dir=options.directory))
        )
        result = asyncio.run(_measure(options, place))
    options.output.write_text(json.dumps(result, indent=1) + "\n")


async def _measure(options: argparse.Namespace, place: Path) -> dict[str, Any]:
    agents = real_agents(ModelStore(options.models), agents=AGENTS, calls=CALLS_EACH, seconds=10)
    scorer = Scorer(default_profile(agents[0].wanted.model_id))
    places = planted(agents, calls=options.calls, seed=SEED)
    async with EmbeddedStore(place / "store") as embedded:
        store = await Store.connect(StoreSettings(url=embedded.url), guard=embedded)
        registry = await Registry.open(
            store, data_directory=place, key_path=place / "keys", scorers=(scorer,)
        )
        settings = ArchiveSettings(flush_s=None)
        archive = await CallArchive.open(
            store, registry.keys, place / "archive", registry, settings
        )
        made = MadeCalls(scorer.profile, seed=SEED)
        filled_s = None  # it was kept
        if not archive.health.calls:
            started_s = time.perf_counter()
            await fill(
                archive, registry.keys, made, agents, places, calls=options.calls, a_day=A_DAY
            )
            filled_s = time.perf_counter() - started_s
        try:
            figures = await asyncio.to_thread(
                _rounds, archive, scorer, agents, place / "archive", options.rounds
            )
            hunts = await asyncio.to_thread(_found, archive, scorer, agents, places)
        finally:
            await archive.close()
            await registry.close()
            await store.close()
    return _about(options) | {"fill_s": filled_s} | figures | {"hunts": hunts}


def _rounds(
    archive: CallArchive, scorer: Scorer, agents: list[Agent], directory: Path, rounds: int
) -> dict[str, Any]:
    files = sorted(directory.glob("*/*.calls"))
    parts = _parts(archive, directory)
    size = sum(length for _, places in parts for _, length in places)
    print("filled", flush=True)
    taken: dict[str, list[tuple[float, float]]] = {}
    for number in range(rounds):
        agent = agents[number % len(agents)]
        jobs: dict[str, Callable[[], object]] = {
            "read": lambda: _read(parts, threads=1),
            "read_by_threads": lambda: _read(parts, threads=WORKERS),
            "hunt": partial(_hunt, archive, scorer, agent),
        }
        for place in ("disk", *["memory"] * WARM_EACH):
            for what, job in jobs.items():
                _prepare(files, parts, drop=place == "disk")
                taken.setdefault(f"{what}_from_{place}", []).append(_timed(job))
    figures = {"bytes": size} | _figures(taken)
    figures["memory_sum_s"] = _memory_s(size)
    figures["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures, indent=1), flush=True)
    return figures


def _timed(job: Callable[[], object]) -> tuple[float, float]:
    """Seconds that pass, and seconds of processor time, all threads together."""
    started_s, used_s = time.perf_counter(), time.process_time()
    job()
    return time.perf_counter() - started_s, time.process_time() - used_s


def _figures(taken: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, times in taken.items():
        elapsed, used = zip(*times, strict=True)
        figures[name] = {
            "elapsed_s": statistics.median(elapsed),
            "processor_s": statistics.median(used),
            "rounds_elapsed_s": elapsed,
            "rounds_processor_s": used,
        }
    for place in ("disk", "memory"):
        for beside in ("read", "read_by_threads"):
            pairs = zip(taken[f"hunt_from_{place}"], taken[f"{beside}_from_{place}"], strict=True)
            ratios = [hunt[0] / read[0] for hunt, read in pairs]
            figures[f"hunt_beside_{beside}_from_{place}"] = {
                "median": statistics.median(ratios),
                "rounds": ratios,
            }
    return figures


def _prepare(files: list[Path], parts: list[Part], *, drop: bool) -> None:
    if drop:
        os.sync()
        for path in files:
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)
    else:
        _read(parts, threads=1)


def _parts(archive: CallArchive, directory: Path) -> list[Part]:
    """What a hunt reads of each file, in order."""
    names = ("voiceprints", *COLUMNS)
    return [
        (
            (directory / name).with_suffix(".calls"),
            [
                place
                for part, place in reader.open()._places.items()  # noqa: SLF001 - only a benchmark wants to know
                if part.split("/")[0] in names
            ],
        )
        for name, reader in sorted(archive._keeper.partitions.readers.items())  # noqa: SLF001
    ]


def _read(parts: list[Part], *, threads: int) -> None:
    """Read on threads that step back as those of a hunt do, so that other work delays both alike."""
    with ThreadPoolExecutor(threads, initializer=step_back) as pool:
        list(pool.map(_read_file, parts))


def _read_file(part: Part) -> None:
    path, places = part
    descriptor = os.open(path, os.O_RDONLY)
    for start, length in places:
        os.pread(descriptor, length, start)
    os.close(descriptor)


def _memory_s(size: int) -> float:
    """What summing as many bytes that lie in memory takes."""
    part = np.zeros(min(size, 1 << 30) // 8)
    times = []
    for _ in range(3):
        started_s = time.perf_counter()
        part.sum()
        times.append(time.perf_counter() - started_s)
    return statistics.median(times) * size / part.nbytes


def _hunt(archive: CallArchive, scorer: Scorer, agent: Agent) -> tuple[Hits, int]:
    query = CallQuery(model_id=scorer.model_id)
    matcher = VoiceMatcher(scorer, agent.wanted, LEAST_LLR)
    hits, calls = Hits(limit=LIMIT), 0
    blocks = archive.scan(
        query, voiceprints=False, ahead=True, block_rows=ROWS_AT_ONCE, columns=COLUMNS
    )
    for block, matches in matches_of(blocks, matcher, workers=WORKERS, damaged=archive.note):
        hits = hits.joined(block, matches)
        calls += len(block)
    return hits, calls


def _found(
    archive: CallArchive,
    scorer: Scorer,
    agents: list[Agent],
    places: dict[int, tuple[int, int]],
) -> list[dict[str, Any]]:
    told = []
    everything = _without_bounds(archive, scorer, agents)
    for who, agent in enumerate(agents):
        hits, calls = _hunt(archive, scorer, agent)
        own = {f"call-{number:010d}" for number, (one, _) in places.items() if one == who}
        found = {hit.call_id: hit.score for hit in hits.best}
        exact = everything[who]
        worst = min((found[name] for name in own & set(found)), default=float("nan"))
        others = [llr for name, llr in found.items() if name not in own]
        told.append(
            {
                "calls": calls,
                "planted": len(own),
                "planted_above_least_llr": len(own & set(exact)),
                "planted_found": len(own & set(found)),
                "planted_missed": sorted(own - set(found)),
                "hits": hits.found,
                "same_as_without_bounds": set(found) == set(exact),
                "llrs_differ_by": max(
                    (abs(llr - exact.get(name, np.inf)) for name, llr in found.items()), default=0.0
                ),
                "others_at_least_llr": len(others),
                "expected_by_chance_at_least_llr": expected_by_chance(calls, LEAST_LLR),
                "worst_planted_llr": worst,
                "others_as_high": sum(llr >= worst for llr in others),
                "expected_by_chance_as_high": expected_by_chance(calls, worst),
            }
        )
        print(json.dumps(told[-1]), flush=True)
    return told


def _without_bounds(
    archive: CallArchive, scorer: Scorer, agents: list[Agent]
) -> list[dict[str, float]]:
    """The LLRs of the hits when every call is scored in full, by call id."""
    matchers = [VoiceMatcher(scorer, agent.wanted, LEAST_LLR) for agent in agents]
    found: list[dict[str, float]] = [{} for _ in agents]
    for block in archive.scan(CallQuery(model_id=scorer.model_id), columns=COLUMNS):
        projected = scorer.project(restored(block.stored_voiceprints, block.rotation))
        for matcher, llrs in zip(matchers, found, strict=True):
            matches = matcher.score(block, np.arange(len(block)), projected)
            names = [block.call_ids[row] for row in matches.rows.tolist()]
            llrs.update(zip(names, matches.scores.tolist(), strict=True))
    return found


def _about(options: argparse.Namespace) -> dict[str, Any]:
    commit = subprocess.run(COMMIT, capture_output=True, text=True, check=True).stdout.strip()
    return {
        "commit": commit,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "calls": options.calls,
        "least_llr": LEAST_LLR,
        "workers": WORKERS,
        "seed": SEED,
    }


if __name__ == "__main__":
    main()
