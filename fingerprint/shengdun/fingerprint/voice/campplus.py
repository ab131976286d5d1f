"""CAM++: the network from its state dict to an ONNX graph, and the voice model around it.

Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware
Masking", Interspeech 2023. The graph computes one window: mel filters, logarithm and mean
normalisation, the convolutional head, a TDNN layer, three densely connected blocks of
context-aware-masking layers, statistics pooling, and the final projection.

What makes the graph lean:

- Batch norms after a linear operation are folded into it. One before a rectifier becomes a single
  ``Max``: where the scale ``s`` is positive, ``relu(s x + b) = s max(x, -b/s) + b``, and ``s`` and
  the added ``b`` go into the next matrix.
- After the head, time is the first axis, so every layer is a matrix product with a constant right
  side, which the runtime packs once.
- A mask is the same for all frames of a 100-frame segment. It is computed once a segment and
  handed to the frames by index. Both depend on the number of frames only, so they are inputs, and
  the graph has no arithmetic on shapes.
"""

import copy
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from shengdun.fingerprint.voice.bfloat16 import Bfloat16Network
from shengdun.fingerprint.voice.checkpoint import StateDict
from shengdun.fingerprint.voice.fbank import (
    FRAME_LENGTH,
    FRAME_SHIFT,
    LOG_FLOOR,
    MEL_BINS,
    SPECTRUM_BINS,
    mel_filters,
    power_spectra,
)
from shengdun.fingerprint.voice.graph import Affine, GraphBuilder, batch_norm
from shengdun.fingerprint.voice.models import Precision, Voiceprints
from shengdun.fingerprint.voice.runtime import open_session
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds

BUILDER_VERSION = 2
"""Raised when the graph changes: cached graphs of other versions are built anew."""

DIMENSION = 192
WINDOW_S: Seconds = 3.0

_WINDOW_FRAMES = 1 + (round(WINDOW_S * MODEL_RATE_HZ) - FRAME_LENGTH) // FRAME_SHIFT
_SEGMENT_FRAMES = 100
_SHORTEST_S: Seconds = 0.1
_BLOCKS = ((12, 1), (24, 2), (16, 2))
_MASKED_CHANNELS = 32
# Channels and frequencies of the image that the head gives.
_HEAD_SHAPE = (32, 10)
_TDNN_TAPS = 5
# Below this scale, -b/s would lose precision, and Max is no rectifier when the scale is negative.
_LEAST_SCALE = 1e-4


def build_graph(state: StateDict) -> ModelProto:
    """Builds the graph of one window.

    Args:
        state: the tensors of 3D-Speaker's ``CAMPPlus`` with 80 bins and 192 dimensions.

    Returns:
        A model with the inputs ``power`` (frames, 257), ``segment_means`` (segments, steps),
        ``segment_of`` (steps,) and ``degrees`` (1,), and the outputs ``embedding`` (1, 192), not
        of unit length, and ``features`` (frames, 80).

    Raises:
        KeyError: a tensor of the network is missing.
    """
    network = _Network(state)
    features = network.features("power")
    steps = network.tdnn(network.head(features))
    for block, (layers, dilation) in enumerate(_BLOCKS, start=1):
        for layer in range(1, layers + 1):
            steps = network.masked_layer(steps, f"xvector.block{block}.tdnnd{layer}", dilation)
        last = block == len(_BLOCKS)
        steps = network.transit(steps, f"xvector.transit{block}", rectified=last)
    embedding = network.project(network.pool(steps))
    builder = network.builder
    builder.name(features, "features")
    builder.name(embedding, "embedding")
    real, integer = TensorProto.FLOAT, TensorProto.INT64
    return builder.finish(
        "campplus",
        [
            helper.make_tensor_value_info("power", real, ["frames", SPECTRUM_BINS]),
            helper.make_tensor_value_info("segment_means", real, ["segments", "steps"]),
            helper.make_tensor_value_info("segment_of", integer, ["steps"]),
            helper.make_tensor_value_info("degrees", real, [1]),
        ],
        [
            helper.make_tensor_value_info("embedding", real, [1, DIMENSION]),
            helper.make_tensor_value_info("features", real, ["frames", MEL_BINS]),
        ],
    )


