"""Known scripts in what people say and write."""

import threading
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shengdun.fingerprint.text.normalise import normalise
from shengdun.index.scripts.matching import ScriptIndex, ScriptMatch, ScriptTooShort, View

LETTER = (
    "尊敬的领导您好，我因为疫情失业导致信用卡逾期，目前实在没有能力一次性偿还全部欠款。根据商业银行信用卡业务监督管理办法第七十条，"
    "我有权申请个性化分期还款，最长可以分六十期，请贵行停止催收并且停息挂账。如果贵行继续推诿，我将向监管部门投诉并要求出具书面答复。"
)
SURRENDER = (
    "当时业务员承诺这份保险是存钱的理财产品，三年以后随时可以取出来本金不会有任何损失，从来没有告诉我是终身缴费的保险。"
    "你们的销售录音里没有向我说明退保损失，属于销售误导，我要求全额退还已经缴纳的保费，否则我会一直反映下去直到有结果为止。"
)
SAME_SOUND = str.maketrans("逾期偿还欠款监管投诉答复分期", "鱼七尝环欠宽间管头素达付芬七")
INNOCENT = (
    "你好，我想问一下我上个月的账单怎么还没有寄到，地址是不是填错了。哦好的，那你帮我改成电子账单吧，以后就发到邮箱里面就行。"
    "另外我的额度能不能临时提高一点，下个星期要出去旅游，可能要多刷一些。嗯，可以的，那谢谢你了，没有别的事情了，再见。"
)


@pytest.fixture
def known() -> ScriptIndex:
    """Two scripts."""
    index = ScriptIndex()
    index.add("letter", LETTER)
    index.add("surrender", SURRENDER)
    return index


def found(known: ScriptIndex, text: str) -> list[str]:
    """The scripts that more speaks for than against."""
    return [match.script_id for match in known.match(text) if match.llr > 0]


def test_a_script_that_was_read_out_is_found_with_its_passage(known: ScriptIndex) -> None:
    """A third of it, in the middle of an ordinary call."""
    part = LETTER[20:85]
    call = INNOCENT[:60] + part + INNOCENT[60:]
    [match] = [each for each in known.match(call) if each.llr > 0]
    assert match.script_id == "letter"
    [passage] = match.passages
    assert passage.view is View.CHARACTERS
    assert abs(passage.text_start - 60) <= 3
    assert abs(passage.text_end - 60 - len(part)) <= 3
    assert call[passage.text_start : passage.text_end] in call
    shared = LETTER[passage.script_start : passage.script_end]
    assert len(set(shared) & set(part)) > 0.9 * len(set(part))
    assert 0.3 < match.script_share < 0.6
    assert 0.2 < match.text_share < 0.5


def test_words_written_by_their_sound_are_found_as_such(known: ScriptIndex) -> None:
    """What a speech recogniser makes of it."""
    [match] = [each for each in known.match(LETTER.translate(SAME_SOUND)) if each.llr > 0]
    assert match.script_id == "letter"
    assert View.PINYIN in {passage.view for passage in match.passages}


def test_sentences_in_another_order_are_passages_of_their_own(known: ScriptIndex) -> None:
    """Three of them turned round."""
    first, second, third = LETTER[:50], LETTER[50:90], LETTER[90:]
    [match] = [each for each in known.match(third + second + first) if each.llr > 0]
    assert len(match.passages) >= 2
    assert match.script_share > 0.8
    assert all(one.text_end <= next_.text_start for one, next_ in pairwise(match.passages))


def test_ordinary_words_are_nobodys(known: ScriptIndex) -> None:
    """Neither a call nor what everybody says to open one."""
    assert found(known, INNOCENT) == []
    assert found(known, "喂你好请问是客服吗我想咨询一下信用卡的事情") == []


@pytest.mark.parametrize("text", ["", "我", "。。。", "\x00\u202e\ud800", "12345678", "a" * 100])
def test_nothing_to_go_by_is_no_match_and_no_error(known: ScriptIndex, text: str) -> None:
    """Empty, one character, punctuation, controls, numbers, a stuck key."""
    assert found(known, text) == []


def test_a_script_below_the_floor_is_refused(known: ScriptIndex) -> None:
    """With what it has and what it needs."""
    with pytest.raises(ScriptTooShort, match="needs 20 characters"):
        known.add("short", "我要投诉你们！！！")
    assert "short" not in known


def test_a_removed_script_is_found_no_more(known: ScriptIndex) -> None:
    """At once, and nothing else is."""
    assert known.remove("letter")
    assert not known.remove("letter")
    assert found(known, LETTER) == []
    assert found(known, SURRENDER) == ["surrender"]
    assert len(known) == 1


def test_a_script_takes_the_place_of_another_of_its_id(known: ScriptIndex) -> None:
    """Also within one batch, where the last one counts."""
    known.extend([("letter", INNOCENT), ("letter", SURRENDER[::-1])])
    assert found(known, LETTER) == []
    assert found(known, INNOCENT) == []
    assert found(known, SURRENDER[::-1]) == ["letter"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 420), max_size=12))
