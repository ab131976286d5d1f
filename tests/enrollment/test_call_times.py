"""Starts of recorded calls, as lists, names and file systems tell them."""

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.signals import ringback, wav_file
from shengdun.enrollment.call_times import (
    TimeUnclear,
    parse_start,
    start_by_mtime,
    start_in_name,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
THEN = datetime(2026, 11, 3, 6, 23, 55, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-03T14:23:55+08:00",
        "2026-11-03T06:23:55Z",
        "2026-11-03 14:23:55",
        "2026/11/3 14:23:55",
        "2026年11月3日 14:23:55",
        "2026年11月03日14时23分55秒",
        "20261103142355",
        "20261103-142355",
        "20261103T062355Z",
        "1793687035",
        "1793687035000",
    ],
)
def test_times_as_systems_write_them(text: str) -> None:
    assert parse_start(text, SHANGHAI) == THEN


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("2026-11-03 14:23:55", "time zone"),
        ("20261103142355", "time zone"),
        ("2026-11-03", "time of day"),
        ("yesterday", "no date"),
        ("2026-13-03 14:23:55", "no date"),
        ("2026-11-03 25:00:00", "no date"),
        ("", "no date"),
    ],
)
def test_what_is_unclear_is_not_guessed(text: str, part: str) -> None:
    with pytest.raises(TimeUnclear, match=part):
        parse_start(text, None)


@given(
    instant=st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2099, 1, 1)),  # noqa: DTZ001
    hours=st.integers(-12, 14),
)
def test_iso_times_come_back(instant: datetime, hours: int) -> None:
    """With their offset, whatever the zone of others is."""
    given_at = instant.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert parse_start(given_at.isoformat(), SHANGHAI) == given_at


@pytest.mark.parametrize(
    "name",
    [
        "20261103142355",
        "rec-20261103-142355-4711-0102",
        "2026-11-03_14-23-55_13800138000",
        "2026-11-03T14.23.55",
        "8001_20261103142355123",
        "a20261103T062355Zb",
        "20261103062355+0000",
    ],
)
def test_times_in_names(name: str) -> None:
    """A running number behind a dash is no offset."""
    assert start_in_name(name, SHANGHAI) == THEN


@pytest.mark.parametrize(
    "name",
    ["4711", "20261103", "20261103142355-20261103142455", "20261303142355", "120261103142355"],
)
def test_names_without_one_time_are_told(name: str) -> None:
    with pytest.raises(TimeUnclear, match="name"):
        start_in_name(name, SHANGHAI)


def test_a_file_was_written_until_the_call_ended(tmp_path: Path) -> None:
    """So it started by its own length earlier."""
    file = tmp_path / "a.wav"
    file.write_bytes(wav_file(ringback(10.0)))
    os.utime(file, (THEN.timestamp(), THEN.timestamp()))
    assert start_by_mtime(file) == THEN - timedelta(seconds=10)
