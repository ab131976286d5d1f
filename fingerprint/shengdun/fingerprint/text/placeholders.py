"""The kinds of personal particulars, and what stands for them.

In canonical text one character of the private use area stands for a particular, in stored text a token that people can
read. Characters of the private use area in a text that comes in mean nothing and are dropped, so no caller can forge a
placeholder that way; the tokens are read back as what they stand for.
"""

import re
from enum import IntEnum
from typing import Final


class Kind(IntEnum):
    """What a masked stretch was; the value is part of the placeholder. 0 means not masked."""

    NAME = 1
    """A person's name, without the form of address."""
    NUMBER = 2
    """A number of any kind that is none of the others; shares in percent too."""
    CODE = 3
    """Seven digits or more: a telephone, account, card, contract or identity number."""
    TIME = 4
    """A date or a time of day."""
    AMOUNT = 5
    """An amount of money."""
    LINK = 6
    """An e-mail or web address, or any other long run of Latin characters."""

    @property
    def placeholder(self) -> str:
        """The one character that stands for this kind in canonical text."""
        return chr(FIRST_PLACEHOLDER + self)

    @property
    def token(self) -> str:
        """What stands for this kind in stored text."""
        return f"〔{_NAMES[self]}〕"


FIRST_PLACEHOLDER: Final = 0xE000
"""The placeholder of a kind is this code point plus the kind's value."""

_NAMES: Final = {
    Kind.NAME: "人名",
    Kind.NUMBER: "数",
    Kind.CODE: "号码",
    Kind.TIME: "时间",
    Kind.AMOUNT: "金额",
    Kind.LINK: "网址",
}

LAST_PLACEHOLDER: Final = FIRST_PLACEHOLDER + max(Kind)
"""The placeholder with the largest code point."""

PLACEHOLDERS: Final = "".join(kind.placeholder for kind in Kind)
"""Every placeholder."""

TOKEN: Final = re.compile("〔(" + "|".join(_NAMES.values()) + ")〕")
"""A token of stored text; its group is the kind's name."""

KIND_OF_NAME: Final = {name: kind for kind, name in _NAMES.items()}
"""The kind for what a token has between its brackets."""


def is_placeholder(character: str) -> bool:
    """Whether a canonical character stands for a masked stretch."""
    return character in PLACEHOLDERS
