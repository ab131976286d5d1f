"""Whole load tests against real servers, by real client processes."""

import asyncio
import itertools
import json
import os
import re
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.command_line import Served, assert_one_error_line, serving
from fixtures.server import MakeSettings
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.service.access import Role, TokenFile
from shengdun.service.client import ClientError, ShengdunClient
from shengdun.service.load.crew import End
from shengdun.service.load.job import Server as Target
from shengdun.service.load.lengths import parse_lengths
from shengdun.service.load.report import LoadTest, write_report
from shengdun.service.load.run import Order, Teller, run_load
from shengdun.service.load.scenarios import Course, Scenario
from shengdun.service.load.tally import Tally
from shengdun.service.server import Server

COURSE = Course(
    calls=1,
    rate_per_s=2.0,
    duration_s=3.0,
    warm_up_s=0.0,
    precision=1.1,
    most_rate_per_s=2.0,
    burst_factor=3.0,
    burst_s=1.0,
)
Ordered = Callable[..., Order]


@pytest.fixture
def folder(tmp_path: Path, recordings: list[DemoRecording]) -> Path:
    """A folder of two recordings of 8 to 20 s."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    fitting = [one for one in recordings if 8 < one.duration_s < 20]
    for one in fitting[:2]:
        (folder / f"{one.key.replace('/', '-')}.wav").write_bytes(one.read())
    return folder


@pytest.fixture
def ordered(folder: Path, models_dir: Path) -> Ordered:
    """Makes the order of a short test: ``ordered(address, Scenario.SOAK, seed=2)``."""

    def make(address: str, scenario: Scenario, **changes: Any) -> Order:  # noqa: ANN401
        order = Order(
            scenario=scenario,
            server=Target(address=address),
            recordings=folder,
            models=models_dir,
            line="",
            watchlist_ids=(),
            budget_s=None,
            chunk_s=0.1,
            late_s=0.02,
            grace_s=20.0,
            lengths=parse_lengths("6"),
            course=COURSE,
            seed=1,
            processes=1,
            connections=1,
            at_once=2,
        )
        return replace(order, **changes)

    return make


async def run(
    order: Order,
    *,
    stopping: asyncio.Event | None = None,
    progress: Callable[[Tally, float, float, int], None] = lambda *_: None,
) -> LoadTest:
    teller = Teller(note=lambda _: None, stage=lambda *_: None, progress=progress)
    return await run_load(order, stopping=stopping or asyncio.Event(), teller=teller)


def report_of(test: LoadTest, directory: Path) -> tuple[str, dict[str, Any]]:
    """The report of a test: the Markdown, and the JSON."""
    markdown = write_report(test, directory).read_text(encoding="utf-8")
    return markdown, json.loads((directory / "report.json").read_text(encoding="utf-8"))


def test_single_calls_are_measured_and_told(served: Served, folder: Path, tmp_path: Path) -> None:
    """The command plays a call, exits 0 (or 4 on a busy machine), and writes figures, plots and how it was made."""
    output = tmp_path / "report"
    result = served.run(
        *("load", "single", "--calls", "1", "--call-length", "5", "--recordings", folder),
        *("--output", output),
    )
    assert result.returncode in {0, 4}, result.stderr
    assert re.search(r"of \d+ s: \d+ calls", result.stderr)
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    (step,) = report["steps"]
    assert (step["calls"]["begun"], step["calls"]["ended"]) == (1, 1)
    assert step["client"]["chunks"] == 50
    assert step["decisions"]["lost"] == step["decisions"]["unconcluded_calls"] == 0
    assert step["latency_ms"]["complete"]["count"] >= 1
    assert step["latency_ms"]["complete"]["p50"] >= step["latency_ms"]["served"]["p50"] * 0.99
    assert step["server"]["memory_mb_most"] > 50
    assert (report["configuration"]["seed"], report["client"]["version"]) == (1, "0.1.0")
    assert report["server"]["model_id"].startswith("campplus")
    markdown = (output / "report.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", markdown)
    assert {"latency-over-time.svg", "net-speech.svg"} <= set(pictures)
    assert all((output / picture).read_text().startswith("<svg") for picture in pictures)
    assert str(tmp_path) not in markdown + json.dumps(report)


def test_words_are_sent_beside_the_audio(served: Served, folder: Path, tmp_path: Path) -> None:
    """Every call has a transcript; windows are judged as without one, and decisions by words are told apart."""
    words = tmp_path / "words.txt"
    words.write_text(
        "有个代理维权的朋友陪我来的，听说停息挂账肯定能行。\n\n喂您好\n", encoding="utf-8"
    )
    options = ("--calls", "1", "--call-length", "9", "--recordings", folder)
    figures = {}
    for name, more in (("without", ()), ("with", ("--transcripts", words))):
        result = served.run("load", "single", *options, *more, "--output", tmp_path / name)
        assert result.returncode in {0, 4}, result.stderr
        report = json.loads((tmp_path / name / "report.json").read_text(encoding="utf-8"))
        (figures[name],) = report["steps"]
        assert report["configuration"]["transcripts"] == (
            "of 2 callers" if name == "with" else "none"
        )
    assert figures["without"]["client"]["segments"] == 0
    assert figures["with"]["client"]["segments"] == 6
    assert figures["with"]["latency_ms"]["by_words"]["count"] >= 1
    assert figures["with"]["decisions"]["windows"] == figures["without"]["decisions"]["windows"]
    assert figures["with"]["decisions"]["unconcluded_calls"] == 0


def test_a_wrong_target_is_one_line(folder: Path, served: Served, tmp_path: Path) -> None:
    """Nobody listens there: the command says so, exits 1 and writes no report."""
    output = tmp_path / "report"
    result = served.run(
        *("load", "single", "--target", "127.0.0.1:1", "--recordings", folder, "--output", output)
    )
    assert result.returncode == 1
    assert_one_error_line(result, "no server answers at 127.0.0.1:1")
    assert not (output / "report.md").exists()


def test_no_calls_are_no_success(served: Served, folder: Path, tmp_path: Path) -> None:
    """A plan without calls ends with exit code 3, a message, and a report that says so."""
    output = tmp_path / "report"
    result = served.run(
        *("load", "single", "--calls", "0", "--recordings", folder, "--output", output)
    )
    assert result.returncode == 3
    assert "error: no call was made" in result.stderr
    assert "no call was planned" in (output / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("soak",), "soak needs --rate"),
        (("single", "--call-length", "soon"), "is no length of calls"),
        (("single", "--line", "elsewhere"), "no line 'elsewhere'"),
        (("single", "--recordings", "nowhere"), "nowhere is no folder"),
        (("soak", "--rate", "inf"), "--rate"),
        (("single", "--output", "/dev/null"), "/dev/null"),
        (("single", "--transcripts", "missing.txt"), "missing.txt"),
        (("single", "--transcripts", "/dev/null"), "no words"),
    ],
)
def test_what_can_not_be_played_is_said(
    served: Served, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Wrong usage and things that aren't there are one line each."""
    result = served.run("load", "--output", tmp_path, *arguments)
    assert result.returncode in {1, 2}
    assert_one_error_line(result, said)


