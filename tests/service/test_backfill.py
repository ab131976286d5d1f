"""`shengdun backfill` against real servers: bad rows, twice the same, kills on either side, erasures meanwhile."""

import asyncio
import csv
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from fixtures.backfilling import (
    archived_ids,
    begin,
    client_of,
    days_ago,
    journaled,
    quiet_calls,
    run,
)
from fixtures.calls import server_settings, speech_of
from fixtures.command_line import (
    TOO_LONG_S,
    assert_one_error_line,
    serving,
)
from fixtures.scripts import COERCED
from fixtures.signals import noise, wav_file
from fixtures.store import until
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.valkey_files import ValkeyFiles
from shengdun.service.client import NewScript, ScriptKind
from shengdun.service.contract.archive import CallSelection
from shengdun.service.server import Server

Recordings = Sequence[DemoRecording]


def read_results(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        return sorted(csv.DictReader(opened), key=lambda row: int(row["row"]))


async def test_a_list_is_archived_row_by_row(
    tmp_path: Path, models_dir: Path, recordings: Recordings
) -> None:
    """Bad rows cost themselves, the same recording is one call, and a second run sends nothing."""
    speech = wav_file(speech_of(recordings, "S6"))
    for name in ("a.wav", "copy.wav"):
        (tmp_path / name).write_bytes(speech)
    (tmp_path / "broken.wav").write_bytes(b"RIFF no sound")
    (tmp_path / "old.wav").write_bytes(wav_file(noise(3.0)))
    (tmp_path / "line.wav").write_bytes(wav_file(noise(3.0, seed=2)))
    listed = tmp_path / "录音.csv"
    listed.write_text(
        "录音,开始时间,客户,业务线\n"
        f"a.wav,{days_ago(5)},4711,\n"
        f"copy.wav,{days_ago(4)},4712,\n"
        f"broken.wav,{days_ago(4)},,\n"
        f"missing.wav,{days_ago(4)},,\n"
        f"old.wav,{days_ago(400)},,\n"
        f"line.wav,{days_ago(4)},,nowhere\n",
        encoding="gb18030",
    )
    results = tmp_path / "results.csv"
    async with Server(server_settings(tmp_path / "data", models_dir)) as server:

        async def ran() -> tuple[list[dict[str, str]], subprocess.CompletedProcess[str]]:
            # One at a time, so that the copy comes after what it is a copy of.
            done = await asyncio.to_thread(
                run, server.address, listed, "--results", results, "--jobs", "1"
            )
            return read_results(results), done

        rows, done = await ran()
        assert done.returncode == 1, done.stderr
        assert "2 of 6 calls are in the archive" in done.stdout
        outcomes = [(row["outcome"], row["reason"]) for row in rows]
        assert outcomes == [
            ("archived", ""),
            ("repeated", ""),
            ("refused", "UNREADABLE_RECORDING"),
            ("not used", "MISSING_FILE"),
            ("refused", "PAST_RETENTION"),
            ("refused", "LINE_UNKNOWN"),
        ]
        assert rows[0]["call_id"] == rows[1]["call_id"]
        assert rows[0]["call_id"].startswith("rec-")
        assert float(rows[0]["net_speech_s"]) > 5
        assert rows[0]["level"]
        assert all(row["message"] for row in rows[1:])
        again, _ = await ran()
        assert again == rows
        (tmp_path / f"{listed.name}.backfill").unlink()
        third, _ = await ran()
        assert [row["outcome"] for row in third[:2]] == ["archived before", "repeated"]
        assert await archived_ids(server.address) == [rows[0]["call_id"]]


async def test_transcripts_go_with_their_calls(tmp_path: Path, models_dir: Path) -> None:
    """As JSON Lines or as text; one that is no transcript costs its row, and is named."""
    listed = quiet_calls(tmp_path / "calls", 3, seconds=3.0)
    folder = listed.parent
    said = {"text": COERCED[:100]}
    (folder / "0.jsonl").write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
    (folder / "1.txt").write_text(COERCED[:60] + "\n" + COERCED[60:100], encoding="gb18030")
    (folder / "2.jsonl").write_text("喂", encoding="utf-8")
    header, *rows = listed.read_text(encoding="utf-8").splitlines()
    names = ("0.jsonl", "1.txt", "2.jsonl")
    lines = [f"{row},{name}" for row, name in zip(rows, names, strict=True)]
    listed.write_text("\n".join([f"{header},transcript", *lines]) + "\n", encoding="utf-8")
    results = tmp_path / "results.csv"
    async with Server(server_settings(tmp_path / "data", models_dir)) as server:
        async with client_of(server.address) as client:
            new = NewScript(title="s", kind=ScriptKind.CHAT, text=COERCED, script_id="coerced")
            await client.add_script(new)
        done = await asyncio.to_thread(run, server.address, listed, "--results", results)
    assert done.returncode == 1, done.stderr
    told = read_results(results)
    assert [row["flags"] for row in told] == ["script_match", "script_match", ""]
    assert (told[2]["outcome"], told[2]["reason"]) == ("failed", "UNREADABLE_TRANSCRIPT")
    assert "line 1 of" in told[2]["message"]


async def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, models_dir: Path) -> None:
    """Every call once, and none that was acknowledged is sent again."""
    listed = quiet_calls(tmp_path / "calls", 30)
    results = tmp_path / "results.jsonl"
    async with Server(server_settings(tmp_path / "data", models_dir)) as server:
        with begin(server.address, listed, "--jobs", "3") as process:
            await until(lambda: journaled(listed) >= 5, within_s=60)
            process.kill()
        before = journaled(listed)
        assert 5 <= before < 30
        done = await asyncio.to_thread(run, server.address, listed, "--results", results)
        assert done.returncode == 0, done.stderr
        assert await archived_ids(server.address) == sorted(f"pbx/{n}" for n in range(30))
    rows = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
    assert sorted(row["row"] for row in rows) == list(range(2, 32))
    # At most those that were under way had been archived without the journal knowing.
    assert sum(row["outcome"] == "archived before" for row in rows) <= 3


