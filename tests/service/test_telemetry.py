"""The log: its form, and what must never be in it."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import numpy as np
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from shengdun.service.settings import LogSettings
from shengdun.service.telemetry import FORBIDDEN_KEYS, configure_logging, redact
from shengdun.v1.screening_pb2 import CallConfig

SECRET = "6222-0212-3456"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What this process logs during the test, as JSON lines."""
    stream = io.StringIO()
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    configure_logging(LogSettings(level="info"), stream=stream)
    yield stream
    root.setLevel(level)
    root.handlers[:] = handlers
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object(log: io.StringIO) -> None:
    """Event, level, logger and time are there with the values that were given."""
    structlog.get_logger("shengdun.test").info("call ended", call_id="c-1", duration_ms=12.5)
    (line,) = lines(log)
    assert line["event"] == "call ended"
    assert (line["level"], line["logger"]) == ("info", "shengdun.test")
    assert (line["call_id"], line["duration_ms"]) == ("c-1", 12.5)
    assert datetime.fromisoformat(line["timestamp"]).tzinfo == UTC


def test_the_level_is_kept(log: io.StringIO) -> None:
    structlog.get_logger("shengdun.test").debug("too much")
    assert lines(log) == []


def test_libraries_are_heard_from_warning_on(log: io.StringIO) -> None:
    """The log of libraries takes the same form and goes through the same redaction."""
    logging.getLogger("library").info("chatter")
    logging.getLogger("library").warning("token sd_%s_%s", "a" * 12, "B" * 43)
    (line,) = lines(log)
    assert line["event"] == "token [redacted]"
    assert (line["level"], line["logger"]) == ("warning", "library")


def test_the_console_form_is_for_people() -> None:
    stream = io.StringIO()
    handlers = list(logging.getLogger().handlers)
    configure_logging(LogSettings(format="console"), stream=stream)
    structlog.get_logger("shengdun.test").warning("call ended", token=SECRET)
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()
    assert "call ended" in stream.getvalue()
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize("key", sorted(FORBIDDEN_KEYS))
@pytest.mark.parametrize("form", ["{}", "raw_{}", "RAW_{}"])
def test_forbidden_keys_lose_their_value(log: io.StringIO, key: str, form: str) -> None:
    structlog.get_logger("shengdun.test").info("x", **{form.format(key): SECRET})
    assert SECRET not in log.getvalue()


@given(
    depth=st.lists(st.sampled_from(["list", "tuple", "mapping"]), max_size=4),
    key=st.sampled_from(sorted(FORBIDDEN_KEYS)),
)
def test_nesting_hides_nothing(depth: list[str], key: str) -> None:
    """A forbidden key is found however deep it lies."""
    value: object = {key: SECRET}
    for kind in depth:
        value = {"list": [value], "tuple": (value,), "mapping": {"inner": value}}[kind]
    assert SECRET not in str(redact(None, "info", {"event": "x", "value": value}))


class Color(Enum):
    RED = SECRET


@pytest.mark.parametrize(
    "value",
    [
        SECRET.encode(),
        bytearray(SECRET.encode()),
        memoryview(SECRET.encode()),
        np.frombuffer(SECRET.encode(), dtype=np.uint8),
        CallConfig(customer_reference=SECRET),
        ValueError(SECRET),
        Color.RED,
        f"redis://user:{SECRET}@store:6379",
    ],
)
def test_only_plain_values_are_logged(log: io.StringIO, value: object) -> None:
    """Bytes, arrays, messages, exceptions and credentials within URLs never show their content."""
    structlog.get_logger("shengdun.test").info("x", value=value, values=[value])
    (line,) = lines(log)
    assert SECRET not in str(line)
    for part in (str(list(SECRET.encode())), str(SECRET.encode())):
        assert part not in str(line)


def fail() -> None:
    try:
        int(SECRET)
    except ValueError as error:
        raise OSError(28, SECRET) from error


@pytest.mark.parametrize("name", ["shengdun.test", "library"])
def test_an_exception_shows_its_code_and_not_its_message(log: io.StringIO, name: str) -> None:
    """Types, causes, functions and error numbers are there; what the messages quote is not."""
    logger = structlog.get_logger(name) if name == "shengdun.test" else logging.getLogger(name)
    try:
        fail()
    except OSError:
        logger.exception("broken")
    (line,) = lines(log)
    text = "\n".join(line["exception"])
    assert SECRET not in text
    for part in ("builtins.OSError 28", "builtins.ValueError", "in fail: int(SECRET)"):
        assert part in text


def test_configuring_again_replaces_the_stream(log: io.StringIO) -> None:
    """A second configuration does not double the lines."""
    second = io.StringIO()
    configure_logging(LogSettings(), stream=second)
    structlog.get_logger("shengdun.test").info("x")
    assert (len(lines(log)), len(lines(second))) == (0, 1)
