"""A model in the hub's layout, made by SpeechBrain itself, and what ``shengdun models convert`` makes of it.

Run by ``make test-ecapa``; without the extra ``shengdun[ecapa]`` nothing is collected here. The weights are random,
from a fixed seed: they say nothing about accuracy. The batch norms' statistics are measured on real speech, as training
would leave them, because without that a random network answers every voice alike and any comparison would pass.
"""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fixtures.command_line import shengdun
from shengdun.fingerprint.voice.catalogue import CATALOGUE
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples

collect_ignore_glob = [] if find_spec("speechbrain") and find_spec("torch") else ["test_*.py"]

HYPERPARAMS = Path(__file__).with_name("hyperparams.yaml")
SEED = 20_261_122
NAME = "ecapa-voxceleb"
TOO_LONG_S = 400.0
"""A conversion takes a minute of two processors that nobody else wants."""


def long_recordings(recordings: Sequence[DemoRecording], count: int) -> list[Samples]:
    """The longest recordings, decoded."""
    longest = sorted(recordings, key=lambda item: (-item.duration_s, item.key))[:count]
    return [decode_recording(item.read()).samples for item in longest]


@pytest.fixture(scope="session")
def speech(recordings: list[DemoRecording]) -> list[Samples]:
    """20 real recordings of more than 12 s."""
    return long_recordings(recordings, 20)


@pytest.fixture(scope="session")
def hub_directory(tmp_path_factory: pytest.TempPathFactory, speech: list[Samples]) -> Path:
    """A directory as the hub would give it."""
    import torch  # noqa: PLC0415 (only there with the extra)
    from hyperpyyaml import load_hyperpyyaml  # noqa: PLC0415

    directory = tmp_path_factory.mktemp("hub")
    content = HYPERPARAMS.read_text("utf-8")
    (directory / "hyperparams.yaml").write_text(content, "utf-8")
    torch.manual_seed(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = load_hyperpyyaml(content)
        _measure_batch_norms(parts, [samples[: 5 * MODEL_RATE_HZ] for samples in speech[:12]])
    torch.save(parts["embedding_model"].state_dict(), directory / "embedding_model.ckpt")
    torch.save(parts["classifier"].state_dict(), directory / "classifier.ckpt")
    norm = parts["mean_var_norm_emb"].train()
    norm(torch.randn(4, 192), torch.ones(4))
    norm._save(directory / "mean_var_norm_emb.ckpt")
    parts["label_encoder"].update_from_iterable([f"speaker {number}" for number in range(12)])
    parts["label_encoder"].save(directory / "label_encoder.txt")
    return directory


def _measure_batch_norms(parts: dict[str, Any], speech: Sequence[Samples]) -> None:
    import torch  # noqa: PLC0415

    network, whole = parts["embedding_model"], torch.ones(len(speech))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.momentum = None  # The statistics become those of this one batch.
    with torch.no_grad():
        samples = torch.stack([torch.from_numpy(one) for one in speech])
        network.train()(parts["mean_var_norm"](parts["compute_features"](samples), whole), whole)
    network.eval()


@pytest.fixture(scope="session")
def encoder(hub_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 (no types published)
    """SpeechBrain's own encoder of that directory."""
    from speechbrain.inference.speaker import EncoderClassifier  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return EncoderClassifier.from_hparams(
            source=str(hub_directory),
            savedir=str(tmp_path_factory.mktemp("loaded")),
            overrides={"pretrained_path": str(hub_directory)},
            run_opts={"device": "cpu"},
        ).eval()


@pytest.fixture(scope="session")
def ecapa_store(
    models_dir: Path, hub_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> ModelStore:
    """A store with everything that is installed, and the model as the command line converted it."""
    directory = tmp_path_factory.mktemp("models")
    for artefact in CATALOGUE:
        (directory / artefact.name).symlink_to(models_dir / artefact.name)
    done = shengdun(
        *("models", "convert", hub_directory),
        environment={"SHENGDUN_MODELS_DIR": str(directory)},
        too_long_s=TOO_LONG_S,
    )
    assert done.returncode == 0, done.stderr
    assert "agrees with SpeechBrain on 20 stretches" in done.stdout
    return ModelStore(directory)