async def test_the_plan_is_the_same_for_the_same_seed(
    served: Served, ordered: Ordered, tmp_path: Path
) -> None:
    """Two runs of one seed, of one and of two processes, make the same calls and hear the same windows."""
    order = ordered(served.address, Scenario.SOAK, grace_s=60.0)
    first, second = await run(order), await run(replace(order, processes=2))
    (one,), (other,) = first.steps, second.steps
    assert one.played.plan == other.played.plan
    assert len(other.played.cpu_shares) == 2
    begun = [step.played.tally.between(0, float("inf")).begun for step in (one, other)]
    assert begun == [len(one.played.plan.calls)] * 2
    assert report_of(first, tmp_path / "a")[1]["steps"][0]["plan_id"] == one.played.plan.plan_id


async def test_a_server_that_dies_leaves_a_report(
    ordered: Ordered, models_dir: Path, tmp_path: Path
) -> None:
    """What was measured until then is told, and how the calls ended, by status."""
    where = ("--data-dir", tmp_path / "data", "--models-dir", models_dir, "--port", "0")
    with serving(*where) as (address, server):

        def kill_once_heard(tally: Tally, *_: float) -> None:
            if any(part.decisions for part in tally.slices.values()):
                server.kill()

        course = replace(COURSE, duration_s=60.0)
        order = ordered(address, Scenario.SOAK, course=course, lengths=parse_lengths("30"))
        test = await run(order, progress=kill_once_heard)
    (step,) = test.steps
    assert step.played.end is End.SERVER_GONE
    markdown, report = report_of(test, tmp_path / "report")
    assert "could not be reached" in report["problem"]
    assert set(report["steps"][0]["calls"]["failed"]) == {"UNAVAILABLE"}
    assert report["steps"][0]["decisions"]["all"] >= 1
    assert "calls ended with `UNAVAILABLE`" in markdown
    assert not step.passed
    # Its store outlives a server that is killed; the next one takes it over and stops it in the end.
    with serving(*where):
        pass


