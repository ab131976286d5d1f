"""How models are run: one ONNX Runtime session each, on the CPU, with a fixed number of threads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# ONNX Runtime reports its use to its publisher unless this is set before it is loaded. A server of a bank reports
# to nobody, so it isn't left to whoever starts it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

_ERRORS_ONLY = 3
onnxruntime.disable_telemetry_events()


def open_session(model: Path | bytes, *, threads: int) -> Any:  # noqa: ANN401 (no types published)
    """Opens a session whose runs may come from several threads at once.

    Args:
        model: an ONNX file, or its bytes.
        threads: threads that one run may use.

    Returns:
        An ``onnxruntime.InferenceSession``.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Idle worker threads that spin take the cores from the other sessions.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with _as_file(model) as path:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@contextmanager
def _as_file(model: Path | bytes) -> Iterator[Path]:
    """Gives bytes as a file in memory: of a model that it's given as bytes, ONNX Runtime keeps a second copy."""
    if isinstance(model, Path):
        yield model
        return
    descriptor = os.memfd_create("model")
    with os.fdopen(descriptor, "wb") as file:
        file.write(model)
        file.flush()
        yield Path(f"/proc/self/fd/{descriptor}")
