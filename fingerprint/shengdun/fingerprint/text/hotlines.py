"""Public hot lines: numbers that are words of a complaint and stay, in digits, however they were written or spoken."""

import re
from typing import Final

from shengdun.fingerprint.text.numerals import DIGIT, NUMERAL

HOT_LINES: Final = {
    "12378": "the financial regulator's line for consumers of banks and insurers",
    "12363": "the central bank's line for financial consumers",
    "12345": "the local government's service line",
    "12315": "the market regulator's line for consumers",
    "12377": "the line for reporting unlawful online content",
    "96110": "the police line against telecommunication fraud",
}
"""The hot lines that are kept, and whose they are."""

_SPOKEN: Final = dict(zip("0123456789", ("零〇", "一幺", "二两", *"三四五六七八九"), strict=True))
_DIGITS: Final = {ord(form): digit for digit, forms in _SPOKEN.items() for form in forms}
# A digit on either side makes it part of a longer number, and a unit after it a quantity. The word 一 may follow, as
# in 一直: it is a digit only before another numeral.
_CANDIDATE: Final = re.compile(
    rf"[19一幺九](?<![{NUMERAL}].)(?<![0-9]\..)(?<![¥$€£].)[{DIGIT}]{{4}}"
    rf"(?![{NUMERAL.replace('一', '')}元块圆%‰]|一[{NUMERAL}]|\.[0-9])"
)


def hot_lines(string: str) -> list[tuple[int, str]]:
    """Where hot lines begin in a folded string, and their five digits."""
    found = [(match.start(), match[0].translate(_DIGITS)) for match in _CANDIDATE.finditer(string)]
    return [(start, digits) for start, digits in found if digits in HOT_LINES]
