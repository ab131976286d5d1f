"""What a call cost is counted of all that it took, and compared with the floor of the same audio."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.gate.measure import BOUNDS, beyond
from benchmarks.serving.bare import bare_cost, screened
from benchmarks.serving.calls import together
from benchmarks.serving.processes import Running, ServerFailed, family, running
from benchmarks.serving.results import summed_up, write

from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, encode
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.service.load.plan import Plan, PlannedCall

PCMU = AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8_000)
BUSY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; t = time.process_time()\\n"
    "while time.process_time() < 0.3: pass\\nprint(1, flush=True)\\ntime.sleep(60)"], stdout=subprocess.PIPE)
child.stdout.readline()
print("listening on here:1", flush=True)
try:
    time.sleep(60)
finally:
    child.kill()
"""


def test_children_count() -> None:
    """A server's processor time and memory are those of the processes that it started, too."""
    command = [sys.executable, "-c", BUSY]
    with running(command, {}) as server:
        assert server.address == "here:1"
        assert len(family(server.pid)) == 2
        assert server.cpu_s() >= 0.28
        assert server.memory_bytes() > Running(address="", pid=os.getpid()).memory_bytes() / 1000
        [child] = family(server.pid)[1:]
        os.kill(child, 9)


def test_a_server_that_does_not_start_is_told() -> None:
    """Nothing can be measured of it."""
    with pytest.raises(ServerFailed, match="did not start"), running(["false"], {}):
        pass


def test_the_floor_is_of_what_was_heard(recordings: list[DemoRecording], models_dir: Path) -> None:
    """Frames and windows end where the server stopped hearing, and the models really run on them."""
    store = ModelStore(models_dir)
    activity, model = store.voice_activity(), store.voice_model()
    longest = max(recordings, key=lambda one: one.duration_s)
    samples = decode_recording(longest.read()).samples[: 12 * MODEL_RATE_HZ]
    audio = encode(samples, PCMU)
    chunks = [audio[at : at + 800] for at in range(0, len(audio), 800)]
    half, whole = (
        screened(chunks, PCMU, heard_s=heard_s, activity=activity, window_s=3.0)
        for heard_s in (6.0, 12.0)
    )
    assert len(half.frames) / MODEL_RATE_HZ == pytest.approx(6.0, abs=0.1)
    assert 1 <= len(half.windows) < len(whole.windows)
    np.testing.assert_array_equal(half.windows[0], whole.windows[0])
    cost = bare_cost([half, whole], activity, model)
    assert cost.windows == len(half.windows) + len(whole.windows)
    assert cost.audio_s == pytest.approx(18.0, abs=0.2)
    assert 0 < cost.voice_activity_s < cost.voiceprints_s < cost.whole_s


def test_calls_are_begun_together() -> None:
    """However long they last, they begin within the time that was stated."""
    call = PlannedCall(number=0, start_s=50.0, length_s=9.0, clip=0, offset_s=1.0, cut=True)
    moved = together(Plan(calls=(call,) * 2, duration_s=100.0, rate_per_s=1.0), within_s=4.0)
    assert all(one.start_s < 4.0 and not one.cut for one in moved.calls)
    assert moved.duration_s == 13.0


def test_medians_have_intervals() -> None:
    """All repetitions are kept, and the median is theirs."""
    found = summed_up([1.0, 2.0, 30.0])
    assert (found["median"], found["repetitions"]) == (2.0, [1.0, 2.0, 30.0])
    assert found["interval"][0] <= 2.0 <= found["interval"][1]


def test_results_say_what_they_were_measured_with(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Machine, versions, commit and load stand beside every figure."""
    output = tmp_path_factory.mktemp("results") / "new" / "result.json"
    write(output, {"ratio": 1.0})
    kept = json.loads(output.read_text("utf-8"))
    assert {"machine", "versions", "commit", "load_average_after", "ratio"} <= set(kept)


def test_the_gate_names_what_is_slower() -> None:
    """A ratio beyond its bound is told with both; the committed bounds are complete."""
    assert beyond({"one": 1.0, "two": 3.0}, {"one": 1.5, "two": 2.0}) == [
        "two: 3.000 is more than 2"
    ]
    assert set(json.loads(BOUNDS.read_text("utf-8"))) == {
        "network_over_product",
        "voice_activity_over_released",
        "search_over_flat",
        "serving_over_models",
    }
