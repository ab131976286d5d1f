"""Files of Chinese text as people have them: UTF-8 with or without byte order mark, UTF-16 with one, or GB18030."""

from pathlib import Path
from typing import Final

from shengdun.enrollment.errors import TextFileUnreadable

MAX_TEXT_BYTES: Final = 4 << 20
"""A larger file is no letter or chat."""
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_LOST: Final = "\ufffd"
_BROKEN_SHARE: Final = 0.1


def read_text_file(path: Path) -> str:
    """The text of a letter or a chat.

    Raises:
        TextFileUnreadable: the file is not there, too large, or no text.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_TEXT_BYTES else b""
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise TextFileUnreadable(f"{path}: {why}. Check the path.") from error
    if size > MAX_TEXT_BYTES:
        raise TextFileUnreadable(
            f"{path.name} has {size:,} bytes; no letter or chat has more than {MAX_TEXT_BYTES:,}. Take the part that "
            f"matters."
        )
    return text_of(path.name, content)


def text_of(name: str, content: bytes) -> str:
    """The text of a file's content.

    Args:
        name: the file, as the message names it.
        content: its bytes.

    Raises:
        TextFileUnreadable: it is no text.
    """
    if content.startswith((b"%PDF", b"PK\x03\x04")):
        raise TextFileUnreadable(f"{name} is a PDF or Office file and no text. Save it as text.")
    text = decoded(content)
    if text is not None:
        return text
    broken = _broken_utf_8(content)
    if broken is not None:
        raise TextFileUnreadable(
            f"{name} is UTF-8 that breaks at byte {broken}; it was cut or damaged. Export it again."
        )
    raise TextFileUnreadable(f"{name} is not text in UTF-8, UTF-16 or GB18030. Save it as UTF-8.")


def decoded(content: bytes) -> str | None:
    """The text; None if it is none in any of the encodings, or is UTF-8 that is broken."""
    if content.startswith(_UTF16_MARKS):
        encodings: tuple[str, ...] = ("utf-16",)
    elif _broken_utf_8(content) is not None:
        # Read as GB18030, it would be other characters.
        return None
    else:
        encodings = ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    return None


def _broken_utf_8(content: bytes) -> int | None:
    """Where UTF-8 breaks; None if it doesn't, or is something else from the start."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        beyond = [character for character in content.decode(errors="replace") if character > "\x7f"]
        lost = sum(character == _LOST for character in beyond)
        return error.start if lost <= _BROKEN_SHARE * len(beyond) else None
    return None
