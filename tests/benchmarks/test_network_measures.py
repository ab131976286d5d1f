"""What the network's benchmark counts and compares with is right."""

import numpy as np
import onnx
import pytest
from benchmarks.network.arithmetic import multiply_adds
from benchmarks.network.interleaved import ratio, take_turns
from benchmarks.network.nodes import microseconds_by_operator
from onnx import TensorProto, helper, numpy_helper


def graph(rows: int | str) -> onnx.ModelProto:
    """A convolution of 2 to 4 channels with three taps over ``rows`` rows of 5, then a product of 5 with 7."""
    weights = {"taps": np.ones((4, 2, 3, 1), np.float32), "right": np.ones((5, 7), np.float32)}
    nodes = [
        helper.make_node("Conv", ["image", "taps"], ["inner"], pads=[1, 0, 1, 0]),
        helper.make_node("MatMul", ["inner", "right"], ["answer"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 2, rows, 5])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, [1, 4, rows, 7])
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    opset = [helper.make_opsetid("", 17)]
    whole = helper.make_graph(nodes, "graph", [image], [answer], constants)
    return helper.make_model(whole, opset_imports=opset, ir_version=8)


def test_multiplications_are_counted() -> None:
    """A result of a convolution takes taps times channels, one of a product the length of a row."""
    assert multiply_adds(graph(10)) == 4 * 10 * 5 * (2 * 3) + 4 * 10 * 7 * 5


def test_open_shapes_are_refused() -> None:
    """What has no fixed shape can't be counted."""
    with pytest.raises(ValueError, match="not fixed"):
        multiply_adds(graph("rows"))


def test_operators_are_profiled() -> None:
    """Each operator is there with its nodes, beside what ONNX Runtime adds."""
    image = np.ones((1, 2, 10, 5), np.float32)
    found = microseconds_by_operator(graph(10).SerializeToString(), {"image": image}, ["answer"])
    assert found["Conv"]["nodes"] == found["MatMul"]["nodes"] == 1
    assert all(item["us"] >= 0 for item in found.values())


def test_ways_take_turns() -> None:
    """Each way is called the same number of times, first in one round and last in the next."""
    called: list[str] = []
    ways = {name: lambda name=name: called.append(name) for name in ("one", "two")}
    seconds = take_turns(ways, rounds=4, calls=1)
    assert called[-8:] == ["one", "two", "two", "one"] * 2
    assert {name: len(taken) for name, taken in seconds.items()} == {"one": 4, "two": 4}


def test_ratio_is_of_rounds() -> None:
    """What slows a round down for both doesn't change the ratio."""
    base = np.array([1.0, 2.0, 4.0, 8.0])
    found = ratio(0.5 * base, base)
    assert found.median == 0.5
    assert found.interval == (0.5, 0.5)
