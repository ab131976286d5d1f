"""How the command line writes: plain text, tables and JSON to standard output, complaints to standard error."""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final

WIDE: Final = {"F": 2, "W": 2}
"""Columns of a character by its East Asian width (Unicode UAX 11); all others take one."""
_CONVERSIONS: Final[tuple[tuple[type, Callable[[Any], object]], ...]] = (
    (Enum, lambda member: member.value),
    (timedelta, timedelta.total_seconds),
    (datetime, datetime.isoformat),
    (Path, str),
)


def say(text: str = "") -> None:
    """Write a line of the answer, at once, so that a pipe sees it when it happens."""
    print(text, flush=True)


def note(text: str) -> None:
    """Write a line about progress."""
    print(text, file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """Write why something failed."""
    print(f"error: {text}", file=sys.stderr, flush=True)


def say_json(value: object) -> None:
    """Write a value as one line of JSON; durations become seconds and carry it in their names."""
    say(json.dumps(plain(value), ensure_ascii=False))


def plain(value: object) -> object:
    """A value as JSON has it.

    Raises:
        TypeError: JSON has nothing for it.
    """
    if is_dataclass(value) and not isinstance(value, type):
        named = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {_key(name, content): plain(content) for name, content in named}
    if isinstance(value, dict):
        return {_key(str(name), content): plain(content) for name, content in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return _leaf(value)


def _leaf(value: object) -> object:
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return convert(value)
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def _key(name: str, value: object) -> str:
    return f"{name}_s" if isinstance(value, timedelta) else name


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns that line up, Chinese characters included."""
    lines = [list(headers), *(list(row) for row in rows)]
    widths = [max(width(line[column]) for line in lines) for column in range(len(headers))]
    return "\n".join(
        "  ".join(pad(cell, wide) for cell, wide in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def pad(text: str, wide: int) -> str:
    """The text with blanks up to a width in columns."""
    return text + " " * (wide - width(text))


def width(text: str) -> int:
    """Columns that a text takes in a terminal."""
    return sum(WIDE.get(unicodedata.east_asian_width(character), 1) for character in text)
