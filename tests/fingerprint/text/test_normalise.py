import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprint.text.texts import texts
from shengdun.fingerprint.text.normalise import REACH, normalise, normalise_all
from shengdun.fingerprint.text.placeholders import Kind


def canonical(text: str) -> str:
    """The canonical text with every placeholder as the kind's initial."""
    return normalise(text).text.translate({ord(kind.placeholder): kind.name[0] for kind in Kind})


def seen(text: str, start: int, end: int) -> list[tuple[str, int, int]]:
    """The canonical characters that begin in a stretch of the original, relative to it; they end at its end at most."""
    whole = normalise(text)
    inside = (whole.starts >= start) & (whole.starts < end)
    characters = np.array(list(whole.text), object)[inside].tolist()
    starts = (whole.starts[inside] - start).tolist()
    ends = (np.minimum(whole.ends[inside], end) - start).tolist()
    return list(zip(characters, starts, ends, strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("我", "我"),
        ("嗯……啊，", ""),
        ("我要投诉，你们银行！", "我要投诉你们银行"),
        ("貴行違規收費", "贵行违规收费"),
        ("ＶＩＰ　客户 service", "vip客户service"),
        ("我我我要，要投诉", "我要投诉"),
        ("我要我要我要退保", "我要退保"),
        ("我要投诉我要投诉你们", "我要投诉你们"),
        ("那个那个我就是说呃我要退", "我要退"),
        ("那个业务员说", "那个业务员说"),
        ("我叫王小明，欠了30,000元", "我叫N欠了A"),
        ("拨打12378，或者幺二三六三", "拨打12378或者12363"),
        ("一直占线，万一不行", "一直占线万一不行"),
        ("好的😀〔数〕〔数〕", "好的N"),
    ],
)
def test_what_says_nothing_is_dropped(text: str, expected: str) -> None:
    """Punctuation, width, forms, fillers, stammering and particulars; words stay."""
    assert canonical(text) == expected


def test_a_letter_and_its_reading_aloud_come_out_alike() -> None:
    """Whoever dictates, types or transcribes the script: what is compared is the same."""
    letter = "本人于2024年3月5日在贵行貸款5万元，年利率36%，逾期3个月。不处理，将拨打12378投诉！"
    spoken = "本人于二零二四年三月五号在贵行嗯在贵行贷款五万块钱年利率百分之三十六逾期三个月不处理将拨打幺二三七八投诉"
    assert canonical(letter) == "本人于T在贵行贷款A年利率N逾期N个月不处理将拨打12378投诉"
    assert canonical(spoken) == canonical(letter)


def test_stretches_lead_to_the_original() -> None:
    """Also where much was dropped before, one became several, or many became one."""
    text = "\u200b嗯，付㍿ 3,000.00元！"
    normalised = normalise(text)
    originals = [
        text[start:end] for start, end in zip(normalised.starts, normalised.ends, strict=True)
    ]
    assert originals == ["付", "㍿", "㍿", "㍿", "㍿", "3,000.00元"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u202e投\u2066诉\u2069\u202c", "投诉"),
        ("投\ud800诉\udfff", "投诉"),
        ("投\x00诉\x1b[0m", "投诉Nm"),
        ("\ue001\ue002投诉\uf8ff", "投诉"),
        ("1\u200b3\u200b8\u200b0\u200b0", "N"),
        ("投\u0301\u0316\u0330诉", "投诉"),
    ],
)
def test_tricks_with_hidden_characters_do_nothing(text: str, expected: str) -> None:
    """Bidirectional marks, lone surrogates, controls, private use and stacked marks; nobody can forge a placeholder."""
    assert canonical(text) == expected


@pytest.mark.parametrize(
    "unit",
    [
        "我要投诉",
        "1",
        "三点",
        "周",
        "a@",
        " ",
        "\u200b",
        "我叫王",
        "三分之",
        "\ud800",
        "㍿",
        "王经理",
    ],
)
def test_two_megabytes_are_read(unit: str) -> None:
    """However much there is of what: the time limit of a test would show more than linear growth."""
    text = unit * (2_000_000 // len(unit.encode("utf-8", "surrogatepass")))
    normalised = normalise(text)
    assert len(normalised.text) == len(normalised.starts)


@given(texts)
def test_stretches_lie_in_the_text_in_order(text: str) -> None:
    normalised = normalise(text)
    starts, ends = normalised.starts, normalised.ends
    assert len(normalised.text) == len(starts) == len(ends)
    assert starts.dtype == ends.dtype == np.int32
    assert (starts < ends).all()
    assert (np.diff(starts) >= 0).all()
    assert ((ends[:-1] <= starts[1:]) | (starts[:-1] == starts[1:])).all()
    assert len(starts) == 0 or (starts[0] >= 0 and ends[-1] <= len(text))


@settings(deadline=None)
@given(
    befores=st.tuples(texts, texts),
    middle=texts,
    afters=st.tuples(texts, texts),
    length=st.integers(0, 200),
    hidden=st.sampled_from(["", "\u200b"]),
)
def test_what_is_far_away_has_no_influence(
    befores: tuple[str, str], middle: str, afters: tuple[str, str], length: int, hidden: str
) -> None:
    """Characters further than the reach from any change are the same, and stand for the same stretch."""
    spread = hidden.join(middle or "我")
    filling = spread * (1 + (2 * REACH + length) // len(spread))
    one, other = (
        seen(before + filling + after, len(before) + REACH, len(before) + len(filling) - REACH)
        for before, after in zip(befores, afters, strict=True)
    )
    assert one == other


@settings(deadline=None)
@given(texts, st.integers(1, 300))
def test_a_text_can_be_normalised_piece_by_piece(text: str, size: int) -> None:
    """With the reach as context on either side of each piece, the pieces make the whole."""
    pieces: list[tuple[str, int]] = []
    for start in range(0, len(text), size):
        first = max(start - REACH, 0)
        piece = seen(text[first : start + size + REACH], start - first, start - first + size)
        pieces += [(character, at + start) for character, at, _ in piece if at + start < len(text)]
    whole = normalise(text)
    assert pieces == list(zip(whole.text, whole.starts.tolist(), strict=True))


@settings(max_examples=200, deadline=None)
@given(st.lists(texts, max_size=8))
def test_texts_together_are_read_as_each_by_itself(several: list[str]) -> None:
    """Nothing of one reaches into the next: no number, name or filler, no space and no repetition."""
    for text, each in zip(several, normalise_all(several), strict=True):
        alone = normalise(text)
        assert each.text == alone.text
        assert each.starts.tolist() == alone.starts.tolist()
        assert each.ends.tolist() == alone.ends.tolist()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("我的电话是138", "00138000"),
        ("我叫", "王小明要投诉"),
        ("abc ", " def"),
        ("我要", "我要退保"),
        ("那个", "我要退"),
        ("就是", "说得好"),
        ("姓名:", "王小明。"),
        ("¥", "300元"),
        ("〔姓", "名〕"),
        ("2024-03", "-05"),
        ("www.example", ".com/a"),
    ],
)
def test_what_two_texts_would_say_in_one_they_do_not_say_in_two(first: str, second: str) -> None:
    """A number of one and the next is no number."""
    assert [each.text for each in normalise_all([first, second])] == [canonical_of(first), canonical_of(second)]


def canonical_of(text: str) -> str:
    """The canonical text."""
    return normalise(text).text
