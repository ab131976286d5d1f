"""What words, and voices that nobody has enrolled, cost of the load that a server takes: rated loads side by side.

    python -m benchmarks.serving.rated_beside MODELS OUTPUT --directory DIR --transcripts FILE [--window 1000000]
      [--recordings DIR] [--call-length 20-40] [--watch off] [--look-at-every N]

``shengdun load rated`` is run in turns against one server after the other: *alone* takes calls and compares them with a
list of 10,000 voiceprints, without a call archive; *words* is the same server, and each call has a transcript; *voices*
archives its calls, compares them with a window of made calls, and watches the whole of each call for a handover, which
keeps it from resting; ``--watch`` and ``--look-at-every`` are settings of the line. The data directory is filled once,
and every search has a copy of it: a search archives thousands of calls by the speakers of its recordings, and voices
with hundreds of calls each, which no line has, are slow to compare. ``--recordings`` names recordings of more speakers
than the few of the demonstration. Client and servers share the machine.
"""

import argparse
import asyncio
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any, Final

from benchmarks.serving.processes import Running, running, shengdun_command
from benchmarks.serving.results import load_average, summed_up, write
from benchmarks.serving.systems import Shengdun
from benchmarks.unknown.hunt_archive import MadeCalls, fill, real_agents

from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.index.archive.archive import ArchiveSettings, CallArchive
from shengdun.index.calibration import default_profile
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.registry import Registry
from shengdun.index.scoring import Scorer
from shengdun.index.store import Store, StoreSettings
from shengdun.index.voices.kept import VoicesFile
from shengdun.service.client import ShengdunClient

