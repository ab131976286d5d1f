"""Semantic similarity on the wire and on the command line; it decides nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.command_line import Served, serving, shengdun
from fixtures.scripts import COERCED, ORDINARY
from fixtures.sentence_model import write_sentence_model
from shengdun.service.client import NewScript, ScriptKind, ShengdunClient


@pytest.fixture(scope="module")
def meaning_served(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Served]:
    """A server with a sentence-embedding model."""
    directory = tmp_path_factory.mktemp("meaning")
    write_sentence_model(directory / "characters", COERCED + ORDINARY)
    config = directory / "shengdun.toml"
    config.write_text(f'[text]\nsemantic_model = "{directory / "characters"}"\n', encoding="utf-8")
    data_dir = directory / "data"
    with serving(
        *("--config", config, "--data-dir", data_dir, "--models-dir", models_dir, "--port", "0")
    ) as (address, _):
        yield Served(address=address, data_dir=data_dir, models_dir=models_dir)


async def test_scripts_are_told_by_meaning_and_flag_nobody(
    meaning_served: Served, tmp_path: Path
) -> None:
    """To investigators and to the back office alike."""
    letter = tmp_path / "letter.txt"
    letter.write_text(COERCED[::-1], encoding="utf-8")
    async with ShengdunClient.connect(meaning_served.address) as client:
        new = NewScript(title="老人住院", kind=ScriptKind.CHAT, text=COERCED, script_id="coerced")
        await client.add_script(new)
        matched = await client.match_text(COERCED[::-1])
        screened = await client.screen_text(COERCED[::-1])
    assert (matched.matches, screened.flags) == ((), ())
    assert matched.similar == screened.similar
    [similar] = matched.similar
    assert (similar.script_id, similar.title) == ("coerced", "老人住院")
    assert similar.similarity > 0.8
    shown = meaning_served.run("script", "match", letter)
    assert "semantic similarity +" in shown.stdout


def test_a_model_that_can_not_be_used_stops_the_server(tmp_path: Path, models_dir: Path) -> None:
    """In one line that says what to do."""
    config = tmp_path / "shengdun.toml"
    config.write_text(f'[text]\nsemantic_model = "{tmp_path}"\n', encoding="utf-8")
    result = shengdun(
        "serve", "--config", config, "--data-dir", tmp_path / "d", "--models-dir", models_dir
    )
    assert result.returncode != 0
    assert "model.onnx" in result.stderr
