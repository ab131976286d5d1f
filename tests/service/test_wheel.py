"""The wheel is what users get: what is in it, and that all of it imports."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("fingerprint", "index", "enrollment", "service", "v1")
IMPORT_ALL = """
import importlib, pathlib, sys
target, packages = sys.argv[1:]
sys.path[:0] = [target]
sys.path.append(packages)
modules = sorted(pathlib.Path(target, "shengdun").rglob("*.py"))
assert modules
for path in modules:
    if path.stem == "__main__":
        continue
    parts = path.relative_to(target).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    module = importlib.import_module(name)
    assert pathlib.Path(module.__file__).is_relative_to(target), module.__file__
assert "torch" not in sys.modules
"""


def run(*command: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree."""
    directory = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory))
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def content(wheel: Path) -> dict[str, int]:
    """The files of the wheel with their sizes in bytes."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.file_size for entry in archive.infolist()}


def test_every_module_of_the_wheel_imports(wheel: Path, tmp_path: Path) -> None:
    """Installed by itself, without this tree on the path and without torch, all of it can be imported."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "install", "--no-deps", "--no-index", "--target", str(tmp_path), str(wheel))
    # Without -S the editable install of this tree would be on the path, and hide what the wheel lacks.
    packages = sysconfig.get_path("purelib")
    run(sys.executable, "-S", "-c", IMPORT_ALL, str(tmp_path), packages)


def test_the_wheel_has_every_source_and_nothing_else(content: dict[str, int]) -> None:
    """What is tracked below the rooms is there, and tests, benchmarks and documents are not."""
    expected = {
        str(path.relative_to(ROOT / room))
        for room in ("fingerprint", "index", "enrollment", "service", "proto")
        for path in (ROOT / room / "shengdun").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in content if ".dist-info/" not in name} == expected


def test_the_wheel_has_what_the_server_needs_beside_its_code(content: dict[str, int]) -> None:
    """Type markers, the wire contract with its stubs, calibration profiles and the golden voiceprints."""
    for room in ROOMS:
        assert f"shengdun/{room}/py.typed" in content
    for name in ("screening", "watchlist", "decision", "audio"):
        for ending in (".proto", "_pb2.py", "_pb2.pyi"):
            assert f"shengdun/v1/{name}{ending}" in content
    arrays = [name for name in content if name.endswith(".npz")]
    assert any(name.startswith("shengdun/index/profiles/") for name in arrays)
    assert any("golden" in name for name in arrays)


def test_the_wheel_has_its_licences_and_its_command(wheel: Path, content: dict[str, int]) -> None:
    names = {name.split(".dist-info/")[-1] for name in content if ".dist-info/" in name}
    assert {"licenses/LICENSE", "licenses/NOTICE", "entry_points.txt", "METADATA"} <= names
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = (name for name in content if name.endswith("entry_points.txt"))
        assert "shengdun = shengdun.service.cli:main" in archive.read(entry_points).decode()


def test_the_wheel_has_no_recordings_weights_or_secrets(content: dict[str, int]) -> None:
    """Nothing heavy and nothing private slips in."""
    forbidden = (".wav", ".mp3", ".flac", ".onnx", ".pt", ".zip", ".key", ".pem", ".whl")
    assert not [name for name in content if name.endswith(forbidden)]
    assert max(content.values()) < 1_000_000
