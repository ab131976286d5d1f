"""What happens to a script on its way into a transcript: misheard, mistyped, reordered, reworded, spoken.

Everything is drawn from the generator that is passed in, so that a seed gives the same text on every machine.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from random import Random
from typing import Final

from benchmarks.text.homophones import Homophones, is_chinese

FEWEST_SENTENCES: Final = 3
"""Of fewer sentences than this, the clauses are reordered instead."""

_SENTENCE: Final = re.compile(r"[^。！？；]+[。！？；]?")
_CLAUSE: Final = re.compile(r"[^。！？；，、：,.!?;]+[。！？；，、：,.!?;]?")
_PUNCTUATION: Final = re.compile(r"[^\w]|_")
_FILLERS: Final = ("嗯", "那个", "就是说", "啊", "呃", "然后呢", "这个", "对吧", "我跟你讲")
_FILLER_SHARE: Final = 0.3
_REWORDED_SHARE: Final = 0.8
_SPOKEN_HOMOPHONES: Final = 0.1


class Corruption(StrEnum):
    """A kind of change; ``HOMOPHONES`` and ``CHARACTERS`` take a rate."""

    HOMOPHONES = "homophones"
    CHARACTERS = "characters"
    REORDERED = "reordered"
    SYNONYMS = "synonyms"
    BLANKS = "blanks"
    SPOKEN = "spoken"
    PARAPHRASE = "paraphrase"
    COMBINED = "combined"

    @property
    def takes_rate(self) -> bool:
        """Whether it's measured at several rates."""
        return self in {Corruption.HOMOPHONES, Corruption.CHARACTERS}


# Written for this benchmark: what people say instead, in either direction and in one alone.
_SYNONYMS: Final = (
    ("要求", "请求"), ("马上", "立刻"), ("立即", "即刻"), ("全部", "统统"), ("退还", "返还"), ("告诉", "告知"),
    ("没有", "未曾"), ("现在", "目前"), ("按照", "依照"), ("根据", "依据"), ("规定", "条例"), ("投诉", "举报"),
    ("处理", "解决"), ("答复", "回复"), ("承担", "担负"), ("责任", "义务"), ("客服", "接线员"), ("催收", "催债"),
    ("利息", "息费"), ("手续费", "费用"), ("业务员", "推销员"), ("明确", "清楚"), ("如果", "要是"), ("因为", "由于"),
    ("所以", "因此"), ("但是", "不过"), ("还有", "另外"), ("资料", "材料"), ("证明", "证据"), ("录音", "音频"),
    ("提供", "出示"), ("赔偿", "补偿"), ("损失", "亏损"), ("监管", "监督部门"), ("本人", "我自己"), ("客户", "顾客"),
    ("合同", "协议"), ("保费", "保险费"), ("退保", "退掉保险"), ("贷款", "借款"), ("逾期", "拖欠"), ("减免", "免除"),
    ("协商", "商量"), ("侵犯", "损害"), ("知情权", "了解的权利"), ("必须", "一定要"), ("不得", "不可以"),
    ("任何", "一切"), ("签字", "签名"), ("信用卡", "贷记卡"), ("领导", "上级"), ("后来", "之后"), ("当时", "那会儿"),
    ("今天", "今日"), ("孩子", "小孩"), ("每个月", "月月"), ("属于", "算是"), ("我们", "咱们"), ("你们", "贵方"),
    ("说", "讲"), ("怎么", "如何"), ("为什么", "为啥"), ("已经", "早就"),
)  # fmt: skip
_SYNONYMS_ONE_WAY: Final = (
    ("需要", "得"), ("可以", "能"), ("这个", "此"), ("给我", "替我"), ("银行", "行里"), ("电话", "来电"),
)  # fmt: skip
_REWORDED: Final = dict(_SYNONYMS + _SYNONYMS_ONE_WAY) | {other: one for one, other in _SYNONYMS}
_REWORDABLE: Final = re.compile("|".join(sorted(_REWORDED, key=len, reverse=True)))


def corrupted(
    text: str, corruption: Corruption, rate: float, rng: Random, homophones: Homophones
) -> str:
    """A text after one kind of change.

    Args:
        text: of a script, or of what is said around it.
        corruption: the kind; ``BLANKS`` and ``PARAPHRASE`` choose another text beforehand and change nothing here.
        rate: share of the characters that are wrong, in [0, 1]; of no meaning where the kind takes none.
        rng: what is drawn from.
        homophones: which characters are mistaken for which.
    """
    changes: dict[Corruption, Callable[[], str]] = {
        Corruption.HOMOPHONES: lambda: with_homophones(text, rate, rng, homophones),
        Corruption.CHARACTERS: lambda: with_wrong_characters(text, rate, rng, homophones),
        Corruption.REORDERED: lambda: reordered(text, rng),
        Corruption.SYNONYMS: lambda: reworded(text, rng),
        Corruption.SPOKEN: lambda: spoken(text, rng),
        Corruption.COMBINED: lambda: with_homophones(
            spoken(reworded(text, rng), rng), _SPOKEN_HOMOPHONES, rng, homophones
        ),
    }
    return changes.get(corruption, lambda: text)()


def with_homophones(text: str, rate: float, rng: Random, homophones: Homophones) -> str:
    """Each Chinese character misheard with the probability ``rate``, as another that sounds alike."""
    return "".join(
        homophones.mistaken(character, rng)
        if is_chinese(character) and rng.random() < rate
        else character
        for character in text
    )


def with_wrong_characters(text: str, rate: float, rng: Random, homophones: Homophones) -> str:
    """Each character wrong with the probability ``rate``: half replaced, a quarter lost, a quarter with one more."""
    made = []
    for character in text:
        drawn = rng.random()
        if drawn >= rate:
            made.append(character)
        elif drawn < rate / 2:
            made.append(homophones.any_character(rng))
        elif drawn < rate * 0.75:
            made.append(character + homophones.any_character(rng))
    return "".join(made)


def reordered(text: str, rng: Random) -> str:
    """The sentences in another order, or the clauses where there are few sentences."""
    pieces = _SENTENCE.findall(text)
    if len(pieces) < FEWEST_SENTENCES:
        pieces = _CLAUSE.findall(text)
    rng.shuffle(pieces)
    return "".join(pieces)


def reworded(text: str, rng: Random) -> str:
    """Four in five of the words that have a synonym in the table replaced by it."""
    return _REWORDABLE.sub(
        lambda word: _REWORDED[word[0]] if rng.random() < _REWORDED_SHARE else word[0], text
    )


def spoken(text: str, rng: Random) -> str:
    """As a recogniser of speech writes: no punctuation, with the fillers that people say between clauses."""
    made = []
    for clause in _CLAUSE.findall(text):
        if rng.random() < _FILLER_SHARE:
            made.append(rng.choice(_FILLERS))
        made.append(_PUNCTUATION.sub("", clause))
    return "".join(made)


def clause_starts(text: str) -> list[int]:
    """Where clauses begin, in characters; 0 is the first of them for any text that has one."""
    return [clause.start() for clause in _CLAUSE.finditer(text)]
