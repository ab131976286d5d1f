"""Corpora in the formats they're published in, and innocent texts put together from them."""

import json
import zipfile
from pathlib import Path

import pytest
from benchmarks.text.corpora import (
    LONGEST,
    SHORTEST,
    CorpusMissing,
    Kind,
    Unit,
    innocents,
    read_units,
)
from benchmarks.text.families import Half, half_of


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """One or two rows of each corpus."""
    dialogue = {
        "id": "a",
        "left": ["您好请问办什么业务", "好的"],
        "right": ["我想问问怎么挂失存折"],
    }
    (tmp_path / "teleantifraud_dialogues.jsonl").write_text(
        f"{json.dumps(dialogue)}\n{json.dumps(dialogue | {'id': 'again'})}\n", encoding="utf-8"
    )
    turns = [
        {"role": "usr", "content": "附近有什么好玩的地方吗"},
        {"role": "sys", "content": "可以去湖边公园走走看"},
        {"role": "usr", "content": "谢谢"},
    ]
    with zipfile.ZipFile(tmp_path / "crosswoz_test.json.zip", "w") as archive:
        archive.writestr("test.json", json.dumps({"7": {"messages": turns}}))
    (tmp_path / "waimai_10k.csv").write_text(
        'label,review\n0,"送来的时候汤都洒了，差评"\n1,好吃\n', encoding="utf-8"
    )
    with zipfile.ZipFile(tmp_path / "online_shopping_10_cats.zip", "w") as archive:
        archive.writestr(
            "online_shopping_10_cats.csv",
            "cat,label,review\n书籍,1,\ufeff纸张很好印刷清楚。\n书籍,0,\n",
        )
    return tmp_path


def test_every_corpus_is_read_side_by_side_and_once(corpus: Path) -> None:
    """Each side of a dialogue is a unit, what is repeated or hardly says anything isn't."""
    assert [(unit.kind, unit.text) for unit in read_units(corpus)] == [
        (Kind.CALL, "您好请问办什么业务好的"),
        (Kind.CALL, "我想问问怎么挂失存折"),
        (Kind.CALL, "附近有什么好玩的地方吗谢谢"),
        (Kind.CALL, "可以去湖边公园走走看"),
        (Kind.LETTER, "送来的时候汤都洒了，差评。"),
        (Kind.LETTER, "纸张很好印刷清楚。"),
    ]


def test_a_missing_file_is_named(corpus: Path) -> None:
    """The message says which file it is."""
    (corpus / "waimai_10k.csv").unlink()
    with pytest.raises(CorpusMissing, match=r"waimai_10k\.csv is missing"):
        read_units(corpus)


def test_innocent_texts_use_each_unit_once_and_one_half_only(units: list[Unit]) -> None:
    """Nothing that calibration saw comes up where figures are taken, and every text is as long as it should be."""
    made = {half: innocents(units, half, seed=3) for half in Half}
    for half, texts in made.items():
        assert texts
        assert all(SHORTEST <= len(text.text) <= LONGEST for text in texts)
        own = sum(len(unit.text) for unit in units if half_of(unit.unit_id) is half)
        assert sum(len(text.text) for text in texts) <= own
    assert made == {half: innocents(units, half, seed=3) for half in Half}
    assert not {text.text for text in made[Half.FIT]} & {text.text for text in made[Half.EVALUATE]}
