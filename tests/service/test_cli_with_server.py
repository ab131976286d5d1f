import csv
import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.command_line import Served, assert_one_error_line, serving, shengdun
from fixtures.signals import ringback, wav_file
from shengdun.fingerprint.voice.demo_recordings import DemoRecording

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what an operator writes to serve others
Speech = Callable[[str, int], Path]


@pytest.fixture
def speech(recordings: list[DemoRecording], tmp_path: Path) -> Speech:
    """Gives a speaker's recording by its number, among those of 10 to 25 s, as a file."""

    def give(speaker: str, number: int) -> Path:
        long = [r for r in recordings if r.speaker == speaker and 10 < r.duration_s < 25]
        file = tmp_path / f"{speaker}-{number}.wav"
        file.write_bytes(long[number].read())
        return file

    return give


def enroll(served: Served, watchlist: str, name: str, *files: Path) -> str:
    """Register an actor whatever other tests have registered; gives its id."""
    arguments = ("--watchlist", watchlist, "--name", name, "--duplicates", "register", "--json")
    result = served.run("enroll", *files, *arguments)
    assert result.returncode == 0, result.stderr
    actor_id: str = json.loads(result.stdout)["actor"]["actor_id"]
    return actor_id


def test_a_watchlist_from_first_to_last(served: Served) -> None:
    """A watchlist is created, listed, changed, shown and deleted."""
    watchlist = served.new_watchlist()
    assert watchlist in served.run("watchlist", "list").stdout
    changed = served.run(
        "watchlist", "update", watchlist, "--name", "代理维权名单", "--owner", "反诈"
    )
    assert re.search(r"name +代理维权名单", changed.stdout)
    shown = json.loads(served.run("watchlist", "show", watchlist, "--json").stdout)
    assert (shown["name"], shown["owner"], shown["actor_count"]) == ("代理维权名单", "反诈", 0)
    assert served.run("watchlist", "delete", watchlist).returncode == 0
    gone = served.run("watchlist", "show", watchlist)
    assert gone.returncode == 1
    assert_one_error_line(gone, watchlist)


def test_an_actor_from_first_to_last(served: Served, speech: Speech) -> None:
    """An actor is enrolled, changed, given and stripped of a voiceprint, and erased with a receipt."""
    watchlist = served.new_watchlist()
    actor = enroll(served, watchlist, "王五", speech("S4", 0))
    assert "王五" in served.run("actor", "list", "--watchlist", watchlist).stdout
    changed = served.run(
        *(
            "actor",
            "update",
            actor,
            "--alias",
            "老王",
            "--alias",
            "五哥",
            "--expires",
            "2099-01-01",
        ),
        "--json",
    )
    record = json.loads(changed.stdout)
    assert (record["aliases"], record["expires_at"]) == (
        ["老王", "五哥"],
        "2099-01-01T00:00:00+00:00",
    )
    added = served.run("actor", "add-voiceprints", actor, speech("S4", 1), "--json")
    first, second = json.loads(added.stdout)["actor"]["voiceprints"]
    removed = served.run("actor", "remove-voiceprint", actor, first["voiceprint_id"])
    assert second["voiceprint_id"] in removed.stdout
    assert first["voiceprint_id"] not in removed.stdout
    erased = served.run("actor", "erase", actor, "--reason", "test", "--json")
    receipt = json.loads(erased.stdout)
    assert receipt["voiceprints_erased"] == 1
    assert (receipt["reason"], receipt["principal"]) == ("test", "local")
    assert_one_error_line(served.run("actor", "show", actor), actor)


def test_files_are_screened_as_calls(served: Served, speech: Speech, tmp_path: Path) -> None:
    """Several files are several calls: decisions as they come, a table at the end, failures in it."""
    watchlist = served.new_watchlist()
    actor = enroll(served, watchlist, "赵六", speech("S7", 0))
    text = tmp_path / "text.wav"
    text.write_text("no recording", encoding="utf-8")
    result = served.run(
        *("screen", speech("S7", 1), speech("S4", 0), text, "--watchlist", watchlist, "--fast")
    )
    assert result.returncode == 1
    assert_one_error_line(result, "text.wav", "is text")
    assert re.search(rf"S7-1\.wav: .*PROVISIONAL .*{actor} LLR", result.stdout)
    assert " ms " not in result.stdout  # the time of audio that was sent at once is mostly waiting
    rows = result.stdout[result.stdout.index("FILE ") :].splitlines()
    assert [row.split()[0] for row in rows] == ["FILE", "S7-1.wav", "S4-0.wav", "text.wav"]
    assert rows[1].split()[1] == "FINAL"
    assert rows[3].split()[1] == "failed"


