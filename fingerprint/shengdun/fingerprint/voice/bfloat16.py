"""Networks in bfloat16, for processors that multiply it: a third to a half of the time of float32, by OpenVINO.

bfloat16 is the upper half of a float32: its exponent, and 8 bits of precision. Products are added up in float32. What
a voiceprint loses is stated in ``docs/decisions/0029``. OpenVINO compiles a network for one shape, so a network here
takes windows of one length only; everything else goes to ONNX Runtime in float32.
"""

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.errors import PrecisionUnavailable

_CPU_INFO: Final = Path("/proc/cpuinfo")
_MULTIPLIES: Final = ("amx_bf16", "avx512_bf16")
"""A unit for matrices of it, and products of vectors of it; either is faster than float32, the first one more."""
_TELEMETRY: Final = "openvino_telemetry"


def multiplies_bfloat16(cpu_info: Path = _CPU_INFO) -> bool:
    """Whether all processors of this machine multiply bfloat16 in hardware, and not only convert to it.

    Args:
        cpu_info: what the kernel says of the processors.
    """
    try:
        lines = cpu_info.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    flags = [line.partition(":")[2].split() for line in lines if line.startswith("flags")]
    return bool(flags) and all(any(name in one for name in _MULTIPLIES) for one in flags)


class Bfloat16Network:
    """A network compiled for inputs of one shape; gives the same bits whoever else runs it, from any thread.

    Each run is on one thread, the caller's.

    Args:
        graph: the bytes of an ONNX file.
        shapes: of its inputs, by name.
        output: the one that is wanted.
        at_once: runs that go on at the same time; each takes 40 MB. Further ones wait.

    Raises:
        PrecisionUnavailable: OpenVINO can't be loaded, this processor has no bfloat16, or it can't compile the network.
    """

    def __init__(
        self,
        graph: bytes,
        *,
        shapes: Mapping[str, tuple[int, ...]],
        output: str,
        at_once: int = 1,
    ) -> None:
        core = _core()
        try:
            model = core.read_model(graph)
            model.reshape({name: list(shape) for name, shape in shapes.items()})
            compiled = core.compile_model(
                model,
                "CPU",
                {
                    "INFERENCE_PRECISION_HINT": "bf16",
                    # One thread a run: how many there are decides where sums are cut and rounded.
                    "INFERENCE_NUM_THREADS": at_once,
                    "NUM_STREAMS": at_once,
                    # Threads bound to cores wait for these although others are idle.
                    "ENABLE_CPU_PINNING": False,
                },
            )
        except RuntimeError as error:
            first = next(iter(str(error).splitlines()), "")
            raise PrecisionUnavailable(
                f"OpenVINO can't compile the network for bfloat16 ({first}). Set voice.precision to float32."
            ) from error
        self._output = compiled.output(output)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(at_once):
            self._idle.put(compiled.create_infer_request())

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Computes the output.

        Args:
            inputs: by name, of the shapes that the network was compiled for.
        """
        request = self._idle.get()
        try:
            return np.array(request.infer(dict(inputs))[self._output], np.float32)
        finally:
            self._idle.put(request)


@cache
def _core() -> Any:  # noqa: ANN401 (no types published)
    # OpenVINO reports to its publisher when it is imported, unless this package is missing. A server of a bank reports
    # to nobody. None is what Python takes for "can't be imported".
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino  # noqa: PLC0415 (takes a third of a second and 30 MB, and few machines use it)
    except (ImportError, OSError) as error:
        raise PrecisionUnavailable(
            f"bfloat16 needs OpenVINO, which can't be loaded ({error}). Install Shengdun again, or set voice.precision "
            "to float32."
        ) from error
    core = openvino.Core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise PrecisionUnavailable(
            "This processor has no bfloat16. Set voice.precision to auto or float32."
        )
    return core