async def test_what_the_server_holds_up_is_not_the_clients(
    ordered: Ordered, models_dir: Path, tmp_path: Path
) -> None:
    """A server that stands still for a while: calls open late by the plan, and their late chunks are the server's."""
    where = ("--data-dir", tmp_path / "data", "--models-dir", models_dir, "--port", "0")
    with serving(*where) as (address, server):
        looks = itertools.count()

        def hold_up(*_: object) -> None:
            look = next(looks)
            if look in {0, 3}:
                server.send_signal(signal.SIGCONT if look else signal.SIGSTOP)

        course = replace(COURSE, rate_per_s=5.0)
        order = ordered(address, Scenario.SOAK, course=course, lengths=parse_lengths("2"))
        test = await run(order, progress=hold_up)
    whole = test.steps[0].whole
    # Once it goes on, a slow machine's server may refuse what has piled up. That's an answer too.
    assert set(whole.failed) <= {"RESOURCE_EXHAUSTED/OVERLOADED"}
    slowest_s = whole.opened.longest_s
    assert slowest_s is not None
    assert slowest_s > 0.5
    assert 0 < whole.held <= whole.late


async def test_an_interrupted_run_leaves_a_report(
    served: Served, ordered: Ordered, tmp_path: Path
) -> None:
    """Told to stop, it gives the calls up, counts them, and tells what was measured."""
    stopping = asyncio.Event()

    def stop_once_heard(tally: Tally, *_: float) -> None:
        if any(part.decisions for part in tally.slices.values()):
            stopping.set()

    course = replace(COURSE, duration_s=60.0)
    order = ordered(
        served.address, Scenario.SOAK, course=course, lengths=parse_lengths("40"), processes=2
    )
    test = await run(order, stopping=stopping, progress=stop_once_heard)
    _, report = report_of(test, tmp_path)
    assert report["problem"].startswith("interrupted")
    calls = report["steps"][0]["calls"]
    assert calls["failed"] == {"HUNG_UP_BY_CLIENT": calls["begun"]}
    assert 0 < calls["begun"] < calls["planned"]


