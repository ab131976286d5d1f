"""When a recorded call started, as lists, file names and file systems tell it.

A time without a zone is taken only where somebody has said which one it is in: eight hours make a call of another
customer's day of it, and one that has not happened yet.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum
from pathlib import Path
from typing import Final

from shengdun.fingerprint.voice.recordings import announced_s

_EPOCH_SECONDS: Final = re.compile(r"\d{10}(\.\d+)?")
_EPOCH_MILLISECONDS: Final = re.compile(r"\d{13}")
_DATE: Final = re.compile(r"^(\d{4})[年/.](\d{1,2})[月/.](\d{1,2})日?[T\s]*")
_CLOCK: Final = re.compile(r"(\d{1,2})[时時点](\d{1,2})分(?:(\d{1,2})秒)?")
_ONE_DIGIT_HOUR: Final = re.compile(r"([T\s])(\d):")
_COMPACT: Final = re.compile(r"(\d{8})[-_T ]?(\d{6})(?:[.,]?(\d{1,6}))?(Z|[+-]\d{2}:?\d{2})?")
_IN_NAME: Final = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.年]?(\d\d)[-_.月]?(\d\d)[-_.日T ]{0,2}"
    r"(\d\d)[-_.:时]?(\d\d)[-_.:分]?(\d\d)秒?(?:\.?\d{3})?(?!\d)(Z|\+\d\d:?\d\d)?"
)
"""Of offsets in a name only those with a plus: behind a minus stands, more often, a running number."""


class StartSource(Enum):
    """Where the start of a call is taken from that no list states."""

    NAME = "name"
    """The name of the file."""
    MTIME = "mtime"
    """When the file was last written, less how long it says it is: recorders write until the call ends."""


class TimeUnclear(ValueError):
    """No start can be had; the message says why and what to do."""


def parse_start(text: str, zone: tzinfo | None) -> datetime:
    """The instant that a text states, in UTC.

    Args:
        text: ISO 8601 with a date and a time, the same with slashes, dots or in Chinese, 14 digits with or without a
            mark behind the date, or seconds or milliseconds since 1970 in UTC.
        zone: of texts that name none; None if that isn't known.

    Raises:
        TimeUnclear: it is none of these, or names no zone and none is known.
    """
    stated = text.strip()
    if _EPOCH_SECONDS.fullmatch(stated):
        return datetime.fromtimestamp(float(stated), UTC)
    if _EPOCH_MILLISECONDS.fullmatch(stated):
        return datetime.fromtimestamp(int(stated) / 1000, UTC)
    compact = _COMPACT.fullmatch(stated)
    try:
        instant = datetime.fromisoformat(_plain(stated) if compact is None else _joined(compact))
    except ValueError:
        raise TimeUnclear(
            f"{text[:40]!r} is no date and time. Write it as 2026-11-03T14:23:55+08:00."
        ) from None
    if compact is None and len(stated) <= len("2026-11-03"):
        raise TimeUnclear(f"{text[:40]!r} has no time of day. Write when the call started.")
    return _in_utc(instant, zone)


def start_in_name(name: str, zone: tzinfo | None) -> datetime:
    """The instant that the name of a file states, in UTC.

    Raises:
        TimeUnclear: it has no date and time, or more than one, or no zone and none is known.
    """
    found = list(_IN_NAME.finditer(name))
    if len(found) != 1:
        many = "more than one date and time" if found else "no date and time"
        raise TimeUnclear(
            f"The name {name!r} has {many}. List the calls with a started_at column, or name a pattern."
        )
    *parts, offset = found[0].groups()
    year, month, day, hour, minute, second = map(int, parts)
    try:
        instant = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - given below
        if offset:
            instant = datetime.fromisoformat(f"{instant.isoformat()}{offset}")
    except ValueError:
        raise TimeUnclear(f"The name {name!r} has no date and time that there is.") from None
    return _in_utc(instant, zone)


def start_by_mtime(path: Path) -> datetime:
    """When a recording began that was last written when it ended, in UTC.

    Raises:
        VoiceError: it is no recording.
        TimeUnclear: it doesn't say how long it is.
        OSError: it can't be read.
    """
    length_s = announced_s(path)
    if not length_s:
        raise TimeUnclear(
            f"{path.name} doesn't say how long it is, so its start is not known. List it with a started_at column."
        )
    ended_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return ended_at - timedelta(seconds=length_s)


def _plain(stated: str) -> str:
    text = _DATE.sub(lambda m: "{}-{:0>2}-{:0>2} ".format(*m.groups()), stated)
    text = _CLOCK.sub(lambda m: f"{m[1]:0>2}:{m[2]:0>2}:{m[3] or 0:0>2}", text)
    return _ONE_DIGIT_HOUR.sub(r"\g<1>0\g<2>:", text).strip()


def _joined(compact: re.Match[str]) -> str:
    date, clock, fraction, offset = compact.groups()
    return f"{date}T{clock}{'.' + fraction.ljust(6, '0') if fraction else ''}{offset or ''}"


def _in_utc(instant: datetime, zone: tzinfo | None) -> datetime:
    if instant.tzinfo is None:
        if zone is None:
            raise TimeUnclear(
                f"{instant.isoformat(' ')} names no time zone. Write it with its offset, as +08:00, or say which zone "
                "the times are in."
            )
        instant = instant.replace(tzinfo=zone)
    return instant.astimezone(UTC)
