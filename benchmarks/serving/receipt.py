"""Processor time of a server for each chunk of audio that it receives, beside servers that only receive.

    python -m benchmarks.serving.receipt MODELS OUTPUT --directory DIR [--calls 60] [--repetitions 5]

All servers are there at the same time, each with as many calls, and their calls go on in turns: chunks of 100 ms in
real time for some seconds, while the others are quiet. Ours is measured twice: with calls that are silent, so that
every chunk is listened to and nothing else is done, and with calls whose decision is final. What follows it takes
nothing but receipt. Of a server all its processes and threads count; the main thread, which has the event loop, and
all others are also given apart.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeAlias

import grpc
from benchmarks.serving.playing import CHUNK_S, CONNECTIONS, stage
from benchmarks.serving.processes import Running, running, shengdun_command, thread_cpu_s
from benchmarks.serving.receivers import WAYS
from benchmarks.serving.results import load_average, summed_up, write
from benchmarks.serving.systems import Shengdun

from shengdun.service.load.reel import Reel
from shengdun.v1.audio_pb2 import AUDIO_ENCODING_PCMU, AudioFormat
from shengdun.v1.decision_pb2 import DECISION_STATE_FINAL
from shengdun.v1.screening_pb2 import CallConfig, ScreenCallRequest, ScreenCallResponse

Stream: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"

SILENT: Final = "shengdun, silent calls"
FINAL: Final = "shengdun, after FINAL"
_CHUNK_BYTES: Final = round(8000 * CHUNK_S)
_SILENCE: Final = ScreenCallRequest(audio=b"\xff" * _CHUNK_BYTES).SerializeToString()
_LONG_SILENCE: Final = ScreenCallRequest(audio=b"\xff" * 8000 * 20).SerializeToString()
_LISTED: Final = 200
_FINAL_WITHIN_S: Final = 120.0
# Three seconds of speech decide, and nobody is cut off while the others have their turns.
_SETTINGS: Final = """
[server]
call_idle_s = 3600.0
load_limit = 1.0
[lines.default]
final_after_s = 3.0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What chunks took in one turn.

    Attributes:
        way: which server.
        chunks: how many it received.
        whole_s: processor seconds of all its processes.
        main_s: of these, of its main thread.
    """

    way: str
    chunks: int
    whole_s: float
    main_s: float


class Calls:
    """Calls to one server.

    Args:
        address: of the server.
    """

    def __init__(self, address: str) -> None:
        options = (("grpc.use_local_subchannel_pool", 1),)
        self._channels = [
            grpc.aio.insecure_channel(address, options=options) for _ in range(CONNECTIONS)
        ]
        self._streams: list[Stream] = []
        self._readers: list[asyncio.Task[None]] = []

    async def open(self, calls: int, speech: bytes | None) -> None:
        """Open calls; with speech, each until its decision is final."""
        for number in range(calls):
            channel = self._channels[number % CONNECTIONS]
            stream: Stream = channel.stream_stream("/shengdun.v1.ScreeningService/ScreenCall")()
            config = CallConfig(
                call_id=f"receipt-{time.time_ns():x}-{number}",
                audio_format=AudioFormat(encoding=AUDIO_ENCODING_PCMU, sample_rate_hz=8000),
            )
            await stream.write(ScreenCallRequest(config=config).SerializeToString())
            await stream.read()
            self._streams.append(stream)
            if speech is None:
                # A call that is silent for long hardly counts, so that none of those which follow is refused.
                await stream.write(_LONG_SILENCE)
                await asyncio.sleep(CHUNK_S)
            else:
                await asyncio.wait_for(_until_final(stream, speech), _FINAL_WITHIN_S)
            self._readers.append(asyncio.create_task(_read(stream)))

    async def go_on(self, seconds: float) -> int:
        """Send chunks of silence at the pace of speech; gives how many."""
        rounds = round(seconds / CHUNK_S)
        began_at = time.monotonic()

        async def speak(number: int, stream: Stream) -> None:
            for index in range(rounds):
                due_at = began_at + (index + number / len(self._streams)) * CHUNK_S
                await asyncio.sleep(due_at - time.monotonic())
                await stream.write(_SILENCE)

        await asyncio.gather(*(speak(*one) for one in enumerate(self._streams)))
        await asyncio.sleep(CHUNK_S)
        return rounds * len(self._streams)

    async def close(self) -> None:
        """End the calls."""
        for reader in self._readers:
            reader.cancel()
        for channel in self._channels:
            await channel.close()


async def _until_final(stream: Stream, speech: bytes) -> None:
    for start in range(0, len(speech), _CHUNK_BYTES):
        chunk = speech[start : start + _CHUNK_BYTES]
        await stream.write(ScreenCallRequest(audio=chunk).SerializeToString())
    state = None
    while state != DECISION_STATE_FINAL and isinstance(answer := await stream.read(), bytes):
        state = ScreenCallResponse.FromString(answer).decision.state


async def _read(stream: Stream) -> None:
    while await stream.read() is not grpc.aio.EOF:
        pass


def speech_of(reel: Reel, *, seconds: float = 15.0) -> bytes:
    """The beginning of the first recording, again and again if it is shorter, PCMU."""
    clip = next(clip for clip in reel.clips if clip.encoding.name == "PCMU")
    size = round(8000 * seconds)
    with reel.file.open("rb") as opened:
        opened.seek(clip.start)
        return (opened.read(clip.size) * (1 + size // clip.size))[:size]


@contextmanager
def servers(models: Path, directory: Path) -> Iterator[dict[str, Running]]:
    """All servers; ours counts for both of its kinds of calls."""
    with ExitStack() as stack:
        started = {
            way: stack.enter_context(
                running((sys.executable, "-m", "benchmarks.serving.receivers", way), {})
            )
            for way in WAYS
        }
        system = Shengdun(
            name="shengdun",
            models=models,
            model="campplus-zh-en",
            listed=_LISTED,
            directory=directory,
        )
        settings = directory / "receipt.toml"
        settings.write_text(system.fill_if_empty().read_text("utf-8") + _SETTINGS, "utf-8")
        command = (
            *(shengdun_command(), "serve", "--port", "0", "--log-level", "error"),
            *("--config", str(settings), "--data-dir", str(directory)),
            *("--models-dir", str(models)),
        )
        ours = stack.enter_context(running(command, {}))
        yield {FINAL: ours, SILENT: ours, **started}


async def measured(
    started: dict[str, Running], speech: bytes, *, calls: int, seconds: float, repetitions: int
) -> list[list[Receipt]]:
    """All turns, by repetition."""
    of_way = {way: Calls(server.address) for way, server in started.items()}
    for way, its_calls in of_way.items():
        await its_calls.open(calls, speech if way == FINAL else None)
        await its_calls.go_on(1.0)  # Nothing is warm before.
    results = []
    for _ in range(repetitions):
        found = []
        for way, its_calls in of_way.items():
            server = started[way]
            whole_s, main_s = server.cpu_s(), thread_cpu_s(server.pid, server.pid)
            chunks = await its_calls.go_on(seconds)
            found.append(
                Receipt(
                    way=way,
                    chunks=chunks,
                    whole_s=server.cpu_s() - whole_s,
                    main_s=thread_cpu_s(server.pid, server.pid) - main_s,
                )
            )
        results.append(found)
        print({one.way: round(1e6 * one.whole_s / one.chunks) for one in found}, flush=True)
    for its_calls in of_way.values():
        await its_calls.close()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--directory", type=Path, required=True, help="for our server's list")
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a turn")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with (
        stage(arguments.models, seed=arguments.seed) as asked,
        servers(arguments.models, arguments.directory) as started,
    ):
        results = asyncio.run(
            measured(
                started,
                speech_of(asked.reel),
                calls=arguments.calls,
                seconds=arguments.seconds,
                repetitions=arguments.repetitions,
            )
        )
    write(
        arguments.output,
        {
            "calls": arguments.calls,
            "load_average_after": load_average(),
            "us_per_chunk": {
                turns[0].way: {
                    "whole": summed_up([1e6 * one.whole_s / one.chunks for one in turns]),
                    "main_thread": summed_up([1e6 * one.main_s / one.chunks for one in turns]),
                }
                for turns in zip(*results, strict=True)
            },
            "repetitions": [[asdict(one) for one in found] for found in results],
        },
    )


if __name__ == "__main__":
    main()
