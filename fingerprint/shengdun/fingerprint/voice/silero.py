"""Silero's voice activity network, laid out anew for many calls at once.

The released graph works on one call a run, with convolutions over four positions, which keep a core busy with
everything but multiplying. Here the same weights work on the frames of many calls: a frame's convolutions are one
product each with a banded matrix, its short Fourier transform one more, and only the recurrent layer goes step by step,
a step for all calls at a time.

What a frame gives doesn't depend on what shares its run: it is a row of every product, and the runtime sums each row's
products in the same order however many rows there are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from shengdun.fingerprint.voice.graph import GraphBuilder, Tensor

CONTEXT_SAMPLES = 64
"""Samples before a frame that the network sees with it."""

SEEN_SAMPLES = 576
"""Samples that the network sees of a frame, those before it included."""

HIDDEN = 128
"""Width of the recurrent layer."""

_Weights: TypeAlias = Mapping[str, NDArray[Any]]

_HOP = 128
_POSITIONS = 4
_FOLDED = slice(1, _HOP + 1)
_STRIDES = (1, 2, 2, 1)
_LSTM = ("onnx::LSTM_209", "onnx::LSTM_210", "onnx::LSTM_211")
# One column would be a product of another kind, whose order of summing depends on the number of rows.
_ANSWER_COLUMNS = 16


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Reads the constants of the released graph, by name."""
    graph = onnx.load(path).graph
    return {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}


def build_graph(weights: _Weights) -> ModelProto:
    """Builds the graph of some steps of many calls.

    Args:
        weights: the constants of the released 16 kHz "sequence" graph.

    Returns:
        A model with the inputs ``sums`` and ``differences`` of the frames, as ``fold`` gives them; ``place``
        (steps, calls), the frame that each call has at each step, any frame where it has none; ``steps_of`` (calls,),
        how many it has; ``hidden`` and ``cell`` (1, calls, 128). Its outputs are ``probabilities`` (steps, calls),
        ``hidden_after`` and ``cell_after``.

    Raises:
        KeyError: a constant of the network is missing.
    """
    add = GraphBuilder()
    inner = _encode(add, _magnitudes(add, weights), weights)
    outer = add.node("Gather", inner, "place", axis=0)
    kernels = [add.constant(weights[name]) for name in _LSTM]
    spoken, hidden, cell = add.nodes(
        "LSTM", outer, *kernels, "steps_of", "hidden", "cell", outputs=3, hidden_size=HIDDEN
    )
    add.name(_answer(add, add.node("Squeeze", spoken, add.integers(1)), weights), "probabilities")
    add.name(hidden, "hidden_after")
    add.name(cell, "cell_after")
    real, state = TensorProto.FLOAT, [1, "calls", HIDDEN]
    return add.finish(
        "silero",
        [
            helper.make_tensor_value_info("sums", real, ["windows", _HOP]),
            helper.make_tensor_value_info("differences", real, ["windows", _HOP]),
            helper.make_tensor_value_info("place", TensorProto.INT64, ["steps", "calls"]),
            helper.make_tensor_value_info("steps_of", TensorProto.INT32, ["calls"]),
            helper.make_tensor_value_info("hidden", real, state),
            helper.make_tensor_value_info("cell", real, state),
        ],
        [
            helper.make_tensor_value_info("probabilities", real, ["steps", "calls"]),
            helper.make_tensor_value_info("hidden_after", real, state),
            helper.make_tensor_value_info("cell_after", real, state),
        ],
    )


def _magnitudes(add: GraphBuilder, weights: _Weights) -> Tensor:
    """Magnitude spectra of a frame's four windows of 256 samples: (frames, 4 x 129)."""
    basis = weights["stft.forward_basis_buffer"][:, 0]
    bins = len(basis) // 2
    cosines, sines = basis[:bins, _FOLDED].copy(), basis[bins:, _FOLDED]
    # The middle of a window is folded onto itself.
    cosines[:, -1] /= 2
    powers = []
    for folded, waves in (("sums", cosines), ("differences", sines)):
        part = add.node("MatMul", folded, add.constant(waves.T))
        powers.append(add.node("Mul", part, part))
    magnitudes = add.node("Sqrt", add.node("Add", *powers))
    return add.node("Reshape", magnitudes, add.integers(-1, _POSITIONS * bins))


def fold(seen: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Folds the four windows of each frame about their middles.

    A window's first sample is weighed with nothing, and of the others the cosines of the Fourier transform weigh
    those at one distance from the middle alike, and the sines weigh them oppositely. So half the products suffice.

    Args:
        seen: (frames, 576), frames with the 64 samples before them.

    Returns:
        Sums and differences, each (frames x 4, 128).
    """
    frames = len(seen)
    mirrored = seen[:, -2 : -2 - _HOP // 2 : -1]
    windows = np.lib.stride_tricks.as_strided(
        padded := np.concatenate([seen, mirrored], axis=1),
        (frames, _POSITIONS, 2 * _HOP),
        (padded.strides[0], _HOP * padded.itemsize, padded.itemsize),
    )
    before, after = windows[..., _FOLDED], windows[..., : _HOP - 1 : -1]
    shape = (frames * _POSITIONS, _HOP)
    return (before + after).reshape(shape), (before - after).reshape(shape)


def _encode(add: GraphBuilder, rows: Tensor, weights: _Weights) -> Tensor:
    """The four convolutions, over four positions, then two, then one: (frames, 128)."""
    positions = _POSITIONS
    for layer, stride in enumerate(_STRIDES):
        weight = weights[f"encoder.{layer}.weight"]
        band = banded(weight, positions=positions, stride=stride)
        positions = (positions - 1) // stride + 1
        shift = np.tile(weights[f"encoder.{layer}.bias"], positions)
        rows = add.node("Relu", add.node("Gemm", rows, add.constant(band), add.constant(shift)))
    return rows


def _answer(add: GraphBuilder, spoken: Tensor, weights: _Weights) -> Tensor:
    """Probability of speech of each call at each step."""
    weight = np.zeros((HIDDEN, _ANSWER_COLUMNS), np.float32)
    weight[:, 0] = weights["output.weight"][0, :, 0]
    product = add.node("MatMul", add.node("Relu", spoken), add.constant(weight))
    first = add.node("Gather", product, add.integers(0), axis=2)
    shifted = add.node("Add", first, add.constant(weights["output.bias"]))
    return add.node("Squeeze", add.node("Sigmoid", shifted), add.integers(2))


def banded(weight: NDArray[np.float32], *, positions: int, stride: int) -> NDArray[np.float32]:
    """Gives the matrix that a convolution of three taps, with a pad of one, over a few positions is.

    Args:
        weight: (outputs, inputs, 3).
        positions: positions of the input.
        stride: positions from one output to the next.

    Returns:
        (positions x inputs, outputs' positions x outputs); rows and columns go position by position.
    """
    outputs, inputs, taps = weight.shape
    after = (positions - 1) // stride + 1
    band = np.zeros((positions, inputs, after, outputs), np.float32)
    for place in range(after):
        for tap in range(taps):
            source = place * stride + tap - 1
            if 0 <= source < positions:
                band[source, :, place] = weight[:, :, tap].T
    return band.reshape(positions * inputs, after * outputs)
