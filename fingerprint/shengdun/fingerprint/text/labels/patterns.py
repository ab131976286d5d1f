"""Regular expressions that can be searched for in time linear in the text, and in a text that comes in pieces.

The syntax is RE2's: no look-around, no references back. A match is the longest from where it begins, of at least two
and at most sixty characters, and depends on nothing but those and one neighbour on either side; therefore the
beginning and the end of the text can't be asked for. Reference: Cox, "Regular Expression Matching in the Wild" (2010).
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import re2
from numpy.typing import NDArray

LONGEST: Final = 60
"""No hit is longer, in characters of canonical text."""
SHORTEST: Final = 2
"""Nor is one shorter."""
LONGEST_REGEX: Final = 500
"""No pattern is written with more characters."""
_LARGEST_PROGRAM: Final = 1_500
_FAR: Final = 4096
_MEMORY_BYTES: Final = 4 << 20
_MEMORY_TOGETHER_BYTES: Final = 64 << 20
_NEUTRAL: Final = "丌亍丏丐丕" * (LONGEST // 5)
"""Rare characters: a pattern that matches some of them matches nearly everything."""

# What stands for no character, or for one of several: escapes, names and flags of groups, brackets.
_SYNTAX = re.compile(
    r"\\[pP]\{[^}]*\}|\\[pP].|\\x\{[^}]*\}|\\.|\(\?P?<[^>]*>|\(\?[a-zA-Z-]*"
    r"|\[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*\]",
    re.DOTALL,
)
_REPEATED = re.compile(r"\{[0-9]*,?[0-9]*\}")
_NUMBER = re.compile("[0-9]{3,}")
_BOUNDARY = re.compile(r"\\[bB]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_REFUSED_ESCAPES: Final = {
    "A": "the beginning of the text",
    "z": "the end of the text",
    "C": "a single byte",
    "Q": "a quotation; put a backslash before each character instead",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A text in UTF-8, with where each character is.

    Attributes:
        data: the bytes.
        at: (n + 1,) int64, where each character begins, and at last the length.
    """

    data: bytes
    at: NDArray[np.int64]

    def character(self, byte: int) -> int:
        """The index of the character that begins at a byte."""
        return int(np.searchsorted(self.at, byte))


def encoded(text: str) -> Encoded:
    """Encodes any text, lone surrogates too, which no pattern then matches."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    widths = 1 + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000)
    at = np.concatenate([np.zeros(1, np.int64), np.cumsum(widths, dtype=np.int64)])
    return Encoded(data=text.encode("utf-8", "surrogatepass"), at=at)


class Matcher:
    """Finds where one regular expression matches. Safe to share between threads.

    Args:
        regex: in RE2's syntax.

    Raises:
        ValueError: it is none, or one that packs may not have; the message says why.
    """

    def __init__(self, regex: str) -> None:
        _check_written(regex)
        self._regex = _compiled(regex)
        _check_matches(self._regex)

    def matches(self, text: Encoded, *, since: int = 0) -> Iterator[tuple[int, int]]:
        """The longest match from each character where one begins, as [start, end) in characters, by start.

        Takes time linear in the text: each search looks at a window that no start could need more of, a window
        that is small where matches are and grows where none are.
        """
        count = len(text.at) - 1
        position, ahead = since, LONGEST
        while position < count:
            start = self._next(text, position, min(position + ahead + LONGEST, count))
            if start is None:
                position += ahead
                ahead = min(2 * ahead, _FAR)
                continue
            end = self._end(text, start, min(start + LONGEST, count))
            if end - start >= SHORTEST:
                yield start, end
            position, ahead = start + 1, LONGEST

    def _next(self, text: Encoded, start: int, end: int) -> int | None:
        found = self._regex.search(text.data, int(text.at[start]), int(text.at[end]))
        return None if found is None else text.character(found.start())

    def _end(self, text: Encoded, start: int, end: int) -> int:
        found = self._regex.match(text.data, int(text.at[start]), int(text.at[end]))
        return start if found is None else text.character(found.end())


class Gate:
    """Tells in one look that none of many regular expressions matches, as in most texts. Safe to share between threads.

    Args:
        regexes: each one that ``Matcher`` takes.
    """

    def __init__(self, regexes: Sequence[str]) -> None:
        # Where a window cuts a text off there may be a boundary of a word that the whole text doesn't have.
        is_plain = not any(_BOUNDARY.search(regex) for regex in regexes)
        self._any = _compiled_together(regexes) if is_plain and regexes else None

    def is_shut(self, text: Encoded, *, since: int) -> bool:
        """Whether no expression matches anywhere from a character on; False says nothing."""
        start, end = int(text.at[since]), int(text.at[-1])
        return self._any is not None and self._any.search(text.data, start, end) is None


def uncanonical(regex: str, canonical: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """What a pattern asks for and canonical text never has, each with what it has instead, perhaps nothing.

    Looks at each character, and at numbers of three digits or more, which may be masked. Escapes and what is within
    brackets are left alone.
    """
    bare = _REPEATED.sub("", _SYNTAX.sub("", regex))
    for character in dict.fromkeys(bare):
        instead = canonical(character)
        dropped = not instead and not character.isascii()
        replaced = instead != character and len(instead) == 1 and instead.isalpha()
        if dropped or replaced:
            yield character, instead
    for number in dict.fromkeys(_NUMBER.findall(bare)):
        if is_masked(canonical(number)):
            yield number, r"\p{Co}"


def is_masked(canonical: str) -> bool:
    """Whether canonical text has a placeholder: a character of the private use area."""
    return any(unicodedata.category(character) == "Co" for character in canonical)


def _compiled(regex: str) -> Any:  # noqa: ANN401 - re2 has no types
    options = re2.Options()
    options.longest_match = True
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    try:
        program = re2.compile(regex, options)
    except re2.error as error:
        reason = error.args[0]
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(
            f"RE2 does not take it ({said}): see its syntax; it has no look-around"
        ) from error
    if program.programsize > _LARGEST_PROGRAM:
        raise ValueError(
            "compiles to too large a program: use shorter repetitions, or several patterns"
        )
    return program


def _compiled_together(regexes: Sequence[str]) -> Any:  # noqa: ANN401 - re2 has no types
    """One expression that matches where any does; None if that is too much for RE2."""
    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MEMORY_TOGETHER_BYTES
    try:
        return re2.compile("|".join(f"(?:{regex})" for regex in regexes), options)
    except re2.error:
        return None


def _check_written(regex: str) -> None:
    if not regex.strip():
        raise ValueError("is empty: write a regular expression or remove it")
    if len(regex) > LONGEST_REGEX:
        raise ValueError(f"has more than {LONGEST_REGEX} characters: split it into several")
    for escaped in _ESCAPED.findall(regex):
        if escaped in _REFUSED_ESCAPES:
            raise ValueError(
                f"\\{escaped} is {_REFUSED_ESCAPES[escaped]}, which packs can't ask for: remove it"
            )
    bare = _SYNTAX.sub("", regex)
    if "^" in bare or "$" in bare:
        raise ValueError(
            "^ and $ ask for an end of the text, which a call has not yet: remove them"
        )


def _check_matches(program: Any) -> None:  # noqa: ANN401 - re2 has no types
    for probe in ("", *"丌a1", "丌a1丌"):
        empty = program.search(probe)
        if empty is not None and empty.start() == empty.end():
            raise ValueError(
                "matches where there is nothing: make at least one part of it not optional"
            )
    if program.search(_NEUTRAL):
        raise ValueError("matches nearly any text: name at least one word in it")