async def test_a_server_that_is_killed_and_comes_back_is_waited_for(
    tmp_path: Path, models_dir: Path
) -> None:
    """Whatever it had acknowledged is there, and the rest follows."""
    listed = quiet_calls(tmp_path / "calls", 30)
    data = ("--data-dir", tmp_path / "data", "--models-dir", models_dir)
    with serving(*data, "--port", "0") as (address, server):
        port = address.rpartition(":")[2]
        process = begin(address, listed, "--jobs", "3")
        await until(lambda: journaled(listed) >= 5, within_s=60)
        server.kill()
        server.wait(TOO_LONG_S)
    acknowledged = journaled(listed)
    with serving(*data, "--port", port) as (address, _):
        assert await asyncio.to_thread(process.wait, TOO_LONG_S) == 0
        process.communicate()
        assert acknowledged < 30
        assert await archived_ids(address) == sorted(f"pbx/{n}" for n in range(30))


async def test_what_is_erased_meanwhile_stays_erased(tmp_path: Path, models_dir: Path) -> None:
    """A call that was acknowledged is not sent again, by this run or the next."""
    listed = quiet_calls(tmp_path / "calls", 30)
    async with (
        Server(server_settings(tmp_path / "data", models_dir)) as server,
        client_of(server.address) as client,
    ):
        process = begin(server.address, listed, "--jobs", "3")
        await until(lambda: journaled(listed) >= 5, within_s=60)
        page = await client.list_calls(CallSelection(), page_size=3)
        gone = [call.call_id for call in page.calls]
        receipt = await client.erase_calls(gone, reason="asked")
        assert receipt.is_complete
        assert await asyncio.to_thread(process.wait, TOO_LONG_S) == 0
        process.communicate()
        done = await asyncio.to_thread(run, server.address, listed)
        assert done.returncode == 0, done.stderr
        left = sorted({f"pbx/{n}" for n in range(30)} - set(gone))
        assert await archived_ids(server.address) == left
        application = server._application
        assert application is not None
        assert application.archive is not None
        assert (await application.archive.verify(receipt)).holds


async def test_whose_calls_were_erased_does_not_come_back(tmp_path: Path, models_dir: Path) -> None:
    """Neither what is still to be sent, nor what another run would send again; but when an investigator says so."""
    listed = quiet_calls(tmp_path / "calls", 60)
    results, state = tmp_path / "results.csv", tmp_path / "state"
    async with (
        Server(server_settings(tmp_path / "data", models_dir)) as server,
        client_of(server.address) as client,
    ):
        process = begin(server.address, listed, "--jobs", "1")
        await until(lambda: journaled(listed) >= 8, within_s=60)
        await client.erase_calls(CallSelection(customer_reference="customer-2"), reason="asked")
        await asyncio.to_thread(process.communicate, timeout=TOO_LONG_S)
        assert process.returncode == 1
        mine = {f"pbx/{n}" for n in range(2, 60, 5)}
        left = sorted({f"pbx/{n}" for n in range(60)} - mine)
        assert await archived_ids(server.address) == left
        with_results = ("--results", results, "--state", state)
        await asyncio.to_thread(run, server.address, listed, *with_results)
        refused = {
            row["call_id"] for row in read_results(results) if row["reason"] == "CALL_ERASED"
        }
        assert refused == mine
        assert await archived_ids(server.address) == left
        done = await asyncio.to_thread(
            run, server.address, listed, *with_results, "--even-if-erased"
        )
        assert done.returncode == 0, done.stderr
        assert set(await archived_ids(server.address)) == mine | set(left)
        application = server._application
        assert application is not None
        kinds = [entry.kind for entry in await application.registry.audit()]
        assert kinds.count("call.archived_again") == len(mine)


