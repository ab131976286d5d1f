"""What the command line says about voice models that were converted."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.command_line import assert_one_error_line, shengdun
from fixtures.converted_models import DIMENSION, NAME, network, record_of
from shengdun.fingerprint.voice.model_store import ModelStore


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Settings with a models directory that has one converted model and nothing else."""
    graph = network(1)
    ModelStore(tmp_path / "models").keep_converted(record_of(tmp_path, graph), graph)
    return {
        "SHENGDUN_MODELS_DIR": str(tmp_path / "models"),
        "SHENGDUN_DATA_DIR": str(tmp_path / "data"),
        "SHENGDUN_VOICE__MODEL": NAME,
    }


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where no server answers."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{unused.getsockname()[1]}"


def test_converted_models_are_listed_and_verified(environment: dict[str, str], nobody: str) -> None:
    """A converted model stands in the list with its id and passes its self-test; altered, it is named."""
    listed = shengdun("models", "list", "--json", "--server", nobody, environment=environment)
    found = [line for line in map(json.loads, listed.stdout.splitlines()) if "converted" in line]
    assert [line["state"] for line in found] == ["INSTALLED"]
    assert found[0]["converted"]["model_id"].startswith(f"{NAME}@")
    assert found[0]["converted"]["dimension"] == DIMENSION
    verified = shengdun("models", "verify", NAME, environment=environment)
    assert verified.returncode == 0, verified.stderr
    assert "passes its self-test" in verified.stdout

    graph = Path(found[0]["path"])
    graph.write_bytes(graph.read_bytes()[:-1])
    refused = shengdun("models", "verify", NAME, environment=environment)
    assert refused.returncode == 1
    assert_one_error_line(refused, str(graph), "SHA-256")
    table = shengdun("models", "list", "--server", nobody, environment=environment).stdout
    assert any(line.startswith(NAME) and " altered " in line for line in table.splitlines())


def test_doctor_looks_at_converted_models(environment: dict[str, str]) -> None:
    """The doctor says which converted models there are, and what to do about one that was altered."""
    models = Path(environment["SHENGDUN_MODELS_DIR"])
    settings = environment | {"SHENGDUN_SERVER__PORT": "0"}
    assert _finding(settings, f"model {NAME}")["verdict"] == "OK"
    (graph,) = models.glob(f"{NAME}/*.onnx")
    graph.unlink()
    missing = _finding(settings, f"model {NAME}")
    assert (missing["verdict"], "convert again" in missing["message"]) == ("FAIL", True)


def _finding(environment: dict[str, str], subject: str) -> dict[str, str]:
    result = shengdun("doctor", "--json", environment=environment)
    (found,) = (
        line for line in map(json.loads, result.stdout.splitlines()) if line["subject"] == subject
    )
    assert isinstance(found, dict)
    return found


def test_convert_without_the_extra_names_it(environment: dict[str, str], tmp_path: Path) -> None:
    """Where PyTorch can't be imported, the one line has the extra to install; nothing is fetched first."""
    (tmp_path / "torch.py").write_text('raise ImportError("not on this machine")')
    result = shengdun(
        "models",
        "convert",
        tmp_path,
        environment=environment | {"PYTHONPATH": str(tmp_path)},
    )
    assert result.returncode == 1
    assert_one_error_line(result, "pip install 'shengdun[ecapa]'", "not on this machine")
    assert not (Path(environment["SHENGDUN_MODELS_DIR"]) / "demo-recordings").exists()


def test_models_are_set_side_by_side(
    environment: dict[str, str], models_dir: Path, council: Path, tmp_path: Path
) -> None:
    """Installed models are compared on a corpus, and those without a profile are said to have none."""
    graph, other = network(2), "ecapa-other"
    models = tmp_path / "models"
    ModelStore(models).keep_converted(record_of(tmp_path, graph, name=other), graph)
    (models / "silero-vad").symlink_to(models_dir / "silero-vad")
    header, *rows = council.read_text(encoding="utf-8").splitlines()
    few = council.with_name("few.csv")
    few.write_text("\n".join([header, *rows[:12]]), encoding="utf-8")
    options = ["--condition", "pcmu", "--seconds", "3", "--size", "5", "--replicates", "5"]
    result = shengdun(
        "models", "compare", few, *options, "--rounds", "2", "--jobs", "1",
        "--model", other, "--model", NAME, "--output", tmp_path / "report",
        environment=environment,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{other}@")
    assert result.stdout.strip().endswith("report.md")
    assert f"{NAME}@" in result.stderr
    assert "has no calibration profile; it is compared by centred cosine only" in result.stderr
    report = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "shengdun calibrate" in report
    assert (tmp_path / "report" / "report.json").exists()


def test_one_model_alone_is_compared_with_nothing(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """The failure says how a second model is made, before the corpus is read."""
    result = shengdun("models", "compare", tmp_path / "none", environment=environment)
    assert result.returncode == 2
    assert_one_error_line(result, f"nothing to compare {NAME}", "shengdun models convert")
