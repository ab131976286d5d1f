"""What 200 live calls cost before their voiceprints: voice activity, and the whole front lane.

    python -m benchmarks.front_lane.measure [MODELS_DIR] [--calls N] > benchmarks/results/front_lane.json

Calls carry real speech, PCMU at 8 kHz in chunks of 100 ms, all of one moment in one batch, on one thread. A share of 1
is one core: a second of processor time for a second of all calls. Voice activity is measured at three frames of 32 ms
and at one, beside Silero's released graph, which takes one call a run; they take turns.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.network.interleaved import ratio
from benchmarks.network.measure import provenance
from threadpoolctl import threadpool_limits

from shengdun.fingerprint.voice.activity import FRAME_SAMPLES, ActivityState, VoiceActivity
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, encode
from shengdun.fingerprint.voice.front_end import FrontEnd, hear
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.runtime import open_session
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.fingerprint.voice.silero import CONTEXT_SAMPLES, HIDDEN

PCMU: Final = AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8_000)
CHUNK_S: Final = 0.1
WINDOW_S: Final = 3.0
FRAMES_AT_ONCE: Final = (3, 1)


class ReleasedGraph:
    """Silero's own graph, one call a run, as it was used before."""

    def __init__(self, path: Path, calls: int) -> None:
        self._session = open_session(path, threads=1)
        nothing = np.zeros((1, 1, HIDDEN), np.float32)
        self._states = [(nothing, nothing)] * calls
        self._contexts = [np.zeros(CONTEXT_SAMPLES, np.float32)] * calls

    def run(self, samples: Sequence[Samples]) -> None:
        """Judges the next whole frames of every call."""
        for call, of_call in enumerate(samples):
            frames = of_call.reshape(-1, FRAME_SAMPLES)
            tails = np.vstack([self._contexts[call][None], frames[:, -CONTEXT_SAMPLES:]])
            hidden, cell = self._states[call]
            _, hidden, cell = self._session.run(
                ["speech_probs", "hn", "cn"],
                {"input": np.hstack([tails[:-1], frames]), "h": hidden, "c": cell},
            )
            self._states[call], self._contexts[call] = (hidden, cell), tails[-1]


class Ours:
    """Our detector, all calls in one batch."""

    def __init__(self, activity: VoiceActivity, calls: int) -> None:
        self._activity = activity
        self._states: list[ActivityState] = [activity.new_state() for _ in range(calls)]

    def run(self, samples: Sequence[Samples]) -> None:
        """Judges the next whole frames of every call."""
        self._activity.speech_probabilities(list(zip(self._states, samples, strict=True)))


def voice_activity(
    store: ModelStore, speech: Sequence[Samples], *, frames: int, seconds: float
) -> dict[str, Any]:
    """Core share of our detector and of the released graph, ``frames`` of each call at a time."""
    ways = {
        "released": ReleasedGraph(store.verify("silero-vad"), len(speech)).run,
        "ours": Ours(store.voice_activity(), len(speech)).run,
    }
    size = frames * FRAME_SAMPLES
    shares: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(int(seconds * MODEL_RATE_HZ / size)):
        samples = [call[turn * size : (turn + 1) * size] for call in speech]
        for name in list(ways) if turn % 2 == 0 else list(ways)[::-1]:
            shares[name].append(_cpu_s(lambda: ways[name](samples)) * MODEL_RATE_HZ / size)  # noqa: B023 (called at once)
    found = ratio(np.array(shares["ours"]), np.array(shares["released"]))
    return {
        "frames_at_once": frames,
        "ratio": found.median,
        "interval": found.interval,
        **{f"{name}_cores": float(np.median(taken)) for name, taken in shares.items()},
        "shares": {name: [round(one, 4) for one in taken] for name, taken in shares.items()},
    }


def front_lane(store: ModelStore, speech: Sequence[Samples], *, seconds: float) -> dict[str, Any]:
    """Core share of everything up to windows; ``mean`` has the metering of each second in it, the median hasn't."""
    activity = store.voice_activity()
    front_ends = [FrontEnd(PCMU, window_s=WINDOW_S, activity=activity) for _ in speech]
    audio = [encode(samples, PCMU) for samples in speech]
    size = round(CHUNK_S * PCMU.bytes_per_s)
    shares, windows = [], 0
    for at in range(0, round(seconds * PCMU.bytes_per_s), size):
        batch = [
            (front_end, [data[at : at + size]], False)
            for front_end, data in zip(front_ends, audio, strict=True)
        ]
        begun = time.process_time()
        heard = hear(batch, activity)
        shares.append((time.process_time() - begun) / CHUNK_S)
        windows += sum(len(one.windows) for one in heard if not isinstance(one, Exception))
    return {
        "median_cores": float(np.median(shares)),
        "mean_cores": float(np.mean(shares)),
        "windows": windows,
        "shares": [round(one, 4) for one in shares],
    }


def live_calls(store: ModelStore, *, calls: int, seconds: float) -> list[Samples]:
    """Real speech for each call: recordings end to end, begun somewhere else in every call."""
    recordings = [decode_recording(one.read()).samples for one in store.demo_recordings()]
    whole = np.concatenate(recordings)
    length = round((seconds + 1) * MODEL_RATE_HZ)
    starts = np.linspace(0, len(whole) - length, calls).astype(int)
    return [whole[start : start + length] for start in starts]


def _cpu_s(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models_dir", type=Path, nargs="?", default=Path(".shengdun/models"))
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    store, seconds = ModelStore(arguments.models_dir), arguments.seconds
    speech = live_calls(store, calls=arguments.calls, seconds=seconds)
    # As the server does.
    with threadpool_limits(limits=1):
        result = {
            **provenance(),
            "calls": arguments.calls,
            "voice_activity": [
                voice_activity(store, speech, frames=frames, seconds=seconds)
                for _ in range(arguments.repetitions)
                for frames in FRAMES_AT_ONCE
            ],
            "front_lane": [
                front_lane(store, speech, seconds=seconds) for _ in range(arguments.repetitions)
            ],
        }
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
