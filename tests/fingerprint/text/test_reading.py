import pytest

from shengdun.fingerprint.text.placeholders import Kind
from shengdun.fingerprint.text.reading import BREAK, WIDEST_HIDDEN, read


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("三 月　五 号", "三月五号"),
        ("see  you soon", "see  you soon"),
        ("138 0013 8000", "138 0013 8000"),
        ("我 vip 客户", "我vip客户"),
        ("投" + "\u200b" * WIDEST_HIDDEN + "诉", "投诉"),
        ("投" + "\u200b" * (WIDEST_HIDDEN + 1) + "诉", f"投{BREAK}诉"),
        ("〔数〕，〔人名〕", f"{Kind.NUMBER.placeholder},{Kind.NAME.placeholder}"),
        ("〔数 〕〔未知〕", "〔数〕〔未知〕"),
    ],
)
def test_patterns_see_what_people_see(text: str, expected: str) -> None:
    """Without hidden characters, and without spaces where Chinese has none; tokens are placeholders."""
    assert read(text).string == expected


def test_a_token_is_one_character_that_stands_for_all_of_it() -> None:
    reading = read("付〔金额〕元")
    assert list(zip(reading.starts.tolist(), reading.ends.tolist(), strict=True)) == [
        (0, 1),
        (1, 5),
        (5, 6),
    ]


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_token_of_its_own(kind: Kind) -> None:
    assert read(kind.token).string == kind.placeholder
    assert sum(kind.token == other.token for other in Kind) == 1
