"""What unknown voices take of the processor, by call: servers with and without them play the same calls at once.

    python -m benchmarks.serving.voices_cost MODELS OUTPUT --directory DIR [--before COMMAND] [--window 1000000]

The rated load of ``rated_beside`` is what counts, but takes a machine that does nothing else. Here every server has the
same neighbours at the same time: *alone* takes calls and compares them with a list of 10,000 voiceprints; *voices*
archives its calls too, compares them with a window of made calls, and watches the whole of each call for a handover;
*before* is the same by another version's ``shengdun``. Told are milliseconds of processor time a call, of all processes
of a server, and of its threads that step back behind live calls, which is where callers are compared.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.serving.processes import Running, family, running, shengdun_command
from benchmarks.serving.rated_beside import (
    ALONE,
    MODEL,
    SETTINGS,
    VOICES,
    caught_up,
    fill_window,
)
from benchmarks.serving.results import load_average, summed_up, write
from benchmarks.serving.systems import Shengdun

BEFORE: Final = "before"
_COMPLETE: Final = (0, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is measured with.

    Attributes:
        system: a data directory that is filled, of which every server has a copy.
        window: made calls that callers are compared with.
        commands: ``shengdun`` of each variant.
        load: further arguments of ``shengdun load soak``.
    """

    system: Shengdun
    window: int
    commands: dict[str, str]
    load: Sequence[str]

    def measured(self) -> dict[str, dict[str, float]]:
        """Of each variant the calls, and milliseconds a call."""
        with ExitStack() as stack:
            servers = {each: stack.enter_context(self._started(each)) for each in self.commands}
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            before = {each: _used_s(server) for each, server in servers.items()}
            loads = {each: self._played(servers[each], place / each) for each in servers}
            heard = {each: _heard(load, place / each) for each, load in loads.items()}
            after = {each: _used_s(server) for each, server in servers.items()}
        return {
            each: {**heard[each], **_per_call(before[each], after[each], heard[each]["calls"])}
            for each in servers
        }

    def _played(self, server: Running, place: Path) -> subprocess.Popen[bytes]:
        command = (
            shengdun_command(),
            "load",
            "soak",
            "--server",
            server.address,
            "--output",
            str(place),
        )
        return subprocess.Popen(
            (*command, *self.load), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    @contextmanager
    def _started(self, variant: str) -> Iterator[Running]:
        kind = ALONE if variant == ALONE else VOICES
        directory = self.system.directory.with_name(f"{self.system.directory.name}-{variant}")
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(self.system.directory, directory)
        given = directory / f"{kind}.toml"
        text = self.system.fill_if_empty().read_text("utf-8")
        given.write_text(text + SETTINGS[kind].format(window=2 * self.window), "utf-8")
        command = (
            *(self.commands[variant], "serve", "--port", "0", "--log-level", "error"),
            *("--config", str(given), "--data-dir", str(directory)),
            *("--models-dir", str(self.system.models)),
        )
        with running(command, {}) as server:
            if kind == VOICES:
                asyncio.run(caught_up(server.address))
            yield server


def _used_s(server: Running) -> dict[str, float]:
    """Processor time, also of the threads that step back."""
    behind_ns = 0
    for pid in family(server.pid):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            fields = (thread / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
            if int(fields[16]) > 0:
                behind_ns += int((thread / "schedstat").read_text("ascii").split()[0])
    return {"all_ms": server.cpu_s(), "behind_ms": behind_ns / 1e9}


def _per_call(before: dict[str, float], after: dict[str, float], calls: int) -> dict[str, float]:
    return {kind: 1000 * (after[kind] - before[kind]) / calls for kind in after}


def _heard(load: subprocess.Popen[bytes], place: Path) -> dict[str, int]:
    """Calls, and windows that were decided: with fewer of them than elsewhere a server has done less."""
    if load.wait() not in _COMPLETE:
        raise SystemExit(f"a load ended with {load.returncode}")
    report = json.loads((place / "report.json").read_text("utf-8"))
    return {
        "calls": sum(step["calls"]["begun"] for step in report["steps"]),
        "windows": sum(step["decisions"]["windows"] for step in report["steps"]),
    }


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--directory", type=Path, required=True, help="for the servers' data")
    parser.add_argument("--before", default=None, help="`shengdun` of another version")
    parser.add_argument("--window", type=int, default=1_000_000)
    parser.add_argument("--call-length", default="7")
    parser.add_argument("--duration", type=int, default=40)
    parser.add_argument("--rate", type=float, default=1.2, help="calls a second of each server")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    system = Shengdun(
        name="shengdun",
        models=options.models,
        model=MODEL,
        listed=10_000,
        directory=options.directory / MODEL,
    )
    system.fill_if_empty()
    asyncio.run(fill_window(system, options.window))
    commands = {ALONE: shengdun_command(), VOICES: shengdun_command()}
    if options.before:
        commands[BEFORE] = options.before
    length = ("--call-length", options.call_length, "--duration", str(options.duration))
    bench = Bench(
        system=system,
        window=options.window,
        commands=commands,
        load=(*length, "--rate", str(options.rate)),
    )
    found = []
    for _ in range(options.repetitions):
        found.append({**bench.measured(), "load_average": load_average()})
        print(found[-1], flush=True)
        write(options.output, _result(found, options))


def _result(found: Sequence[dict[str, Any]], options: argparse.Namespace) -> dict[str, Any]:
    variants = [variant for variant in found[0] if variant != "load_average"]
    return {
        "configuration": {
            name: value
            for name, value in vars(options).items()
            if isinstance(value, int | float) or name == "call_length"
        },
        "ms_per_call": {
            each: {
                kind: summed_up([run[each][kind] for run in found])
                for kind in ("all_ms", "behind_ms")
            }
            for each in variants
        },
        "alone_over": {
            each: summed_up([run[ALONE]["all_ms"] / run[each]["all_ms"] for run in found])
            for each in variants
            if each != ALONE
        },
        "repetitions": list(found),
    }


if __name__ == "__main__":
    main()