@pytest.mark.parametrize(
    "options",
    [
        ("--codec", "pcma", "--fast"),
        ("--codec", "l16", "--rate", "16000", "--fast"),
        ("--recording",),
    ],
)
def test_decisions_are_json_for_scripts(
    served: Served, speech: Speech, options: tuple[str, ...]
) -> None:
    """Every line is a decision of the call, the last one final, whatever the codec."""
    result = served.run("screen", speech("S4", 0), "--json", *options)
    assert result.returncode == 0, result.stderr
    decisions = [json.loads(line)["decision"] for line in result.stdout.splitlines()]
    assert decisions[-1]["state"] == "final"
    assert decisions[-1]["net_speech_s"] > 5
    assert decisions[-1]["recommended_action"]


def test_a_refused_call_is_one_line(served: Served, speech: Speech) -> None:
    """An unknown line is said once, though sending and receiving both fail of it."""
    result = served.run("screen", speech("S4", 0), "--line", "nonsense", "--fast", "--json")
    assert result.returncode == 1
    assert_one_error_line(result, "nonsense")


def test_an_unfit_recording_is_explained(served: Served, tmp_path: Path) -> None:
    """A refused enrolment shows what was found in each recording, and fails."""
    file = tmp_path / "ringback.wav"
    file.write_bytes(wav_file(ringback(10.0)))
    result = served.run("enroll", file, "--watchlist", served.new_watchlist(), "--name", "nobody")
    assert result.returncode == 1
    report, error = result.stderr.splitlines()
    assert "ringback.wav: 10.0 s, net speech 0.0 s" in report
    assert "no_speech" in report
    assert error.startswith("error: ")


def test_a_manifest_goes_on_past_bad_rows_and_can_be_repeated(
    served: Served, speech: Speech, tmp_path: Path
) -> None:
    """Bad rows cost themselves; every row has a result; a second run enters nobody twice."""
    watchlist = served.new_watchlist()
    speech("S4", 0)
    speech("S4", 1)
    speech("S7", 0)
    (tmp_path / "tones.wav").write_bytes(wav_file(ringback(10.0)))
    manifest, results = tmp_path / "manifest.csv", tmp_path / "results.csv"
    rows = [
        ("录音", "姓名", "名单", "到期"),
        ("S4-0.wav", "甲", watchlist, "2099年1月1日"),
        ("S4-1.wav", "甲", watchlist, ""),
        ("tones.wav", "乙", watchlist, ""),
        ("missing.wav", "丙", watchlist, ""),
        ("S7-0.wav", "丁", "no-such-list", ""),
    ]
    with manifest.open("w", encoding="gb18030", newline="") as file:
        csv.writer(file).writerows(rows)

    def run() -> list[dict[str, str]]:
        result = served.run(
            *("enroll", "--manifest", manifest, "--results", results),
            *("--duplicates", "register", "--timezone", "Asia/Shanghai"),
        )
        assert result.returncode == 1
        assert "2 of 5 rows are in" in result.stdout
        assert "[3/3]" in result.stderr
        with results.open(encoding="utf-8-sig", newline="") as file:
            return sorted(csv.DictReader(file), key=lambda row: int(row["line"]))

    first = run()
    assert [row["outcome"] for row in first] == [
        "registered",
        "registered",
        "refused",
        "not used",
        "failed",
    ]
    assert first[0]["actor_id"] == first[1]["actor_id"] != ""
    assert [row["reason"] for row in first[2:]] == [
        "NO_SPEECH",
        "MISSING_FILE",
        "WATCHLIST_NOT_FOUND",
    ]
    assert all(row["message"] for row in first[2:])
    assert run() == first
    listed = served.run("actor", "list", "--watchlist", watchlist, "--json").stdout.splitlines()
    assert [json.loads(line)["expires_at"] for line in listed] == ["2099-01-01T16:00:00+00:00"]


