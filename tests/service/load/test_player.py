"""A worker against a real server: what is late by the plan is told late, whoever is to blame."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from fixtures.command_line import Served
from fixtures.signals import ringback, wav_file
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.service.errors import LoadImpossible
from shengdun.service.load.job import Job, Rules, Server
from shengdun.service.load.plan import PlannedCall
from shengdun.service.load.reel import Reel, record_reel
from shengdun.service.load.tally import Tally
from shengdun.service.load.worker import Worker

RULES = Rules(chunk_s=0.1, budget_s=0.3, late_s=0.02, grace_s=7_200.0, connections=1)
LENGTH_S = 8.0


@pytest.fixture
def reel(tmp_path: Path, models_dir: Path, recordings: list[DemoRecording]) -> Reel:
    """A reel of one recording."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    longest = max(recordings, key=lambda one: one.duration_s)
    (folder / "caller.wav").write_bytes(longest.read())
    return record_reel(folder, models_dir, tmp_path, tell=lambda *_: None)


def job(served: Served, reel: Reel, *, began_at: float, calls: int = 1) -> Job:
    planned = [
        PlannedCall(
            number=number, start_s=0.0, length_s=LENGTH_S, clip=number % 2, offset_s=0.0, cut=False
        )
        for number in range(calls)
    ]
    return Job(
        server=Server(address=served.address),
        rules=RULES,
        run_id=f"test-{time.monotonic_ns()}",
        began_at=began_at,
        duration_s=LENGTH_S,
        reel=str(reel.file),
        clips=reel.clips,
        calls=tuple(planned),
    )


async def worked(job: Job, *, stop: bool = False) -> Tally:
    """What a worker counts for a job; the tallies go through a pipe, as they do between processes."""
    read, write = os.pipe()
    told_to_stop = asyncio.get_running_loop().create_future()
    if stop:
        told_to_stop.set_result(None)
    await Worker(job, write).run(told_to_stop)
    os.close(write)
    whole = Tally()
    with os.fdopen(read, "rb") as lines:
        for line in lines:
            whole.add(Tally.from_line(line))
    return whole


async def test_latency_counts_from_the_plan(served: Served, reel: Reel) -> None:
    """A client that begins an hour late sends as fast as it can, and tells latencies of an hour: no omission."""
    tally = await worked(job(served, reel, began_at=time.monotonic() - 3_600, calls=2))
    whole = tally.between(0, float("inf"))
    assert (whole.begun, whole.ended, whole.good, whole.failed.total()) == (2, 2, 0, 0)
    assert whole.sent == whole.late == 2 * LENGTH_S / RULES.chunk_s
    assert whole.held == 0
    assert whole.windows >= 4
    assert whole.in_time == 0
    fastest_s = whole.first.percentile_s(0)
    assert fastest_s is not None
    assert fastest_s > 3_600 - LENGTH_S
    served_s = whole.served.longest_s
    assert served_s is not None
    assert served_s < 60
    assert (tally.lost, tally.unconcluded, whole.estimated) == (0, 0, 0)


async def test_jobs_reach_a_worker_as_they_were_made(served: Served, reel: Reel) -> None:
    """A job survives the way to its process, call by call."""
    made = job(served, reel, began_at=time.monotonic(), calls=3)
    assert Job.from_line(made.to_line()) == made


async def test_a_stopped_worker_counts_what_it_gave_up(served: Served, reel: Reel) -> None:
    """Told to stop before its calls began, it has nothing to count, and says so."""
    tally = await worked(job(served, reel, began_at=time.monotonic() + 3_600), stop=True)
    assert (tally.failures, dict(tally.slices)) == (0, {})


async def test_a_refused_call_is_counted_by_its_status(served: Served, reel: Reel) -> None:
    """A second stream of a live call's id is refused; the refusal has its status, reason and time."""
    doubled = job(served, reel, began_at=time.monotonic(), calls=1)
    both = Job.from_line(doubled.to_line())
    tallies = await asyncio.gather(worked(doubled), worked(both))
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    everything = whole.between(0, float("inf"))
    assert (everything.begun, everything.ended) == (2, 1)
    assert dict(everything.failed) == {"ALREADY_EXISTS/CALL_ALREADY_LIVE": 1}
    assert everything.refused.count == 1
    assert "is being screened already" in whole.examples["ALREADY_EXISTS/CALL_ALREADY_LIVE"]


def test_what_can_not_be_played_is_left_out_by_name(tmp_path: Path, models_dir: Path) -> None:
    """A folder may hold other things; they are named with the reason, and the rest is encoded both ways."""
    folder = tmp_path / "mixed"
    (folder / "deeper").mkdir(parents=True)
    (folder / "notes.txt").write_text("no recording", encoding="utf-8")
    (folder / "deeper" / "caller.wav").write_bytes(wav_file(ringback(3.0)))
    made = record_reel(folder, models_dir, tmp_path, tell=lambda *_: None)
    assert list(made.left_out) == ["notes.txt"]
    assert [round(clip.length_s, 1) for clip in made.clips] == [3.0, 3.0]
    assert len({clip.encoding for clip in made.clips}) == 2


@pytest.mark.parametrize("content", [None, {}, {"notes.txt": "no recording"}])
def test_nothing_to_play_is_said_at_once(
    tmp_path: Path, models_dir: Path, content: dict[str, str] | None
) -> None:
    """No folder, an empty one, and one without recordings are each refused with what is wrong."""
    folder = tmp_path / "nothing"
    if content is not None:
        folder.mkdir()
        for name, text in content.items():
            (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(LoadImpossible, match=r"no folder|no recording"):
        record_reel(folder, models_dir, tmp_path, tell=lambda *_: None)


def test_tallies_are_json() -> None:
    """An empty tally and one with a failure survive the way between processes."""
    tally = Tally()
    tally.fail(3, "UNAVAILABLE", "", "gone")
    tally.slices[4].unfinished -= 1
    read = Tally.from_json(json.loads(tally.to_line()))
    assert read == tally
