"""Building ONNX graphs node by node, and folding batch norms into what is around them."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, checker, helper, numpy_helper

from shengdun.fingerprint.voice.checkpoint import StateDict

OPSET = 17
_IR_VERSION = 8
_BATCH_NORM_EPSILON = 1e-5

Tensor: TypeAlias = str
"""A tensor of the graph, by name."""


@dataclass(frozen=True, slots=True)
class Affine:
    """An operation ``scale * x + shift`` per channel; both of shape ``(channels,)``, float64."""

    scale: NDArray[np.float64]
    shift: NDArray[np.float64]


def batch_norm(state: StateDict, name: str) -> Affine:
    """Gives a batch norm in inference as the affine operation that it is.

    Args:
        state: tensors of the network.
        name: the batch norm's name; without weight and bias in ``state`` it has none.
    """
    variance = state[f"{name}.running_var"].astype(np.float64)
    weight = state.get(f"{name}.weight", np.ones_like(variance)).astype(np.float64)
    bias = state.get(f"{name}.bias", np.zeros_like(variance)).astype(np.float64)
    scale = weight / np.sqrt(variance + _BATCH_NORM_EPSILON)
    return Affine(scale, bias - scale * state[f"{name}.running_mean"].astype(np.float64))


class GraphBuilder:
    """Collects nodes and constants, and gives each result a name."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: NDArray[Any]) -> Tensor:
        """Adds a constant; floats are stored as float32."""
        kept = values.astype(np.float32) if values.dtype.kind == "f" else values
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(kept), name))
        return name

    def integers(self, *values: int) -> Tensor:
        """Adds a constant vector of integers: axes, shapes, positions."""
        return self.constant(np.array(values, np.int64))

    def node(self, operator: str, *inputs: Tensor, **attributes: object) -> Tensor:
        """Adds a node with one output and gives the output's name."""
        return self.nodes(operator, *inputs, outputs=1, **attributes)[0]

    def nodes(
        self, operator: str, *inputs: Tensor, outputs: int, **attributes: object
    ) -> list[Tensor]:
        """Adds a node with several outputs and gives their names."""
        names = [f"n{len(self._nodes)}_{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def name(self, tensor: Tensor, name: str) -> Tensor:
        """Gives a tensor the name that callers know it by."""
        self._nodes.append(helper.make_node("Identity", [tensor], [name]))
        return name

    def finish(self, name: str, inputs: list[Any], outputs: list[Any]) -> ModelProto:
        """Gives the model, checked against the ONNX specification.

        Args:
            name: the graph's name.
            inputs: ``onnx.ValueInfoProto`` of each input.
            outputs: ``onnx.ValueInfoProto`` of each output.
        """
        graph = helper.make_graph(self._nodes, name, inputs, outputs, self._constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="shengdun",
        )
        checker.check_model(model, full_check=True)
        return model
