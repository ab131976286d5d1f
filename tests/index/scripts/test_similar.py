"""Scripts that a text is like in meaning, as they come and go."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.scripts import COERCED, ORDINARY, REFUND, new_script
from fixtures.sentence_model import write_sentence_model
from shengdun.fingerprint.text.semantic import SentenceModel
from shengdun.index.registry import Registry
from shengdun.index.scripts.similar import SimilarScript, SimilarScripts


@pytest.fixture
def similar(tmp_path: Path) -> SimilarScripts:
    """Tells by which characters there are."""
    directory = write_sentence_model(tmp_path / "model", COERCED + REFUND + ORDINARY)
    return SimilarScripts(SentenceModel(directory))


def told(
    similar: SimilarScripts, registry: Registry, text: str, *, later_s: float = 0.0
) -> tuple[SimilarScript, ...]:
    """What is told now, or so many seconds later."""
    at = datetime.now(UTC) + timedelta(seconds=later_s)
    return similar.of(text, registry.snapshot.scripts, at=at, limit=3)


async def test_scripts_are_told_by_meaning(similar: SimilarScripts, registry: Registry) -> None:
    """Where no wording is shared at all; the most alike first, and as long as they are there."""
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    await registry.scripts.add(new_script(REFUND, script_id="refund"), principal="t")
    await registry.scripts.add(
        new_script(COERCED, script_id="coerced", expires_at=expires_at), principal="t"
    )
    turned = COERCED[::-1]
    assert "coerced" not in {
        found.script.script_id for found in registry.scripts.known.match(turned)
    }
    first, second = told(similar, registry, turned)
    assert (first.script_id, second.script_id) == ("coerced", "refund")
    assert first.title == "停息分期话术"
    assert 1.0 >= first.similarity > second.similarity >= -1.0
    [left] = told(similar, registry, turned, later_s=7_200.0)
    assert left.script_id == "refund"
    await registry.scripts.erase("refund", reason="test", principal="t")
    assert told(similar, registry, turned, later_s=7_200.0) == ()


async def test_a_script_is_told_by_what_is_most_alike_in_it(
    similar: SimilarScripts, registry: Registry
) -> None:
    """However long the text around it is."""
    await registry.scripts.add(new_script(COERCED, script_id="coerced"), principal="t")
    [alone] = told(similar, registry, COERCED)
    [within] = told(similar, registry, ORDINARY * 50 + COERCED)
    # What is kept of a script is masked, so it isn't quite the same.
    assert alone.similarity > 0.95
    assert within.similarity > 0.8
