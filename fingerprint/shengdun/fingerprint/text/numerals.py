"""The characters that numbers are written in, as the insides of character classes."""

from typing import Final

DIGIT: Final = "0-9零〇一二三四五六七八九两幺壹贰叁肆伍陆柒捌玖"
"""What stands for one digit; 幺 is how 1 is spoken in telephone numbers."""
UNIT: Final = "十百千万亿拾佰仟"
"""Powers of ten."""
NUMERAL: Final = DIGIT + UNIT
"""Either."""
COUNT: Final = "一二三四五六七八九十两"
"""What counts things by itself before a measure word."""