def client_processes() -> list[int]:
    """The workers that this process started."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            if b"shengdun.service.load.worker" in words and int(parent) == os.getpid():
                found.append(int(entry.name))
    return found


async def test_a_client_process_that_dies_is_told(
    served: Served, ordered: Ordered, tmp_path: Path
) -> None:
    """The others go on; the report says that one died, and that not all planned calls were made."""
    killed: list[int] = []

    def kill_one_once_heard(tally: Tally, *_: float) -> None:
        if not killed and any(part.decisions for part in tally.slices.values()):
            killed.append(client_processes()[0])
            os.kill(killed[0], signal.SIGKILL)

    course = replace(COURSE, duration_s=8.0)
    order = ordered(served.address, Scenario.SOAK, course=course, processes=2)
    test = await run(order, progress=kill_one_once_heard)
    _, report = report_of(test, tmp_path)
    assert "a client process died" in report["problem"]
    calls = report["steps"][0]["calls"]
    assert 0 < calls["ended"] < calls["planned"]


async def test_refused_calls_are_counted_as_shed(
    make_settings: MakeSettings, ordered: Ordered, tmp_path: Path
) -> None:
    """A server that may hold one call refuses the others: shed by status and reason, with the time to the refusal."""
    async with Server(make_settings({"server.max_calls": 1})) as server:
        test = await run(ordered(server.address, Scenario.BURST))
    markdown, report = report_of(test, tmp_path / "report")
    calls = report["steps"][0]["calls"]
    assert set(calls["failed"]) == {"RESOURCE_EXHAUSTED/OVERLOADED"}
    assert calls["shed_share"] == calls["failed"]["RESOURCE_EXHAUSTED/OVERLOADED"] / calls["begun"]
    assert calls["failed_share"] == 0
    latency = report["steps"][0]["latency_ms"]
    assert latency["refused"]["count"] == sum(calls["failed"].values())
    assert "server.max_calls" in markdown
    assert not test.steps[0].passed


def connections_to(address: str) -> int:
    """Connections that a server of this machine holds."""
    port = int(address.rpartition(":")[2])
    tables = [Path("/proc/net", name).read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table]
    return sum(row[3] == "01" and int(row[1].rpartition(":")[2], 16) == port for row in rows)


async def test_connections_are_shared_unless_asked_otherwise(make_settings: MakeSettings) -> None:
    """A server of several processes shares work out by connection, so a load test must be able to have several."""
    async with Server(make_settings()) as server, AsyncExitStack() as clients:
        for own, expected in ((False, 1), (False, 1), (True, 2), (True, 3)):
            client = await clients.enter_async_context(
                ShengdunClient.connect(server.address, own_connection=own)
            )
            await client.server_info()
            assert connections_to(server.address) == expected


async def test_recordings_are_screened_whole(
    served: Served, ordered: Ordered, tmp_path: Path
) -> None:
    """Offline, each recording is one answer; the report tells how many times faster than speech."""
    course = replace(COURSE, calls=3, duration_s=60.0)
    test = await run(ordered(served.address, Scenario.OFFLINE, course=course))
    markdown, report = report_of(test, tmp_path / "report")
    (step,) = report["steps"]
    assert (step["calls"]["begun"], step["calls"]["ended"]) == (3, 3)
    assert step["calls"]["recorded_audio_s"] > 24
    assert "times as fast as speech" in markdown
    assert report["problem"] == ""


async def test_a_search_ends_at_the_greatest_rate(served: Served, ordered: Ordered) -> None:
    """The search records each step, and never goes above the greatest rate."""
    test = await run(ordered(served.address, Scenario.RATED))
    rates = [step.played.plan.rate_per_s for step in test.steps]
    assert rates[0] == 2.0
    assert max(rates) <= COURSE.most_rate_per_s
    passed = [step.played.plan.rate_per_s for step in test.steps if step.passed]
    assert test.rated_per_s == max(passed, default=None)


async def test_a_server_that_asks_for_a_token_is_not_played_to_without(
    make_settings: MakeSettings, ordered: Ordered, tmp_path: Path
) -> None:
    """A server that doesn't take us is noticed before anything is planned; the token is in no report."""
    settings = make_settings({"access.required": True})
    token = TokenFile(settings.tokens_file).issue("load-test", [Role.TELEPHONY])
    async with Server(settings) as server:
        order = ordered(server.address, Scenario.SINGLE)
        with pytest.raises(ClientError) as raised:
            await run(order)
        test = await run(replace(order, server=replace(order.server, token=token)))
    assert raised.value.reason == "UNAUTHENTICATED"
    assert test.steps[0].played.tally.failures == 0
    markdown, report = report_of(test, tmp_path / "report")
    assert token not in markdown + json.dumps(report)


async def test_what_is_not_answered_in_the_grace_is_told_apart(
    served: Served, ordered: Ordered
) -> None:
    """Without any grace, calls that end with the plan have no time for their answer, and are counted as such."""
    course = replace(COURSE, duration_s=2.0, rate_per_s=6.0)
    test = await run(ordered(served.address, Scenario.SOAK, course=course, grace_s=0.0))
    whole = test.steps[0].played.tally.between(0, float("inf"))
    assert set(whole.failed) == {"NOT_ENDED_BY_SERVER"}
    assert test.steps[0].played.end is End.PLANNED
