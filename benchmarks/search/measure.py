"""Searching long watchlists: how long, how exactly, in how much memory, and how soon an enrolment is found.

    python -m benchmarks.search.measure CORPUS MODELS OUTPUT [--sizes 10000,100000,1000000] [--repetitions 5]

``CORPUS`` is what ``shengdun evaluate`` takes. Every size is measured in a process of its own. A repetition searches
with every query once by ``rank``, which finds and scores, and in turns, on one thread as well, by plain
``faiss.IndexFlatIP`` with as many results as ``rank`` looks at; at a million with every tenth query only, for it takes
so long. The queries are shuffled anew each time. Times are of the wall and of the thread, which a neighbour on the
machine slows down but doesn't stop. Writes OUTPUT with the figures of every repetition.
"""

import argparse
import json
import multiprocessing
import platform
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import faiss as _faiss
import numpy as np
from benchmarks.search.voices import RealVoices, Voices, real_voices
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from shengdun.index.calibration import default_profile
from shengdun.index.contents import Listing
from shengdun.index.holdings import Holding
from shengdun.index.journal import Head, JournalEntry
from shengdun.index.keys import KeyRing
from shengdun.index.members import Members
from shengdun.index.planning import Planner
from shengdun.index.records import RecordCodec
from shengdun.index.scorers import Scorers
from shengdun.index.scoring import Scorer
from shengdun.index.search import NEAREST_ROWS, PROPOSED_ROWS, Ranking, rank
from shengdun.index.segments import NEVER_US, Row, Segment, append
from shengdun.index.snapshot import Snapshot
from shengdun.index.voices.allow_holdings import Allowed
from shengdun.index.watchlists import NewActor, Template, Watchlist

