"""Names of persons, where the words around them say that they are: 我叫王小明, 李经理, 姓名：张三.

Conservative: a surname by itself is a common word too often. Forms of address stay, for they are part of what is
said; only the name before them is masked.
"""

import re
from typing import Final

_COMPOUND: Final = (
    *("欧阳", "上官", "司马", "诸葛", "司徒", "夏侯", "皇甫", "尉迟", "公孙"),
    *("慕容", "长孙", "宇文", "令狐", "南宫", "东方", "端木", "轩辕"),
)
_PLAIN: Final = (
    "王李张刘陈杨黄赵吴徐孙朱胡郭林罗郑梁宋唐韩冯邓曹彭肖董袁潘蒋蔡杜叶苏魏吕丁沈姚卢姜崔谭汪范廖贾韦邹孟熊秦邱"
    "尹薛闫阎侯陶黎贺郝龚邵覃戴莫孔汤赖樊殷俞鲁倪庞邢骆翟颜耿柳詹岳聂鞠祁褚佟邬"
)
"""Surnames that seldom end another word."""
_AMBIGUOUS: Final = (
    "周马何高谢许曾田余程任钟陆金石夏付方白江段雷龙史顾毛"
    "万钱严武向康施牛洪葛温庄章安齐伍季兰申于易常文左"
)
"""Surnames that often do, as in 感谢王经理; the surname nearest to the form of address then counts."""
# A placeholder may hide one of these characters; behind it, too, there's no name.
_MASKED: Final = r"\ue000-\ue0ff"
_NO_SURNAME_AFTER: Final = (
    rf"(?<![对双我你您他贵官甲乙丙各多三{_MASKED}]方)(?<![主{_MASKED}]任)(?<![感多致谢{_MASKED}]谢)"
    rf"(?<![允也或不{_MASKED}]许)(?<![任如为{_MASKED}]何)"
)
_ADDRESS: Final = "(?:先生|女士|小姐|老师|经理|律师|主任|警官|法官|同志|专员|主管|科长|处长|行长)"

_HAN: Final = r"\u4e00-\u9fff"
_NOT_GIVEN: Final = (
    "我你您他她它是的了在有要想来去和跟与给对不没就也都很电身住今年从因个这那说打被投叫号现已于"
)
"""What follows a name and isn't part of it."""
_GIVEN: Final = rf"(?!{_ADDRESS}|[{_NOT_GIVEN}])[{_HAN}]"
_SURNAME: Final = rf"(?:{'|'.join(_COMPOUND)}|[{_PLAIN}{_AMBIGUOUS}])"
# The first character comes first, for the search to skip to it.
_FIRSTS: Final = "".join({name[0] for name in _COMPOUND}) + _PLAIN + _AMBIGUOUS
_CLEAR: Final = "|".join([rf"(?<=[{_PLAIN}])", *(f"(?<={name[0]}){name[1]}" for name in _COMPOUND)])
# Only the first character is consumed, and below only the introduction: what a name seems to be never hides the
# beginning of another, so none depends on how a row of them began.
_ADDRESSED: Final = re.compile(
    rf"[{_FIRSTS}](?=((?:(?:{_CLEAR})(?:{_GIVEN}){{0,2}}?"
    rf"|(?<=[{_AMBIGUOUS}]){_NO_SURNAME_AFTER}(?:(?!{_SURNAME}{_ADDRESS}){_GIVEN}){{0,2}}?)(?={_ADDRESS})))"
)
_STRANGERS: Final = re.compile(
    "高级|任何|金牌|安全|金融|江苏|武汉|石家庄|白领|万能|史上|方面|马上|于是|向来|常务|文明|左右"
)
"""What begins like a name before a form of address, and is none."""
_PARTIES: Final = (
    *("投诉人", "申请人", "举报人", "借款人", "持卡人", "联系人"),
    *("投保人", "被保险人", "委托人", "代理人", "经办人", "当事人"),
)
_INTRODUCTIONS: Final = "|".join(
    [
        *("我叫做?", "名叫", "我的名字[是叫]", "姓名[是为]?:? {0,2}", "户名:? {0,2}"),
        rf"本人(?=[{_HAN}]{{2,4}}[,(、])",
        *(f"{party}(?:姓名)?[是为:] {{0,2}}" for party in _PARTIES),
    ]
)
_INTRODUCED: Final = re.compile(rf"(?:{_INTRODUCTIONS})(?=({_SURNAME}(?:{_GIVEN}){{1,2}}))")
_FORM: Final = re.compile(
    rf"(?:姓名|户名|{'|'.join(_PARTIES)}): {{0,2}}(?=([{_HAN}]{{2,4}})(?![{_HAN}{_MASKED}]))"
)


def names(string: str) -> list[tuple[int, int]]:
    """Stretches of a folded string that are names; they may overlap."""
    spans = [(match.start(), match.end(1)) for match in _ADDRESSED.finditer(string)]
    return [
        *(span for span in spans if not _STRANGERS.match(string, *span)),
        *(match.span(1) for pattern in (_INTRODUCED, _FORM) for match in pattern.finditer(string)),
    ]
