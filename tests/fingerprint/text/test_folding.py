import numpy as np
import pytest

from shengdun.fingerprint.text.folding import Part, code_points, fold, parts_of, string_of


def folded(text: str) -> str:
    return string_of(fold(code_points(text)).points)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ＡＢＣ１２３", "abc123"),
        ("ﬁnance Straße", "finance strasse"),
        ("é Ö İ ñ", "e o i n"),
        ("①Ⅷ½", "1viii1⁄2"),
        ("退還保險費，兩萬塊錢", "退还保险费,两万块钱"),
        ("㊀⼀", "一一"),
        ("𝟙𝐀", "1a"),
    ],
)
def test_characters_have_one_way_to_be_written(text: str, expected: str) -> None:
    """Width, case, accents, compatibility forms and traditional forms make no difference."""
    assert folded(text) == expected


@pytest.mark.parametrize(
    "hidden",
    [
        "\u200b",
        "\u200d",
        "\ufeff",
        "\u00ad",
        "\u202e",
        "\u2067",
        "\u061c",
        "\ufe0f",
        "\u0301",
        "\u3164",
    ],
)
def test_hidden_characters_are_dropped(hidden: str) -> None:
    """Zero-width, bidirectional, combining and blank characters: what nobody sees doesn't count."""
    assert folded(f"投{hidden}诉{hidden}") == "投诉"


@pytest.mark.parametrize(
    "foreign", ["\ud800", "\x00", "\x1b", "\ue001", "\U000f0000", "\uffff", "\U000e0041"]
)
def test_what_is_no_character_is_dropped(foreign: str) -> None:
    """Lone surrogates, controls, private use, non-characters and tags."""
    assert folded(f"投{foreign}诉") == "投诉"


def test_every_code_point_folds() -> None:
    """None fails, none brings another hidden one, and each that shows is of some part."""
    result = fold(np.arange(0x110000, dtype=np.uint32))
    assert (parts_of(result.points) != Part.HIDDEN).all()
    assert (np.diff(result.origins) >= 0).all()
    assert len(np.unique(result.origins)) > 140_000


def test_origins_lead_back() -> None:
    """Also past what was dropped and what became several characters."""
    result = fold(code_points("\u200b㍿a\u0301诉"))
    assert string_of(result.points) == "株式会社a诉"
    assert result.origins.tolist() == [1, 1, 1, 1, 2, 4]


def test_parts_are_told_apart() -> None:
    assert parts_of(code_points("诉a1 ,¥")).tolist() == [
        *(Part.WORD, Part.WORD, Part.WORD),
        *(Part.SPACE, Part.MARK, Part.MARK),
    ]
