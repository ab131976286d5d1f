"""Numbers, dates, times and amounts, in digits or as words, and what keeps words apart from them.

A numeral is read as a number where it is a digit, where it stands beside another numeral, or before a unit or a
measure word. So 三个月 and 3个月 come out alike, while 一定, 三方, 万一 and 十分 stay what they are.
"""

import re
from typing import Final

from shengdun.fingerprint.text.numerals import COUNT, DIGIT, NUMERAL
from shengdun.fingerprint.text.placeholders import Kind

Span = tuple[int, int, Kind]

# A pattern begins with what it consumes, and looks back from behind that: so the search skips to where it may match.
_DATE: Final = re.compile(r"[0-9](?<![0-9].)[0-9]{3}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?![0-9])")
_CLOCK: Final = re.compile(r"[0-9](?<![0-9:].)[0-9]?:[0-9]{2}(?::[0-9]{2})?(?![0-9:])")

_CODE: Final = re.compile(
    rf"[{DIGIT}](?<![{DIGIT}].)(?<![{DIGIT}][ -].)(?:[ -]?[{DIGIT}]){{6,}}+x?"
)
_RANGE: Final = re.compile(rf"[{DIGIT}]{{1,5}}[ -][{DIGIT}]{{1,5}}")
_LARGE_AMOUNT: Final = re.compile(rf"[{DIGIT}]{{7,12}}(?:\.[0-9]{{1,2}})?[元块圆]")

_WORD: Final = re.compile(
    rf"一(?=[直定些样起般下旦再共切致律味向贯边面心同旁])|一(?<=[统唯单专逐]一)|一(?<![{NUMERAL}].)一(?![{NUMERAL}])"
    rf"|万(?<![{NUMERAL}].)一(?![{NUMERAL.replace('一', '')}])|千(?<![{NUMERAL}].)万(?![{NUMERAL}元块圆])|七八(?=糟)"
)

_NEXT: Final = rf"(?:[{NUMERAL}]|(?<=[0-9])[.,](?=[0-9]))"
_SHORT: Final = rf"[{NUMERAL}]{{1,6}}+(?!{_NEXT})"
_NUMBER: Final = re.compile(
    rf"(?P<body>[{NUMERAL}](?<![{NUMERAL}].)(?<![0-9][.,][0-9]){_NEXT}{{0,19}}+)(?:"
    rf"(?P<long>{_NEXT}+)"
    rf"|(?P<share>[%‰]|分之{_SHORT}(?:点{_SHORT})?(?!分之|点))"
    rf"|(?P<money>(?:点{_SHORT})?(?:[多余来几][万亿]?)?(?:块钱|元钱|元整|[元块圆]|毛钱|分钱|人民币|rmb|美[元金]|港[币元]))"
    rf"|(?P<clock>点(?:[{NUMERAL}]{{1,3}}+分|[{NUMERAL}]{{2,3}}+(?!点|{_NEXT})|半|整|钟|一刻))"
    rf"|(?P<point>点{_SHORT}(?!点))"
    rf"|(?P<hour>点)"
    rf"|(?P<thousands>[wk](?![a-z0-9]))"
    rf"|(?P<month>月份?)"
    rf"|(?P<day>日|号(?![线楼码店院机]))"
    rf"|(?P<dated>年(?=[{NUMERAL}]{{1,3}}+月))|(?P<year>年)"
    rf"|(?P<counted>(?=[个次天周位名笔张份条期倍户家台遍通封套项岁秒]|小时|分钟|星期))"
    rf"|)"
)
_KINDS: Final = {
    "long": Kind.NUMBER,
    "share": Kind.NUMBER,
    "point": Kind.NUMBER,
    "money": Kind.AMOUNT,
    "thousands": Kind.AMOUNT,
    "clock": Kind.TIME,
    "hour": Kind.TIME,
    "month": Kind.TIME,
    "day": Kind.TIME,
    "dated": Kind.TIME,
    "year": Kind.TIME,
}
_LENGTHS: Final = ("个月", "小时", "分钟", "星期", "周", "年")
_WEEK: Final = ("星期", "礼拜")
_PARTS_OF_DAY: Final = (
    *("上午", "下午", "中午", "早上", "晚上", "凌晨"),
    *("傍晚", "今晚", "昨晚", "明天", "昨天", "今天"),
)
_AFTER_HOUR: Final = tuple("到至前后左多")
_CURRENCIES: Final = "¥$€£"
_LONGEST_DAY_IN_DIGITS: Final = 2
_LONGEST_DAY_IN_WORDS: Final = 3
_YEARS: Final = (2, 4)


def dates_in_digits(string: str) -> list[Span]:
    """Dates and times of day such as 2024-03-05 and 14:30 in a folded string."""
    return [
        (*match.span(), Kind.TIME)
        for pattern in (_DATE, _CLOCK)
        for match in pattern.finditer(string)
    ]


def codes(string: str) -> list[Span]:
    """Stretches of seven digits and more, in digits or words, that are no amount of money and no range."""
    found = [match.span() for match in _CODE.finditer(string)]
    return [
        (start, end, Kind.CODE)
        for start, end in found
        if not _LARGE_AMOUNT.match(string, start) and not _RANGE.fullmatch(string, start, end)
    ]


def words(string: str) -> list[tuple[int, int]]:
    """Stretches of numerals that are words, or begin one, and keep numbers beside them apart."""
    return [match.span() for match in _WORD.finditer(string)]


def numbers(string: str) -> list[Span]:
    """All other numbers with their units, in a folded string from which the above were taken out."""
    spans = (_number(string, match) for match in _NUMBER.finditer(string))
    return [span for span in spans if span is not None]


def _number(string: str, match: re.Match[str]) -> Span | None:
    start, end, unit = match.start(), match.end(), match.lastgroup
    after_body = match.end("body")
    kind = _kind_with_unit(string, match)
    if start and string[start - 1] in _CURRENCIES and unit != "long":
        return start - 1, end if kind else after_body, Kind.AMOUNT
    if kind:
        return start, end, kind
    if string.startswith(_WEEK, max(start - 2, 0)) and after_body - start == 1:
        return start, after_body, Kind.TIME
    return (start, after_body, Kind.NUMBER) if _counts(string, match) else None


def _kind_with_unit(string: str, match: re.Match[str]) -> Kind | None:
    """What a number and its unit are together; None where the unit isn't taken."""
    unit = match.lastgroup or ""
    kind = _KINDS.get(unit)
    if kind is Kind.TIME:
        return kind if _is_time(string, match, unit) else None
    if unit == "money":
        return None if match[0] == "一块" else kind
    if unit == "thousands":
        return kind if match["body"].isascii() else None
    return kind


def _is_time(string: str, match: re.Match[str], unit: str) -> bool:
    body = match["body"]
    if unit == "hour":
        after = body != "一" and string.startswith(_AFTER_HOUR, match.end())
        return after or string.startswith(_PARTS_OF_DAY, max(match.start() - 2, 0))
    if unit in ("month", "day"):
        return len(body) <= (_LONGEST_DAY_IN_DIGITS if body.isascii() else _LONGEST_DAY_IN_WORDS)
    if unit == "dated":
        return len(body) in _YEARS
    return unit == "clock" or len(body) == max(_YEARS)


def _counts(string: str, match: re.Match[str]) -> bool:
    """Whether numerals without a unit are a number and not part of a word."""
    body = match["body"]
    if len(body) > 1 or body.isascii():
        return True
    if match.lastgroup not in ("counted", "dated", "year") or body not in COUNT:
        return False
    return body != "一" or string.startswith(_LENGTHS, match.end("body"))
