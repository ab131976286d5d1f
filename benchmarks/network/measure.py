"""CAM++ as we run it beside a stock export: time, agreement, and how near it comes to what a core can multiply.

    python -m benchmarks.network.measure STOCK.onnx [MODELS_DIR] > benchmarks/results/network.json

STOCK.onnx is what ``stock_export.py`` wrote from the same checkpoint. Both run in ONNX Runtime on one thread on 3 s.
The stock network is given log mel energies. Ours is given power spectra, and its mel filters, logarithm and mean are
inside its time: the comparison is in the stock's favour by that. Where the processor multiplies bfloat16, our network
in it takes its turns beside both.
"""

import argparse
import json
import math
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from benchmarks.network.arithmetic import PEAK_SHAPES, multiply_adds, product
from benchmarks.network.interleaved import Way, as_milliseconds, ratio, take_turns
from benchmarks.network.nodes import microseconds_by_operator
from numpy.typing import NDArray

from shengdun.fingerprint.voice import campplus
from shengdun.fingerprint.voice.bfloat16 import Bfloat16Network, multiplies_bfloat16
from shengdun.fingerprint.voice.checkpoint import read_state_dict
from shengdun.fingerprint.voice.fbank import power_spectra
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.runtime import open_session
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.service.demo.story import machine

COMMIT: Final = ("git", "rev-parse", "--short", "HEAD")
BFLOAT16: Final = "ours, bfloat16"
CALLS: Final = 2
PRODUCT_CALLS: Final = 8
WINDOW: Final = round(campplus.WINDOW_S * MODEL_RATE_HZ)


class Sides:
    """The networks, the two in float32 each in a session of its own, and the inputs of one window."""

    def __init__(
        self, stock: bytes, ours: bytes, window: Samples, faster: Bfloat16Network | None
    ) -> None:
        self.ours, self.stock = open_session(ours, threads=1), open_session(stock, threads=1)
        power = power_spectra(window)
        self.in_bfloat16 = faster
        self.our_feeds = {"power": power, **campplus.frame_inputs(len(power))}
        features = self.ours.run(["features"], self.our_feeds)[0]
        self.stock_feeds = {"features": features[np.newaxis]}

    def run_ours(self) -> Any:  # noqa: ANN401 (no types published)
        """The embedding that our graph gives."""
        return self.ours.run(["embedding"], self.our_feeds)[0]

    def run_stock(self) -> Any:  # noqa: ANN401
        """The embedding that the stock graph gives."""
        return self.stock.run(["embedding"], self.stock_feeds)[0]

    def ways(self) -> dict[str, Way]:
        """What takes turns."""
        ways: dict[str, Way] = {"stock": self.run_stock, "ours": self.run_ours}
        network = self.in_bfloat16
        return ways | ({BFLOAT16: lambda: network.run(self.our_feeds)} if network else {})

    def bfloat16_cosine(self) -> float | None:
        """Between our embedding in bfloat16 and in float32; None where the processor doesn't multiply it."""
        if self.in_bfloat16 is None:
            return None
        return _cosine(self.in_bfloat16.run(self.our_feeds)[0], self.run_ours()[0])

    def cosine(self) -> float:
        """Between the two embeddings."""
        return _cosine(self.run_ours()[0], self.run_stock()[0])


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    product = one.astype(np.float64) @ other
    return float(product / np.linalg.norm(one) / np.linalg.norm(other))


def repetition(sides: Sides, *, rounds: int) -> dict[str, Any]:
    """One repetition: the networks take turns, then the products do, each often enough to fill its turn."""
    seconds = take_turns(sides.ways(), rounds=rounds, calls=CALLS)
    found = ratio(seconds["ours"], seconds["stock"])
    faster = ratio(seconds[BFLOAT16], seconds["stock"]) if BFLOAT16 in seconds else None
    products = {"x".join(map(str, shape)): product(*shape) for shape in PEAK_SHAPES}
    multiplied = take_turns(products, rounds=rounds, calls=PRODUCT_CALLS)
    rates = {
        name: 2 * math.prod(shape) / float(np.median(multiplied[name])) / 1e9
        for name, shape in zip(products, PEAK_SHAPES, strict=True)
    }
    return {
        "ratio": found.median,
        "interval": found.interval,
        "bfloat16_ratio": faster and faster.median,
        "bfloat16_interval": faster and faster.interval,
        "products_gflops": rates,
        "milliseconds": {name: as_milliseconds(taken) for name, taken in seconds.items()},
    }


def measure(stock: Path, models_dir: Path, *, repetitions: int, rounds: int) -> dict[str, Any]:
    store = ModelStore(models_dir)
    stock_bytes = stock.read_bytes()
    state = read_state_dict(store.verify(store.default_voice_model))
    ours = campplus.build_graph(state).SerializeToString()
    windows = [decode_recording(one.read()).samples for one in store.demo_recordings()]
    windows = [samples[:WINDOW] for samples in windows if len(samples) >= WINDOW]
    faster = campplus.bfloat16_network(ours) if multiplies_bfloat16() else None
    results = [
        repetition(Sides(stock_bytes, ours, windows[index], faster), rounds=rounds)
        for index in range(repetitions)
    ]
    macs = multiply_adds(onnx.load_from_string(stock_bytes))
    sides = Sides(stock_bytes, ours, windows[0], faster)
    every = (Sides(stock_bytes, ours, window, faster) for window in windows)
    cosines = [(one.cosine(), one.bfloat16_cosine()) for one in every]
    outputs = ["embedding"]
    return {
        "ratio": float(np.median([one["ratio"] for one in results])),
        "ratios": [one["ratio"] for one in results],
        "bfloat16_ratios": [one["bfloat16_ratio"] for one in results],
        **_share_of_peak(results, macs),
        "golden_cosine": store.self_test(store.voice_model()),
        "least_cosine_to_stock": min(to_stock for to_stock, _ in cosines),
        "least_bfloat16_cosine": min((one for _, one in cosines if one), default=None),
        "windows_compared": len(windows),
        "ours_by_operator": microseconds_by_operator(ours, sides.our_feeds, outputs),
        "stock_by_operator": microseconds_by_operator(stock_bytes, sides.stock_feeds, outputs),
        "repetitions": results,
    }


def _share_of_peak(results: list[dict[str, Any]], macs: int) -> dict[str, float]:
    # A neighbour slows a whole repetition down, so the share is taken within each.
    shares, peaks = [], []
    for one in results:
        peak = max(one["products_gflops"].values())
        taken_s = float(np.median(one["milliseconds"]["ours"])) / 1000
        shares.append(2 * macs / taken_s / 1e9 / peak)
        peaks.append(peak)
    return {
        "multiply_adds": macs,
        "peak_gflops": float(np.median(peaks)),
        "share_of_peak": float(np.median(shares)),
    }


def provenance() -> dict[str, Any]:
    """What a result was measured with."""
    commit = subprocess.run(COMMIT, capture_output=True, text=True, check=True)
    return {
        "machine": machine(),
        "python": platform.python_version(),
        "versions": {
            name: metadata.version(name) for name in ("onnxruntime", "openvino", "numpy", "soxr")
        },
        "commit": commit.stdout.strip(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("stock", type=Path)
    parser.add_argument("models_dir", type=Path, nargs="?", default=Path(".shengdun/models"))
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    stock = onnx.load(arguments.stock)
    result = {
        **provenance(),
        "stock_producer": f"{stock.producer_name} {stock.producer_version}",
        **measure(
            arguments.stock,
            arguments.models_dir,
            repetitions=arguments.repetitions,
            rounds=arguments.rounds,
        ),
    }
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
