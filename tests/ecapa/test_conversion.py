import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fixtures.signals import silence
from fixtures.voice_model_contract import VoiceModelContract
from shengdun.fingerprint.voice.bfloat16 import multiplies_bfloat16
from shengdun.fingerprint.voice.ecapa import Ecapa
from shengdun.fingerprint.voice.ecapa_export import convert
from shengdun.fingerprint.voice.errors import ConversionFailed
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.samples import Samples
from shengdun.fingerprint.voice.wheels import sha256_of

NAME = "ecapa-voxceleb"
LEAST_COSINE = 0.9999


@pytest.fixture(scope="module")
def ecapa(ecapa_store: ModelStore) -> VoiceModel:
    """The converted model."""
    return ecapa_store.voice_model(NAME)


@pytest.fixture(scope="module")
def ecapa_in_bfloat16(ecapa_store: ModelStore) -> VoiceModel:
    """The same with full windows in bfloat16."""
    return ecapa_store.voice_model(NAME, precision="bfloat16")


class TestEcapa(VoiceModelContract):
    """A converted ECAPA-TDNN is a voice model."""

    @pytest.fixture
    def model(self, ecapa: VoiceModel) -> VoiceModel:
        """The converted model."""
        return ecapa


@pytest.mark.skipif(not multiplies_bfloat16(), reason="needs a processor that multiplies bfloat16")
class TestEcapaInBfloat16(VoiceModelContract):
    """So it is with full windows in bfloat16, cut out of the file that the conversion made."""

    @pytest.fixture
    def model(self, ecapa_in_bfloat16: VoiceModel) -> VoiceModel:
        """The converted model in bfloat16."""
        return ecapa_in_bfloat16

    def test_full_windows_are_close_to_float32(
        self, model: VoiceModel, ecapa: VoiceModel, speech: list[Samples]
    ) -> None:
        """Full windows agree at 0.999 at least without being the same; what is shorter has the same bits."""
        windows = [samples[:48_000] for samples in speech if len(samples) >= 48_000]
        found, expected = model.embed(windows), ecapa.embed(windows)
        assert windows
        assert cosines(found, expected).min() >= 0.999
        assert not np.array_equal(found, expected)
        shorter = [samples[:30_000] for samples in windows]
        assert np.array_equal(model.embed(shorter), ecapa.embed(shorter))


