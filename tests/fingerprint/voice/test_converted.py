import dataclasses
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fixtures.converted_models import DIMENSION, NAME, network, record_of
from shengdun.fingerprint.voice import ecapa_export
from shengdun.fingerprint.voice.catalogue import CAMPPLUS, ModelState
from shengdun.fingerprint.voice.errors import (
    ConversionFailed,
    GoldenMismatch,
    ModelAltered,
    ModelInstallFailed,
    ModelMissing,
)
from shengdun.fingerprint.voice.golden import golden_signal
from shengdun.fingerprint.voice.model_store import ModelStore


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store with one converted model and nothing else."""
    store, graph = ModelStore(tmp_path / "models"), network(1)
    store.keep_converted(record_of(tmp_path, graph), graph)
    return store


def home(store: ModelStore) -> Path:
    return store.directory / NAME


def graph_file(store: ModelStore) -> Path:
    (path,) = home(store).glob("*.onnx")
    return path


def test_kept_model_is_found_by_name(store: ModelStore) -> None:
    """What was kept is listed, verified, loaded and passes its self-test; its id names the checkpoint."""
    (status,) = store.converted()
    assert (status.name, status.state, status.path) == (
        NAME,
        ModelState.INSTALLED,
        graph_file(store),
    )
    assert status.record is not None
    assert store.verify(NAME) == graph_file(store)
    model = store.voice_model(NAME)
    assert model.model_id == f"{NAME}@{status.record.checkpoint_sha256[:12]}"
    assert store.self_test(model) == pytest.approx(1.0, abs=1e-6)
    assert model.embed([golden_signal()]).shape == (1, DIMENSION)


def test_folder_may_be_copied_to_a_server(store: ModelStore, tmp_path: Path) -> None:
    """A converted model moves as its folder, without loss of a bit."""
    shutil.copytree(home(store), tmp_path / "server" / NAME)
    here, there = store.voice_model(NAME), ModelStore(tmp_path / "server").voice_model(NAME)
    assert np.array_equal(here.embed([golden_signal()]), there.embed([golden_signal()]))


@pytest.mark.parametrize("change", ["flip", "truncate"])
def test_altered_graph_is_refused(store: ModelStore, change: str) -> None:
    """A changed ONNX file is named and never opened."""
    content = bytearray(graph_file(store).read_bytes())
    content[500] ^= 1
    graph_file(store).write_bytes(content if change == "flip" else content[:-1])
    with pytest.raises(ModelAltered, match="SHA-256"):
        store.voice_model(NAME)
    with pytest.raises(ModelAltered, match=graph_file(store).name):
        store.verify(NAME)
    assert [status.state for status in store.converted()] == [ModelState.ALTERED]


def _other_digest(record: dict[str, object]) -> None:
    record["graph_sha256"] = "0" * 64


def _newer(record: dict[str, object]) -> None:
    record["format"] = "shengdun-converted-model/2"


def _no_golden(record: dict[str, object]) -> None:
    del record["golden"]


@pytest.mark.parametrize("change", [_other_digest, _newer, _no_golden, dict.clear])
def test_altered_record_is_refused(
    store: ModelStore, change: Callable[[dict[str, object]], None]
) -> None:
    """A record that isn't what the conversion wrote is refused by name, whatever is changed in it."""
    path = home(store) / "conversion.json"
    record = json.loads(path.read_bytes())
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(ModelAltered, match=r"conversion\.json is not what the conversion wrote"):
        store.voice_model(NAME)
    assert [status.state for status in store.converted()] == [ModelState.ALTERED]


def test_record_that_is_no_json_is_refused(store: ModelStore) -> None:
    """So is one that can't be read at all, or that was renamed."""
    shutil.copytree(home(store), store.directory / "another")
    with pytest.raises(ModelAltered, match=f"it is the record of {NAME}"):
        store.voice_model("another")
    (home(store) / "conversion.json").write_bytes(b"\xff{")
    with pytest.raises(ModelAltered):
        store.voice_model(NAME)


def test_other_voiceprints_are_refused(tmp_path: Path) -> None:
    """A network that doesn't give the voiceprint that its library gave does not serve."""
    store, graph = ModelStore(tmp_path / "models"), network(1)
    record = record_of(tmp_path, graph)
    wrong = dataclasses.replace(record, golden=-record.golden)
    store.keep_converted(wrong, graph)
    with pytest.raises(GoldenMismatch, match="cosine"):
        store.voice_model(NAME)


def test_missing_model_says_how_to_get_it(store: ModelStore) -> None:
    """A name that nothing has, or that leads elsewhere, and a graph that is gone, are answered with what to do."""
    with pytest.raises(ModelMissing, match="shengdun models convert SOURCE --name ecapa-voxceleb"):
        store.voice_model("ecapa-voxceleb")
    with pytest.raises(ModelMissing):
        store.voice_model(f"../models/{NAME}")
    graph_file(store).unlink()
    with pytest.raises(ModelMissing, match="graph-"):
        store.voice_model(NAME)
    assert [status.state for status in store.converted()] == [ModelState.MISSING]


def test_same_checkpoint_is_replaced_and_another_is_not(store: ModelStore, tmp_path: Path) -> None:
    """A new conversion of the same checkpoint takes the old one's place; another checkpoint needs another name."""
    old, graph = record_of(tmp_path, network(1)), network(2)
    other = record_of(tmp_path, graph)
    again = dataclasses.replace(other, checkpoint_sha256=old.checkpoint_sha256)
    with pytest.raises(ConversionFailed, match="already another model"):
        store.keep_converted(other, graph)
    assert store.keep_converted(again, graph) == graph_file(store)
    assert store.voice_model(NAME).model_id == again.model_id


def test_names_of_the_catalogue_are_taken(store: ModelStore, tmp_path: Path) -> None:
    """A conversion can't take the place of something that is installed."""
    record = record_of(tmp_path, network(1), name=CAMPPLUS.name)
    with pytest.raises(ConversionFailed, match="--name"):
        store.keep_converted(record, network(1))


def test_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A store where nothing can be written is an error about that place."""
    blocked = tmp_path / "models"
    blocked.write_text("a file in the way")
    with pytest.raises(ModelInstallFailed, match="could not be written"):
        ModelStore(blocked).keep_converted(record_of(tmp_path, network(1)), network(1))


def test_values_that_make_no_model_are_refused(tmp_path: Path) -> None:
    """A record can't exist with a bad name, digest, kind or golden voiceprint."""
    good = record_of(tmp_path, network(1))
    bad_golden = np.full(DIMENSION, np.nan, np.float32)
    for change in (
        {"name": "Über/mich"},
        {"kind": "x-vector"},
        {"graph_sha256": "abc"},
        {"golden": bad_golden},
        {"dimension": DIMENSION + 1},
    ):
        with pytest.raises(ValueError, match=r"name|runs no|SHA-256|golden"):
            dataclasses.replace(good, **change)


def test_conversion_without_the_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where PyTorch is missing, the answer is the extra's name."""
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConversionFailed, match=r"pip install 'shengdun\[ecapa\]'"):
        ecapa_export.convert(str(tmp_path), name=NAME, speech=[])
    with pytest.raises(ConversionFailed, match="small letters"):
        ecapa_export.convert(str(tmp_path), name="No Name", speech=[])
