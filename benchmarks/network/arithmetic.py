"""How much a graph multiplies, and how fast a core multiplies at best."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

from shengdun.fingerprint.voice.runtime import open_session

# A large square one, and that of the network's widest layer at 3 s.
PEAK_SHAPES: Final = ((1024, 1024, 1024), (149, 1024, 512))
_OPSET: Final = 17
_IR_VERSION: Final = 8


def multiply_adds(model: ModelProto) -> int:
    """Counts the multiplications of the convolutions and products of a graph whose shapes are all fixed.

    Raises:
        ValueError: a shape is not fixed.
    """
    graph = shape_inference.infer_shapes(model, strict_mode=True).graph
    shapes = {constant.name: tuple(constant.dims) for constant in graph.initializer}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    return sum(_of_node(node, shapes) for node in graph.node)


def _of_node(node: NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    if node.op_type not in {"Conv", "Gemm", "MatMul"}:
        return 0
    results, weight = math.prod(shapes[node.output[0]]), shapes[node.input[1]]
    if not results:
        raise ValueError(f"The shape of {node.output[0]} is not fixed.")
    if node.op_type == "Conv":
        return results * math.prod(weight[1:])
    inner = shapes[node.input[0]][-1]
    return results * inner


def product(rows: int, inner: int, columns: int) -> Callable[[], object]:
    """Gives a matrix product in ONNX Runtime, on one thread, with a constant right side as the network's are."""
    right = np.random.default_rng(1).random((inner, columns), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["left", "right"], ["product"])],
        "product",
        [helper.make_tensor_value_info("left", TensorProto.FLOAT, [rows, inner])],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, [rows, columns])],
        [numpy_helper.from_array(right, "right")],
    )
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)
    session = open_session(model.SerializeToString(), threads=1)
    left = np.random.default_rng(2).random((rows, inner), np.float32)
    return lambda: session.run(None, {"left": left})
