"""Packs with mistakes: each is named with its line and what to do."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.canonical_texts import canonical
from shengdun.fingerprint.text.labels.pack import Severity
from shengdun.fingerprint.text.labels.reading import LARGEST_BYTES, ReadPack, read_pack

GOOD = """\
pack: bank-words
version: 1.2.0
language: zh
labels:
  - label: SOME_LABEL
    meaning:
      zh: 一种
      en: Something
    severity: LOW
    source: 本行规定
    terms:
      - 停息挂账
      - 12378
    patterns:
      - name: 向监管投诉
        regex: 向.{0,4}监管.{0,2}投诉
    except:
      - 不停息挂账
  - label: SHIPPED_LABEL
    extends: true
    terms: [债务优化]
"""
MISTAKES = [
    ("pack: bank-words", "pack: Bank Words", 1, "no name for a pack"),
    ("pack: bank-words\n", "", 1, "needs the key 'pack'"),
    ("pack: bank-words", "pack:", 1, "'pack' is empty"),
    ("pack: bank-words", "pack: [a]", 1, "is one text"),
    ("version: 1.2.0", "version: 1.2", 2, "no version, '1.2'"),
    ("version: 1.2.0", "version: 1.2.0+build", 2, "without +build"),
    ("version: 1.2.0", "version: 01.2.0", 2, "no version"),
    ("language: zh", "language: Chinese!", 3, "no language tag"),
    ("language: zh", "lang: zh", 3, "no key 'lang'"),
    ("language: zh", "language: zh\nlanguage: en", 4, "already given in line 3"),
    ("SOME_LABEL", "some_label", 5, "no name for a label"),
    ("SOME_LABEL", "SOME__LABEL", 5, "no name for a label"),
    ("SOME_LABEL", "A" * 65, 5, "no name for a label"),
    ("SHIPPED_LABEL", "SOME_LABEL", 19, "already in line 5"),
    ("      en: Something\n", "", 7, "needs the key 'en'"),
    ("      en: Something", "      en: ''", 8, "'en' is empty"),
    ("severity: LOW", "severity: SEVERE", 9, "write LOW, MEDIUM or HIGH"),
    ("severity: LOW", "severity: 3", 9, "no severity, '3'"),
    ("    severity: LOW\n", "", 5, "needs the key 'severity'"),
    ("source: 本行规定", "source: ~", 10, "'source' is empty"),
    ("source: 本行规定", "source: 本行规定\n    colour: red", 11, "no key 'colour'"),
    ("- 停息挂账\n", "- 停\n", 12, "has a length of 1"),
    ("- 停息挂账\n", "- ！！\n", 12, "has a length of 0"),
    ("- 停息挂账\n", "- ''\n", 12, "a term is empty"),
    ("- 停息挂账\n", "- null\n", 12, "a term is empty"),
    ("- 停息挂账\n", "- {a: b}\n", 12, "is one text"),
    ("- 停息挂账\n", "- [停息, 挂账]\n", 12, "is one text"),
    ("- 停息挂账\n", f"- {'停' * 61}\n", 12, "has a length of 61"),
    ("- 停息挂账\n", "- 打{数}投诉\n", 12, "canonical text masks"),
    ("- 停息挂账\n", "- '{数}'\n", 12, "canonical text masks"),
    ("- 12378\n", "- 停息，挂账\n", 13, "the same as in line 12"),
    ("- 停息挂账\n      - 12378\n", "停息挂账", 11, "'terms' is a list"),
    ("terms: [债务优化]", "terms: []", 21, "'terms' has no items"),
    ("- name: 向监管投诉\n        regex:", "- regex:", 15, "needs the key 'name'"),
    (
        "- name: 向监管投诉\n        regex: 向.{0,4}监管.{0,2}投诉",
        "- 向.*投诉",
        15,
        "keys and values: name, regex",
    ),
    ("向.{0,4}监管", "(向.{0,4}监管", 16, "RE2 does not take it"),
    ("向.{0,4}监管.{0,2}投诉", "(向监管投诉)?", 16, "matches where there is nothing"),
    ("向.{0,4}监管", "(?!不)向监管", 16, "RE2 does not take it"),
    ("向.{0,4}监管", "嚮.{0,4}監管員會，", 16, "canonical text never has: leave it out"),
    (
        "向.{0,4}监管",
        "向10086监管",
        16,
        "has '10086', which canonical text never has: write '\\\\p{Co}'",
    ),
    (
        "- name: 向监管投诉",
        "- name: 向监管投诉\n        regex: 维權\n      - name: 向监管投诉",
        17,
        "already in line 15",
    ),
    ("- 不停息挂账", "- 不", 18, "has a length of 1"),
    ("extends: true", "extends: false", 20, "nothing but true"),
    ("    terms: [债务优化]\n", "", 19, "adds nothing"),
    (
        "    terms: [债务优化]\n",
        "    terms: [债务优化]\n    severity: HIGH\n",
        22,
        "no key 'severity'",
    ),
    ("language: zh", "language: &zh zh", 3, "an anchor"),
    ("- 停息挂账\n", "- *other\n", 12, "an alias"),
    ("labels:", "labels: SOME_LABEL\nrest:", 4, "'labels' is a list"),
]


def read(text: str | bytes) -> ReadPack:
    data = text.encode() if isinstance(text, str) else text
    return read_pack(data, file="bank.yaml", canonical=canonical)


def test_a_pack_says_what_was_written() -> None:
    read_one = read(GOOD)
    pack = read_one.pack
    assert pack is not None
    assert not read_one.mistakes
    assert pack.pack_id == "bank-words@1.2.0+" + hashlib.sha256(GOOD.encode()).hexdigest()[:12]
    (label,) = pack.labels
    (extension,) = pack.extensions
    assert (label.name, label.severity, label.meaning.en, label.source) == (
        "SOME_LABEL",
        Severity.LOW,
        "Something",
        "本行规定",
    )
    assert [term.written for term in label.vocabulary.terms] == ["停息挂账", "12378"]
    assert [pattern.name for pattern in label.vocabulary.patterns] == ["向监管投诉"]
    assert [term.canonical for term in label.vocabulary.exceptions] == ["不停息挂账"]
    assert (extension.label, extension.vocabulary.terms[0].written) == ("SHIPPED_LABEL", "债务优化")


@pytest.mark.parametrize(("good", "bad", "line", "said"), MISTAKES)
def test_a_mistake_is_named_with_its_line(good: str, bad: str, line: int, said: str) -> None:
    assert good in GOOD
    read_one = read(GOOD.replace(good, bad, 1))
    assert read_one.pack is None
    assert any(m.line == line and said in m.message for m in read_one.mistakes), read_one.mistakes
    assert all(str(m).startswith("bank.yaml:") for m in read_one.mistakes)


def test_all_mistakes_of_a_pack_are_named_at_once() -> None:
    """In the order of their lines, each once."""
    changes = [
        ("1.2.0", "1"),
        ("LOW", "SOME"),
        ("- 12378", "- 1"),
        ("向.{0,4}监管", "(监管"),
        ("true", "yes"),
    ]
    text = GOOD
    for good, bad in changes:
        text = text.replace(good, bad, 1)
    assert [mistake.line for mistake in read(text).mistakes] == [2, 9, 13, 16, 20]


def test_bytes_that_are_no_utf_8_are_named_with_their_line() -> None:
    data = GOOD.encode().replace("本行规定".encode(), "本行规定".encode("gb18030"))
    (mistake,) = read(data).mistakes
    assert (mistake.line, "save the file as UTF-8" in mistake.message) == (10, True)
    assert read(GOOD.encode("utf-16")).mistakes[0].line == 1


def test_a_byte_order_mark_and_foreign_line_ends_are_taken() -> None:
    assert read(b"\xef\xbb\xbf" + GOOD.encode().replace(b"\n", b"\r\n")).pack is not None


def test_a_pack_that_is_too_large_is_refused() -> None:
    (mistake,) = read(GOOD + "#" * LARGEST_BYTES).mistakes
    assert "larger than 512 KiB" in mistake.message
    assert str(mistake).startswith("bank.yaml: ")


def test_endless_mistakes_are_cut_short() -> None:
    many = "".join(f"      - {chr(0x4E00 + n)}\n" for n in range(3_000))
    assert len(read(GOOD.replace("      - 停息挂账\n", many)).mistakes) == 1_000


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read_one = read(data)
    assert (read_one.pack is None) == bool(read_one.mistakes)


@settings(deadline=None)
@given(st.data())
def test_any_damage_is_read_or_refused(data: st.DataObject) -> None:
    """A few characters of a good pack are replaced; whatever becomes of it, nothing is raised."""
    text = GOOD
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        width = data.draw(st.integers(0, 12))
        text = (
            text[:at]
            + data.draw(st.text(alphabet="-: \n&*[]{}'\"甲a1(.*?|\\^", max_size=6))
            + text[at + width :]
        )
    read_one = read(text)
    assert (read_one.pack is None) == bool(read_one.mistakes)
