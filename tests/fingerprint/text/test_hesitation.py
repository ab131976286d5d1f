import numpy as np
import pytest

from shengdun.fingerprint.text.folding import code_points, string_of
from shengdun.fingerprint.text.hesitation import (
    SOUNDS,
    WIDEST_GAP,
    without_fillers,
    without_repetitions,
)
from shengdun.fingerprint.text.placeholders import Kind

NUMBER, NAME = Kind.NUMBER.placeholder, Kind.NAME.placeholder


def fluent(text: str, gap: int = 0) -> str:
    """Without fillers; ``gap`` code points were dropped before each character."""
    points = code_points(text)
    return string_of(points[without_fillers(points, np.full(len(points), gap, np.int32))])


def once(text: str, gap: int = 0) -> str:
    """Without repetitions; ``gap`` code points were dropped before each character."""
    points = code_points(text)
    return string_of(points[without_repetitions(points, np.full(len(points), gap, np.int32))])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("那", "那"),
        ("那个", "那个"),
        (SOUNDS, ""),
        ("那个我想", "我想"),
        ("那个嗯那个你们", "你们"),
        ("那个人", "那个人"),
        ("就是说不行", "不行"),
        ("就是不行", "就是不行"),
        ("额度金额", "额度金额"),
    ],
)
def test_fillers_are_dropped(text: str, expected: str) -> None:
    """Sounds anywhere, stop-gaps only where they point at nothing."""
    assert fluent(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("我", "我"),
        ("我我我要", "我要"),
        ("我要我要退", "我要退"),
        ("要投诉要投诉", "要投诉"),
        ("我要投诉我要投诉", "我要投诉"),
        ("我们要投诉我们要投诉", "我们要投诉我们要投诉"),
        ("谢谢", "谢"),
        ("96110", "96110"),
        ("book", "book"),
        (f"{NUMBER}{NUMBER}{NAME}{NUMBER}", f"{NUMBER}{NAME}{NUMBER}"),
        (f"付{NUMBER}付{NUMBER}", f"付{NUMBER}付{NUMBER}"),
    ],
)
def test_repetitions_are_dropped(text: str, expected: str) -> None:
    """Of up to four characters right after themselves; Latin words and digits stay whole."""
    assert once(text) == expected


@pytest.mark.parametrize("text", ["那个我", "就是说"])
def test_fillers_are_recognised_across_small_gaps_only(text: str) -> None:
    assert fluent(text, WIDEST_GAP) != text
    assert fluent(text, WIDEST_GAP + 1) == text


@pytest.mark.parametrize("text", ["我我", "我要我要", f"{NUMBER}{NUMBER}"])
def test_repetitions_are_recognised_across_small_gaps_only(text: str) -> None:
    assert once(text, WIDEST_GAP) != text
    assert once(text, WIDEST_GAP + 1) == text
