"""How common wording is, and what characters are worth by it."""

import numpy as np
import pytest

from shengdun.fingerprint.text.normalise import normalise
from shengdun.fingerprint.text.pinyin import syllables
from shengdun.fingerprint.text.shingles import shingles
from shengdun.index.scripts.alignment import SEED
from shengdun.index.scripts.background import PHRASE, Background, default_background, learn, worths
from shengdun.index.scripts.matching import ScriptIndex

PHRASE_OF_ALL = "为了确保您的资金安全需要您尽快提供一些信息"
OWN = (
    "我家的猫昨天跑丢了",
    "这台洗衣机又漏水了",
    "明天的火车改签了吗",
    "孩子开学要交学费",
    "楼下超市换了老板",
)


def worth_of(text: str, background: Background) -> list[float]:
    """What each canonical character of a text is worth."""
    codes = syllables(normalise(text).text)
    of_seeds = background.of_seeds(shingles(codes, SEED))
    phrases = shingles(codes, PHRASE)
    worth: list[float] = worths(
        of_seeds, background.of_phrases(phrases, of_seeds[: len(phrases)])
    ).tolist()
    return worth


def test_a_phrase_is_worth_its_beginning_and_the_rest_of_it_nothing() -> None:
    """However many characters it has; what follows in nobody's words is worth all."""
    background = learn([PHRASE_OF_ALL + own for own in OWN], least_documents=4)
    worth = worth_of(PHRASE_OF_ALL + "蓝鲸跃出海面", background)
    # Of six documents with the phrase in five, each run by itself is worth a little.
    assert worth[PHRASE - 1 : len(PHRASE_OF_ALL)] == pytest.approx(
        [0.0] * (len(PHRASE_OF_ALL) - PHRASE + 1)
    )
    assert worth[-4:] == [1.0] * 4


def test_what_goes_on_in_another_way_is_worth_more_than_what_goes_on_as_ever() -> None:
    """Eight documents go on alike after a beginning that sixteen have; and nothing is worth less than nothing."""
    alike, others = "请您稍等一下我查询资料", "请您稍等一下"
    texts = [alike] * 8 + [others + chr(0x4E00 + 40 * number) for number in range(8)]
    background = learn([*texts, *(own * 2 for own in OWN)], least_documents=4)
    worth = worth_of(alike, background)
    at = len(others)
    assert worth[at] == pytest.approx((np.log(17) - np.log(9)) / np.log(22))
    assert worth[at + 1 :] == pytest.approx([0.0] * (len(alike) - at - 1))
    assert min(worth) >= 0.0


def test_a_background_of_runs_without_counts_is_refused() -> None:
    """A count for each."""
    known = default_background()
    with pytest.raises(ValueError, match="count"):
        Background(
            hashes=known.hashes,
            documents=known.documents,
            phrases=known.phrases,
            phrase_documents=known.phrase_documents[1:],
            total=known.total,
        )


def test_a_sentence_that_everybody_says_is_no_sign_of_a_script() -> None:
    """Thirty characters word for word; as many of the script's own are."""
    ordinary = "为了确保您的资金安全，需要您尽快提供一些信息进行身份验证"
    own = "贵行去年九月把我的额度拆成两笔循环贷，复利滚到如今没有人解释过"
    index = ScriptIndex()
    index.add("script", ordinary + "。" + own + "。")
    call = "你好，我问一下明天几点开门。{}，好的谢谢再见。"
    assert index.match(call.format(ordinary), above=0.0) == []
    [match] = index.match(call.format(own), above=0.0)
    assert match.llr > 6.0