def cosines(rows: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(others, axis=1)
    return np.asarray((rows * others).sum(axis=1) / lengths, np.float32)


def test_voiceprints_are_speechbrains(
    ecapa: VoiceModel,
    encoder: Any,  # noqa: ANN401 (no types published)
    speech: list[Samples],
) -> None:
    """20 real recordings, each of another length, give what SpeechBrain's own encode_batch gives."""
    cut = [samples[: 1_600 + 9_973 * number] for number, samples in enumerate(speech)]
    assert len({len(samples) for samples in cut}) == 20
    with torch.no_grad():
        expected = np.stack(
            [encoder.encode_batch(torch.from_numpy(one)[None])[0, 0].numpy() for one in cut]
        )
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found, mean = ecapa.embed(cut), expected.mean(axis=0)
    assert cosines(expected, found).min() >= LEAST_COSINE
    assert cosines(expected - mean, found - mean).min() >= LEAST_COSINE
    # The comparison can fail: beside each other the recordings do not agree.
    assert np.median(cosines(found, np.roll(found, 1, axis=0))) < 0.9


def test_record_says_what_it_was_made_of(ecapa_store: ModelStore, hub_directory: Path) -> None:
    """The record has the digests of the sources and the versions of the packages; the id is the checkpoint's."""
    (status,) = ecapa_store.converted()
    record = status.record
    assert record is not None
    digest = sha256_of(hub_directory / "embedding_model.ckpt")
    assert record.model_id == f"{NAME}@{digest[:12]}"
    assert record.sources == {file.name: sha256_of(file) for file in hub_directory.iterdir()}
    assert set(record.versions) >= {"torch", "torchaudio", "speechbrain"}
    assert record.dimension == 192
    assert record.parity.least_centred_cosine >= LEAST_COSINE


def test_graph_has_no_path_of_the_machine(ecapa_store: ModelStore) -> None:
    """The file that is carried to servers does not tell where it was made."""
    graph = ecapa_store.verify(NAME).read_bytes()
    assert b"site-packages" not in graph
    assert str(Path.home()).encode() + b"/" not in graph


def test_number_of_threads_hardly_matters(ecapa_store: ModelStore, speech: list[Samples]) -> None:
    """One, two or three threads a window differ by rounding alone."""
    windows = [samples[:48_000] for samples in speech[:3]]
    one, *others = (
        ecapa_store.voice_model(NAME, threads=count).embed(windows) for count in (1, 2, 3)
    )
    assert max(np.abs(one - other).max() for other in others) <= 1e-5


def test_silence_has_a_finite_voiceprint(ecapa: VoiceModel) -> None:
    """Nothing but zeros is no speech, and still no division by zero."""
    assert np.isfinite(ecapa.embed([silence(3.0)])).all()


def _run_code(directory: Path) -> None:
    settings = directory / "hyperparams.yaml"
    mark = f"hurt: !apply:pathlib.Path.touch\n    - !new:pathlib.Path [{directory}/hurt]\n"
    settings.write_text(settings.read_text("utf-8") + mark, "utf-8")


def _lose_file(directory: Path) -> None:
    (directory / "classifier.ckpt").unlink()


def _break_yaml(directory: Path) -> None:
    (directory / "hyperparams.yaml").write_text("modules: [", "utf-8")


def _break_checkpoint(directory: Path) -> None:
    (directory / "embedding_model.ckpt").write_bytes(b"PK\x03\x04 no checkpoint")


def _narrow_band(directory: Path) -> None:
    settings = directory / "hyperparams.yaml"
    content = settings.read_text("utf-8").replace("sample_rate: 16000", "sample_rate: 8000")
    settings.write_text(content, "utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_run_code, "more than SpeechBrain's own objects: !apply:"),
        (_lose_file, r"classifier\.ckpt missing"),
        (_break_yaml, "no YAML"),
        (_break_checkpoint, "SpeechBrain can't load"),
        (_narrow_band, "for 8000 Hz"),
    ],
)
def test_directory_that_is_no_model_is_refused(
    tmp_path: Path, hub_directory: Path, spoil: Callable[[Path], None], message: str
) -> None:
    """What is missing, broken, for another rate, or wants code run is named; no code of it is run."""
    directory = tmp_path / "hub"
    shutil.copytree(hub_directory, directory)
    spoil(directory)
    with pytest.raises(ConversionFailed, match=message):
        convert(str(directory), name="ecapa-spoilt", speech=[])
    assert not (directory / "hurt").exists()


def test_speech_that_shows_nothing_is_not_enough(
    hub_directory: Path, speech: list[Samples]
) -> None:
    """Agreement on one and the same stretch proves nothing, so the file is not accepted."""
    with pytest.raises(ConversionFailed, match="other voiceprints than SpeechBrain"):
        convert(str(hub_directory), name="ecapa-same", speech=[speech[0][:16_000]] * 3)


def test_unknown_sources_are_refused(tmp_path: Path) -> None:
    """A directory that isn't there is said to be so."""
    with pytest.raises(ConversionFailed, match="no directory"):
        convert(str(tmp_path / "absent"), name="ecapa-absent", speech=[])


def test_runs_from_bytes_and_from_a_file(ecapa_store: ModelStore, speech: list[Samples]) -> None:
    """The graph is one file, without weights beside it."""
    path = ecapa_store.verify(NAME)
    assert sorted(item.name for item in path.parent.iterdir()) == ["conversion.json", path.name]
    from_file, from_bytes = (
        Ecapa(graph, model_id=NAME, dimension=192).embed([speech[0][:48_000]])
        for graph in (path, path.read_bytes())
    )
    assert np.array_equal(from_file, from_bytes)
