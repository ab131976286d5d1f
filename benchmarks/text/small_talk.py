"""Innocent texts of our own making, for a run without corpora: what customers ask and say when nothing is wrong.

They are sentences put together by chance. They serve the tests, and say nothing about how rare a false flag is.
"""

from collections.abc import Iterator
from random import Random
from typing import Final

from benchmarks.text.corpora import Kind, Unit

_OPENINGS: Final = (
    "你好",
    "喂您好",
    "麻烦问一下",
    "不好意思打扰了",
    "我想咨询个事",
    "早上好",
    "哎你好",
)
_ABOUT: Final = (
    "手机银行", "工资卡", "外币兑换", "车险", "存折", "理财到期", "社保缴费", "网点排队", "零钱兑换", "纪念币预约",
    "密码重置", "转账限额", "电子发票", "积分商城", "水电代扣", "收款码", "银行短信", "养老金", "公积金",
    "房贷还款日",
)  # fmt: skip
_ASKED: Final = (
    "{0}这个怎么弄", "我不太会用{0}", "{0}要带什么证件", "附近哪里可以办{0}", "{0}周末能不能办",
    "上次有人教过我{0}我给忘了", "我女儿说{0}在家就能办", "{0}是不是换地方了", "{0}办好大概要多久",
    "能不能帮我看看{0}", "{0}跟以前不一样了吗",
)  # fmt: skip
_TOLD: Final = (
    "我住得比较远", "今天下雨了我就没出门", "孩子在旁边有点吵", "我先拿支笔记一下", "我眼睛不太好你说慢一点",
    "老伴让我问问", "单位那边催得不急", "我明天上午有空", "我刚从菜市场回来", "昨天排了半天队",
    "你们那个小姑娘挺热心的", "我手机快没电了", "晚上要去接孙子放学", "过年的时候来过一次",
    "我记得是二楼左边那个窗口", "上个月才换的新手机", "字太小了看不清楚", "我试了两遍都不成功", "可能是网络不好",
    "那我等会儿再试试",
)  # fmt: skip
_CLOSINGS: Final = (
    "好的谢谢你",
    "行那我知道了",
    "麻烦你了再见",
    "好嘞辛苦了",
    "嗯嗯明白了",
    "那先这样吧",
)
_TURNS: Final = (4, 12)


def small_talk(count: int, seed: int) -> Iterator[Unit]:
    """So many units, calls and letters in turn, each of 60 to 250 characters."""
    for number in range(count):
        rng = Random(f"small talk/{seed}/{number}")
        kind = (Kind.CALL, Kind.LETTER)[number % 2]
        yield Unit(unit_id=f"small-talk-{number}", kind=kind, text=_talk(rng))


def _talk(rng: Random) -> str:
    turns = [rng.choice(_OPENINGS)]
    for _ in range(rng.randint(*_TURNS)):
        turns.append(rng.choice(_ASKED).format(rng.choice(_ABOUT)))
        turns.extend(rng.sample(_TOLD, rng.randint(1, 2)))
    turns.append(rng.choice(_CLOSINGS))
    return "".join(turn + rng.choice("，，。？") for turn in turns)
