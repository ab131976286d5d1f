"""What is written to the log: one JSON object (or one line for people) an event, on standard error.

Log calls name no audio, voiceprints, words or customers in the first place. ``redact`` is the last line of defence, and
it passes only what it knows to be harmless: forbidden keys lose their value, and anything but plain values becomes
the name of its type. Of an exception the types and the code lines are kept and the message is not, because messages of
libraries may quote what they were given.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from itertools import takewhile
from pathlib import PurePath
from types import TracebackType
from typing import Any, Final, TextIO
from uuid import UUID

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from shengdun.service.settings import LogSettings

REDACTED: Final = "[redacted]"
FORBIDDEN_KEYS: Final = frozenset(
    {
        "audio",
        "authorization",
        "calling_number",
        "customer_reference",
        "embedding",
        "embeddings",
        "key",
        "keys",
        "password",
        "samples",
        "secret",
        "text",
        "token",
        "tokens",
        "transcript",
        "vector",
        "vectors",
        "voiceprint",
        "voiceprints",
    }
)
"""Keys whose values never reach a log, alone or as the last words of a longer key such as ``raw_audio``."""

_NUMBERS = (int, float, bool, type(None))
_PLAIN = (*_NUMBERS, datetime, date, timedelta, UUID, PurePath)
_SECRETS = re.compile(r"sd_[0-9a-f]{12}_[A-Za-z0-9_-]{43}|(?<=://)[^/@\s]+(?=@)")
_LONGEST = 2000
_FOREIGN_LEVEL = logging.WARNING


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take out of an event what must not be logged; a structlog processor."""
    return _clean_mapping(event)


def _clean_mapping(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(key): REDACTED if _is_forbidden(str(key)) else _clean(value)
        for key, value in values.items()
    }


def _is_forbidden(key: str) -> bool:
    words = key.lower().split("_")
    return any("_".join(words[first:]) in FORBIDDEN_KEYS for first in range(len(words)))


def _clean(value: object) -> object:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        return _SECRETS.sub(REDACTED, value)[:_LONGEST]
    if isinstance(value, _PLAIN):
        return value if isinstance(value, _NUMBERS) else str(value)
    if isinstance(value, Mapping):
        return _clean_mapping(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    return f"[{type(value).__name__}]"


def describe_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace ``exc_info`` by the types and code lines of the exception and its causes; a structlog processor."""
    error = _exception(event.pop("exc_info", None))
    if error is not None:
        event["exception"] = list(_describe(error))
    return event


def _exception(exc_info: object) -> BaseException | None:
    if exc_info is True:
        return sys.exc_info()[1]
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    return exc_info if isinstance(exc_info, BaseException) else None


def _describe(error: BaseException) -> Iterator[str]:
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        # The number of an operating system error says much and quotes nothing.
        number = f" {current.errno}" if isinstance(current, OSError) else ""
        yield f"{type(current).__module__}.{type(current).__qualname__}{number}"
        yield from _frames(current.__traceback__)
        if isinstance(current, BaseExceptionGroup):
            yield from (f"{type(inner).__qualname__} within" for inner in current.exceptions)
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )


def _frames(trace: TracebackType | None) -> Iterator[str]:
    for frame in traceback.extract_tb(trace):
        yield f"  {_short(frame.filename)}:{frame.lineno} in {frame.name}: {frame.line}"


def _short(filename: str) -> str:
    # Where the code is installed is of no use to a reader, and says more about the machine than a log should.
    parts = PurePath(filename).parts
    after = list(takewhile(lambda part: part not in {"site-packages", "shengdun"}, reversed(parts)))
    return "/".join(reversed(after)) or filename


def configure_logging(
    settings: LogSettings, *, stream: TextIO | None = None, worker: int | None = None
) -> None:
    """Send the log of this process, and that of every library in it, to one stream.

    Args:
        settings: the level and the form.
        stream: where to write; none means standard error.
        worker: the number of this process among several, which every event then carries.
    """
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared = _shared_processors(worker)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(_formatter(shared, settings))
    _install(handler, level)


class _Handler(logging.StreamHandler[TextIO]):
    """Marks the handler that belongs to this module."""


def _shared_processors(worker: int | None) -> list[Processor]:
    def numbered(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return event if worker is None else {**event, "worker": worker}

    return [
        numbered,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(shared: Iterable[Processor], settings: LogSettings) -> logging.Formatter:
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=list(shared),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            describe_exception,
            redact,
            renderer,
        ],
    )


def _install(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for previous in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(previous)
    root.addHandler(handler)
    # Libraries log at will, so they are heard from WARNING on; our own loggers follow the settings.
    root.setLevel(max(level, _FOREIGN_LEVEL))
    logging.getLogger("shengdun").setLevel(level)
