"""Putting packs together: those that ship, and a site's own."""

import os
import re
from pathlib import Path

import pytest

from fixtures.canonical_texts import canonical, canonical_with_origins
from shengdun.fingerprint.errors import Status
from shengdun.fingerprint.text.labels.errors import Mistake, PackRefused, PackUnknown
from shengdun.fingerprint.text.labels.lexicon import Lexicon
from shengdun.fingerprint.text.labels.loading import load_packs, shipped_packs
from shengdun.fingerprint.text.labels.pack import Label, Packs

DOCUMENT = Path(__file__).parents[4] / "docs" / "label-packs.md"
HEAD = "pack: {name}\nversion: 1.0.0\nlanguage: zh\nlabels:\n"
LABEL = """\
  - label: {label}
    meaning: {{zh: 某, en: Some}}
    severity: LOW
    source: 本行规定
    terms: [{terms}]
"""
EXTENSION = "  - label: {label}\n    extends: true\n    terms: [{terms}]\n"


def write(directory: Path, name: str, *labels: str) -> Path:
    path = directory / f"{name}.yaml"
    path.write_text(HEAD.format(name=name) + "".join(labels), encoding="utf-8")
    return path


def refused(*paths: Path) -> tuple[Mistake, ...]:
    with pytest.raises(PackRefused) as caught:
        load_packs(paths, canonical=canonical)
    assert caught.value.status is Status.FAILED_PRECONDITION
    assert all(str(mistake) in caught.value.message for mistake in caught.value.mistakes[:50])
    return caught.value.mistakes


def label_of(packs: Packs, name: str) -> Label:
    return next(label for label in packs.labels if label.name == name)


def test_shipped_packs_are_loaded_by_name() -> None:
    packs = load_packs(canonical=canonical)
    assert tuple(pack.name for pack in packs.packs) == shipped_packs()
    (one,) = load_packs(canonical=canonical, shipped=["zh-staff-wording"]).packs
    assert one.name == "zh-staff-wording"
    assert load_packs(canonical=canonical, shipped=[]).labels == ()
    with pytest.raises(PackUnknown, match="zh-proxy-complaints"):
        load_packs(canonical=canonical, shipped=["../secret"])


def test_a_later_pack_adds_labels_and_extends_earlier_ones(tmp_path: Path) -> None:
    """What the label already has stays as the earlier pack wrote it."""
    first = write(tmp_path, "first", LABEL.format(label="FIRST", terms="停息挂账, 债务优化"))
    second = write(
        tmp_path,
        "second",
        LABEL.format(label="SECOND", terms="信访"),
        EXTENSION.format(label="FIRST", terms="停息·挂账, 反催收"),
        EXTENSION.format(label="THIRD_PARTY_AGENT", terms="某某公司"),
    )
    packs = load_packs([first, second], canonical=canonical)
    terms = [term.written for term in label_of(packs, "FIRST").vocabulary.terms]
    assert terms == ["停息挂账", "债务优化", "反催收"]
    assert label_of(packs, "SECOND").vocabulary.terms
    assert label_of(packs, "THIRD_PARTY_AGENT").vocabulary.terms[-1].written == "某某公司"
    assert [pack_id.split("@")[0] for pack_id in packs.pack_ids] == [
        *shipped_packs(),
        "first",
        "second",
    ]


def test_what_does_not_fit_together_is_refused_at_once(tmp_path: Path) -> None:
    """Mistakes of all packs are named, each with its file and line."""
    first = write(tmp_path, "first", LABEL.format(label="FIRST", terms="停息挂账"))
    again = write(tmp_path, "again", LABEL.format(label="FIRST", terms="债务优化"))
    lost = write(tmp_path, "lost", EXTENSION.format(label="NOWHERE", terms="债务优化"))
    (tmp_path / "copy.yaml").write_bytes(first.read_bytes().replace(b"FIRST", b"OTHER"))
    mistakes = refused(first, again, lost, tmp_path / "copy.yaml")
    assert [(Path(m.file).name, m.line) for m in mistakes] == [
        ("again.yaml", 5),
        ("lost.yaml", 5),
        ("copy.yaml", 0),
    ]
    assert "extends: true" in mistakes[0].message
    assert "no earlier pack has a label NOWHERE" in mistakes[1].message
    assert "already in" in mistakes[2].message


def test_a_label_can_not_be_extended_before_it_is_there(tmp_path: Path) -> None:
    extending = write(tmp_path, "extending", EXTENSION.format(label="FIRST", terms="债务优化"))
    first = write(tmp_path, "first", LABEL.format(label="FIRST", terms="停息挂账"))
    assert load_packs([first, extending], canonical=canonical)
    (mistake,) = refused(extending, first)
    assert "no earlier pack" in mistake.message


def test_an_extension_of_a_broken_pack_is_no_second_mistake(tmp_path: Path) -> None:
    """Its label may well be there once the pack is mended."""
    broken = write(tmp_path, "broken", LABEL.format(label="FIRST", terms="停"))
    extending = write(tmp_path, "extending", EXTENSION.format(label="FIRST", terms="债务优化"))
    (mistake,) = refused(broken, extending)
    assert Path(mistake.file).name == "broken.yaml"


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """A missing one, a directory, a pipe that would never end."""
    os.mkfifo(tmp_path / "pipe.yaml")
    mistakes = refused(tmp_path / "missing.yaml", tmp_path, tmp_path / "pipe.yaml")
    assert [mistake.message.split(":")[0] for mistake in mistakes] == ["no such file"] * 3
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (1 << 20))
    (mistake,) = refused(large)
    assert "larger than 512 KiB" in mistake.message


def test_too_many_packs_are_refused(tmp_path: Path) -> None:
    (mistake,) = refused(*[tmp_path / "missing.yaml"] * 64)
    assert "more than 64 packs" in mistake.message


def test_many_mistakes_are_counted_and_not_all_shown(tmp_path: Path) -> None:
    pack = write(
        tmp_path,
        "many",
        LABEL.format(label="FIRST", terms=", ".join(map(chr, range(0x4E00, 0x4E5A)))),
    )
    with pytest.raises(PackRefused, match="and 40 more"):
        load_packs([pack], canonical=canonical)


def test_the_example_of_the_document_loads_and_finds(tmp_path: Path) -> None:
    """The pack that docs/label-packs.md shows is a whole one."""
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "bank-words.yaml"
    path.write_text(example, encoding="utf-8")
    lexicon = Lexicon(load_packs([path], canonical=canonical))
    text = "某某信用管理公司让我要求退还短信服务费、退手续费并三倍赔偿；你们不退还账户管理费，本行法务公司说的。"
    found = [
        (hit.label, text[hit.start : hit.end])
        for hit in lexicon.find(*canonical_with_origins(text))
    ]
    assert found == [
        ("THIRD_PARTY_AGENT", "某某信用管理公司"),
        ("FEE_REFUND", "退还短信服务费"),
        ("FEE_REFUND", "退手续费并三倍赔偿"),
    ]
