"""Voiceprints in bfloat16: what they keep of float32, and what is said where they can't be had."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fixtures.converted_models import DIMENSION, network
from fixtures.voice_model_contract import VoiceModelContract
from shengdun.fingerprint.voice import bfloat16
from shengdun.fingerprint.voice.bfloat16 import Bfloat16Network, multiplies_bfloat16
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.ecapa import Ecapa
from shengdun.fingerprint.voice.errors import PrecisionUnavailable
from shengdun.fingerprint.voice.golden import LEAST_BFLOAT16_COSINE, check_bfloat16
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import Samples

pytest.importorskip("openvino")
where_it_is_multiplied = pytest.mark.skipif(
    not multiplies_bfloat16(), reason="needs a processor that multiplies bfloat16"
)


@pytest.fixture(scope="session")
def bfloat16_model(model_store: ModelStore) -> VoiceModel:
    """The default voice model with full windows in bfloat16, two at once."""
    return model_store.voice_model(precision="bfloat16", at_once=2)


@pytest.fixture(scope="session")
def full_windows(recordings: list[DemoRecording]) -> list[Samples]:
    """Twelve windows of 3 s of real speech."""
    chosen = [item for item in recordings if item.duration_s > 3.0][:12]
    return [decode_recording(item.read()).samples[:48_000] for item in chosen]


@where_it_is_multiplied
class TestCamPlusPlusInBfloat16(VoiceModelContract):
    """CAM++ in bfloat16 is a voice model."""

    @pytest.fixture
    def model(self, bfloat16_model: VoiceModel) -> VoiceModel:
        """The default voice model in bfloat16."""
        return bfloat16_model

    @pytest.fixture
    def stretches(self, full_windows: list[Samples]) -> list[Samples]:
        """Seven full windows, which are in bfloat16, and a shorter one, which isn't."""
        return [*full_windows[:7], full_windows[7][:31_000]]

    def test_threads_do_not_matter(
        self, model: VoiceModel, model_store: ModelStore, full_windows: list[Samples]
    ) -> None:
        """One window at a time, three, or two threads for each give the bits that two at a time give."""
        expected = model.embed(full_windows)
        for threads, at_once in ((1, 1), (1, 3), (2, 2)):
            other = model_store.voice_model(precision="bfloat16", threads=threads, at_once=at_once)
            assert np.array_equal(other.embed(full_windows), expected)


@where_it_is_multiplied
def test_full_windows_are_close_to_float32(
    bfloat16_model: VoiceModel, voice_model: VoiceModel, full_windows: list[Samples]
) -> None:
    """Voiceprints of full windows agree at 0.998 at least, and are not the same bits: they are computed otherwise."""
    found, expected = bfloat16_model.embed(full_windows), voice_model.embed(full_windows)
    assert np.sum(found * expected, axis=1).min() >= 0.998
    assert not np.array_equal(found, expected)
    assert (bfloat16_model.precision, voice_model.precision) == ("bfloat16", "float32")


@where_it_is_multiplied
def test_other_lengths_are_in_float32(
    bfloat16_model: VoiceModel, voice_model: VoiceModel, full_windows: list[Samples]
) -> None:
    """What is no full window gives the bits of float32."""
    others = [full_windows[0][:30_000], np.concatenate(full_windows[:2])]
    assert np.array_equal(bfloat16_model.embed(others), voice_model.embed(others))


@where_it_is_multiplied
def test_auto_takes_what_the_processor_multiplies(model_store: ModelStore) -> None:
    """Where bfloat16 is multiplied in hardware it is used unless float32 is asked for."""
    assert model_store.voice_model(precision="auto").precision == "bfloat16"
    assert model_store.voice_model().precision == "float32"


@pytest.fixture
def without_openvino(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which it can't be imported."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    bfloat16._core.cache_clear()
    yield
    bfloat16._core.cache_clear()


@where_it_is_multiplied
@pytest.mark.usefixtures("without_openvino")
def test_without_openvino_auto_goes_on_in_float32_and_says_why(model_store: ModelStore) -> None:
    """Nothing stops for it; who asks for bfloat16 is told what to do."""
    told: list[str] = []
    assert model_store.voice_model(precision="auto", tell=told.append).precision == "float32"
    assert "OpenVINO" in told[0]
    with pytest.raises(PrecisionUnavailable, match="Install Shengdun again"):
        model_store.voice_model(precision="bfloat16")


@where_it_is_multiplied
def test_self_test_passes(bfloat16_model: VoiceModel, voice_model: VoiceModel) -> None:
    """What is served on this machine agrees with float32 on the golden signal."""
    assert 1.0 > check_bfloat16(bfloat16_model, voice_model) >= LEAST_BFLOAT16_COSINE


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu amx_bf16 amx_tile\n" * 2, True),
        ("flags\t\t: fpu amx_bf16\n\nflags\t\t: fpu avx2\n", False),
        ("flags\t\t: fpu avx512_bf16 avx512_vnni\n" * 2, True),
        ("flags\t\t: fpu avx512_bf16\n\nflags\t\t: fpu avx512_vnni\n", False),
        ("flags\t\t: fpu avx512f avx512_vnni avx_vnni\n", False),
        ("Features\t: fp asimd bf16\n", False),
        ("", False),
    ],
)
def test_what_the_processor_multiplies_is_read_from_the_kernel(
    tmp_path: Path, told: str, *, expected: bool
) -> None:
    """Only if every processor does; what the kernel doesn't say isn't there."""
    info = tmp_path / "cpuinfo"
    info.write_text(told, "utf-8")
    assert multiplies_bfloat16(info) is expected
    assert not multiplies_bfloat16(tmp_path / "missing")


def test_older_conversions_say_what_to_do() -> None:
    """A file without the features as an output is used in float32, and says how to change that."""
    graph = network(1)
    model = Ecapa(graph, model_id="old@000000000001", dimension=DIMENSION)
    with pytest.raises(PrecisionUnavailable, match="Convert it again"):
        model.in_bfloat16(graph)
    assert model.precision == "float32"


def test_what_openvino_cannot_read_is_said_in_a_line() -> None:
    """Bytes that are no network give one line that says what to do, not OpenVINO's stack."""
    with pytest.raises(PrecisionUnavailable, match=r"voice\.precision to float32") as caught:
        Bfloat16Network(b"no network", shapes={}, output="embedding")
    assert "\n" not in caught.value.message


def test_openvino_reports_to_nobody() -> None:
    """Its package that reports to its publisher isn't loaded, though it may be installed."""
    program = """if True:
        import sys
        from shengdun.fingerprint.voice import bfloat16
        bfloat16._core()
        loaded = [name for name, module in sys.modules.items() if "openvino_telemetry" in name and module]
        sys.exit(bool(loaded) or "openvino" not in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
