"""What peers are given is what was sent, and their server speaks the contract."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import grpc
import numpy as np
import onnx
import pytest
from benchmarks.serving.energy_gate import RATE_HZ, EnergyGate, Samples, a_law, mu_law
from benchmarks.serving.peer_server import PeerScreening
from benchmarks.serving.peer_voices import Vector
from benchmarks.serving.sherpa_model import METADATA, describe
from onnx import TensorProto, helper

from shengdun.fingerprint.voice import g711
from shengdun.service.client import AudioFormat, CallConfig, DecisionState, ShengdunClient
from shengdun.v1 import screening_pb2_grpc


class MeanVoice:
    """A voice model for tests of the server around it: the mean and deviation of the samples."""

    @property
    def name(self) -> str:
        return "mean"

    def embed(self, samples: Samples) -> Vector:
        vector = np.array([samples.mean(), samples.std(), 1.0], np.float32)
        unit: Vector = vector / np.linalg.norm(vector)
        return unit


@pytest.fixture
def peer() -> Iterator[str]:
    """The address of a peer's server."""
    server = grpc.server(ThreadPoolExecutor(4))
    servicer = PeerScreening(MeanVoice(), listed=20, at_once=1)
    screening_pb2_grpc.add_ScreeningServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_codes_are_those_of_the_standard() -> None:
    """Every byte of both laws stands for what the product takes it for."""
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_allclose(mu_law(), g711.expand_mu_law(every) / 32_768.0, atol=2e-4)
    np.testing.assert_allclose(a_law(), g711.expand_a_law(every) / 32_768.0, atol=2e-4)


def test_windows_are_loud_and_of_one_length() -> None:
    """Half of the audio is silence: 8 s give one window of 3 s, however they are cut."""
    rng = np.random.default_rng(1)
    second = 0.1 * rng.standard_normal(RATE_HZ, np.float32)
    audio = np.concatenate([second, np.zeros_like(second)] * 4)
    for size in (80, 800, len(audio)):
        gate = EnergyGate()
        pieces = [audio[at : at + size] for at in range(0, len(audio), size)]
        windows = [window for piece in pieces for window in gate.push(piece)]
        assert [len(window) for window in windows] == [3 * RATE_HZ]
        np.testing.assert_array_equal(windows[0], np.concatenate([second] * 3))


async def test_a_peer_answers_the_products_client(peer: str) -> None:
    """A decision at once, one for each 3 s, and a last one that answers all of the call."""
    audio = np.random.default_rng(2).integers(0, 256, 7 * RATE_HZ, np.uint8).tobytes()
    async with ShengdunClient.connect(peer) as client:
        info = await client.server_info()
        assert info.model_id == "mean"
        assert info.lines[0].budget == timedelta(milliseconds=300)
        config = CallConfig(call_id="one", audio_format=AudioFormat())
        async with client.screen_call(config) as call:
            for at in range(0, len(audio), 800):
                await call.send(audio[at : at + 800])
            await call.finish()
            decisions = [decision async for decision in call]
    assert [one.sequence for one in decisions] == [1, 2, 3, 4]
    windows = [one for one in decisions if one.state is DecisionState.PROVISIONAL]
    assert [one.net_speech for one in windows] == [timedelta(seconds=3), timedelta(seconds=6)]
    assert decisions[-1].answered_position == timedelta(seconds=7)


def test_sherpa_metadata_is_added(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The graph stays what it is, and says what sherpa-onnx asks."""
    directory = tmp_path_factory.mktemp("sherpa")
    value = helper.make_tensor_value_info("features", TensorProto.FLOAT, [1])
    answer = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1])
    node = helper.make_node("Relu", ["features"], ["embedding"])
    graph = helper.make_model(helper.make_graph([node], "stock", [value], [answer]))
    onnx.save(graph, directory / "stock.onnx")
    describe(directory / "stock.onnx", directory / "model.onnx")
    described = onnx.load(directory / "model.onnx")
    assert {entry.key: entry.value for entry in described.metadata_props} == METADATA
    assert described.graph == graph.graph