MODEL: Final = "campplus-zh-en"
ALONE: Final = "alone"
WORDS: Final = "words"
VOICES: Final = "voices"
_A_DAY: Final = 125_000
_SEED: Final = 1
_COMPLETE: Final = (0, 4)
_LONG: Final = ("by_second", "server_usage")
SETTINGS: Final = {
    ALONE: "[archive]\nenabled = false\n",
    # Made calls are of the beginning of the year.
    VOICES: "[archive]\ndays = 3650\n[voices]\ndays = 366\ncalls = {window}\n"
    '[lines.default.handover]\nwatch = "{watch}"\nlook_at_every = {look_at_every}\n',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is measured with.

    Attributes:
        system: the server's data directory, with its list.
        models: where models are installed.
        transcripts: on each line what one caller says.
        window: made calls that callers are compared with.
        call_length: of the calls, as ``shengdun load`` takes it.
        duration_s: that is measured of each rate.
        precision: factor between the highest rate that was kept and one that wasn't.
        recordings: directory of what callers say; None for the demonstration's.
        watch: for a handover; ``whole_call`` or ``off``.
        look_at_every: window of a settled call.
    """

    system: Shengdun
    models: Path
    transcripts: Path
    window: int
    call_length: str
    duration_s: int
    precision: float
    recordings: Path | None
    watch: str
    look_at_every: int

    def rated(self, variant: str) -> dict[str, Any]:
        """One search for the rated load of a variant."""
        with self._started(VOICES if variant == VOICES else ALONE) as server:
            before_s = server.cpu_s()
            with tempfile.TemporaryDirectory() as place:
                report = self._load(server.address, variant, Path(place))
            return {
                "rated_per_s": report["rated_calls_per_s"],
                "processor_s": server.cpu_s() - before_s,
                "memory_mb": server.memory_bytes() / 1e6,
                "load_average": load_average(),
                "steps": [
                    {name: value for name, value in step.items() if name not in _LONG}
                    for step in report["steps"]
                ],
            }

    def _load(self, address: str, variant: str, place: Path) -> dict[str, Any]:
        words = ("--transcripts", str(self.transcripts)) if variant == WORDS else ()
        said = ("--recordings", str(self.recordings)) if self.recordings else ()
        command = (
            *(shengdun_command(), "load", "rated", "--server", address, "--output", str(place)),
            *("--call-length", self.call_length, "--duration", str(self.duration_s)),
            *("--precision", str(self.precision), "--rate", "8", *words, *said),
        )
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        if done.returncode not in _COMPLETE:
            raise SystemExit(f"the load ended with {done.returncode}: {' '.join(command)}")
        report: dict[str, Any] = json.loads((place / "report.json").read_text("utf-8"))
        return report

    @contextmanager
    def _started(self, kind: str) -> Iterator[Running]:
        settings = self.system.fill_if_empty()
        given = settings.with_name(f"{kind}.toml")
        text = settings.read_text("utf-8") + SETTINGS[kind].format(
            window=2 * self.window, watch=self.watch, look_at_every=self.look_at_every
        )
        given.write_text(text, "utf-8")
        if kind == VOICES:
            asyncio.run(fill_window(self.system, self.window))
        own = self.system.directory.with_name("searched")
        rmtree(own, ignore_errors=True)
        copytree(self.system.directory, own)
        command = (
            *(shengdun_command(), "serve", "--port", "0", "--log-level", "error"),
            *("--config", str(given), "--data-dir", str(own)),
            *("--models-dir", str(self.models)),
        )
        with running(command, {}) as server:
            if kind == VOICES:
                asyncio.run(caught_up(server.address))
            yield server


async def fill_window(system: Shengdun, window: int) -> None:
    """Archive the made calls, unless they are there; they count as put together into nobody's voice."""
    directory = system.directory
    if (directory / "archive").exists():
        return
    agents = real_agents(ModelStore(system.models), agents=1, calls=1, seconds=10)
    scorer = Scorer(default_profile(agents[0].wanted.model_id))
    async with EmbeddedStore(directory / "store") as embedded:
        store = await Store.connect(StoreSettings(url=embedded.url), guard=embedded)
        registry = await Registry.open(
            store,
            data_directory=directory,
            key_path=directory / "keys.json",
            scorers=(scorer,),
        )
        archive = await CallArchive.open(
            store,
            registry.keys,
            directory / "archive",
            registry,
            ArchiveSettings(flush_s=None),
        )
        made = MadeCalls(scorer.profile, seed=_SEED)
        await fill(archive, registry.keys, made, agents, {}, calls=window, a_day=_A_DAY)
        voices = VoicesFile(directory / "voices", scorer.model_id, registry.keys)
        await asyncio.to_thread(voices.write, {})
        await archive.close()
        await registry.close()
        await store.close()


async def caught_up(address: str) -> None:
    """Wait until a server has the calls of before in its window."""
    async with ShengdunClient.connect(address) as client:
        while not (await client.list_voices()).caught_up:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(1)


def main() -> None:
    """Measure in turns and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--directory", type=Path, required=True, help="for the server's data")
    parser.add_argument("--transcripts", type=Path, required=True)
    parser.add_argument("--recordings", type=Path, default=None)
    parser.add_argument("--window", type=int, default=1_000_000)
    parser.add_argument("--call-length", default="7")
    parser.add_argument("--watch", choices=("whole_call", "off"), default="whole_call")
    parser.add_argument("--look-at-every", type=int, default=1)
    parser.add_argument("--duration", type=int, default=20)
    parser.add_argument("--precision", type=float, default=1.03)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--listed", type=int, default=10_000)
    parser.add_argument(
        "--only", choices=(WORDS, VOICES), default=None, help="measure one beside the plain server"
    )
    options = parser.parse_args()
    system = Shengdun(
        name="shengdun",
        models=options.models,
        model=MODEL,
        listed=options.listed,
        directory=options.directory / MODEL,
    )
    bench = Bench(
        system=system,
        models=options.models,
        transcripts=options.transcripts,
        window=options.window,
        call_length=options.call_length,
        duration_s=options.duration,
        precision=options.precision,
        recordings=options.recordings,
        watch=options.watch,
        look_at_every=options.look_at_every,
    )
    beside = [options.only] if options.only else [WORDS, VOICES]
    found: dict[str, list[dict[str, Any]]] = {variant: [] for variant in (ALONE, *beside)}
    for _ in range(options.repetitions):
        for variant, runs in found.items():
            runs.append(bench.rated(variant))
            print(variant, runs[-1]["rated_per_s"], load_average(), flush=True)
    write(options.output, _result(found, options))


def _result(found: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> dict[str, Any]:
    rates = {
        variant: [run["rated_per_s"] or 0.0 for run in runs] for variant, runs in found.items()
    }
    ratios = {
        variant: summed_up([one / alone for one, alone in zip(given, rates[ALONE], strict=True)])
        for variant, given in rates.items()
        if variant != ALONE
    }
    return {
        "configuration": {
            name: value
            for name, value in vars(options).items()
            if isinstance(value, int | float | str)
        },
        "rated_per_s": {variant: summed_up(given) for variant, given in rates.items()},
        "over_alone": ratios,
        "repetitions": found,
    }


if __name__ == "__main__":
    main()
