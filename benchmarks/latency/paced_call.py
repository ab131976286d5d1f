"""One call at the pace of speech: how long after its audio arrived is each decision written?

    python benchmarks/latency/paced_call.py [--calls N] [--seconds S] > result.json

Starts a server of its own with its embedded store, enrols speakers of the demo recordings from one meeting, and plays
recordings one after the other as calls, PCMU at 8 kHz in chunks of 100 ms. The latency is the server's own: from the
arrival of the chunk that completed a window to the writing of its decision. Every latency is in the result.
"""

import argparse
import asyncio
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.service.client import (
    CallConfig,
    DuplicatePolicy,
    NewActor,
    NewWatchlist,
    Recording,
    ShengdunClient,
)
from shengdun.service.client.telephone import converse, telephone_audio
from shengdun.service.demo.cast import choose
from shengdun.service.demo.story import machine, percentile
from shengdun.service.server import Server
from shengdun.service.settings import load_settings
from shengdun.service.telemetry import configure_logging

COMMIT: Final = ("git", "rev-parse", "--short", "HEAD")


async def measure(models_dir: Path, *, calls: int, seconds: float) -> list[float]:
    """Latency of each decision that rests on speech, in milliseconds."""
    recordings = ModelStore(models_dir).demo_recordings()
    with tempfile.TemporaryDirectory() as data_dir:
        settings = load_settings(
            overrides={
                "data_dir": data_dir,
                "models_dir": models_dir,
                "server.port": 0,
                "log.level": "error",
            }
        )
        configure_logging(settings.log)
        async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
            await enroll(client, recordings)
            long_enough = [one for one in recordings if one.duration_s >= seconds]
            latencies = []
            for number in range(calls):
                recording = long_enough[number % len(long_enough)]
                latencies += await play(client, recording, number, timedelta(seconds=seconds))
    return latencies


async def enroll(client: ShengdunClient, recordings: Sequence[DemoRecording]) -> None:
    await client.create_watchlist(
        NewWatchlist(watchlist_id="agents", purpose="benchmark", owner="benchmark")
    )
    for who in choose(recordings).enrolled:
        await client.enroll_actor(
            NewActor(display_name=who.speaker, watchlist_ids=("agents",)),
            [Recording(content=who.recordings[0].read(), name=who.speaker)],
            duplicate_policy=DuplicatePolicy.REGISTER,
        )


async def play(
    client: ShengdunClient, recording: DemoRecording, number: int, longest: timedelta
) -> list[float]:
    config = CallConfig(call_id=f"paced-{number}")
    audio = telephone_audio(recording.read(), config.audio_format, longest=longest)
    async with client.screen_call(config) as call:
        decisions = [decision async for decision in converse(call, audio, paced=True)]
    return [d.latency.total_seconds() * 1000 for d in decisions if d.level is not None]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--models-dir", type=Path, default=Path(".shengdun/models"))
    arguments = parser.parse_args()
    latencies = asyncio.run(
        measure(arguments.models_dir, calls=arguments.calls, seconds=arguments.seconds)
    )
    ordered = sorted(latencies)
    commit = subprocess.run(COMMIT, capture_output=True, text=True, check=False)
    result = {
        "calls": arguments.calls,
        "decisions": len(ordered),
        "p50_ms": percentile(ordered, 50),
        "p99_ms": percentile(ordered, 99),
        "machine": machine(),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
        "latencies_ms": [round(latency, 1) for latency in latencies],
    }
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