def test_a_manifest_needs_a_server_before_its_results_are_replaced(
    served: Served, tmp_path: Path
) -> None:
    """Results of an earlier run survive a run that can't reach the server."""
    (tmp_path / "a.wav").write_bytes(b"x")
    manifest, results = tmp_path / "manifest.csv", tmp_path / "results.csv"
    manifest.write_text("path,name,watchlist\na.wav,A,w\n", encoding="utf-8")
    results.write_text("earlier", encoding="utf-8")
    command = ("enroll", "--manifest", manifest, "--results", results)
    failed = shengdun(*command, "--server", "127.0.0.1:1")
    assert failed.returncode == 1
    assert_one_error_line(failed, "127.0.0.1:1")
    assert results.read_text(encoding="utf-8") == "earlier"
    same = served.run("enroll", "--manifest", manifest, "--results", manifest)
    assert same.returncode == 2
    assert manifest.read_text(encoding="utf-8").startswith("path,name")


def test_models_say_which_templates_fit(served: Served) -> None:
    """With a server in reach its model is named, and that everybody has a voiceprint of it."""
    listed = served.run("models", "list", "--data-dir", served.data_dir)
    assert re.search(r"the server screens with campplus-zh-en@\w{12}", listed.stdout)
    assert "have a voiceprint of it" in listed.stdout


def test_doctor_knows_a_running_server(served: Served) -> None:
    """Beside a running server the port and the store are in order: they are its own."""
    port = served.address.rpartition(":")[2]
    result = shengdun(
        *("doctor", "--data-dir", served.data_dir),
        environment={"SHENGDUN_SERVER__PORT": port, "SHENGDUN_MODELS_DIR": str(served.models_dir)},
    )
    assert result.returncode == 0, result.stdout
    assert re.search(r"OK +port +.*Shengdun \S+ answers", result.stdout)
    assert re.search(r"OK +store +in use by a running server", result.stdout)


def test_grpc_keeps_its_own_words_to_itself(served: Served, tmp_path: Path) -> None:
    """A file that is no certificate, of which gRPC logs four lines, is one line of ours."""
    file = tmp_path / "ca.pem"
    file.write_text("none", encoding="utf-8")
    result = served.run("actor", "list", "--ca-certificate", file)
    assert result.returncode == 1
    assert_one_error_line(result, "`--ca-certificate`", "must be PEM")


def test_refusals_name_the_option_that_answers_them(served: Served, speech: Speech) -> None:
    """A likely duplicate, and a list that isn't empty, are refused with the option to give."""
    watchlist = served.new_watchlist()
    enroll(served, watchlist, "first", speech("S4", 0))
    again = served.run("enroll", speech("S4", 1), "--watchlist", watchlist, "--name", "second")
    assert again.returncode == 1
    *_, error = again.stderr.splitlines()
    assert re.search(r"same; `--duplicates skip`, .* says which$", error)
    refused = served.run("watchlist", "delete", watchlist)
    assert_one_error_line(refused, "; `--force` does that")
    assert served.run("watchlist", "delete", watchlist, "--force").returncode == 0


