"""Identifiers: which ones are well-formed, and how new ones are made.

Server-made ids are a prefix and 26 characters: 48 bits of milliseconds and 80 random bits in Crockford's base 32 (the
ULID layout), so that they sort by the time at which they were made and can't be guessed.
"""

import re
import secrets
import time
from collections.abc import Iterator

from shengdun.index.errors import InvalidRecord

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_WATCHLIST_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
# Neither '/' nor ':' nor braces: ids are parts of record names, and braces are Redis Cluster's hash tags.
_RECORD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def make_id(prefix: str) -> str:
    """A new id such as ``act_01jd…``, sorting after those made earlier (to the millisecond)."""
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    return f"{prefix}_{''.join(_digits(number))}"


def _digits(number: int) -> Iterator[str]:
    for shift in range(125, -1, -5):
        yield _ALPHABET[number >> shift & 31]


def check_watchlist_id(watchlist_id: str) -> str:
    """Return the id, or raise ``InvalidRecord`` if it is not a slug of 1 to 63 characters."""
    if not _WATCHLIST_ID.fullmatch(watchlist_id):
        raise InvalidRecord(
            f"Watchlist id {watchlist_id[:80]!r} must be 1 to 63 of a-z, 0-9 and '-', beginning with a letter or digit."
        )
    return watchlist_id


def check_record_id(what: str, record_id: str) -> str:
    """Return the id, or raise ``InvalidRecord`` if it is not 1 to 128 plain characters."""
    if not _RECORD_ID.fullmatch(record_id):
        raise InvalidRecord(
            f"{what} {record_id[:80]!r} must be 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-', "
            f"beginning with a letter or digit."
        )
    return record_id


def check_text(what: str, text: str, *, longest: int, empty: bool = True) -> str:
    """Return the text, or raise ``InvalidRecord`` if it is too long, blank or has control characters.

    Args:
        what: the field, as the message names it.
        text: the value.
        longest: how many characters are allowed.
        empty: whether the text may be blank.
    """
    if len(text) > longest:
        raise InvalidRecord(
            f"The {what} has {len(text)} characters; at most {longest} are allowed."
        )
    if not empty and not text.strip():
        raise InvalidRecord(f"The {what} must not be blank.")
    if _CONTROL.search(text):
        raise InvalidRecord(f"The {what} has control characters; remove them.")
    return text
