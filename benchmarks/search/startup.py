"""How long `shengdun serve` takes to serve with a long list in its embedded store, in how much memory, and enrolment.

    python -m benchmarks.search.startup CORPUS MODELS OUTPUT --directory DIR [--voiceprints 100000] [--per-actor 3]

``DIR`` becomes the data directory; it is filled when it is empty, which takes minutes, and used again otherwise. Each
repetition starts the server anew, from the command to the line that says where it listens: from the checkpoint that it
wrote at first, without that, and with an empty directory. From a checkpoint it is also waited until the journal is
verified. Then a registry in this process enrols actors while another thread searches.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.search.filling import WATCHLIST, fill
from benchmarks.search.measure import SEED, about
from benchmarks.search.voices import RealVoices, real_voices

from shengdun.index.calibration import default_profile
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.registry import Registry
from shengdun.index.scoring import Scorer
from shengdun.index.store import Store, StoreSettings
from shengdun.index.watchlists import NewActor, Template

ENROLMENTS: Final = 20
STOPS_WITHIN_S: Final = 60
MEMORY: Final = {"VmRSS": "resident_mb", "VmHWM": "resident_at_most_mb"}


def start(directory: Path, models: Path, *, awaited: str | None = None) -> dict[str, float]:
    """Start a server, wait until it listens, and perhaps until its log has this, and stop it."""
    begun = time.perf_counter()
    command = (
        *(str(Path(sys.executable).with_name("shengdun")), "serve", "--port", "0"),
        *("--data-dir", str(directory), "--models-dir", str(models)),
    )
    with (
        tempfile.NamedTemporaryFile("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        assert server.stdout is not None
        line = server.stdout.readline()
        taken = time.perf_counter() - begun
        if "listening" not in line:
            raise RuntimeError("the server did not start")
        measured = {"serving_after_s": round(taken, 3)} | used(server.pid)
        if awaited is not None:
            while awaited not in Path(log.name).read_text():
                time.sleep(0.02)
            measured["all_done_after_s"] = round(time.perf_counter() - begun, 3)
            later = used(server.pid)
            measured |= {f"{name}_when_all_done": later[name] for name in later}
        server.send_signal(signal.SIGTERM)
        server.wait(STOPS_WITHIN_S)
    return measured


def used(pid: int) -> dict[str, float]:
    """Processor time and memory of a process so far; those of valkey-server are its own."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in status)
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(times[11]) + int(times[12])
    memory = {ours: round(int(fields[name].split()[0]) / 1024, 1) for name, ours in MEMORY.items()}
    return {"processor_s": ticks / os.sysconf("SC_CLK_TCK")} | memory


async def enrolments(directory: Path, real: RealVoices) -> dict[str, float]:
    """How long it takes until an actor can be found, through the registry and on disk, while searches go on."""
    scorer = Scorer(default_profile(real.model_id))
    async with EmbeddedStore(directory / "store") as embedded:
        store = await Store.connect(StoreSettings(url=embedded.url), guard=embedded)
        registry = await Registry.open(
            store,
            data_directory=directory,
            key_path=directory / "keys.json",
            scorers=[scorer],
        )
        try:
            return await _enrol(registry, real)
        finally:
            await registry.close()
            await store.close()


async def _enrol(registry: Registry, real: RealVoices) -> dict[str, float]:
    stop, searched = threading.Event(), [0]
    searcher = asyncio.create_task(asyncio.to_thread(_search_on, registry, real, stop, searched))
    taken, gone = [], []
    try:
        for number in range(ENROLMENTS):
            voice = real.calls.voiceprints[number]
            template = Template.new(voice, model_id=real.model_id, net_speech_s=8.0)
            new = NewActor(display_name=f"new {number}", watchlist_ids=frozenset({WATCHLIST}))
            begun = time.perf_counter()
            actor = await registry.register_actor(new, [template], principal="benchmark")
            found = registry.snapshot.search(
                WATCHLIST, voice, net_speech_s=8.0, at=datetime.now(UTC)
            )
            taken.append((time.perf_counter() - begun) * 1e3)
            if actor.actor_id not in found.actor_ids[:5]:
                raise RuntimeError("an enrolment was not found")
            begun = time.perf_counter()
            await registry.erase_actor(actor.actor_id, reason="benchmark", principal="benchmark")
            gone.append((time.perf_counter() - begun) * 1e3)
    finally:
        stop.set()
        await searcher
    return {
        "found_after_median_ms": round(float(np.median(taken)), 1),
        "found_after_at_most_ms": round(max(taken), 1),
        "erased_after_median_ms": round(float(np.median(gone)), 1),
        "erased_after_at_most_ms": round(max(gone), 1),
        "searches_meanwhile": searched[0],
    }


def _search_on(
    registry: Registry, real: RealVoices, stop: threading.Event, searched: list[int]
) -> None:
    while not stop.is_set():
        voice = real.calls.voiceprints[searched[0] % len(real.calls.voiceprints)]
        registry.snapshot.search(WATCHLIST, voice, net_speech_s=5.0, at=datetime.now(UTC))
        searched[0] += 1


def medians(repetitions: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Of each figure, with the least and the greatest."""
    columns = {name: [one[name] for one in repetitions] for name in repetitions[0]}
    return {
        name: {"median": float(np.median(values)), "least": min(values), "greatest": max(values)}
        for name, values in columns.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--voiceprints", type=int, default=100_000)
    parser.add_argument("--per-actor", type=int, default=3)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="where voiceprints of the corpus are kept")
    arguments = parser.parse_args()
    directory: Path = arguments.directory
    real = real_voices(arguments.corpus, arguments.models, arguments.cache)
    if not directory.exists():
        voices = real.listed(arguments.voiceprints, seed=SEED)
        scorer = Scorer(default_profile(real.model_id))
        filling = fill(
            directory, directory / "keys.json", scorer, voices, per_actor=arguments.per_actor
        )
        asyncio.run(filling)
    checkpoint, aside = directory / "checkpoint", directory / "checkpoint.aside"
    checkpoint.unlink(missing_ok=True)
    writing = start(directory, arguments.models, awaited="checkpoint written")
    starts: dict[str, list[dict[str, float]]] = {"checkpoint": [], "no_checkpoint": [], "empty": []}
    for _ in range(arguments.repetitions):
        starts["checkpoint"].append(start(directory, arguments.models, awaited="journal verified"))
        checkpoint.rename(aside)
        starts["no_checkpoint"].append(start(directory, arguments.models))
        aside.rename(checkpoint)
        with tempfile.TemporaryDirectory() as nothing:
            starts["empty"].append(start(Path(nothing), arguments.models))
    result: dict[str, Any] = {
        "about": about(),
        "voiceprints": arguments.voiceprints,
        "voiceprints_per_actor": arguments.per_actor,
        "checkpoint_mb": round(checkpoint.stat().st_size / 1e6, 1),
        "medians": {name: medians(each) for name, each in starts.items()},
        "enrolment": asyncio.run(enrolments(directory, real)),
        "first_start_until_the_checkpoint_is_written": writing,
        **starts,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({"medians": result["medians"], "enrolment": result["enrolment"]}, indent=1))


if __name__ == "__main__":
    main()
