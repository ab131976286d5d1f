"""Who speaks when, for a few seconds: the segmentation network, from state dict to ONNX graph.

Plaquet and Bredin, "Powerset multi-class cross entropy loss for neural speaker diarization",
Interspeech 2023. The network (PyanNet) is a SincNet front end (Ravanelli and Bengio, SLT 2018),
four bidirectional LSTM layers and three linear ones. It hears up to three voices in ten seconds,
at most two at once, and gives each frame one of seven classes: nobody, one of three, two of three.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from shengdun.fingerprint.voice.checkpoint import StateDict
from shengdun.fingerprint.voice.graph import GraphBuilder
from shengdun.fingerprint.voice.runtime import open_session
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds

BUILDER_VERSION = 1
"""Raised when the graph changes: cached graphs of other versions are built anew."""

CHUNK_S: Seconds = 10.0
"""What the network hears at a time."""

SHORTEST_S: Seconds = 0.1
"""The least that gives a frame: the first one is about 62 ms."""

STEP_SAMPLES = 270
"""Samples from one frame to the next."""

FIRST_CENTRE_SAMPLES = 495
"""Sample at the middle of what the first frame is about."""

CLASSES = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
"""The voices that each class stands for."""

_FILTERS = 40
_SINC_STRIDE = 10
_LOWEST_HZ = 50.0
_NARROWEST_HZ = 50.0
_HIDDEN = 128
_LSTM_LAYERS = 4
_SLOPE = 0.01


def build_graph(state: StateDict) -> ModelProto:
    """Builds the graph of one chunk.

    Args:
        state: the tensors of pyannote's ``segmentation-3.0``.

    Returns:
        A model with the input ``samples`` (n,) and the output ``classes`` (frames, 7), each row
        probabilities.

    Raises:
        KeyError: a tensor of the network is missing.
    """
    network = _Network(state)
    rows = network.recurrent(network.front_end("samples"))
    for name in ("linear.0", "linear.1"):
        rows = network.builder.node("LeakyRelu", network.linear(rows, name), alpha=_SLOPE)
    classes = network.builder.node("Softmax", network.linear(rows, "classifier"), axis=1)
    network.builder.name(classes, "classes")
    real = TensorProto.FLOAT
    return network.builder.finish(
        "segmentation",
        [helper.make_tensor_value_info("samples", real, ["samples"])],
        [helper.make_tensor_value_info("classes", real, ["frames", len(CLASSES)])],
    )


class _Network:
    """The layers of PyanNet, each as the nodes that compute it."""

    def __init__(self, state: StateDict) -> None:
        self.builder = GraphBuilder()
        self._state = state

    def front_end(self, samples: str) -> str:
        """Band-pass filters and two convolutions, each pooled and normalised: (1, 60, frames)."""
        add = self.builder
        wave = add.node("Unsqueeze", samples, add.integers(0, 1))
        wave = self._normalise(wave, "sincnet.wav_norm1d")
        filters = add.constant(_sinc_filters(self._state))
        bands = add.node("Conv", wave, filters, strides=[_SINC_STRIDE])
        features = self._pool(add.node("Abs", bands), 0)
        for layer in (1, 2):
            weight, bias = (self._state[f"sincnet.conv1d.{layer}.{x}"] for x in ("weight", "bias"))
            convolved = add.node("Conv", features, add.constant(weight), add.constant(bias))
            features = self._pool(convolved, layer)
        return features

    def recurrent(self, features: str) -> str:
        """The four LSTM layers, both ways: (frames, 256)."""
        add = self.builder
        steps = add.node("Transpose", features, perm=[2, 0, 1])
        for layer in range(_LSTM_LAYERS):
            parts = [self._lstm_weights(layer, kind) for kind in ("weight_ih", "weight_hh")]
            biases = [self._lstm_weights(layer, kind) for kind in ("bias_ih", "bias_hh")]
            inputs = [*parts, np.concatenate(biases, axis=1)]
            both = add.node(
                "LSTM",
                steps,
                *[add.constant(values) for values in inputs],
                hidden_size=_HIDDEN,
                direction="bidirectional",
            )
            # (frames, directions, 1, 128) with the directions side by side.
            steps = add.node(
                "Reshape",
                add.node("Transpose", both, perm=[0, 2, 1, 3]),
                add.integers(-1, 1, 2 * _HIDDEN),
            )
        return add.node("Squeeze", steps, add.integers(1))

    def linear(self, rows: str, name: str) -> str:
        """A linear layer over rows."""
        add = self.builder
        weight, bias = self._state[f"{name}.weight"], self._state[f"{name}.bias"]
        return add.node("Gemm", rows, add.constant(weight.T), add.constant(bias))

    def _normalise(self, features: str, name: str) -> str:
        add = self.builder
        scale, shift = self._state[f"{name}.weight"], self._state[f"{name}.bias"]
        return add.node("InstanceNormalization", features, add.constant(scale), add.constant(shift))

    def _pool(self, features: str, layer: int) -> str:
        add = self.builder
        pooled = add.node("MaxPool", features, kernel_shape=[3], strides=[3])
        normal = self._normalise(pooled, f"sincnet.norm1d.{layer}")
        return add.node("LeakyRelu", normal, alpha=_SLOPE)

    def _lstm_weights(self, layer: int, kind: str) -> NDArray[np.float32]:
        """Weights of both directions, with PyTorch's gates i, f, g, o in ONNX's order i, o, f, g."""
        directions = []
        for suffix in ("", "_reverse"):
            gates = np.split(self._state[f"lstm.{kind}_l{layer}{suffix}"], 4)
            directions.append(np.concatenate([gates[gate] for gate in (0, 3, 1, 2)]))
        return np.stack(directions)


def _sinc_filters(state: StateDict) -> NDArray[np.float64]:
    """The learnt band-pass filters and their quadrature, windowed: (80, 1, 251)."""
    learnt = {
        name: state[f"sincnet.conv1d.0.filterbank.{name}"].astype(np.float64)
        for name in ("low_hz_", "band_hz_", "window_", "n_")
    }
    low = _LOWEST_HZ + np.abs(learnt["low_hz_"])
    high = np.clip(low + _NARROWEST_HZ + np.abs(learnt["band_hz_"]), _LOWEST_HZ, MODEL_RATE_HZ / 2)
    band, phase = high - low, learnt["n_"]
    envelope = learnt["window_"] / (phase / 2)
    even = (np.sin(high @ phase) - np.sin(low @ phase)) * envelope
    odd = (np.cos(low @ phase) - np.cos(high @ phase)) * envelope
    cosine = np.concatenate([even, 2 * band, even[:, ::-1]], axis=1)
    sine = np.concatenate([odd, np.zeros((_FILTERS, 1)), -odd[:, ::-1]], axis=1)
    filters: NDArray[np.float64] = np.concatenate([cosine, sine]) / np.tile(2 * band, (2, 1))
    return filters[:, None, :]


class Segmentation:
    """The network, ready to run; safe to share between threads.

    Args:
        graph: the file, or the bytes, of what ``build_graph`` built.
        threads: threads that one run may use.
    """

    def __init__(self, graph: Path | bytes, *, threads: int = 1) -> None:
        self._session = open_session(graph, threads=threads)

    def classes(self, chunk: Samples) -> NDArray[np.float32]:
        """Gives each frame's probability of each class.

        Args:
            chunk: up to 10 s of samples at 16 kHz in [-1, 1]; silence is put after fewer.

        Returns:
            Probabilities, shape ``(589, 7)``, with the classes in the order of ``CLASSES``.

        Raises:
            ValueError: the chunk is longer than 10 s.
        """
        length = round(CHUNK_S * MODEL_RATE_HZ)
        if len(chunk) > length:
            raise ValueError(f"A chunk is {CHUNK_S} s at most.")
        whole = np.zeros(length, np.float32)
        whole[: len(chunk)] = chunk
        return self._run(whole)

    def classes_alone(self, speech: Samples) -> NDArray[np.float32]:
        """As ``classes``, of a few seconds of speech without any silence put after it.

        It costs as much less as there is less of it, and the network's normalisation over time isn't led astray by
        the silence: of windows of 3 s with one voice it then finds overlap in far fewer (decision note 0026).

        Args:
            speech: 0.1 to 10 s of samples at 16 kHz in [-1, 1].

        Returns:
            Probabilities, shape ``(frames, 7)``, with the classes in the order of ``CLASSES``.

        Raises:
            ValueError: it is shorter or longer.
        """
        if not SHORTEST_S <= len(speech) / MODEL_RATE_HZ <= CHUNK_S:
            raise ValueError(f"Needs {SHORTEST_S} to {CHUNK_S} s.")
        return self._run(speech)

    def _run(self, samples: Samples) -> NDArray[np.float32]:
        (probabilities,) = self._session.run(["classes"], {"samples": samples})
        return np.asarray(probabilities, np.float32)
