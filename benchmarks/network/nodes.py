"""Where the time of a graph goes: ONNX Runtime's own profile, summed by operator."""

import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import onnxruntime
from numpy.typing import NDArray

Feeds: TypeAlias = Mapping[str, NDArray[Any]]
"""Inputs of a graph, by name."""

_RUNS = 40
_KERNEL = "_kernel_time"


def microseconds_by_operator(
    model: bytes, feeds: Feeds, outputs: list[str]
) -> dict[str, dict[str, float]]:
    """Profiles a graph on one thread.

    Returns:
        For each operator how many nodes it has and the sum of their median times, the longest first. Profiling costs
        time itself, a microsecond or so a node.
    """
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in _profile(model, feeds, outputs):
        if event.get("cat") == "Node" and event["name"].endswith(_KERNEL):
            times[event["args"]["op_name"], event["name"]].append(float(event["dur"]))
    sums: dict[str, list[float]] = defaultdict(list)
    for (operator, _), taken in times.items():
        sums[operator].append(median(taken))
    ordered = sorted(sums.items(), key=lambda item: -sum(item[1]))
    return {name: {"nodes": len(taken), "us": sum(taken)} for name, taken in ordered}


def _profile(model: bytes, feeds: Feeds, outputs: list[str]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as directory:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(directory) / "profile")
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for _ in range(_RUNS):
            session.run(outputs, dict(feeds))
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text("utf-8"))
        return events
