"""Plays calls through the front lane of whichever checkout is first on the path, and tells what that took.

    python -m benchmarks.front_lane.play [MODELS_DIR] [--seconds S] [--without-lane]

``beside`` runs it for two checkouts. It uses nothing of Shengdun but what both of them have. Figures are
milliseconds of processor time for 30 s of one call, of the thread that listens.
"""

import argparse
import asyncio
import hashlib
import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from shengdun.fingerprint.voice.activity import ActivityState, VoiceActivity
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, encode
from shengdun.fingerprint.voice.front_end import FrontEnd, Heard, hear
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.service.costs import Costs
from shengdun.service.lanes import FrontLane

Samples: TypeAlias = NDArray[np.float32]

FORMATS: Final = {
    "PCMU": AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8_000),
    "PCMA": AudioFormat(encoding=Encoding.PCMA, sample_rate_hz=8_000),
    "L16": AudioFormat(encoding=Encoding.L16, sample_rate_hz=8_000),
    "L16-16k": AudioFormat(encoding=Encoding.L16, sample_rate_hz=16_000),
}
STAGES: Final = ("decoding", "voice_activity", "listening")
RATE_HZ: Final = 16_000
WINDOW_S: Final = 3.0
CALL_S: Final = 30.0
CHUNK_S: Final = 0.1
COMPANIES: Final = (60, 10, 4, 1)
"""Calls that are heard together."""
LANES: Final = (60, 10)
"""Calls that come to the lane in real time."""
LANE_S: Final = 8.0
BITS_S: Final = 12.0
_MS: Final = 1_000 * CALL_S


class TimedActivity:
    """A detector that knows when it was asked last, in this thread's processor seconds."""

    def __init__(self, activity: VoiceActivity) -> None:
        self._activity = activity
        self.begun_s = self.ended_s = 0.0

    def speech_probabilities(
        self, batch: Sequence[tuple[ActivityState, Samples]]
    ) -> list[NDArray[np.float32]]:
        """As ``VoiceActivity`` gives them."""
        self.begun_s = time.thread_time()
        found = self._activity.speech_probabilities(batch)
        self.ended_s = time.thread_time()
        return found


def by_stage(
    activity: VoiceActivity, audio_format: AudioFormat, calls: Sequence[bytes]
) -> dict[str, float]:
    """Milliseconds of each stage for 30 s of a call, all calls heard together in chunks of 100 ms."""
    timed: Any = TimedActivity(activity)
    front_ends = _front_ends(activity, [audio_format] * len(calls))
    size = round(CHUNK_S * audio_format.bytes_per_s)
    taken = np.zeros(len(STAGES))
    for at in range(0, len(calls[0]), size):
        batch = [
            (front_end, [data[at : at + size]], False)
            for front_end, data in zip(front_ends, calls, strict=True)
        ]
        begun = time.thread_time()
        hear(batch, timed)
        taken += np.diff([begun, timed.begun_s, timed.ended_s, time.thread_time()])
    audio_s = len(calls) * len(calls[0]) / audio_format.bytes_per_s
    costs = dict(zip(STAGES, (_MS * taken / audio_s).tolist(), strict=True))
    return {**costs, "all": sum(costs.values())}


async def in_real_time(activity: VoiceActivity, calls: Sequence[bytes]) -> dict[str, float]:
    """The lane itself, with PCMU calls whose chunks of 100 ms come when they were spoken, each at its own moment.

    Gives milliseconds for 30 s of a call, of the lane's thread and of the whole process, which has the event loop and
    this player in it too; and the median and p99 from a chunk's arrival to its answer.
    """
    audio_format, loop = FORMATS["PCMU"], asyncio.get_running_loop()
    size = round(CHUNK_S * audio_format.bytes_per_s)
    waits_s: list[float] = []

    async def play(front_end: FrontEnd, data: bytes, at_s: float) -> None:
        for number, at in enumerate(range(0, len(data), size)):
            due = at_s + number * CHUNK_S
            await asyncio.sleep(max(0.0, due - loop.time()))
            await lane.hear(front_end, [data[at : at + size]])
            waits_s.append(loop.time() - due)

    async with FrontLane(activity, Costs()) as lane:
        front_ends = _front_ends(activity, [audio_format] * len(calls))
        moments = (
            loop.time() + np.random.default_rng(1).permutation(len(calls)) / len(calls) * CHUNK_S
        )
        begun = time.process_time()
        async with asyncio.TaskGroup() as group:
            for front_end, data, at_s in zip(front_ends, calls, moments.tolist(), strict=True):
                group.create_task(play(front_end, data, at_s))
        process_s, thread_s = time.process_time() - begun, _lane_thread_s()
    audio_s = len(calls) * len(calls[0]) / audio_format.bytes_per_s
    p50, p99 = np.percentile(waits_s, (50, 99)).tolist()
    return {
        "thread": _MS * thread_s / audio_s,
        "process": _MS * process_s / audio_s,
        "wait_p50": 1000 * p50,
        "wait_p99": 1000 * p99,
    }


def _lane_thread_s() -> float:
    """Processor seconds of the one lane that there is at the moment, since it was made."""
    [thread] = [one for one in threading.enumerate() if one.name.startswith("front-lane")]
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))


