"""E-mail and web addresses, and long runs of Latin characters that are no prose."""

import re
from typing import Final

_LONGEST: Final = 24
# Any run of this length is taken whole, so that the parts of a longer address need not know how it began.
_RUN: Final = rf"[a-z0-9._~:/?#@!$&'*+=%-]{{{_LONGEST},}}+"
_WEB: Final = rf"(?:https?://|www\.)[a-z0-9._~:/?#@!$&'*+=%-]{{1,{_LONGEST}}}+"
_LOCAL: Final = "[a-z0-9._%+-]"
_MAIL: Final = rf"{_LOCAL}(?<!{_LOCAL}.){_LOCAL}{{0,{_LONGEST}}}+@[a-z0-9.-]{{1,{_LONGEST}}}+"
_PATTERNS: Final = tuple(map(re.compile, (_RUN, _WEB, _MAIL)))


def links(string: str) -> list[tuple[int, int]]:
    """Stretches of a folded string that are addresses or long runs; they may overlap."""
    return [match.span() for pattern in _PATTERNS for match in pattern.finditer(string)]
