"""Texts to try rules on: made of everything that rules look at, in any order."""

from typing import Final

from hypothesis import strategies as st

CHARACTERS: Final = (
    "我要投诉你们银行的是王李方何谢任张一二三四五六七八九十百千万亿两零〇幺点分之年月日号个元块钱先生统直定嗯啊那这就说叫"
    "0123456789ＡａbxwK@:/.,-¥$% \t\n，。、：（）！？…“”〔〕"
    "\u200b\u202e\u2066\ufeff\u0301\ud800\udfff\ue002㋀½①ﬁ㍿萬貳😀é"
)
"""Single characters."""
PHRASES: Final = (
    *(
        "我叫王小明",
        "我叫",
        "姓名：张三",
        "欧阳女士",
        "谢谢王经理",
        "先生",
        "本人李四，",
        "借款人：",
        "任何",
        "主任",
    ),
    *(
        "12378",
        "一二三七八",
        "幺二三六三",
        "12345",
        "96110",
        "12,345",
        "3,000.00",
        "1234567元",
        "13800138000",
    ),
    *(
        "2024年3月5日",
        "2024-03-05",
        "14:30",
        "下午三点半",
        "三点五",
        "三月五号",
        "二零二四年",
        "24年3月",
        "星期三",
    ),
    *(
        "三千块",
        "5万元",
        "¥30",
        "百分之三十",
        "三分之一",
        "二十多万",
        "2w",
        "三个月",
        "一年",
        "两次",
        "个月",
        "分之",
    ),
    *(
        "万一",
        "千万",
        "一一",
        "统一",
        "一直",
        "十分",
        "第三方",
        "乱七八糟",
        "嗯嗯",
        "那个",
        "就是说",
        "我要我要",
        "\u200b\u200b\u200b",
    ),
    *(
        "a.b@qq.com",
        "https://www.ab.cn/x?y=1",
        "www.",
        "http://",
        "abcdefghijklmnop",
        "11010119900307123X",
    ),
    *(
        "〔数〕",
        "〔人名〕",
        "〔金额〕",
        "〔号码〕",
        "〔网址〕",
        "〔时间〕",
        "〔〕",
        "。。。。。",
        "     ",
        "\r\n\r\n",
    ),
)
"""What rules are about, and parts of it."""

pieces: st.SearchStrategy[str] = st.one_of(
    st.sampled_from(CHARACTERS),
    st.sampled_from(PHRASES),
    st.characters(),
    # Long runs of one thing reach far if anything does.
    st.builds(
        lambda piece, times: piece * times,
        st.sampled_from([*CHARACTERS, *PHRASES]),
        st.integers(2, 30),
    ),
)
texts: st.SearchStrategy[str] = st.lists(pieces, max_size=60).map("".join)
