"""What the tests of the text benchmark share: units of made-up talk, and homophones counted on them."""

import pytest
from benchmarks.text.corpora import Innocent, Kind, Unit
from benchmarks.text.homophones import Homophones
from benchmarks.text.small_talk import small_talk


@pytest.fixture(scope="session")
def units() -> list[Unit]:
    """Two hundred units of made-up talk."""
    return list(small_talk(200, seed=1))


@pytest.fixture(scope="session")
def homophones(units: list[Unit]) -> Homophones:
    """Homophones as frequent as they are in the units."""
    return Homophones(unit.text for unit in units)


@pytest.fixture(scope="session")
def hosts(units: list[Unit]) -> list[Innocent]:
    """Innocent texts, calls and letters, a unit each."""
    return [Innocent(kind=Kind(unit.kind), text=unit.text) for unit in units]