faiss: Any = _faiss
SEED: Final = 1
QUERIES: Final = 400
PER_ACTOR: Final = 3
ENROLMENTS: Final = 20
NEAREST: Final = 10
AT_US: Final = 0
WATCHLIST: Final = "agents"
BLOCK: Final = 65_536
PEER_ROWS: Final = 100_000
COMMIT: Final = ("git", "rev-parse", "--short", "HEAD")
PACKAGES: Final = ("faiss-cpu", "numpy", "threadpoolctl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Milliseconds of each query of a repetition, on the wall and of the searching thread."""

    wall: list[float] = field(default_factory=list)
    thread: list[float] = field(default_factory=list)

    def take(self, search: Callable[[], object]) -> None:
        """Time one search."""
        wall, thread = time.perf_counter(), time.thread_time()
        search()
        self.thread.append((time.thread_time() - thread) * 1e3)
        self.wall.append((time.perf_counter() - wall) * 1e3)

    def summary(self) -> dict[str, float]:
        """Medians and 99th percentiles, in milliseconds."""
        return {
            f"{clock}_{name}_ms": round(float(np.percentile(times, percentile)), 3)
            for clock, times in (("wall", self.wall), ("thread", self.thread))
            for name, percentile in (("p50", 50), ("p99", 99))
        }


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def build(voices: Voices, scorer: Scorer) -> tuple[Segment, ...]:
    segments: tuple[Segment, ...] = ()
    for start in range(0, len(voices.voiceprints), BLOCK):
        end = min(start + BLOCK, len(voices.voiceprints))
        segments = append(segments, rows(voices, range(start, end)), scorer)
    return segments


def rows(voices: Voices, numbers: Sequence[int]) -> list[Row]:
    return [
        Row(
            voiceprint_id=f"vp_{number:026}",
            actor_id=f"act_{number // PER_ACTOR:026}",
            actor_code=number // PER_ACTOR,
            expires_us=NEVER_US,
            net_speech_s=float(voices.net_speech_s[number]),
            snr_db=float(voices.snr_db[number]),
            vector=voices.voiceprints[number],
        )
        for number in numbers
    ]


def measure(size: int, real: RealVoices, repetitions: int) -> dict[str, Any]:
    """One size, in this process."""
    threadpool_limits(limits=1)
    faiss.omp_set_num_threads(1)
    scorer = Scorer(default_profile(real.model_id))
    voices = real.listed(size, seed=SEED)
    before = resident_bytes()
    segments = build(voices, scorer)
    per_voiceprint = (resident_bytes() - before) / size
    flat = faiss.IndexFlatIP(voices.voiceprints.shape[1])
    for start in range(0, size, BLOCK):
        flat.add(scorer.project(voices.voiceprints[start : start + BLOCK]))
    chosen = np.random.default_rng(SEED).permutation(len(real.calls.voiceprints))[:QUERIES]
    queries = Queries(scorer=scorer, calls=real.calls, flat=flat)
    return {
        "voiceprints": size,
        "segments": len(segments),
        "bytes_per_voiceprint": round(per_voiceprint),
        "bytes_per_voiceprint_counted": round(counted_bytes(segments) / size),
        "recall_at_10": queries.recall(segments, chosen),
        "repetitions": [queries.timed(segments, chosen, seed) for seed in range(repetitions)],
        "enrolment": enrolments(segments, scorer, real.calls),
    }


def counted_bytes(segments: Sequence[Segment]) -> int:
    """Of the arrays and sketches; ids are pointers to strings that the actors' records have anyway."""
    return sum(
        each.index.codes.size()
        + sum(
            column.nbytes
            for column in (
                *(each.vectors, each.voiceprint_ids, each.actor_ids, each.actor_codes),
                *(each.expires_us, each.net_speech_s, each.snr_db),
                *(each.statistics.mean, each.statistics.deviation),
            )
        )
        for each in segments
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """Calls that search, and the peer that they are compared with."""

    scorer: Scorer
    calls: Voices
    flat: Any

    def ours(self, segments: tuple[Segment, ...], call: int) -> Ranking:
        """What a call finds."""
        return rank(
            segments,
            self.scorer,
            self.calls.voiceprints[call],
            net_speech_s=float(self.calls.net_speech_s[call]),
            at_us=AT_US,
        )

    def plain(self, call: int) -> NDArray[np.int64]:
        """The nearest rows by exhaustive search in single precision."""
        query = self.scorer.project(self.calls.voiceprints[call][np.newaxis])
        found: NDArray[np.int64] = self.flat.search(query, NEAREST_ROWS)[1][0]
        return found

    def timed(
        self, segments: tuple[Segment, ...], chosen: NDArray[np.int64], seed: int
    ) -> dict[str, dict[str, float]]:
        """One repetition: every query by both, in turns."""
        ours, plain = Times(), Times()
        every = max(1, self.flat.ntotal // PEER_ROWS)
        for turn, call in enumerate(np.random.default_rng(seed).permutation(chosen).tolist()):
            ours.take(partial(self.ours, segments, call))
            if turn % every == 0:
                plain.take(partial(self.plain, call))
        return {"shengdun": ours.summary(), "faiss_flat_ip": plain.summary()}

    def recall(self, segments: tuple[Segment, ...], chosen: NDArray[np.int64]) -> float:
        """Share of the exact ten nearest voiceprints whose actors were scored."""
        found = 0
        for call in chosen.tolist():
            actors = set(self.ours(segments, call).actor_ids)
            nearest = self.plain(call)[:NEAREST]
            found += sum(f"act_{row // PER_ACTOR:026}" in actors for row in nearest.tolist())
        return found / (NEAREST * len(chosen))


def enrolments(segments: tuple[Segment, ...], scorer: Scorer, calls: Voices) -> dict[str, float]:
    """How long one more actor takes to be in the next snapshot and found, while another thread searches on.

    Without the store, which ``startup`` has; the actors' sealed records are empty here, since nothing opens them.
    """
    with tempfile.TemporaryDirectory() as directory:
        codec = RecordCodec(KeyRing.open(Path(directory) / "keys.json"))
    planner, snapshot = Planner(codec), snapshot_of(segments, scorer, codec)
    stop, searched = threading.Event(), [0]

    def search_on() -> None:
        while not stop.is_set():
            query = calls.voiceprints[searched[0] % len(calls.voiceprints)]
            rank(segments, scorer, query, net_speech_s=5.0, at_us=AT_US)
            searched[0] += 1

    searcher = threading.Thread(target=search_on)
    searcher.start()
    taken = []
    try:
        for number in range(ENROLMENTS):
            voice, name = calls.voiceprints[number], f"new_{number}"
            template = Template.new(voice, model_id=scorer.model_id, net_speech_s=5.0)
            new = NewActor(display_name=name, watchlist_ids=frozenset({WATCHLIST}))
            begun = time.perf_counter()
            draft = planner.register_actor(snapshot, name, new, [template], "benchmark")
            snapshot = snapshot.applied([entry_after(snapshot.head)], draft.writes, codec)
            found = snapshot.search(WATCHLIST, voice, net_speech_s=5.0, at=datetime.now(UTC))
            taken.append((time.perf_counter() - begun) * 1e3)
            if name not in found.actor_ids[:3]:
                raise RuntimeError("an enrolment was not found")
    finally:
        stop.set()
        searcher.join()
    return {
        "found_after_median_ms": round(float(np.median(taken)), 2),
        "found_after_at_most_ms": round(max(taken), 2),
        "searches_meanwhile": searched[0],
    }


def snapshot_of(segments: tuple[Segment, ...], scorer: Scorer, codec: RecordCodec) -> Snapshot:
    names: dict[str, list[str]] = {}
    for segment in segments:
        for actor_id, name in zip(segment.actor_ids, segment.voiceprint_ids, strict=True):
            names.setdefault(actor_id, []).append(name)
    lists = frozenset({WATCHLIST})
    holdings = {
        actor_id: Holding(
            actor_id=actor_id,
            code=int(actor_id.removeprefix("act_")),
            expires_us=NEVER_US,
            watchlist_ids=lists,
            names=tuple(own),
            models=(scorer.model_id,) * len(own),
            record=b"",
            sealed=(b"",) * len(own),
            codec=codec,
        )
        for actor_id, own in names.items()
    }
    now = datetime.now(UTC)
    watchlist = Watchlist(
        watchlist_id=WATCHLIST,
        name="agents",
        purpose="",
        owner="",
        legal_basis="",
        model_id=scorer.model_id,
        created_at=now,
        updated_at=now,
    )
    members = Members.nobody([scorer.model_id]).changed(
        (), {actor_id: held.member for actor_id, held in holdings.items()}
    )
    by_profile = {scorer.profile_id: segments}
    listing = Listing(watchlist=watchlist, record=b"", members=members, segments=by_profile)
    return Snapshot(
        head=Head(1, b""),
        holdings=holdings,
        listings={WATCHLIST: listing},
        scorers=Scorers(active=(scorer,)),
        next_code=len(holdings),
        scripts={},
        allowed=Allowed(),
    )


def entry_after(head: Head) -> JournalEntry:
    return JournalEntry(
        head=Head(head.sequence + 1, b""),
        at=datetime.now(UTC),
        kind="actor.registered",
        principal="benchmark",
        subjects=(),
        watchlists=(WATCHLIST,),
        digests={},
    )


def summarised(result: dict[str, Any]) -> dict[str, Any]:
    """Medians over the repetitions, with the least and the greatest."""
    return {
        system: {
            name: {
                "median": float(np.median(values)),
                "least": min(values),
                "greatest": max(values),
            }
            for name in result["repetitions"][0][system]
            for values in [[one[system][name] for one in result["repetitions"]]]
        }
        for system in ("shengdun", "faiss_flat_ip")
    }


def about() -> dict[str, Any]:
    """What the figures depend on."""
    commit = subprocess.run(COMMIT, capture_output=True, text=True, check=False).stdout.strip()
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {
        "commit": commit,
        "seed": SEED,
        "queries": QUERIES,
        "nearest_rows": NEAREST_ROWS,
        "proposed_rows": PROPOSED_ROWS,
        "processor": cpu[0].partition(":")[2].strip(),
        "processors": multiprocessing.cpu_count(),
        "load_average": Path("/proc/loadavg").read_text().split()[0],
        "faiss_compiled_for": faiss.get_compile_options().strip(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="where voiceprints of the corpus are kept")
    arguments = parser.parse_args()
    real = real_voices(arguments.corpus, arguments.models, arguments.cache)
    results = []
    for size in map(int, arguments.sizes.split(",")):
        with multiprocessing.get_context("spawn").Pool(1) as processes:
            result = processes.apply(measure, (size, real, arguments.repetitions))
        result["medians"] = summarised(result)
        results.append(result)
        print(json.dumps({size: result["medians"]["shengdun"]}), flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(
        json.dumps({"about": about(), "sizes": results}, indent=1, ensure_ascii=False) + "\n"
    )


if __name__ == "__main__":
    main()
