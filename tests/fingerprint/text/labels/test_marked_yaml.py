"""YAML as nodes with lines."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shengdun.fingerprint.text.labels.marked_yaml import Items, Mapping, Node, Scalar, read_yaml

MISTAKES = [
    ("a: &x 1\nb: 2", 1, "an anchor, &x"),
    ("a: &x [1]\nb: *x", 2, "an alias, *x"),
    ("a: 1\nb: !!python/object:os.system 1", 2, "a tag"),
    ("a: !!int '1'", 1, "a tag"),
    ("a: 1\nb: 2\na: 3", 3, "already given in line 1"),
    ("a: 1\n---\nb: 2", 2, "a second document"),
    ("a:\n  - [[[[[[[[[x]]]]]]]]]", 2, "nested deeper"),
    ("a: 1\n\tb: 2", 2, "no YAML"),
    ("a: 'open\nb: 2\n", 3, "no YAML"),
    ("a: 1\nb: x: y", 2, "no YAML"),
    ("a: 1\nb: \u0007", 2, "U+0007"),
    ("? [a]\n: b", 1, "a key that is a list"),
    ("", 1, "nothing is in this file"),
    ("# only a comment\n", 1, "nothing is in this file"),
]


def read(text: str) -> tuple[Node | None, list[tuple[int, str]]]:
    mistakes: list[tuple[int, str]] = []
    return read_yaml(text, lambda line, message: mistakes.append((line, message))), mistakes


@pytest.mark.parametrize(("text", "line", "said"), MISTAKES)
def test_what_packs_have_no_use_for_is_reported_by_line(text: str, line: int, said: str) -> None:
    _, mistakes = read(text)
    assert any(at == line and said in message for at, message in mistakes), mistakes


def test_scalars_stay_as_they_were_written() -> None:
    """No number, date or truth value is made of a term."""
    root, mistakes = read("- 12378\n- no\n- 1e3\n- 2024-01-01\n- '~'\n- ~\n-\n")
    assert not mistakes
    assert isinstance(root, Items)
    scalars = [node for node in root.nodes if isinstance(node, Scalar)]
    assert [scalar.text for scalar in scalars] == ["12378", "no", "1e3", "2024-01-01", "~", "~", ""]
    assert [scalar.empty for scalar in scalars] == [False, False, False, False, False, True, True]
    assert [scalar.line for scalar in scalars] == [1, 2, 3, 4, 5, 6, 7]


def test_aliases_are_not_followed() -> None:
    """What would be a billion items is as long as it was written."""
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    root, mistakes = read("\n".join(lines))
    assert isinstance(root, Mapping)
    assert len(mistakes) == 40 + 78


def test_any_depth_is_refused_and_none_overflows() -> None:
    assert read("[" * 100_000)[1]
    assert read("- " * 3_000)[1]


@settings(deadline=None)
@given(st.text(alphabet=" \n\t-:?&*!|>'\"[]{},#%@`a1~<甲\u2028\x00\ufeff\ud800", max_size=60))
def test_any_text_is_read_or_reported(text: str) -> None:
    """Nothing is raised; where there is no root, there is a mistake."""
    root, mistakes = read(text)
    assert root is not None or mistakes