def test_the_refusal_to_serve_others_says_how_to(tmp_path: Path, models_dir: Path) -> None:
    """What it lists, done as it stands, makes a server that clients can verify and the doctor knows."""
    place = ("--data-dir", tmp_path, "--models-dir", models_dir, "--port", "0")
    refused = shengdun("serve", "--host", EVERYWHERE, *place)
    assert refused.returncode == 1
    (openssl,) = re.findall(r"^ +(openssl .*)$", refused.stderr, re.MULTILINE)
    subprocess.run(openssl, shell=True, check=True, cwd=tmp_path, capture_output=True)  # noqa: S602
    (issue,) = re.findall(r"`shengdun (token issue .*?)`", refused.stderr)
    token = shengdun(*issue.split(), "--data-dir", tmp_path).stdout.strip()
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    tls = ("--host", EVERYWHERE, "--tls-certificate", certificate, "--tls-key", key)
    environment = {"SHENGDUN_CA_CERTIFICATE": str(certificate)}
    with serving(*place, *tls) as (address, _):
        port = address.rpartition(":")[2]
        command = ("watchlist", "list", "--server")
        for host in ("127.0.0.1", "localhost"):
            nobody = shengdun(*command, f"{host}:{port}", environment=environment)
            assert_one_error_line(nobody, "an access token is needed", "`--token-file`")
        caller = environment | {"SHENGDUN_TOKEN": token}
        denied = shengdun(*command, f"127.0.0.1:{port}", environment=caller)
        assert_one_error_line(denied, "role investigator or admin", "has telephony")
        for host, authority in ((EVERYWHERE, None), (EVERYWHERE, certificate), ("127.0.0.1", None)):
            found = doctor_of_port(host, port, certificate, key, authority)
            assert re.search(r"OK +port +.*: a Shengdun server answers and asks for a token", found)
    with serving(*place, *tls, "--client-ca", certificate) as (address, _):
        port = address.rpartition(":")[2]
        found = doctor_of_port(EVERYWHERE, port, certificate, key, certificate)
        assert re.search(r"OK +port +.*: a server with our certificate answers", found)


def doctor_of_port(
    host: str, port: str, certificate: Path, key: Path, client_ca: Path | None
) -> str:
    """What the doctor says of a port, in a place where nothing else is in order."""
    environment = {
        "SHENGDUN_SERVER__HOST": host,
        "SHENGDUN_SERVER__PORT": port,
        "SHENGDUN_SERVER__TLS__CERTIFICATE": str(certificate),
        "SHENGDUN_SERVER__TLS__KEY": str(key),
    }
    if client_ca is not None:
        environment["SHENGDUN_SERVER__TLS__CLIENT_CA"] = str(client_ca)
    nowhere = certificate.parent / "nowhere"
    return shengdun("doctor", "--data-dir", nowhere, environment=environment).stdout


def test_doctor_verifies_a_store_that_is_not_in_use(tmp_path: Path, models_dir: Path) -> None:
    """After a stop the store agrees with its journal; changed, it is named."""
    data_dir = tmp_path / "data"
    place = ("--data-dir", data_dir)
    with serving(*place, "--models-dir", models_dir, "--port", "0") as (address, process):
        created = shengdun("watchlist", "create", "agents", "--server", address)
        assert created.returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    environment = {"SHENGDUN_MODELS_DIR": str(models_dir), "SHENGDUN_SERVER__PORT": "0"}
    sound = shengdun("doctor", *place, environment=environment)
    assert sound.returncode == 0, sound.stdout
    assert re.search(
        r"OK +store +agrees with its journal of \d+ entries; 1 watchlists", sound.stdout
    )
    (data_dir / "keys.json").unlink()
    broken = shengdun("doctor", *place, environment=environment)
    assert broken.returncode == 1
    assert re.search(r"FAIL +keys ", broken.stdout)
    assert re.search(r"FAIL +store ", broken.stdout)
    assert not (data_dir / "keys.json").exists()


def test_what_a_server_counts_is_written_for_prometheus(served: Served) -> None:
    """Each metric has its help and type, histograms are cumulative and end with all of their decisions."""
    result = served.run("metrics")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    samples = {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }
    families = {name.partition("{")[0] for name in samples}
    told = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in families} == told
    assert samples['shengdun_load_limit_ratio{worker="1"}'] == 0.8
    assert samples['shengdun_load_ratio{worker="1"}'] < 0.8
    for stage in ("listening", "waiting", "voiceprint", "search", "deciding"):
        label = f'stage="{stage}",worker="1"'
        buckets = [
            value
            for name, value in samples.items()
            if name.startswith(f"shengdun_stage_seconds_bucket{{{label}")
        ]
        assert buckets == sorted(buckets)
        assert buckets[-1] == samples[f"shengdun_stage_seconds_count{{{label}}}"]