def test_any_cut_of_the_same_words_ends_in_the_same_matches(cuts: list[int]) -> None:
    """Word by word, in the middle of a word, empty segments, all at once."""
    known = ScriptIndex()
    known.add("letter", LETTER)
    known.add("surrender", SURRENDER)
    words = (
        INNOCENT[:50] + SURRENDER[10:60] + INNOCENT[50:] + LETTER[40:120] + "嗯那个我我我想说3月5号"
    )
    places = sorted({0, len(words), *(min(cut, len(words)) for cut in cuts)})
    listener = known.listener()
    heard: list[ScriptMatch] = []
    for start, end in pairwise(places):
        guess = listener.preview(words[start:end])
        listener.preview("另外说的话")
        heard = listener.hear(words[start:end])
        assert guess == heard
        assert heard == known.match(words[:end])
        assert heard == known.match_all([INNOCENT, words[:end], "", LETTER])[1]
    assert heard == known.match(words)
    assert listener.hear("") == heard
    assert listener.text_length == len(words)


texts = st.lists(
    st.tuples(
        st.sampled_from([LETTER, SURRENDER, INNOCENT, LETTER.translate(SAME_SOUND), LETTER * 3]),
        st.integers(0, 120),
        st.integers(0, 260),
    ),
    max_size=90,
)


@settings(max_examples=30, deadline=None)
@given(texts, st.sampled_from([-inf, 0.0, 6.0]), st.integers(1, 3))
def test_texts_together_say_what_each_says_by_itself(
    parts: list[tuple[str, int, int]], above: float, limit: int
) -> None:
    """And what a call says in which the same was said; empty ones among them, and more than are compared at once."""
    known = ScriptIndex()
    known.extend([("letter", LETTER), ("surrender", SURRENDER), ("both", SURRENDER + LETTER)])
    written = [text[start : start + length] for text, start, length in parts]
    together = known.match_all(written, above=above, limit=limit)
    assert together == [known.match(text, above=above, limit=limit) for text in written]
    listened = [known.listener(above=above, limit=limit).hear(text) for text in written[:20]]
    assert together[:20] == listened


def test_a_wording_that_a_script_repeats_counts_as_it_does_in_a_call(known: ScriptIndex) -> None:
    """Also where a text repeats it, and neighbours in the index begin as the script ends."""
    known.add("again", (LETTER[:40] + SURRENDER[:15]) * 12)
    known.add("next", SURRENDER[:15] * 2 + LETTER[:40])
    text = (SURRENDER[:15] + LETTER[10:40]) * 6
    assert known.match(text) == known.listener().hear(text)


def test_a_script_registered_during_a_call_is_found_in_words_just_said(known: ScriptIndex) -> None:
    """And one that was removed isn't, in words that were said of it."""
    listener = known.listener(above=0.0)
    heard = listener.hear(INNOCENT[:60] + SURRENDER[:50])
    assert [match.script_id for match in heard] == ["surrender"]
    known.remove("surrender")
    assert listener.hear("。") == []
    known.add("again", SURRENDER)
    assert [match.script_id for match in listener.hear("。")] == ["again"]


def test_only_scripts_above_what_is_asked_for_are_told(known: ScriptIndex) -> None:
    """They are told as they are otherwise; the others not at all."""
    text = INNOCENT + LETTER[:60] + SURRENDER[20:28]
    every = known.match(text)
    for above in (-2.0, 0.0, 8.0, 100.0):
        assert known.match(text, above=above) == [each for each in every if each.llr > above]


def test_among_many_scripts_the_same_passage_says_less(known: ScriptIndex) -> None:
    """A phrase is enough among a few, and not among a thousand; a paragraph is in either."""
    phrase, paragraph = INNOCENT[:60] + LETTER[100:112], INNOCENT[:60] + LETTER[:80]
    few = known.match(phrase)[0]
    known.extend(
        (f"other-{number}", INNOCENT[::-1] + chr(0x5000 + number)) for number in range(1000)
    )
    many = known.match(phrase)[0]
    assert (few.script_id, few.worth) == (many.script_id, many.worth)
    assert many.llr < few.llr
    assert found(known, paragraph) == ["letter"]


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet=st.sampled_from(LETTER + SURRENDER + "，。！ 123abc\u200b"), max_size=300))
def test_passages_are_stretches_of_both_texts(text: str) -> None:
    """At offsets that lie within, one after the other, and hold what counts."""
    known = ScriptIndex()
    known.add("letter", LETTER)
    for match in known.match(text + LETTER[30:80]):
        assert 0.0 < match.script_share <= 1.0
        assert 0.0 < match.text_share <= 1.0
        for passage in match.passages:
            assert 0 <= passage.text_start < passage.text_end <= len(text) + 50
            assert 0 <= passage.script_start < passage.script_end <= len(LETTER)
            assert normalise((text + LETTER[30:80])[passage.text_start : passage.text_end]).text
        assert all(one.text_end <= next_.text_start for one, next_ in pairwise(match.passages))


def test_scripts_come_and_go_while_others_listen() -> None:
    """Nobody waits, what stays is found throughout, and what was added is found by the next look."""
    known = ScriptIndex()
    known.add("letter", LETTER)
    stop = threading.Event()
    missed: list[str] = []

    def listen() -> None:
        while not stop.is_set():
            if "letter" not in found(known, LETTER):
                missed.append("letter")

    listeners = [threading.Thread(target=listen) for _ in range(2)]
    for each in listeners:
        each.start()
    for number in range(200):
        known.add(f"script-{number}", SURRENDER[number % 20 :] + chr(0x4E00 + number) * 2)
        if number >= 20:
            known.remove(f"script-{number - 20}")
    stop.set()
    for each in listeners:
        each.join()
    assert missed == []
    assert any(name.startswith("script-") for name in found(known, SURRENDER))
