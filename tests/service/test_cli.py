import json
import re
import socket
import subprocess
import sys
import tomllib
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from fixtures.command_line import assert_one_error_line, clean_environment, shengdun
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.keys import KeyRing
from shengdun.service.cli.output import plain, table, width
from shengdun.service.cli.program import COMMANDS, run
from shengdun.service.contract.decisions import AudioFormat
from shengdun.service.settings import Settings, load_settings


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`shengdun COMMAND --help` works for every command that the program lists."""
    assert run([command, "--help"]) == 0
    assert f"Usage: shengdun {command}" in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    """The list of commands comes without waiting for gRPC, ONNX Runtime, FAISS or libav."""
    script = (
        "import sys; from shengdun.service.cli.program import run; run(['--help']); "
        "heavy = {'grpc', 'onnxruntime', 'faiss', 'av', 'numpy', 'rich'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert all(f"  {command} " in result.stdout for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("nonsense",), "nonsense"),
        (("watchlist", "nonsense"), "nonsense"),
        (("screen",), "FILE"),
        (("screen", "a.wav", "--codec", "mp3"), "mp3"),
        (("enroll", "a.wav"), "--watchlist"),
        (("enroll", "--manifest", "m.csv"), "--results"),
        (("screen", "a.wav", "--server", "localhost"), "must be HOST:PORT"),
        (("embed", "a.wav", "--output", "x.txt"), ".npz"),
        (
            ("embed", "a.wav", "--output", "no-such-folder/x.npz"),
            "there is no folder no-such-folder",
        ),
        (("actor", "update", "act_1"), "what to change"),
        (("version", "--nonsense"), "--nonsense"),
        (("watchlist", "list", "--client-key", "k.pem"), "--client-certificate"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong usage says what is wrong in one line."""
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("error: ")
    assert "Value error" not in shown.err
    assert part in shown.err


def test_the_exit_code_reaches_the_shell() -> None:
    """What the program says by its exit code is what a script sees."""
    wrong = shengdun("nonsense")
    assert wrong.returncode == 2
    assert_one_error_line(wrong, "nonsense")
    assert shengdun("version").returncode == 0