class _Network:
    """The layers of CAM++, each as the nodes that compute it."""

    def __init__(self, state: StateDict) -> None:
        self.builder = GraphBuilder()
        self._state = state

    def features(self, power: str) -> str:
        """Log mel energies without their mean over the window: (frames, 80)."""
        add = self.builder
        mel = add.node("MatMul", power, add.constant(mel_filters()))
        log = add.node("Log", add.node("Max", mel, add.constant(np.array([LOG_FLOOR]))))
        mean = add.node("ReduceMean", log, axes=[0], keepdims=1)
        return add.node("Sub", log, mean)

    def head(self, features: str) -> str:
        """The two-dimensional convolutions over frequency and time: (1, 32, 10, frames)."""
        add = self.builder
        image = add.node("Transpose", features, perm=[1, 0])
        image = add.node("Unsqueeze", image, add.integers(0, 1))
        image = self._convolve(image, "head.conv1", "head.bn1", stride=1)
        for layer in ("head.layer1", "head.layer2"):
            image = self._residual(image, f"{layer}.0", stride=2)
            image = self._residual(image, f"{layer}.1", stride=1)
        return self._convolve(image, "head.conv2", "head.bn2", stride=2)

    def tdnn(self, image: str) -> str:
        """The first layer over time, which halves it: (steps, 128).

        It takes the head's image as it is, with a kernel over all ten frequencies. With channels and frequencies
        laid together first, the image would leave the layout in which convolutions are fastest.
        """
        add = self.builder
        norm = batch_norm(self._state, "xvector.tdnn.nonlinear.batchnorm")
        weight = self._state["xvector.tdnn.linear.weight"] * norm.scale[:, None, None]
        linear = add.node(
            "Conv",
            image,
            add.constant(weight.reshape(len(weight), *_HEAD_SHAPE, _TDNN_TAPS)),
            add.constant(norm.shift),
            kernel_shape=[_HEAD_SHAPE[1], _TDNN_TAPS],
            strides=[1, 2],
            pads=[0, _TDNN_TAPS // 2] * 2,
        )
        steps = add.node("Squeeze", add.node("Relu", linear), add.integers(0, 2))
        return add.node("Transpose", steps, perm=[1, 0])

    def masked_layer(self, steps: str, name: str, dilation: int) -> str:
        """One densely connected layer: its 32 channels are appended to what it was given."""
        add = self.builder
        after = batch_norm(self._state, f"{name}.nonlinear2.batchnorm")
        weight = self._matrix(f"{name}.linear1.weight") * after.scale[:, None]
        before = batch_norm(self._state, f"{name}.nonlinear1.batchnorm")
        hidden = add.node("Relu", self._rectify_and_multiply(steps, before, weight, after.shift))
        local = self._convolve_time(hidden, f"{name}.cam_layer.linear_local.weight", dilation)
        mask = self._mask(hidden, f"{name}.cam_layer")
        return add.node("Concat", steps, add.node("Mul", local, mask), axis=1)

    def transit(self, steps: str, name: str, *, rectified: bool) -> str:
        """Halves the channels; the last one is followed by a batch norm and a rectifier."""
        weight = self._matrix(f"{name}.linear.weight")
        shift = np.zeros(len(weight))
        if rectified:
            after = batch_norm(self._state, "xvector.out_nonlinear.batchnorm")
            weight, shift = weight * after.scale[:, None], after.shift
        before = batch_norm(self._state, f"{name}.nonlinear.batchnorm")
        linear = self._rectify_and_multiply(steps, before, weight, shift)
        return self.builder.node("Relu", linear) if rectified else linear

    def pool(self, steps: str) -> str:
        """Mean and unbiased standard deviation over time: (1, 1024)."""
        add = self.builder
        mean = add.node("ReduceMean", steps, axes=[0], keepdims=1)
        squares = add.node("ReduceSumSquare", add.node("Sub", steps, mean), axes=[0], keepdims=1)
        deviation = add.node("Sqrt", add.node("Div", squares, "degrees"))
        return add.node("Concat", mean, deviation, axis=1)

    def project(self, statistics: str) -> str:
        """The final projection and its batch norm, which has no weights of its own: (1, 192)."""
        norm = batch_norm(self._state, "xvector.dense.nonlinear.batchnorm")
        weight = self._matrix("xvector.dense.linear.weight") * norm.scale[:, None]
        return self._multiply(statistics, weight, norm.shift)

    def _convolve(self, image: str, conv: str, norm: str, *, stride: int, **plus: str) -> str:
        weight, shift = self._folded(conv, norm)
        size = weight.shape[-1]
        add = self.builder
        result = add.node(
            "Conv",
            image,
            add.constant(weight),
            add.constant(shift),
            kernel_shape=[size, size],
            strides=[stride, 1],
            pads=[size // 2] * 4,
        )
        if "shortcut" in plus:
            result = add.node("Add", result, plus["shortcut"])
        return result if plus.get("linear") else add.node("Relu", result)

    def _residual(self, image: str, name: str, *, stride: int) -> str:
        shortcut = image
        if stride > 1:
            shortcut = self._convolve(
                image, f"{name}.shortcut.0", f"{name}.shortcut.1", stride=stride, linear="yes"
            )
        inner = self._convolve(image, f"{name}.conv1", f"{name}.bn1", stride=stride)
        return self._convolve(inner, f"{name}.conv2", f"{name}.bn2", stride=1, shortcut=shortcut)

    def _folded(self, conv: str, norm: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        affine = batch_norm(self._state, norm)
        weight = self._state[f"{conv}.weight"] * affine.scale[:, None, None, None]
        return weight, affine.shift

    def _rectify_and_multiply(
        self,
        steps: str,
        before: Affine,
        weight: NDArray[np.float64],
        shift: NDArray[np.float64],
    ) -> str:
        """``relu(before(steps)) @ weight.T + shift``."""
        add = self.builder
        if before.scale.min() > _LEAST_SCALE:
            limited = add.node("Max", steps, add.constant(-before.shift / before.scale))
            return self._multiply(limited, weight * before.scale, shift + weight @ before.shift)
        scaled = add.node("Mul", steps, add.constant(before.scale))
        rectified = add.node("Relu", add.node("Add", scaled, add.constant(before.shift)))
        return self._multiply(rectified, weight, shift)

    def _multiply(self, rows: str, weight: NDArray[np.float64], shift: NDArray[np.float64]) -> str:
        add = self.builder
        return add.node("Gemm", rows, add.constant(weight.T), add.constant(shift))

    def _convolve_time(self, steps: str, name: str, dilation: int) -> str:
        """Three taps as one product with 96 columns, whose thirds are then added with an offset in time.

        A pad that is negative cuts off, so one node takes a third out and moves it.
        """
        add = self.builder
        weight = self._state[name].astype(np.float64)
        taps = add.constant(np.concatenate([weight[:, :, tap].T for tap in range(3)], axis=1))
        product = add.node("MatMul", steps, taps)
        width = _MASKED_CHANNELS
        earlier = add.node("Pad", product, add.integers(dilation, 0, -dilation, -2 * width))
        now = add.node(
            "Slice", product, add.integers(width), add.integers(2 * width), add.integers(1)
        )
        later = add.node("Pad", product, add.integers(-dilation, -2 * width, dilation, 0))
        return add.node("Sum", earlier, now, later)

    def _mask(self, hidden: str, name: str) -> str:
        add = self.builder
        context = add.node("MatMul", "segment_means", hidden)
        for linear, activation in (("linear1", "Relu"), ("linear2", "Sigmoid")):
            weight = self._matrix(f"{name}.{linear}.weight")
            product = self._multiply(context, weight, self._state[f"{name}.{linear}.bias"])
            context = add.node(activation, product)
        return add.node("Gather", context, "segment_of", axis=0)

    def _matrix(self, name: str) -> NDArray[np.float64]:
        return self._state[name].astype(np.float64)[:, :, 0]


@lru_cache(maxsize=64)
def frame_inputs(frames: int) -> Mapping[str, NDArray[Any]]:
    """Gives what the graph must know about a window's number of frames: its inputs but ``power``."""
    steps = (frames - 1) // 2 + 1
    segment_of = np.arange(steps) // _SEGMENT_FRAMES
    member = segment_of == np.arange(segment_of[-1] + 1)[:, None]
    # The context of a mask is the segment's mean plus the window's.
    means = member / member.sum(axis=1, keepdims=True) + 1.0 / steps
    return {
        "segment_means": means.astype(np.float32),
        "segment_of": segment_of.astype(np.int64),
        "degrees": np.array([max(steps - 1, 1)], np.float32),
    }


def bfloat16_network(graph: bytes, *, at_once: int = 1) -> Bfloat16Network:
    """Compiles the graph for full windows.

    Args:
        graph: what ``build_graph`` built.
        at_once: windows that may be computed at the same time.

    Raises:
        PrecisionUnavailable: this machine can't do it.
    """
    shapes = {name: values.shape for name, values in frame_inputs(_WINDOW_FRAMES).items()}
    return Bfloat16Network(
        graph,
        shapes={"power": (_WINDOW_FRAMES, SPECTRUM_BINS), **shapes},
        output="embedding",
        at_once=at_once,
    )


class CamPlusPlus:
    """CAM++ as a voice model.

    Args:
        graph: the file, or the bytes, of what ``build_graph`` built.
        model_id: name and digest of the checkpoint that it was built from.
        threads: threads that one window may use.
    """

    def __init__(self, graph: Path | bytes, *, model_id: str, threads: int = 1) -> None:
        self._session = open_session(graph, threads=threads)
        self._model_id = model_id
        self._full_window: Bfloat16Network | None = None

    def in_bfloat16(self, graph: bytes, *, at_once: int = 1) -> Self:
        """Gives this model with full windows computed in bfloat16.

        Args:
            graph: what this model was opened with.
            at_once: windows that may be computed at the same time.

        Raises:
            PrecisionUnavailable: this machine can't do it.
        """
        faster = copy.copy(self)
        faster._full_window = bfloat16_network(graph, at_once=at_once)  # noqa: SLF001 (of this class)
        return faster

    @property
    def model_id(self) -> str:
        """Name and first 12 hexadecimal digits of the checkpoint's SHA-256."""
        return self._model_id

    @property
    def dimension(self) -> int:
        """192."""
        return DIMENSION

    @property
    def window_s(self) -> Seconds:
        """3 s of net speech."""
        return WINDOW_S

    @property
    def precision(self) -> Precision:
        """What full windows are computed in; all others always are in float32."""
        return "bfloat16" if self._full_window else "float32"

    def embed(self, batch: Sequence[Samples]) -> Voiceprints:
        """Computes one voiceprint for each stretch of net speech, each in a run of its own.

        Args:
            batch: samples at 16 kHz in [-1, 1], each of 0.1 s at least; lengths may differ.

        Returns:
            Rows of unit length in the batch's order, shape ``(len(batch), 192)``.

        Raises:
            ValueError: a stretch is shorter than 0.1 s.
        """
        voiceprints = np.empty((len(batch), DIMENSION), np.float32)
        for row, samples in zip(voiceprints, batch, strict=True):
            embedding = self._embedding(samples)[0]
            row[:] = embedding / np.sqrt(np.square(embedding, dtype=np.float64).sum())
        return voiceprints

    def features(self, samples: Samples) -> NDArray[np.float32]:
        """Computes what the network sees: mean-normalised log mel energies, (frames, 80)."""
        return self._run("features", _inputs(samples))

    def _embedding(self, samples: Samples) -> NDArray[np.float32]:
        inputs = _inputs(samples)
        if self._full_window is not None and len(inputs["power"]) == _WINDOW_FRAMES:
            return self._full_window.run(inputs)
        return self._run("embedding", inputs)

    def _run(self, output: str, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        (result,) = self._session.run([output], inputs)
        return np.asarray(result, np.float32)


def _inputs(samples: Samples) -> Mapping[str, NDArray[Any]]:
    if len(samples) < _SHORTEST_S * MODEL_RATE_HZ:
        raise ValueError(f"A voiceprint needs {_SHORTEST_S} s of net speech.")
    power = power_spectra(samples)
    return {"power": power, **frame_inputs(len(power))}
