"""Fails when something has become slower in relation to what it stands beside; times alone are never compared.

    python -m benchmarks.gate.measure [MODELS_DIR] [--no-server]

Each ratio is the median of many short turns that its two sides take, in processor time, so that a noisy machine slows
both down. ``bounds.json`` has for each what it may be at most, well above what was measured; it's changed by hand, in
the commit that says why. Takes less than two minutes and needs neither PyTorch nor a corpus.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import faiss as _faiss
import numpy as np
from benchmarks.front_lane.measure import live_calls, voice_activity
from benchmarks.network.arithmetic import PEAK_SHAPES, product
from benchmarks.network.interleaved import ratio, take_turns
from benchmarks.search.measure import build
from benchmarks.search.voices import Voices
from benchmarks.serving.cpu_per_call import costs, servers_for
from benchmarks.serving.playing import stage
from threadpoolctl import threadpool_limits

from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.index.calibration import default_profile
from shengdun.index.scoring import Scorer, unit_rows
from shengdun.index.search import NEAREST_ROWS, rank

faiss: Any = _faiss
BOUNDS: Final = Path(__file__).with_name("bounds.json")
ROUNDS: Final = 30
CALLS: Final = 200
SECONDS: Final = 3.0
LISTED: Final = 100_000
GATE_LISTED: Final = 500
CALL_S: Final = 12.0
GATE_CALLS: Final = 12


def network(store: ModelStore) -> float:
    """A voiceprint of 3 s over large matrix products, which are as fast as this core multiplies."""
    model = store.voice_model()
    window = live_calls(store, calls=1, seconds=model.window_s)[0]
    samples = window[: round(model.window_s * MODEL_RATE_HZ)]
    ways: dict[str, Callable[[], object]] = {
        "voiceprint": lambda: model.embed([samples]),
        "product": product(*PEAK_SHAPES[0]),
    }
    seconds = take_turns(ways, rounds=ROUNDS, calls=2)
    return ratio(seconds["voiceprint"], seconds["product"]).median


def front_lane(store: ModelStore) -> float:
    """Voice activity of 200 calls over Silero's released graph, which takes one call a run."""
    speech = live_calls(store, calls=CALLS, seconds=SECONDS)
    found: float = voice_activity(store, speech, frames=3, seconds=SECONDS)["ratio"]
    return found


def search(store: ModelStore) -> float:
    """Finding and scoring among 100,000 voiceprints over ``IndexFlatIP``, which only finds."""
    scorer = Scorer(default_profile(store.voice_model().model_id))
    rng = np.random.default_rng(1)
    dimension = store.voice_model().dimension
    rows = unit_rows(rng.standard_normal((LISTED, dimension), np.float32))
    nothing = np.full(LISTED, 20.0)
    segments = build(Voices(voiceprints=rows, net_speech_s=nothing, snr_db=nothing), scorer)
    flat = faiss.IndexFlatIP(dimension)
    flat.add(scorer.project(rows))
    query = unit_rows(rng.standard_normal((1, dimension), np.float32))
    ours = partial(rank, segments, scorer, query[0], net_speech_s=5.0, at_us=0)
    ways: dict[str, Callable[[], object]] = {
        "ours": ours,
        "flat": lambda: flat.search(scorer.project(query), NEAREST_ROWS),
    }
    seconds = take_turns(ways, rounds=ROUNDS, calls=3)
    return ratio(seconds["ours"], seconds["flat"]).median


def serving(store: ModelStore, models: Path) -> float:
    """Processor time of a server for short calls over that of its models: the median of three turns."""
    with (
        tempfile.TemporaryDirectory() as directory,
        stage(models, seed=1) as asked,
        servers_for([CALL_S], models, Path(directory), listed=GATE_LISTED) as servers,
    ):
        turns = [
            costs(servers, [CALL_S], asked, store, calls=GATE_CALLS, repetition=repetition)[0]
            for repetition in range(3)
        ]
    return float(np.median([turn.ratio for turn in turns]))


def beyond(found: dict[str, float], bounds: dict[str, float]) -> list[str]:
    """What exceeds its bound, in words.

    Raises:
        KeyError: something was measured that has no bound.
    """
    return [
        f"{name}: {value:.3f} is more than {bounds[name]:g}"
        for name, value in found.items()
        if value > bounds[name]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models_dir", type=Path, nargs="?", default=Path(".shengdun/models"))
    parser.add_argument("--no-server", action="store_true", help="leave the server out")
    arguments = parser.parse_args()
    store = ModelStore(arguments.models_dir)
    with threadpool_limits(limits=1):
        faiss.omp_set_num_threads(1)
        found = {
            "network_over_product": network(store),
            "voice_activity_over_released": front_lane(store),
            "search_over_flat": search(store),
        }
    if not arguments.no_server:
        found["serving_over_models"] = serving(store, arguments.models_dir)
    bounds = json.loads(BOUNDS.read_text("utf-8"))
    for name, value in found.items():
        print(f"{name:<30} {value:6.3f}  (at most {bounds[name]:g})")
    problems = beyond(found, bounds)
    if problems:
        print("Slower than it may be:", *problems, sep="\n  ", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