@pytest.mark.parametrize(
    ("command", "given", "expected"),
    [
        ("serve", {}, "-event_engine_listener"),
        ("serve", {"GRPC_EXPERIMENTS": "tcp_rcv_lowat"}, "tcp_rcv_lowat"),
        ("load", {}, None),
    ],
)
def test_a_server_reads_messages_on_the_thread_that_is_woken(
    command: str, given: dict[str, str], expected: str | None
) -> None:
    """Before gRPC is loaded it is told so, of servers alone, and an operator's own word goes."""
    script = (
        "import os, sys\n"
        "from shengdun.service.cli.program import main\n"
        "assert 'grpc' not in sys.modules\n"
        "try: main([sys.argv[1], '--help'])\n"
        "finally: print(repr(os.environ.get('GRPC_EXPERIMENTS')))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, command],
        env=clean_environment() | given,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines()[-1] == repr(expected)


def test_no_server_is_one_line_and_exit_code_1() -> None:
    """Without a server the address is named, and how to start one."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        result = shengdun("watchlist", "list", "--server", address)
    assert result.returncode == 1
    assert_one_error_line(result, address, "shengdun serve")


def test_all_mistakes_in_the_settings_are_shown(tmp_path: Path) -> None:
    """Every mistake of a settings file is named with its key."""
    file = tmp_path / "bad.toml"
    file.write_text("nonsense = 1\n[server]\nport = 70000\n", encoding="utf-8")
    result = shengdun("config", "--config", file)
    assert result.returncode == 1
    assert "nonsense: unknown key" in result.stderr
    assert "server.port" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_defect_is_no_traceback_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is one line; with --debug it is shown whole."""
    monkeypatch.setitem(COMMANDS, "json", "A module that is no command.")
    assert run(["json"]) == 1
    with pytest.raises(ModuleNotFoundError):
        run(["--debug", "json"])


def test_the_reader_may_leave_early() -> None:
    """`shengdun ... | head -1` ends without complaint."""
    with subprocess.Popen(
        [sys.executable, "-m", "shengdun.service.cli", "config", "--example"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_a_terminal_without_unicode_is_served(tmp_path: Path) -> None:
    """Characters that the terminal can't show are escaped and don't end the command."""
    result = shengdun(
        "config", "--data-dir", tmp_path / "数据", environment={"PYTHONIOENCODING": "ascii"}
    )
    assert result.returncode == 0
    assert "\\u6570" in result.stdout


def test_the_example_changes_nothing_as_it_stands(tmp_path: Path) -> None:
    """The example file is all comments, so that it can be put in place first and edited then."""
    file = tmp_path / "shengdun.toml"
    file.write_text(shengdun("config", "--example").stdout, encoding="utf-8")
    assert load_settings(file=file, environment={}) == load_settings(environment={})


def test_the_example_is_right_in_every_line(tmp_path: Path) -> None:
    """With every comment sign before a key removed it is valid, and it names every key there is."""
    example = shengdun("config", "--example").stdout
    text = re.sub(r"(?m)^# (?=\[[a-z._]+\]$|[a-z0-9_]+ = )", "", example)
    file = tmp_path / "shengdun.toml"
    file.write_text(text, encoding="utf-8")
    given = load_settings(file=file, environment={})
    assert set(given.lines) == {"default", "complaints"}
    assert set(tomllib.loads(text)) == set(Settings.model_fields)
    for section in (given.server, given.store, given.voice, given.access, given.log):
        assert set(section.model_fields_set) == set(type(section).model_fields)


def test_config_shows_no_secrets() -> None:
    """The store's password is nowhere in the resolved settings, in either form."""
    environment = {"SHENGDUN_STORE__URL": "redis://user:hunter2@store:6379/0"}
    for arguments in (("config",), ("config", "--json")):
        result = shengdun(*arguments, environment=environment)
        assert result.returncode == 0
        assert "hunter2" not in result.stdout
        assert "*****" in result.stdout


def test_resolved_settings_are_toml_again(tmp_path: Path) -> None:
    """What `config` shows can be used as a settings file."""
    shown = shengdun("config", "--data-dir", tmp_path, environment={"SHENGDUN_SERVER__PORT": "0"})
    assert tomllib.loads(shown.stdout)["server"]["port"] == 0
    assert Settings.model_validate(tomllib.loads(shown.stdout)).data_dir == tmp_path


def test_tokens_are_issued_listed_and_revoked(tmp_path: Path) -> None:
    """A token is shown once; afterwards only its id, name and roles are known."""
    place = ("--data-dir", tmp_path)
    issued = shengdun("token", "issue", "ivr", "--role", "telephony", "--days", "1", *place)
    token = issued.stdout.strip()
    assert re.fullmatch(r"sd_[0-9a-f]{12}_\S{43}", token)
    listed = shengdun("token", "list", "--json", *place)
    [entry] = [json.loads(line) for line in listed.stdout.splitlines()]
    assert (entry["name"], entry["roles"], entry["expired"]) == ("ivr", ["telephony"], False)
    assert token not in listed.stdout
    assert token not in (tmp_path / "tokens.json").read_text(encoding="utf-8")
    assert shengdun("token", "revoke", entry["token_id"], *place).returncode == 0
    again = shengdun("token", "revoke", entry["token_id"], *place)
    assert again.returncode == 1
    assert_one_error_line(again, entry["token_id"])


def test_master_keys_are_listed_and_made(tmp_path: Path) -> None:
    """Of keys only ids are shown; the newest is the one that seals; older ones stay."""
    place = ("--data-dir", tmp_path)
    missing = shengdun("keys", "rotate", *place)
    assert missing.returncode == 1
    assert_one_error_line(missing, "keys.json")
    KeyRing.open(tmp_path / "keys.json")
    made = shengdun("keys", "rotate", *place)
    assert "restart" in made.stderr
    listed = shengdun("keys", "list", "--json", *place)
    old, new = (json.loads(line) for line in listed.stdout.splitlines())
    assert (old["active"], new["active"], new["key_id"]) == (False, True, made.stdout.strip())
    for row in json.loads((tmp_path / "keys.json").read_text("utf-8"))["keys"]:
        assert row["secret"] not in listed.stdout + made.stdout + made.stderr


def test_embed_writes_what_it_can(
    tmp_path: Path, models_dir: Path, recordings: list[DemoRecording]
) -> None:
    """Recordings that can't be embedded are listed with their errors; the others are written."""
    chosen = [one for one in recordings if one.speaker == "S4" and one.duration_s > 10][:2]
    chosen += [one for one in recordings if one.speaker == "S6" and one.duration_s > 10][:1]
    files = [tmp_path / f"{number}.wav" for number in range(len(chosen))]
    for file, one in zip(files, chosen, strict=True):
        file.write_bytes(one.read())
    text = tmp_path / "text.wav"
    text.write_text("this is no recording", encoding="utf-8")
    missing = tmp_path / "missing.wav"
    output = tmp_path / "x.npz"
    result = shengdun(
        "embed",
        *files,
        text,
        missing,
        "--output",
        output,
        environment={"SHENGDUN_MODELS_DIR": str(models_dir)},
    )
    assert result.returncode == 1
    with np.load(output) as found:
        voiceprints = found["voiceprints"]
        assert found["paths"].tolist() == [str(file) for file in files]
        assert found["failed_paths"].tolist() == [str(text), str(missing)]
        assert "is text" in found["errors"][0]
        assert str(found["model_id"]).startswith("campplus-zh-en@")
        assert (found["net_speech_s"] > 5).all()
        assert ((found["clipped_share"] >= 0) & (found["clipped_share"] <= 1)).all()
    assert voiceprints.shape == (3, 192)
    assert voiceprints.dtype == np.float32
    assert np.allclose(np.linalg.norm(voiceprints, axis=1), 1, atol=1e-5)
    same, other = voiceprints[0] @ voiceprints[1], voiceprints[0] @ voiceprints[2]
    assert same > other


def test_models_are_installed_from_a_file_and_verified(tmp_path: Path, models_dir: Path) -> None:
    """A machine without an index takes a file; a changed file is named, and replaced on request."""
    released = next((models_dir / "silero-vad").iterdir())
    environment = {"SHENGDUN_MODELS_DIR": str(tmp_path / "models")}
    install = ("models", "install", "silero-vad", "--from-file", released)
    assert shengdun(*install, environment=environment).returncode == 0
    installed = tmp_path / "models" / "silero-vad" / released.name
    assert installed.read_bytes() == released.read_bytes()
    installed.write_bytes(installed.read_bytes()[:-1] + b"!")
    verified = shengdun("models", "verify", "silero-vad", environment=environment)
    assert verified.returncode == 1
    assert_one_error_line(verified, str(installed), "models install silero-vad")
    assert shengdun(*install, environment=environment).returncode == 0
    assert shengdun("models", "verify", "silero-vad", environment=environment).returncode == 0


def test_models_list_says_what_is_there(tmp_path: Path, models_dir: Path) -> None:
    """The list names every artefact with its state and licence, server or not."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server = ("--server", f"127.0.0.1:{unused.getsockname()[1]}")
        listed = shengdun(
            "models", "list", *server, environment={"SHENGDUN_MODELS_DIR": str(models_dir)}
        )
        empty = shengdun("models", "list", "--json", "--data-dir", tmp_path, *server)
    assert listed.returncode == 0
    assert re.search(r"campplus-zh-en +installed .*Apache-2\.0", listed.stdout)
    states = [json.loads(line)["state"] for line in empty.stdout.splitlines()]
    assert set(states) == {"MISSING"}


def test_doctor_says_what_to_do_about_a_broken_machine(tmp_path: Path) -> None:
    """Each trouble is its own line with what to do, and the exit code says that there was one."""
    data = tmp_path / "data"
    (data / "store").mkdir(parents=True)
    data.chmod(0o777)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        environment = {"SHENGDUN_SERVER__PORT": port, "SHENGDUN_SERVER__WORKERS": "1000"}
        result = shengdun("doctor", "--data-dir", data, "--json", environment=environment)
    assert result.returncode == 1
    found = {line["subject"]: line for line in map(json.loads, result.stdout.splitlines())}
    verdicts = {subject: line["verdict"] for subject, line in found.items()}
    assert verdicts["data directory"] == "WARN"
    assert "chmod go-w" in found["data directory"]["message"]
    assert verdicts["keys"] == "FAIL"
    assert "backup" in found["keys"]["message"]
    assert verdicts["model campplus-zh-en"] == "FAIL"
    assert "shengdun models install campplus-zh-en" in found["model campplus-zh-en"]["message"]
    assert verdicts["golden voiceprint"] == "FAIL"
    assert verdicts["port"] == verdicts["workers"] == "FAIL"
    assert "run fewer" in found["workers"]["message"]
    assert verdicts["packages"] == verdicts["access"] == "OK"


def test_doctor_changes_nothing(tmp_path: Path, models_dir: Path) -> None:
    """A new machine passes, and nothing was made on it."""
    data = tmp_path / "data"
    result = shengdun(
        "doctor",
        environment={
            "SHENGDUN_DATA_DIR": str(data),
            "SHENGDUN_MODELS_DIR": str(models_dir),
            "SHENGDUN_SERVER__PORT": "0",
        },
    )
    assert result.returncode == 0, result.stdout
    assert "FAIL" not in result.stdout
    assert not data.exists()


def test_doctor_names_a_data_directory_that_cant_be_used(tmp_path: Path) -> None:
    """A file in the place of the data directory is named as such."""
    data = tmp_path / "data"
    data.write_text("not a directory", encoding="utf-8")
    result = shengdun("doctor", "--data-dir", data)
    assert result.returncode == 1
    assert re.search(r"FAIL +data directory +.*is no directory", result.stdout)


def test_serve_refuses_a_taken_port(tmp_path: Path, models_dir: Path) -> None:
    """A port in use is said at once, in one line."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        result = shengdun(
            "serve", "--data-dir", tmp_path, "--models-dir", models_dir, "--port", port
        )
    assert result.returncode == 1
    assert_one_error_line(result, f"port {port}")


def test_tables_line_up_with_chinese_names() -> None:
    """A Chinese character takes two columns of a terminal."""
    shown = table(("NAME", "N"), [("张三", "1"), ("Li Si", "2")])
    assert shown == "NAME   N\n张三   1\nLi Si  2"
    assert {width(line) for line in shown.splitlines()} == {8}


def test_json_has_units_in_names() -> None:
    """Durations are seconds and say so; enumerations are their values."""
    assert plain({"budget": timedelta(milliseconds=300)}) == {"budget_s": 0.3}
    assert plain(AudioFormat()) == {"encoding": "pcmu", "sample_rate_hz": 8000}


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("serve", "Everything else is in the settings file"),
        ("demo", "30 MB of recordings at the first run"),
        ("enroll", "A manifest that was stopped"),
        ("doctor", "The exit code is 1 if any check fails"),
        ("embed", "personal biometric data"),
    ],
)
def test_help_is_more_than_the_summary(
    command: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a command does beyond its one line is in its help, and nothing in the usage has two pairs of brackets."""
    assert run([command, "-h"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert sentence in shown
    assert "[[" not in shown
    assert "...}" not in shown


def test_the_version_is_told_either_way(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` is what other programs are asked."""
    told = []
    for arguments in (["--version"], ["version"]):
        assert run(arguments) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert told[0].startswith("shengdun ")


def test_a_machine_without_an_index_is_told_the_way(tmp_path: Path) -> None:
    """What pip says, and what to do, are sentences of their own."""
    environment = {"SHENGDUN_MODELS_DIR": str(tmp_path), "PIP_NO_INDEX": "1"}
    result = shengdun("models", "install", "silero-vad", environment=environment)
    assert result.returncode == 1
    message = result.stderr.splitlines()[-1]
    assert re.search(r"[^. ]\. Without a package index here, run `pip download ", message)
