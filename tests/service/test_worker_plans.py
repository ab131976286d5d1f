"""What each worker is told: its share of the machine, the settings whole, and which owners of calls have died."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.server import MakeSettings
from shengdun.service.background import available_cores, background_workers
from shengdun.service.errors import SettingsInvalid
from shengdun.service.settings import load_settings
from shengdun.service.workers.place import ALONE, Place
from shengdun.service.workers.plan import Plan
from shengdun.service.workers.shares import Share


@given(
    workers=st.integers(1, available_cores()),
    voiceprints=st.integers(1, 64),
    calls=st.integers(1, 10_000),
)
def test_shares_add_up_to_what_one_process_would_have(
    workers: int, voiceprints: int, calls: int
) -> None:
    """However it divides, nobody gets nothing, and together they never have more threads than there are cores."""
    settings = load_settings(
        environment={},
        overrides={
            "server.workers": workers,
            "server.max_calls": workers + calls,
            "voice.workers": workers + voiceprints,
        },
    )
    shares = [Share.of(settings, number) for number in range(1, workers + 1)]
    assert sum(share.cores for share in shares) == available_cores()
    at_once = min(workers + voiceprints, available_cores())
    assert sum(share.voiceprints for share in shares) == at_once
    assert sum(share.calls for share in shares) == workers + calls
    assert min(min(share.cores, share.voiceprints, share.calls) for share in shares) >= 1
    assert max(share.calls for share in shares) - min(share.calls for share in shares) <= 1
    assert all(background_workers(share.cores) <= share.cores for share in shares)


@pytest.mark.parametrize(
    ("key", "value"),
    [("server.workers", available_cores() + 1), ("voice.workers", 1), ("server.max_calls", 1)],
)
def test_what_cannot_be_divided_is_refused(key: str, value: int) -> None:
    """The message has the key to change."""
    overrides = {"server.workers": 2} | {key: value}
    with pytest.raises(SettingsInvalid, match=r"server\.workers: \d+ workers are more than"):
        Share.of(load_settings(environment={}, overrides=overrides), 1)


def test_a_plan_arrives_as_it_was_made(make_settings: MakeSettings, tmp_path: Path) -> None:
    """With the store's password, which settings never show by themselves."""
    settings = make_settings(
        {
            "store.url": "redis://user:secret@store:6379/0",
            "server.tls.certificate": "a.pem",
            "server.tls.key": "b.pem",
            "voice.shadow_models": ["other"],
            "lines.complaints.false_flags_per_10000_calls": 10,
            "lines.complaints.costs.false_flag": 1,
            "lines.complaints.costs.missed_agent": 2,
        }
    )
    plan = Plan.of(settings, 1, port=50051, installation="i", store=tmp_path / "store")
    line = plan.line()
    assert line.count(b"\n") == 1
    assert Plan.read(line) == plan
    assert plan.settings.server.port == 50051
    assert Plan.read(line).settings.store.url == settings.store.url
    assert plan.settings.voice.workers == available_cores()


def test_there_is_no_worker_beyond_the_last() -> None:
    with pytest.raises(ValueError, match="no worker 3 of 2"):
        Place(number=3, workers=2)


def test_an_owner_is_gone_when_its_process_is(tmp_path: Path) -> None:
    """Only of workers beside it a process can tell that; a machine elsewhere may have any process ids."""
    script = "from shengdun.service.workers.place import Place; print(Place(installation='i').new_owner())"
    ended = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.strip()
    place = Place(installation="i")
    assert place.is_gone(ended)
    assert not place.is_gone(place.new_owner())
    with subprocess.Popen([sys.executable, "-c", ""]) as unasked:
        os.waitid(os.P_PID, unasked.pid, os.WEXITED | os.WNOWAIT)
        assert place.is_gone(f"i/{unasked.pid}/x")
    assert place.new_owner() != place.new_owner()
    assert not Place(installation="j").is_gone(ended)
    assert not ALONE.is_gone("another process")