def heard_bits(activity: VoiceActivity, speech: Sequence[Samples]) -> dict[str, str]:
    """A digest of all that is heard of disturbed calls in every format, in chunks of 20 ms to 2 s."""
    found: dict[str, str] = {}
    for seed, (name, audio_format) in enumerate(FORMATS.items()):
        rng = np.random.default_rng(seed)
        calls = [
            encode(disturbed(samples, kind=number % 6), audio_format)
            for number, samples in enumerate(speech)
        ]
        sizes_s = [(0.02, 0.1, 0.0213, 0.5, 2.0, 0.06)[number % 6] for number in range(len(calls))]
        waiting = [
            list(_cut(data, audio_format, size_s))
            for data, size_s in zip(calls, sizes_s, strict=True)
        ]
        front_ends = _front_ends(activity, [audio_format] * len(calls))
        digests = [hashlib.sha256() for _ in calls]
        while any(waiting):
            chosen = [call for call, chunks in enumerate(waiting) if chunks and rng.random() < 0.7]
            taken = {call: waiting[call][: int(rng.integers(1, 4))] for call in chosen}
            for call, chunks in taken.items():
                del waiting[call][: len(chunks)]
            batch = [(front_ends[call], taken[call], not waiting[call]) for call in chosen]
            for call, heard in zip(chosen, hear(batch, activity), strict=True):
                if not isinstance(heard, Heard):
                    raise heard
                digests[call].update(_bits(heard))
        for digest, front_end in zip(digests, front_ends, strict=True):
            digest.update(repr(front_end.quality()).encode())
        found |= {f"{name} {call}": one.hexdigest() for call, one in enumerate(digests)}
    return found


def disturbed(samples: Samples, *, kind: int) -> Samples:
    """What an ordinary call isn't: overdriven, with keys, begun by faint speech, on hold, or very quiet."""
    call, third = samples.copy(), len(samples) // 3
    if kind == 1:
        call *= 12.0
    elif kind == 2:
        times = np.arange(third) / RATE_HZ
        pressed = (times % 0.2 < 0.1) * np.float32(0.2)
        call[third : 2 * third] = pressed * (
            np.sin(2 * np.pi * 770 * times) + np.sin(2 * np.pi * 1336 * times)
        )
    elif kind == 3:
        call[:third] *= 0.05
    elif kind == 4:
        call[third : 2 * third] = 0.0
    elif kind == 5:
        call *= 0.01
    return np.clip(call, -1.0, 1.0)


def live_calls(store: ModelStore, *, calls: int, seconds: float) -> list[Samples]:
    """Real speech for each call: recordings end to end, begun somewhere else in every call."""
    whole = np.concatenate(
        [decode_recording(one.read()).samples for one in store.demo_recordings()]
    )
    length = round(seconds * RATE_HZ)
    starts = np.linspace(0, len(whole) - length, calls).astype(int)
    return [whole[start : start + length] for start in starts]


def _front_ends(activity: VoiceActivity, formats: Sequence[AudioFormat]) -> list[FrontEnd]:
    return [FrontEnd(one, window_s=WINDOW_S, activity=activity) for one in formats]


def _cut(data: bytes, audio_format: AudioFormat, size_s: float) -> list[bytes]:
    size = round(size_s * audio_format.sample_rate_hz) * audio_format.sample_bytes
    return [data[at : at + size] for at in range(0, len(data), size)]


def _bits(heard: Heard) -> bytes:
    parts = [repr((heard.position_s, heard.net_speech_s)).encode()]
    for one in heard.windows:
        places = (one.window.index, one.window.start_s, one.window.end_s, one.chunk, one.position_s)
        parts += [one.window.samples.tobytes(), repr((places, one.quality)).encode()]
    return b"".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models_dir", type=Path, nargs="?", default=Path(".shengdun/models"))
    parser.add_argument("--seconds", type=float, default=CALL_S)
    parser.add_argument("--without-lane", action="store_true", help="not in real time as well")
    arguments = parser.parse_args()
    store = ModelStore(arguments.models_dir)
    activity = store.voice_activity()
    speech = live_calls(store, calls=max(COMPANIES), seconds=arguments.seconds)
    pcmu = [encode(one, FORMATS["PCMU"]) for one in speech]
    wide = [encode(one, FORMATS["L16-16k"]) for one in speech]
    # As the server does.
    with threadpool_limits(limits=1):
        by_stage(activity, FORMATS["PCMU"], pcmu[:4])
        costs: dict[str, Mapping[str, float]] = {
            f"{company} together": by_stage(activity, FORMATS["PCMU"], pcmu[-company:])
            for company in COMPANIES
        }
        costs["60 together, L16 at 16 kHz"] = by_stage(activity, FORMATS["L16-16k"], wide)
        if not arguments.without_lane:
            begun = [data[: round(LANE_S * FORMATS["PCMU"].bytes_per_s)] for data in pcmu]
            for calls in LANES:
                costs[f"{calls} in real time"] = asyncio.run(in_real_time(activity, begun[:calls]))
        bits = heard_bits(activity, [one[: round(BITS_S * RATE_HZ)] for one in speech[:12]])
    json.dump({"costs_ms": costs, "bits": bits}, sys.stdout)


if __name__ == "__main__":
    main()
