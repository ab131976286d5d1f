import pytest

from shengdun.fingerprint.text.normalise import normalise
from shengdun.fingerprint.text.pinyin import syllables


@pytest.fixture(scope="session", autouse=True)
def tables() -> None:
    """The tables are built before any test is timed."""
    syllables(normalise("").text)