async def test_a_server_that_cannot_be_reached_ends_the_run(
    tmp_path: Path, models_dir: Path
) -> None:
    """At once where there is none at the beginning, and after the patience that is asked for where it goes away."""
    listed = quiet_calls(tmp_path / "calls", 30)
    nobody = await asyncio.to_thread(run, "127.0.0.1:1", listed)
    assert nobody.returncode == 1
    assert_one_error_line(nobody, "127.0.0.1:1")
    with serving("--data-dir", tmp_path / "data", "--models-dir", models_dir, "--port", "0") as (
        address,
        server,
    ):
        process = begin(address, listed, "--jobs", "2", "--patience", "1")
        await until(lambda: journaled(listed) >= 3, within_s=60)
        server.kill()
        _, complaint = await asyncio.to_thread(process.communicate, timeout=TOO_LONG_S)
    # A store outlives a server that is killed, for the next one to take up.
    store: Any = Redis(unix_socket_path=str(ValkeyFiles(tmp_path / "data" / "store").socket))
    await store.shutdown(nosave=True)
    await store.aclose()
    assert process.returncode == 3
    assert "run the same command again" in complaint.splitlines()[-1]


async def test_one_run_at_a_time_has_a_journal(tmp_path: Path, models_dir: Path) -> None:
    """And what is no journal is left as it is."""
    listed = quiet_calls(tmp_path / "calls", 150)
    async with Server(server_settings(tmp_path / "data", models_dir)) as server:
        process = begin(server.address, listed, "--jobs", "1")
        await until(lambda: journaled(listed) >= 1, within_s=60)
        # It may not come to its end meanwhile.
        process.send_signal(signal.SIGSTOP)
        other = await asyncio.to_thread(run, server.address, listed)
        assert other.returncode == 1
        assert_one_error_line(other, "another backfill", "--state")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        await asyncio.to_thread(process.communicate, timeout=TOO_LONG_S)
        assert process.returncode == 130
        wrong = tmp_path / "notes.txt"
        wrong.write_text("my notes\n")
        refused = await asyncio.to_thread(run, server.address, listed, "--state", wrong)
        assert refused.returncode == 1
        assert_one_error_line(refused, "notes.txt", "--state")
        assert wrong.read_text() == "my notes\n"


async def test_a_folder_tells_by_names_and_times(tmp_path: Path, models_dir: Path) -> None:
    """The start by name, or by when the file was written."""
    folder = tmp_path / "calls"
    folder.mkdir()
    started_at = (datetime.now(UTC) - timedelta(days=2)).replace(microsecond=0)
    named = folder / f"{started_at:%Y%m%d-%H%M%S}_4711.wav"
    named.write_bytes(wav_file(noise(4.0)))
    os.utime(named, (started_at.timestamp() + 5, started_at.timestamp() + 5))
    for options, expected in (
        (("--started-at-from", "name", "--timezone", "UTC"), started_at),
        (("--started-at-from", "mtime"), started_at + timedelta(seconds=1)),
    ):
        data = tmp_path / f"data-{options[1]}"
        async with Server(server_settings(data, models_dir)) as server:
            done = await asyncio.to_thread(
                run, server.address, folder, *options, "--state", tmp_path / f"{options[1]}.state"
            )
            assert done.returncode == 0, done.stderr
            async with client_of(server.address) as client:
                (call,) = (await client.list_calls(CallSelection())).calls
            assert call.started_at == expected
            assert call.ended_at == expected + timedelta(seconds=4)


def test_a_dry_run_counts_and_sends_nothing(tmp_path: Path) -> None:
    """Without any server."""
    listed = quiet_calls(tmp_path / "calls", 4, seconds=9.0)
    (listed.parent / "quiet-001.wav").write_bytes(b"no sound")
    done = run("127.0.0.1:1", listed, "--dry-run", "--json")
    assert done.returncode == 1
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["calls"], told["not_used"]) == (3, 1)
    assert told["hours"] == pytest.approx(27 / 3600)
    assert "row 3" in done.stderr
    assert not journaled(listed)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--timezone", "Mars/North"), "Mars/North"),
        (("--name-pattern", "(?P<colour>.)"), "colour"),
        (("--name-pattern", "("), "regular expression"),
        (("--results", "{list}"), "different files"),
        (("--ray", "auto"), "shengdun[ray]"),
    ],
)
def test_wrong_usage_is_told(tmp_path: Path, options: tuple[str, str], part: str) -> None:
    """Before anything is sent."""
    listed = quiet_calls(tmp_path / "calls", 1)
    given = [option.format(list=listed) for option in options]
    if part == "colour":
        part = "named groups"
    done = run("127.0.0.1:1", listed, *given)
    assert done.returncode in {2, 3}
    assert part in done.stderr
